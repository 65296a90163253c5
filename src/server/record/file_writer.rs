//! One file of a recording: frames are appended in order; the header declares only what has been
//! synced.
//!
//! Nothing is written while a phone pauses. Once a packet after the pause has been received, the
//! pause is written as silence, over several turns if it is long.

use std::fs::File;
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};

use sha2::{Digest, Sha256};

use crate::base::limits::server::WRITE_BYTES;
use crate::base::limits::{FRAME_SAMPLES, MAX_PART_BYTES, MIN_PART_FRAMES, RTP_FRAME_BYTES};
use crate::proto::record_server::{Stream, StreamOutput};
use crate::server::record::archive::RecordingPath;
use crate::wire::g711::Law;
use crate::wire::recording::{self, Codec, Header, DATA_SIZE_OFFSET};
use crate::wire::riff;

const CODES: u64 = FRAME_SAMPLES as u64;

/// The file format of recordings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FileFormat {
    /// The phones' own: RTP packets after a header of 76 bytes.
    Phone,
    /// RIFF/WAVE containing G.711.
    Wav,
}

/// A file that is being written.
pub(super) struct PartFile {
    pub(super) path: RecordingPath,
    file: File,
    format: FileFormat,
    law: Law,
    /// Frames written.
    frames: u64,
    /// Frames that the header declares.
    declared: u64,
    /// Frames that had been written when the last sync began.
    synced: u64,
    /// The most frames that it may have.
    limit: u64,
    /// Of the frames written.
    digest: Sha256,
    /// A write has failed: the file may be longer than the frames that count as written.
    has_torn_tail: bool,
}

impl FileFormat {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Phone => "phone",
            Self::Wav => "wav",
        }
    }

    fn head_bytes(self) -> u64 {
        match self {
            Self::Phone => recording::HEADER_BYTES as u64,
            Self::Wav => riff::HEADER_BYTES as u64,
        }
    }

    fn frame_bytes(self) -> u64 {
        match self {
            Self::Phone => RTP_FRAME_BYTES as u64,
            Self::Wav => CODES,
        }
    }
}

impl PartFile {
    /// Writes the header of a new file. `limit`: its maximum length in bytes; 0: `MAX_PART_BYTES`.
    pub(super) fn begin(
        path: RecordingPath,
        file: File,
        format: FileFormat,
        law: Law,
        limit: u64,
    ) -> io::Result<Self> {
        let limit = if limit == 0 {
            MAX_PART_BYTES
        } else {
            limit.min(MAX_PART_BYTES)
        };
        let limit =
            (limit.saturating_sub(format.head_bytes()) / format.frame_bytes()).max(MIN_PART_FRAMES);
        let part = Self {
            path,
            file,
            format,
            law,
            frames: 0,
            declared: 0,
            synced: 0,
            limit,
            digest: Sha256::new(),
            has_torn_tail: false,
        };
        part.file.write_all_at(&part.head(0), 0)?;
        Ok(part)
    }

    /// Frames in it.
    pub(super) fn frames(&self) -> u64 {
        self.frames
    }

    /// Its length in bytes.
    pub(super) fn bytes(&self) -> u64 {
        self.offset(self.frames)
    }

    /// Its file has been deleted, alone or with its folder.
    pub(super) fn is_deleted(&self) -> bool {
        self.file.metadata().is_ok_and(|entry| entry.nlink() == 0)
    }

    /// The next frame begins another part.
    pub(super) fn is_full(&self) -> bool {
        self.frames == self.limit
    }

    /// Writes what the stream gives out, until there is no more or the part is full. `silence`: the
    /// silent frames that may still be written. `buffer` saves an allocation; its content is not
    /// kept.
    pub(super) fn write(
        &mut self,
        stream: &mut Stream,
        silence: &mut u64,
        buffer: &mut Vec<u8>,
    ) -> io::Result<()> {
        let format = self.format;
        buffer.clear();
        while let Some(output) = stream.poll_output(self.limit - self.frames, *silence) {
            match output {
                StreamOutput::Frame(_, header, codes) => {
                    push(buffer, format, header, codes);
                    self.frames += 1;
                    self.flush(buffer, WRITE_BYTES)?;
                }
                StreamOutput::Silence(first, count) => {
                    *silence -= count;
                    self.write_silence(stream, first, count, buffer)?;
                }
            }
        }
        self.flush(buffer, 1)
    }

    /// SHA-256 of all frames.
    pub(super) fn sha256(&self) -> [u8; 32] {
        self.digest.clone().finalize().into()
    }

    /// A sync begins: it covers the frames written so far.
    pub(super) fn begin_sync(&mut self) {
        self.synced = self.frames;
    }

    /// The sync was successful: the header now declares the frames that it covered.
    pub(super) fn handle_synced(&mut self) -> io::Result<()> {
        if self.synced > self.declared {
            self.write_head(self.synced)?;
        }
        Ok(())
    }

    /// Makes header and length exact. Tries both, even if the disk fails one.
    pub(super) fn finish(&mut self) -> io::Result<()> {
        let cut = if self.has_torn_tail {
            self.file.set_len(self.bytes())
        } else {
            Ok(())
        };
        self.write_head(self.frames).and(cut)
    }

    fn write_head(&mut self, frames: u64) -> io::Result<()> {
        let head = self.head(frames);
        match self.format {
            FileFormat::Phone => self
                .file
                .write_all_at(&head[DATA_SIZE_OFFSET as usize..], DATA_SIZE_OFFSET)?,
            FileFormat::Wav => self.file.write_all_at(&head, 0)?,
        }
        self.declared = frames;
        Ok(())
    }

    fn head(&self, frames: u64) -> Vec<u8> {
        match self.format {
            FileFormat::Phone => {
                let (rtp_len, increment) = (RTP_FRAME_BYTES as u32, FRAME_SAMPLES as u32);
                let data_size = (frames * RTP_FRAME_BYTES as u64) as u32;
                let codec = Codec::G711(self.law);
                Header {
                    codec,
                    rtp_len,
                    increment,
                    data_size,
                    big_endian: false,
                }
                .emit()
                .to_vec()
            }
            FileFormat::Wav => riff::header(self.law, Some(frames * CODES)).to_vec(),
        }
    }

    fn write_silence(
        &mut self,
        stream: &Stream,
        first: u64,
        count: u64,
        buffer: &mut Vec<u8>,
    ) -> io::Result<()> {
        let silence = [self.law.silence(); FRAME_SAMPLES];
        for frame in first..first + count {
            push(buffer, self.format, stream.header(frame), &silence);
            self.frames += 1;
            self.flush(buffer, WRITE_BYTES)?;
        }
        Ok(())
    }

    /// Writes the buffer, whose last frame is the last one counted, if it has at least `least`
    /// bytes.
    fn flush(&mut self, buffer: &mut Vec<u8>, least: usize) -> io::Result<()> {
        if buffer.len() < least {
            return Ok(());
        }
        let start = self.offset(self.frames) - buffer.len() as u64;
        let done = self.file.write_all_at(buffer, start);
        if done.is_ok() {
            self.digest.update(&*buffer);
        } else {
            self.frames -= buffer.len() as u64 / self.format.frame_bytes(); // the buffer contains whole frames
            self.has_torn_tail = true;
        }
        buffer.clear();
        done
    }

    fn offset(&self, frames: u64) -> u64 {
        self.format.head_bytes() + frames * self.format.frame_bytes()
    }
}

fn push(buffer: &mut Vec<u8>, format: FileFormat, header: [u8; 12], codes: &[u8; FRAME_SAMPLES]) {
    if format == FileFormat::Phone {
        buffer.extend_from_slice(&header);
    }
    buffer.extend_from_slice(codes);
}
