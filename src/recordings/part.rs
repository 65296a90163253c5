//! One file of a recording that is read for its audio, frame by frame.

use std::fmt;
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use crate::recordings::frame_runs::{FileRuns, FramePosition, FrameRun, RunScanner};
use crate::recordings::recording_file::RecordingFile;
use crate::wire::g711::Law;
use crate::wire::recording::{Codec, HEADER_BYTES};
use crate::wire::rtp;

/// Bytes read at once.
const READ_BYTES: usize = 64 * 1024;

/// What failed, on which file.
#[derive(Debug)]
pub struct FileError {
    /// The file.
    pub path: PathBuf,
    /// What failed, for people.
    pub reason: String,
}

impl FileError {
    /// Of this file.
    pub fn new(path: &Path, reason: &dyn fmt::Display) -> Self {
        Self {
            path: path.into(),
            reason: reason.to_string(),
        }
    }
}

/// Audio on its way to the output.
pub enum AudioBlock<'a> {
    /// G.711 codes.
    Codes(Law, &'a [u8]),
    /// Samples for which there are no frames.
    Missing(u64),
}

/// A file, and how its frames are laid out.
pub struct PartFile {
    /// The file.
    pub recording: RecordingFile,
    /// The codec of its audio.
    pub law: Law,
    /// The frames have RTP headers.
    is_rtp: bool,
    /// Samples of a frame; they are its last bytes.
    samples: u32,
}

impl PartFile {
    /// Opens a file. Only G.711 can be read.
    pub(super) fn open(path: &Path) -> Result<Self, FileError> {
        let recording = RecordingFile::open(path).map_err(|error| FileError::new(path, &error))?;
        let header = &recording.header;
        let Codec::G711(law) = header.codec else {
            let name = header.codec.name();
            let reason = format!(
                "{name} cannot be exported, only PCMU and PCMA; 'callrec play' can send it to a phone"
            );
            return Err(FileError::new(path, &reason));
        };
        let is_rtp = recording.is_rtp();
        let overhead = if is_rtp { rtp::HEADER_BYTES as u32 } else { 0 };
        let samples = header.increment.min(header.rtp_len - overhead);
        Ok(Self {
            law,
            is_rtp,
            samples,
            recording,
        })
    }

    /// Samples of a frame.
    pub(super) fn samples(&self) -> u32 {
        self.samples
    }

    /// Divides the frames into runs.
    pub(super) fn scan(&self) -> Result<FileRuns, FileError> {
        let frames = self.recording.extent.frames;
        if !self.is_rtp {
            return Ok(FileRuns::bare(frames, self.samples));
        }
        let mut scanner = RunScanner::new(self.samples);
        self.read_frames(0, frames, &mut |frame| -> Result<(), FileError> {
            if let Some(header) = frame.first_chunk() {
                scanner.push(FramePosition::parse(header));
            }
            Ok(())
        })?;
        Ok(scanner.finish())
    }

    /// Reads consecutive frames.
    fn read_frames<E: From<FileError>>(
        &self,
        first: u64,
        count: u64,
        take: &mut dyn FnMut(&[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        let failed = |error: io::Error| FileError::new(&self.recording.path, &error);
        let mut frame = vec![0; self.recording.header.rtp_len as usize];
        let mut file = BufReader::with_capacity(READ_BYTES, &self.recording.file);
        file.seek(SeekFrom::Start(self.offset(first)))
            .map_err(failed)?;
        for _ in 0..count {
            file.read_exact(&mut frame).map_err(failed)?;
            take(&frame)?;
        }
        Ok(())
    }

    fn offset(&self, frame: u64) -> u64 {
        HEADER_BYTES as u64 + frame * u64::from(self.recording.header.rtp_len)
    }

    /// The audio of one frame; `None` if it cannot be read.
    pub(super) fn audio_of_frame(&self, frame: u64) -> Option<Vec<u8>> {
        let mut bytes = vec![0; self.recording.header.rtp_len as usize];
        let read = self
            .recording
            .file
            .read_exact_at(&mut bytes, self.offset(frame));
        read.ok()?;
        Some(self.audio(&bytes).to_vec())
    }

    fn audio<'a>(&self, frame: &'a [u8]) -> &'a [u8] {
        &frame[frame.len() - self.samples as usize..]
    }

    /// The bytes in a frame's place are not a packet: the sectors of a file that a power failure cut off may hold whatever
    /// was on the stick before.
    fn is_garbage(&self, frame: &[u8], expected: Option<FramePosition>) -> bool {
        let position = frame.first_chunk().map(FramePosition::parse);
        let differs = match (position, expected) {
            (Some(position), Some(expected)) => !position.resembles(&expected),
            _ => false,
        };
        self.is_rtp && frame[0] & 0xC0 != 0x80 && differs
    }

    /// Hands out the audio of a run: `samples` of them, without the first `skip`.
    pub(super) fn play<E: From<FileError>>(
        &self,
        run: &FrameRun,
        skip: u64,
        samples: u64,
        take: &mut dyn FnMut(AudioBlock) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut number = 0;
        let mut skip = skip as usize;
        let mut left = samples;
        let first = run.head.filter(|_| run.is_confirmed);
        self.read_frames(run.first, run.frames, &mut |frame| {
            let expected = first.map(|first| first.after(number, self.samples));
            let codes = &self.audio(frame)[std::mem::take(&mut skip)..];
            let wanted = usize::try_from(left).unwrap_or(usize::MAX);
            let codes = &codes[..codes.len().min(wanted)];
            number += 1;
            left -= codes.len() as u64;
            if self.is_garbage(frame, expected) {
                take(AudioBlock::Missing(codes.len() as u64))
            } else {
                take(AudioBlock::Codes(self.law, codes))
            }
        })
    }
}
