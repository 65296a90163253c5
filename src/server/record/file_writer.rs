//! One file of a recording: frames go in, in order; the header follows what the disk has.
//!
//! Nothing is written while a phone pauses. The pause is written as silence once a packet behind it has come, in pieces
//! over several turns if it was long.

use std::fs::File;
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};

use crate::base::limits::server::WRITE_BYTES;
use crate::base::limits::{FRAME_SAMPLES, MAX_PART_BYTES, MIN_PART_FRAMES, RTP_FRAME_BYTES};
use crate::proto::record_server::{Output, Stream};
use crate::server::record::archive::Place;
use crate::wire::g711::Law;
use crate::wire::recording::{self, Codec, Header, DATA_SIZE_OFFSET};
use crate::wire::riff;

const CODES: u64 = FRAME_SAMPLES as u64;

/// How recordings are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    /// As the phones do.
    Phone,
    /// RIFF/WAVE with G.711 in it.
    Wav,
}

/// A file that is being written.
pub(super) struct Part {
    pub(super) place: Place,
    file: File,
    format: Format,
    law: Law,
    /// Frames written, and those that the header tells of.
    frames: u64,
    noted: u64,
    /// What the sync that runs will have covered.
    marked: u64,
    limit: u64,
    /// A write has failed: there may be more in the file than was written.
    torn: bool,
}

impl Format {
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

impl Part {
    /// Writes the header of a new file. `limit`: bytes it may have; 0: as many as a part may.
    pub(super) fn begin(
        place: Place,
        file: File,
        format: Format,
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
            place,
            file,
            format,
            law,
            frames: 0,
            noted: 0,
            marked: 0,
            limit,
            torn: false,
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

    /// Its folder and file name.
    pub(super) fn path(&self) -> String {
        format!("{}/{}", self.place.folder, self.place.recording())
    }

    /// Nobody can find its file any more: it has been deleted, alone or with its folder.
    pub(super) fn is_deleted(&self) -> bool {
        self.file.metadata().is_ok_and(|entry| entry.nlink() == 0)
    }

    /// It takes no more: the next frame begins another part.
    pub(super) fn is_full(&self) -> bool {
        self.frames == self.limit
    }

    /// Writes what the stream gives out, until there is no more or the part is full. `silence`: frames of it that may
    /// still be written. `buffer` is room to work in.
    pub(super) fn write(
        &mut self,
        stream: &mut Stream,
        silence: &mut u64,
        buffer: &mut Vec<u8>,
    ) -> io::Result<()> {
        let format = self.format;
        buffer.clear();
        while let Some(output) = stream.take(self.limit - self.frames, *silence) {
            match output {
                Output::Frame(_, header, codes) => {
                    push(buffer, format, header, codes);
                    self.frames += 1;
                    self.flush(buffer, WRITE_BYTES)?;
                }
                Output::Silence(first, count) => {
                    *silence -= count;
                    self.write_silence(stream, first, count, buffer)?;
                }
            }
        }
        self.flush(buffer, 1)
    }

    /// A sync begins: it covers what has been written.
    pub(super) fn mark(&mut self) {
        self.marked = self.frames;
    }

    /// The sync has ended well: the header may tell of what it covered.
    pub(super) fn note(&mut self) -> io::Result<()> {
        if self.marked > self.noted {
            self.write_head(self.marked)?;
        }
        Ok(())
    }

    /// Makes the file exact, as far as the disk still lets us.
    pub(super) fn finish(&mut self) -> io::Result<()> {
        let cut = if self.torn {
            self.file.set_len(self.bytes())
        } else {
            Ok(())
        };
        self.write_head(self.frames).and(cut)
    }

    fn write_head(&mut self, frames: u64) -> io::Result<()> {
        let head = self.head(frames);
        match self.format {
            Format::Phone => self
                .file
                .write_all_at(&head[DATA_SIZE_OFFSET as usize..], DATA_SIZE_OFFSET)?,
            Format::Wav => self.file.write_all_at(&head, 0)?,
        }
        self.noted = frames;
        Ok(())
    }

    fn head(&self, frames: u64) -> Vec<u8> {
        match self.format {
            Format::Phone => {
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
            Format::Wav => riff::header(self.law, Some(frames * CODES)).to_vec(),
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

    /// Writes the buffer, which ends with the last frame counted, if it has grown to `least`.
    fn flush(&mut self, buffer: &mut Vec<u8>, least: usize) -> io::Result<()> {
        if buffer.len() < least {
            return Ok(());
        }
        let begins = self.offset(self.frames) - buffer.len() as u64;
        let done = self.file.write_all_at(buffer, begins);
        if done.is_err() {
            self.frames -= buffer.len() as u64 / self.format.frame_bytes(); // whole frames only
            self.torn = true;
        }
        buffer.clear();
        done
    }

    fn offset(&self, frames: u64) -> u64 {
        self.format.head_bytes() + frames * self.format.frame_bytes()
    }
}

fn push(buffer: &mut Vec<u8>, format: Format, header: [u8; 12], codes: &[u8; FRAME_SAMPLES]) {
    if format == Format::Phone {
        buffer.extend_from_slice(&header);
    }
    buffer.extend_from_slice(codes);
}
