//! The sound of a recording that is still being written: the whole call so far, and then what comes.
//!
//! Only G.711 grows: one code is one sample, so that every byte of the WAV file that is served has its
//! place before it is written. The edge is what the headers of the files declare. Files are kept open: one
//! that is uploaded and removed at the call's end can be read to its end.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::Arc;

use serde_json::Value;

use super::error::ApiError;
use super::sound_files::{live_files, not_here, path_here};
use crate::io::regular_file;
use crate::server::archive::app::App;
use crate::server::archive::audio_file::{layout, AudioFile, Layout};
use crate::server::archive::search::Row;
use crate::wire::g711::Law;
use crate::wire::riff;

/// Bytes that are read at once.
const PIECE_FRAMES: u64 = 50;

/// A call that is being recorded.
#[derive(Clone)]
pub(super) struct LiveCall {
    files: Vec<Arc<File>>,
    law: Law,
    is_pcm16: bool,
}

/// Milliseconds that can be heard, here or on the host that records.
pub(super) fn sound(app: &App, row: &Row) -> i64 {
    let document: Value = serde_json::from_str(&row.document).unwrap_or_default();
    let files = document["files"].as_array().cloned().unwrap_or_default();
    let of_file = |file: &Value| {
        let name = file["file"].as_str().unwrap_or_default();
        if let Ok(audio) = AudioFile::open(&path_here(&app.settings.dirs(), &row.folder, name)) {
            return audio.sound();
        }
        let there = app
            .peers
            .running(&row.folder, name.trim_end_matches(".wav"));
        let known = file["duration_ms"].as_i64().unwrap_or(0);
        there.map_or(known, |there| there.sound)
    };
    files.iter().map(of_file).sum()
}

impl LiveCall {
    /// Opens the files of a call. Other codecs are played only once it has ended.
    pub(super) fn open(app: &App, row: &Row, is_pcm16: bool) -> Result<Self, ApiError> {
        let files = opened(&live_files(app, row)?)?;
        let law = files.first().and_then(|file| layout_of(file)?.law);
        let law = law.ok_or_else(|| {
            ApiError::unavailable("running", "this codec is played once the call has ended")
        })?;
        Ok(Self {
            files,
            law,
            is_pcm16,
        })
    }

    /// The call has got further, perhaps with another part, or to its end in a bucket.
    pub(super) fn update(&mut self, app: &App, row: &Row) -> Result<(), ApiError> {
        let files = opened(&live_files(app, row)?)?;
        if files.len() >= self.files.len() {
            self.files = files;
        }
        Ok(())
    }

    /// The header, whose sizes stand for an unknown length.
    fn head(&self) -> Vec<u8> {
        if !self.is_pcm16 {
            return riff::header(self.law, None).to_vec();
        }
        let mut head = riff::pcm16_header(0).map(Vec::from).unwrap_or_default();
        head[4..8].fill(0xFF);
        let end = head.len();
        head[end - 4..].fill(0xFF);
        head
    }

    /// Bytes of a sample.
    fn width(&self) -> u64 {
        1 + u64::from(self.is_pcm16)
    }

    /// Bytes that can be read now.
    pub(super) fn edge(&self) -> u64 {
        let samples = |file: &Arc<File>| {
            let layout = layout_of(file)?;
            Some(layout.frames * layout.samples)
        };
        let samples: u64 = self.files.iter().filter_map(samples).sum();
        self.head().len() as u64 + samples * self.width()
    }

    /// The next bytes from a place on, at most those of a second; empty: there are none yet.
    pub(super) fn read(&self, at: u64, end: u64) -> Vec<u8> {
        let head = self.head();
        let head_bytes = head.len() as u64;
        if at < head_bytes {
            return head[at as usize..(end.min(head_bytes)) as usize].to_vec();
        }
        let from = at - head_bytes;
        let (sample, odd) = (from / self.width(), from % self.width());
        let mut bytes = self.encoded(&self.codes(sample));
        bytes.drain(..(odd as usize).min(bytes.len()));
        bytes.truncate((end - at).min(bytes.len() as u64) as usize);
        bytes
    }

    /// The codes from a sample on.
    fn codes(&self, mut sample: u64) -> Vec<u8> {
        for file in &self.files {
            let Some(layout) = layout_of(file) else {
                continue;
            };
            let samples = layout.frames * layout.samples;
            if sample >= samples {
                sample -= samples;
                continue;
            }
            let first = sample / layout.samples;
            let count = (layout.frames - first).min(PIECE_FRAMES);
            let mut frames = vec![0; (count * layout.frame) as usize];
            let at = layout.head + first * layout.frame;
            if file.read_exact_at(&mut frames, at).is_err() {
                return vec![];
            }
            let of_frame = |frame: &[u8]| frame[layout.skip as usize..].to_vec();
            let mut codes: Vec<u8> = frames
                .chunks_exact(layout.frame as usize)
                .flat_map(of_frame)
                .collect();
            codes.drain(..(sample % layout.samples) as usize);
            return codes;
        }
        vec![]
    }

    fn encoded(&self, codes: &[u8]) -> Vec<u8> {
        if !self.is_pcm16 {
            return codes.to_vec();
        }
        codes
            .iter()
            .flat_map(|code| self.law.decode_one(*code).to_le_bytes())
            .collect()
    }
}

fn opened(paths: &[PathBuf]) -> Result<Vec<Arc<File>>, ApiError> {
    let open = |path: &PathBuf| {
        let file = regular_file::open_no_follow(path, File::options().read(true));
        // It was there a moment ago: it is on its way to a bucket.
        file.map(Arc::new).map_err(|_| not_here())
    };
    paths.iter().map(open).collect()
}

fn layout_of(file: &File) -> Option<Layout> {
    layout(file, file.metadata().ok()?.len())
}
