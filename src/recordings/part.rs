//! One file of a recording that is read for its audio, frame by frame.

use std::fmt;
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use crate::io::host::FileExt;
use crate::recordings::frame_runs::{FileRuns, FramePosition, FrameRun, RunScanner};
use crate::recordings::recording_file::RecordingFile;
use crate::recordings::wave_recording;
use crate::wire::g711::Law;
use crate::wire::recording::{Codec, HEADER_BYTES};
use crate::wire::{riff, rtp};

/// Bytes read at once.
const READ_BYTES: usize = 64 * 1024;

/// A G.729 frame: 10 ms.
const G729_FRAME_BYTES: u32 = 10;
const G729_FRAME_SAMPLES: u32 = 80;

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
    /// The payload of a frame of another codec.
    Coded {
        /// The codec.
        codec: Codec,
        /// The payload.
        payload: &'a [u8],
        /// Samples of the frame.
        whole: u64,
        /// Samples at its beginning that are left out.
        skip: u64,
        /// Samples of output.
        samples: u64,
    },
    /// Samples for which there are no frames.
    Missing(u64),
}

/// A file, and how its frames are laid out.
pub struct PartFile {
    /// The file.
    pub recording: RecordingFile,
    /// The codec of its audio.
    pub codec: Codec,
    /// The frames have RTP headers.
    is_rtp: bool,
    /// Samples of a frame.
    samples: u32,
    /// Bytes of audio in a frame, its last ones.
    payload_bytes: u32,
    /// Bytes before the first frame.
    head: u64,
}

impl PartFile {
    /// Opens a file.
    pub(super) fn open(path: &Path) -> Result<Self, FileError> {
        let (recording, head) = match RecordingFile::open(path) {
            Ok(recording) => (recording, HEADER_BYTES as u64),
            Err(error) => match wave_recording::open(path) {
                Some(recording) => (recording, riff::HEADER_BYTES as u64),
                None => return Err(FileError::new(path, &error)),
            },
        };
        let header = &recording.header;
        let is_rtp = recording.is_rtp();
        let overhead = if is_rtp { rtp::HEADER_BYTES as u32 } else { 0 };
        let room = header.rtp_len - overhead;
        let expected = header.codec.payload_bytes(header.increment);
        let (payload_bytes, samples) = match header.codec {
            Codec::G711(_) | Codec::G722 => (expected.min(room), expected.min(room)),
            Codec::G729 => {
                let frames = expected.min(room) / G729_FRAME_BYTES;
                (frames * G729_FRAME_BYTES, frames * G729_FRAME_SAMPLES)
            }
        };
        if samples == 0 {
            let reason = "rtpLen and increment in its header leave no room for audio";
            return Err(FileError::new(path, &reason));
        }
        Ok(Self {
            codec: header.codec,
            is_rtp,
            samples,
            payload_bytes,
            head,
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
        self.head + frame * u64::from(self.recording.header.rtp_len)
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
        &frame[frame.len() - self.payload_bytes as usize..]
    }

    /// The bytes in a frame's place are not a packet: the sectors of a file that a power failure
    /// cut off may hold whatever was on the stick before.
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
        let mut skip = skip;
        let mut left = samples;
        let whole = u64::from(self.samples);
        let first = run.head.filter(|_| run.is_confirmed);
        self.read_frames(run.first, run.frames, &mut |frame| {
            let expected = first.map(|first| first.after(number, self.samples));
            let skip = std::mem::take(&mut skip);
            let samples = whole.saturating_sub(skip).min(left);
            number += 1;
            left -= samples;
            if self.is_garbage(frame, expected) {
                return take(AudioBlock::Missing(samples));
            }
            let payload = self.audio(frame);
            match self.codec {
                Codec::G711(law) => {
                    let end = skip + samples;
                    take(AudioBlock::Codes(
                        law,
                        &payload[skip as usize..end as usize],
                    ))
                }
                codec @ (Codec::G722 | Codec::G729) => take(AudioBlock::Coded {
                    codec,
                    payload,
                    whole,
                    skip,
                    samples,
                }),
            }
        })
    }
}
