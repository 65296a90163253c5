//! One file of a recording: frames go in, in order; the header follows what the disk has.
//!
//! Silence may be written ahead while a phone pauses: what then comes of the pause is in the file already, what does
//! not is written over, or cut off at the end.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

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
    /// Frames written, those of silence written ahead, and those that the header tells of.
    frames: u64,
    ahead: u64,
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
    pub(super) fn begin(place: Place, file: File, format: Format, law: Law, limit: u64) -> io::Result<Self> {
        let limit = if limit == 0 { MAX_PART_BYTES } else { limit.min(MAX_PART_BYTES) };
        let limit = (limit.saturating_sub(format.head_bytes()) / format.frame_bytes()).max(MIN_PART_FRAMES);
        let part = Self { place, file, format, law, frames: 0, ahead: 0, noted: 0, marked: 0, limit, torn: false };
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

    /// It takes no more: the next frame begins another part.
    pub(super) fn is_full(&self) -> bool {
        self.frames == self.limit
    }

    /// Writes what the stream gives out, until there is no more or the part is full. `buffer` is room to work in.
    pub(super) fn write(&mut self, stream: &mut Stream, buffer: &mut Vec<u8>) -> io::Result<()> {
        let format = self.format;
        buffer.clear();
        while let Some(output) = stream.take(self.limit - self.frames) {
            match output {
                Output::Frame(_, header, codes) => {
                    push(buffer, format, header, codes);
                    self.frames += 1;
                    self.flush(buffer, WRITE_BYTES)?;
                }
                Output::Silence(first, count) => {
                    let there = self.ahead.saturating_sub(self.frames).min(count);
                    if there > 0 {
                        self.flush(buffer, 1)?;
                        self.frames += there;
                    }
                    self.write_silence(stream, first + there, count - there, buffer)?;
                }
            }
        }
        self.flush(buffer, 1)
    }

    /// During a pause: writes silence up to this frame of the stream, at most so many at once, without counting it.
    pub(super) fn write_ahead(
        &mut self,
        stream: &Stream,
        up_to: u64,
        most: u64,
        buffer: &mut Vec<u8>,
    ) -> io::Result<()> {
        let begins = stream.taken() - self.frames;
        let from = self.ahead.max(self.frames);
        let until = up_to.saturating_sub(begins).min(self.limit).min(from + most);
        if until <= from {
            return Ok(());
        }
        buffer.clear();
        let silence = [self.law.silence(); FRAME_SAMPLES];
        (from..until).for_each(|frame| push(buffer, self.format, stream.header(begins + frame), &silence));
        self.ahead = until;
        self.file.write_all_at(buffer, self.offset(from))
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
        let cut = match self.ahead > self.frames || self.torn {
            true => self.file.set_len(self.bytes()),
            false => Ok(()),
        };
        self.write_head(self.frames).and(cut)
    }

    fn write_head(&mut self, frames: u64) -> io::Result<()> {
        let head = self.head(frames);
        match self.format {
            Format::Phone => self.file.write_all_at(&head[DATA_SIZE_OFFSET as usize..], DATA_SIZE_OFFSET)?,
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
                Header { codec, rtp_len, increment, data_size, big_endian: false }.emit().to_vec()
            }
            Format::Wav => riff::header(self.law, Some(frames * CODES)).to_vec(),
        }
    }

    fn write_silence(&mut self, stream: &Stream, first: u64, count: u64, buffer: &mut Vec<u8>) -> io::Result<()> {
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

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use super::*;
    use crate::base::time::{Duration, Instant};
    use crate::io::sys::Civil;
    use crate::server::record::archive::Archive;
    use crate::wire::rtp::Packet;

    const TIME: Civil = Civil { year: 2026, month: 1, day: 2, hour: 3, minute: 4, second: 5, offset_minutes: 0 };

    fn ms(millis: u64) -> Instant {
        Instant::from_nanos(1) + Duration::from_millis(millis)
    }

    /// The n-th packet, `late` frames later by its timestamp.
    fn put(stream: &mut Stream, at: Instant, n: u16, late: u32) {
        let from: SocketAddr = "10.0.0.5:4000".parse().unwrap();
        let head = Packet {
            marker: false,
            payload_type: 0,
            sequence: n,
            timestamp: (u32::from(n) + late) * 160,
            ssrc: 7,
            payload: &[],
        };
        let bytes = [&head.emit_header()[..], &[n as u8 + 1; 160]].concat();
        stream.put(at, from, Some(&bytes));
    }

    /// A pause of a minute after 50 frames: what is in the file at its end, and after 50 frames more.
    fn paused(format: Format, resumes_at: u64) -> (Vec<u8>, Vec<u8>) {
        let path = std::env::temp_dir().join(format!("callrec-part-{}-{format:?}-{resumes_at}", std::process::id()));
        let archive = Archive::open(path.to_str().unwrap()).unwrap();
        let (place, file) = archive.create(b"d", b"1", &TIME).unwrap();
        let file_path = path.join("d").join(place.recording());
        let mut part = Part::begin(place, file, format, Law::Mu, 0).unwrap();
        let mut stream = Stream::new(Law::Mu, "10.0.0.5".parse().unwrap(), false, ms(0));
        let mut buffer = vec![];
        for n in 0..50 {
            put(&mut stream, ms(u64::from(n) * 20), n, 0);
            part.write(&mut stream, &mut buffer).unwrap();
        }
        for at in (1000..60_000).step_by(200) {
            stream.handle_drained(ms(at));
            part.write(&mut stream, &mut buffer).unwrap();
            if let Some(frame) = stream.pause_reaches(ms(at)) {
                part.write_ahead(&stream, frame, 30, &mut buffer).unwrap();
            }
        }
        let before = std::fs::read(&file_path).unwrap();
        for n in 50..100 {
            put(&mut stream, ms(60_000 + u64::from(n) * 20), n, resumes_at as u32);
            part.write(&mut stream, &mut buffer).unwrap();
            put(&mut stream, ms(60_000 + u64::from(n) * 20), n, resumes_at as u32);
        }
        stream.finish();
        part.write(&mut stream, &mut buffer).unwrap();
        part.finish().unwrap();
        let after = std::fs::read(&file_path).unwrap();
        std::fs::remove_dir_all(&path).unwrap();
        (before, after)
    }

    #[test]
    fn silence_written_ahead_is_used_written_over_or_cut_off() {
        for (format, head, size, skip) in [(Format::Phone, 76, 172, 12), (Format::Wav, 58, 160, 0)] {
            for silent in [3000usize, 2000, 10] {
                let (before, after) = paused(format, silent as u64);
                let ahead = (before.len() - head) / size;
                assert!((2950..=3000).contains(&ahead), "{ahead} frames at the end of the pause");
                let frames: Vec<&[u8]> = after[head..].chunks(size).collect();
                let codes: Vec<u8> = frames.iter().map(|frame| frame[skip]).collect();
                let expected = [(1..=50).collect(), vec![0xFF; silent], (51..=100).collect::<Vec<u8>>()].concat();
                let differs = codes.iter().zip(&expected).position(|(code, expected)| code != expected);
                assert_eq!((codes.len(), differs), (expected.len(), None), "{format:?} {silent}");
                if skip > 0 {
                    let numbers = frames.iter().map(|frame| u16::from_be_bytes([frame[2], frame[3]]));
                    assert!(numbers.eq(0..frames.len() as u16));
                }
            }
        }
    }
}
