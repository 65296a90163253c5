//! `callrec export --picture`: what is drawn of a recording, and what is written over it.

use crate::cli::beside::Beside;
use crate::cli::parts::{Audio, Parts, RATE};
use crate::cli::Failure;
use crate::recordings::waveform::{Marks, Waveform};

/// The picture of what the parts give; `from` samples were left out before.
pub(super) fn svg(parts: &Parts, from: u64) -> Result<String, Failure> {
    let whole = parts.plan.samples();
    let (mut wave, mut marks, mut at) = (Waveform::new(whole), Marks::default(), 0);
    parts.play(&mut |audio| {
        let samples = match audio {
            Audio::Codes(law, codes) => {
                let table = law.decode_table();
                codes
                    .iter()
                    .for_each(|code| wave.push(table[usize::from(*code)]));
                codes.len() as u64
            }
            Audio::Missing(samples) => {
                wave.skip(samples);
                match marks.gaps.last_mut() {
                    Some((begin, length)) if *begin + *length == at => *length += samples,
                    _ => marks.gaps.push((at, samples)),
                }
                samples
            }
        };
        at += samples;
        Ok(())
    })?;
    let beside: Vec<Beside> = parts
        .parts
        .iter()
        .map(|part| Beside::of(&part.recording.path))
        .collect();
    for (file, (part, beside)) in parts.parts.iter().zip(&beside).enumerate() {
        let places = parts.places(file);
        if let Some((_, place, _)) = places.first().filter(|(_, place, _)| *place > 0) {
            let name = part
                .recording
                .path
                .file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned();
            marks.parts.push((*place, name));
        }
        marks.more_pauses = marks
            .more_pauses
            .saturating_add(beside.number("pauses").unwrap_or(0));
        let pauses = beside
            .object()
            .into_iter()
            .flat_map(|object| object.pairs("pauses"));
        for [at_ms, length_ms] in pauses {
            let sample = at_ms.saturating_mul(RATE / 1000);
            let place = places
                .iter()
                .find(|(begin, _, count)| (*begin..=begin + count).contains(&sample));
            marks
                .pauses
                .extend(place.map(|(begin, place, _)| (place + sample - begin, length_ms)));
        }
    }
    marks.parts.sort();
    marks.pauses.sort_unstable();
    let (title, words) = (title(parts, &beside), words(parts, &beside));
    Ok(wave.svg(&title, &words, from, &marks))
}

/// Who talked, or the file's name if nobody knows.
fn title(parts: &Parts, beside: &[Beside]) -> String {
    // The latest word, as in a list: a stop may replace what the start said.
    let known = |key: &str| {
        let said = beside.iter().filter(|beside| !beside.text(key).is_empty());
        let latest = said.max_by_key(|beside| beside.start().map(|start| start.to_string()));
        latest.map(|beside| beside.text(key)).unwrap_or_default()
    };
    let party = |number: &str, name: &str| [known(number), known(name)].join(" ").trim().to_owned();
    let (remote, local) = (
        party("remote_number", "remote_name"),
        party("local_number", "local_name"),
    );
    let way = known("dir");
    let (from, to) = if way == "out" {
        (local, remote)
    } else {
        (remote, local)
    };
    match (from.as_str(), to.as_str()) {
        ("", "") => {
            let path = parts
                .parts
                .first()
                .map(|part| part.recording.path.as_path());
            path.and_then(|path| path.file_name())
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned()
        }
        (party, "") | ("", party) if way.is_empty() => format!("Call with {party}"),
        (from, to) if way.is_empty() => format!("Call of {from} and {to}"),
        (from, "") => format!("Call from {from}"),
        ("", to) => format!("Call to {to}"),
        (from, to) => format!("Call from {from} to {to}"),
    }
}

/// When, and how long.
fn words(parts: &Parts, beside: &[Beside]) -> String {
    let seconds = parts.plan.samples() / RATE;
    let length = format!(
        "{}:{:02}:{:02}",
        seconds / 3600,
        seconds / 60 % 60,
        seconds % 60
    );
    let codec = parts.parts.first().map_or("", |part| part.law.name());
    let start = beside
        .iter()
        .filter_map(|beside| beside.start())
        .map(|start| start.to_string())
        .min();
    // `2026-11-21T10:15:00+01:00`, for people.
    let start = start
        .map(|text| format!("{} {} {}, ", &text[..10], &text[11..19], &text[19..]))
        .unwrap_or_default();
    format!("{start}{length} of {codec}")
}
