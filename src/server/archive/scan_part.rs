//! One part on the disk: what state it is in.

use std::io;
use std::path::Path;

use crate::server::archive::audio_file::AudioFile;
use crate::server::archive::facts::{read_sidecar, PartFacts, SidecarProblem};
use crate::server::archive::folder_files::Files;
use crate::server::archive::parts::FoundPart;

/// A file that has grown in so many seconds is being written.
pub(super) const GROWING_SECONDS: i64 = 10;

/// What the catalogue knows of a part.
pub(super) struct KnownPart {
    pub(super) state: String,
    pub(super) problem: Option<String>,
    pub(super) gone: i64,
    pub(super) stamp: i64,
}

/// What was found.
pub(super) enum Look<'a> {
    Part(Box<FoundPart<'a>>),
    /// It has just begun, or it is no part.
    NotYet,
}

/// The names alone say that a part has changed.
pub(super) fn must_look(known: Option<&KnownPart>, files: &Files) -> bool {
    let Some(known) = known else {
        return true;
    };
    let is_open = known.state != "finished";
    known.gone > 0 || !files.audio || is_open == files.sidecar || known.problem.is_some()
}

/// Looks at a part's files.
pub(super) fn look<'a>(
    dir: &Path,
    folder: &'a str,
    stem: &'a str,
    files: &Files,
    place: i64,
    now: i64,
) -> Look<'a> {
    let stamp = files.stamp(dir, stem);
    let sidecar = match files.sidecar_name(stem) {
        Some(name) => read_sidecar(&dir.join(name)),
        None => Err(SidecarProblem::Missing),
    };
    let audio = AudioFile::open(&dir.join(format!("{stem}.wav")));
    let is_young = audio
        .as_ref()
        .is_ok_and(|audio| audio.is_claimed || now - audio.changed < GROWING_SECONDS);
    if !files.sidecar && (audio.is_err() && !files.audio || is_young && sidecar.is_err()) {
        return Look::NotYet;
    }
    let problem = problem(&audio, &sidecar);
    let state = match (files.sidecar || !files.running, is_young) {
        (true, _) => "finished",
        (false, true) => "running",
        (false, false) => "interrupted",
    };
    let changed = audio.as_ref().map_or(now, |audio| audio.changed);
    let facts = PartFacts::new(stem, sidecar.unwrap_or_default(), changed);
    let of_sidecar = facts
        .members
        .get("duration_ms")
        .and_then(serde_json::Value::as_i64);
    let of_file = audio.as_ref().map_or(0, AudioFile::sound);
    let sound = of_sidecar
        .filter(|_| state == "finished")
        .unwrap_or(of_file);
    Look::Part(Box::new(FoundPart {
        folder,
        stem,
        place,
        state,
        problem,
        size: audio.map_or(0, |audio| audio.bytes as i64),
        sound,
        stamp,
        facts,
    }))
}

fn problem<T>(
    audio: &io::Result<AudioFile>,
    sidecar: &Result<T, SidecarProblem>,
) -> Option<&'static str> {
    match audio {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Some("no-file"),
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => return Some("permission"),
        Err(_) => return Some("unreadable"),
        Ok(audio) if audio.layout.is_none() => return Some("unreadable"),
        Ok(_) => {}
    }
    match sidecar {
        Ok(_) => None,
        Err(SidecarProblem::Missing) => Some("no-sidecar"),
        Err(SidecarProblem::Permission) => Some("permission"),
        Err(SidecarProblem::Unreadable) => Some("unreadable"),
    }
}
