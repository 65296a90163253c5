//! `callrec export --picture`: the marks and the text of a recording's picture.

use std::io::Read;

use crate::cli::call_facts::parties;
use crate::cli::failure::Failure;
use crate::recordings::joined::{JoinedRecording, Stretch, RATE};
use crate::recordings::linear::LinearBlock;
use crate::recordings::sidecar_file::SidecarFile;
use crate::recordings::svg;
use crate::recordings::svg_marks::Marks;
use crate::recordings::waveform::Waveform;

/// The picture of a recording, of which the first `from` samples were cut off.
pub(crate) fn svg(
    joined: &JoinedRecording,
    from: u64,
    decoded: Option<&mut dyn Read>,
) -> Result<String, Failure> {
    let mut marks = Marks::default();
    let wave = waveform(joined, decoded, &mut marks)?;
    let paths = joined.parts.iter().map(|part| &part.recording.path);
    let sidecars: Vec<SidecarFile> = paths.map(|path| SidecarFile::of(path)).collect();
    for (file, sidecar) in sidecars.iter().enumerate() {
        let stretches = joined.stretches(file);
        mark_begin(&mut marks, file_name(joined, file), &stretches);
        mark_pauses(&mut marks, sidecar, &stretches);
    }
    marks.parts.sort();
    marks.pauses.sort_unstable();
    let title = title(joined, &sidecars);
    let description = description(joined, &sidecars);
    Ok(svg::draw(&wave, &title, &description, from, &marks))
}

/// Reads the audio; adds its gaps to the marks.
fn waveform(
    joined: &JoinedRecording,
    decoded: Option<&mut dyn Read>,
    marks: &mut Marks,
) -> Result<Waveform, Failure> {
    let mut wave = Waveform::new(joined.plan.samples());
    let mut at = 0;
    joined.play_linear(0..u64::MAX, decoded, &mut |block| -> Result<(), Failure> {
        match block {
            LinearBlock::Samples(samples) => {
                samples.iter().for_each(|sample| wave.push(*sample));
                at += samples.len() as u64;
            }
            LinearBlock::Missing(samples) => {
                wave.skip(samples);
                match marks.gaps.last_mut() {
                    Some((begin, length)) if *begin + *length == at => *length += samples,
                    _ => marks.gaps.push((at, samples)),
                }
                at += samples;
            }
        }
        Ok(())
    })?;
    Ok(wave)
}

/// Marks where a file begins, unless the picture does.
fn mark_begin(marks: &mut Marks, name: String, stretches: &[Stretch]) {
    let begin = stretches.first().map_or(0, |first| first.in_output);
    if begin > 0 {
        marks.parts.push((begin, name));
    }
}

fn mark_pauses(marks: &mut Marks, sidecar: &SidecarFile, stretches: &[Stretch]) {
    // A number when there were too many to list, else a list of pairs.
    let unlisted = sidecar.number("pauses").unwrap_or(0);
    marks.more_pauses = marks.more_pauses.saturating_add(unlisted);
    let Some(object) = sidecar.object() else {
        return;
    };
    for [at_ms, length_ms] in object.pairs("pauses") {
        let sample = at_ms.saturating_mul(RATE / 1000);
        let holds = |stretch: &&Stretch| {
            let end = stretch.in_file + stretch.samples;
            (stretch.in_file..=end).contains(&sample)
        };
        if let Some(stretch) = stretches.iter().find(holds) {
            let at = stretch.in_output + sample - stretch.in_file;
            marks.pauses.push((at, length_ms));
        }
    }
}

fn file_name(joined: &JoinedRecording, file: usize) -> String {
    let part = joined.parts.get(file);
    let name = part.and_then(|part| part.recording.path.file_name());
    name.unwrap_or_default().to_string_lossy().into_owned()
}

/// The parties of the call, or the file's name if they are unknown.
fn title(joined: &JoinedRecording, sidecars: &[SidecarFile]) -> String {
    // As in a list the latest part decides: a stop may replace what the start said.
    let known = |key: &str| {
        let saying = sidecars
            .iter()
            .filter(|sidecar| !sidecar.text(key).is_empty());
        let latest = saying.max_by_key(|sidecar| sidecar.start().map(|start| start.to_string()));
        latest.map(|sidecar| sidecar.text(key)).unwrap_or_default()
    };
    match parties(&known) {
        parties if parties.is_empty() => file_name(joined, 0),
        parties => parties,
    }
}

/// When it began, how long it is, and its codec.
fn description(joined: &JoinedRecording, sidecars: &[SidecarFile]) -> String {
    let seconds = joined.plan.samples() / RATE;
    let length = format!(
        "{}:{:02}:{:02}",
        seconds / 3600,
        seconds / 60 % 60,
        seconds % 60
    );
    let codec = joined.parts.first().map_or("", |part| part.codec.name());
    let starts = sidecars.iter().filter_map(SidecarFile::start);
    // `2026-11-21T10:15:00+01:00`, with spaces for people.
    let start = match starts.map(|start| start.to_string()).min() {
        Some(text) => format!("{} {} {}, ", &text[..10], &text[11..19], &text[19..]),
        None => String::new(),
    };
    format!("{start}{length} of {codec}")
}
