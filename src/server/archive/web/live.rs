//! The sound of a recording that is still being written: the whole call so far, and then what comes.
//!
//! Only G.711 grows: one code is one sample, so that every byte of the WAV file that is served has its
//! place before it is written. The edge is what the headers of the files declare.

use std::os::unix::fs::FileExt;
use std::path::PathBuf;

use serde_json::Value;

use crate::server::archive::audio_file::AudioFile;
use crate::server::archive::search::Row;
use crate::wire::g711::Law;
use crate::wire::riff;

/// Bytes that are read at once.
const PIECE_FRAMES: u64 = 50;

/// A call that is being recorded.
#[derive(Clone)]
pub(super) struct LiveCall {
    files: Vec<PathBuf>,
    law: Law,
    is_pcm16: bool,
}

/// The files of a recording's parts, in order.
pub(super) fn files(dirs: &[PathBuf], row: &Row) -> Vec<PathBuf> {
    let document: Value = serde_json::from_str(&row.document).unwrap_or_default();
    let files = document["files"].as_array().cloned().unwrap_or_default();
    let names = files.iter().filter_map(|file| file["file"].as_str());
    let found = |name: &str| {
        let paths = dirs.iter().map(|dir| dir.join(&row.folder).join(name));
        let mut paths: Vec<PathBuf> = paths.collect();
        let at = paths.iter().position(|path| path.exists()).unwrap_or(0);
        paths.swap_remove(at)
    };
    names.map(found).collect()
}

/// Milliseconds that can be heard.
pub(super) fn sound(dirs: &[PathBuf], row: &Row) -> i64 {
    let files = files(dirs, row);
    let sounds = files
        .iter()
        .filter_map(|path| AudioFile::open(path).ok())
        .map(|file| file.sound());
    sounds.sum()
}

impl LiveCall {
    /// `None`: its codec is played only once it has ended.
    pub(super) fn new(files: Vec<PathBuf>, is_pcm16: bool) -> Option<Self> {
        let law = AudioFile::open(files.first()?).ok()?.layout?.law?;
        Some(Self {
            files,
            law,
            is_pcm16,
        })
    }

    /// The call has got another part.
    pub(super) fn update(&mut self, files: Vec<PathBuf>) {
        if files.len() > self.files.len() {
            self.files = files;
        }
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
        let samples = |path: &PathBuf| {
            let layout = AudioFile::open(path).ok()?.layout?;
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
        for path in &self.files {
            let Ok(audio) = AudioFile::open(path) else {
                continue;
            };
            let Some(layout) = audio.layout else {
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
            if audio
                .file
                .read_exact_at(&mut frames, layout.head + first * layout.frame)
                .is_err()
            {
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
