//! Several files read as one recording: their frames in their places, silence where some are missing.

use std::ffi::OsString;
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use crate::cli::console::{shown, Console};
use crate::cli::recording::{Recording, State};
use crate::cli::{usage, Failure};
use crate::recordings::join::{self, Plan, Segment};
use crate::recordings::scan::{Head, Run, Scan, Scanned};
use crate::wire::g711::Law;
use crate::wire::recording::{Codec, HEADER_BYTES};

/// Samples a second.
pub(super) const RATE: u64 = 8000;
/// Bytes read at once.
const READ_BYTES: usize = 64 * 1024;

/// A file, and how its frames are to be taken apart.
pub(super) struct Part {
    pub(super) recording: Recording,
    pub(super) law: Law,
    /// Frames have RTP headers.
    rtp: bool,
    /// Samples of a frame: the last bytes of it.
    samples: u32,
}

/// The parts, and what comes out of them.
pub(super) struct Parts {
    pub(super) parts: Vec<Part>,
    pub(super) plan: Plan,
}

/// Audio on its way out.
pub(super) enum Audio<'a> {
    Codes(Law, &'a [u8]),
    /// Samples for which there are no frames.
    Missing(u64),
}

/// Takes audio; an error ends the reading.
pub(super) type Take<'a> = &'a mut dyn FnMut(Audio) -> Result<(), Failure>;

impl Part {
    fn open(path: &Path) -> Result<Self, String> {
        let recording = Recording::open(path).map_err(|problem| problem.to_string())?;
        let header = &recording.header;
        let Codec::G711(law) = header.codec else {
            let name = header.codec.name();
            return Err(format!(
                "{name} cannot be exported, only PCMU and PCMA; 'callrec play' can send it to a phone"
            ));
        };
        let rtp = recording.is_rtp();
        let room = if rtp {
            header.rtp_len - 12
        } else {
            header.rtp_len
        };
        let samples = header.increment.min(room);
        Ok(Self {
            law,
            rtp,
            samples,
            recording,
        })
    }

    fn scan(&self) -> Result<Scanned, Failure> {
        if !self.rtp {
            return Ok(Scanned::bare(self.recording.extent.frames, self.samples));
        }
        let mut scan = Scan::new(self.samples);
        self.frames(0, self.recording.extent.frames, &mut |frame| {
            frame
                .first_chunk()
                .into_iter()
                .for_each(|head| scan.push(Head::parse(head)));
            Ok(())
        })?;
        Ok(scan.finish())
    }

    /// Reads frames one after the other.
    fn frames(
        &self,
        first: u64,
        count: u64,
        take: &mut dyn FnMut(&[u8]) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let failed = |error: std::io::Error| {
            Failure::Failed(format!("{}: {error}", shown(&self.recording.path)))
        };
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

    fn frame_at(&self, frame: u64) -> Option<Vec<u8>> {
        let mut bytes = vec![0; self.recording.header.rtp_len as usize];
        self.recording
            .file
            .read_exact_at(&mut bytes, self.offset(frame))
            .ok()?;
        Some(bytes)
    }

    fn audio<'a>(&self, frame: &'a [u8]) -> &'a [u8] {
        &frame[frame.len() - self.samples as usize..]
    }

    /// What stands in a frame's place is no packet: what was on the stick before, it may be.
    fn is_rubbish(&self, frame: &[u8], expected: Option<Head>) -> bool {
        let head = frame.first_chunk().map(Head::parse);
        self.rtp
            && frame[0] & 0xC0 != 0x80
            && head
                .zip(expected)
                .is_some_and(|(head, expected)| !head.resembles(&expected))
    }

    fn play(&self, run: &Run, skip: u64, samples: u64, take: Take) -> Result<(), Failure> {
        let (mut number, mut skip, mut left) = (0, skip as usize, samples);
        self.frames(run.first, run.frames, &mut |frame| {
            let expected = run
                .head
                .filter(|_| run.sure)
                .map(|head| head.after(number, self.samples));
            let codes = &self.audio(frame)[std::mem::take(&mut skip)..];
            let codes = &codes[..codes.len().min(usize::try_from(left).unwrap_or(usize::MAX))];
            number += 1;
            left -= codes.len() as u64;
            match self.is_rubbish(frame, expected) {
                true => take(Audio::Missing(codes.len() as u64)),
                false => take(Audio::Codes(self.law, codes)),
            }
        })
    }
}

impl Parts {
    /// Opens the files. Only parts of `one_law` can be joined without decoding.
    pub(super) fn open(paths: &[PathBuf], one_law: bool) -> Result<Self, Failure> {
        let mut parts = Vec::<Part>::new();
        for path in paths {
            let failed = |problem: String| Failure::Failed(format!("{}: {problem}", shown(path)));
            let part = Part::open(path).map_err(failed)?;
            if let Some(first) = parts
                .first()
                .filter(|first| one_law && first.law != part.law)
            {
                let (law, other) = (part.law.name(), first.law.name());
                return Err(failed(format!(
                    "is {law}, the first one is {other}; --pcm16 joins them"
                )));
            }
            parts.push(part);
        }
        let scanned = parts
            .iter()
            .map(Part::scan)
            .collect::<Result<Vec<_>, _>>()?;
        let plan = join::plan(&scanned, &mut |(file, frame), (other, number)| {
            let pair = parts[file]
                .frame_at(frame)
                .zip(parts[other].frame_at(number));
            pair.is_some_and(|(one, two)| parts[file].audio(&one) == parts[other].audio(&two))
        });
        Ok(Self { parts, plan })
    }

    /// Says what is remarkable about the parts, and how they fit together.
    pub(super) fn remark(&self, console: &mut Console) {
        for part in self
            .parts
            .iter()
            .filter(|part| part.recording.state == State::Damaged)
        {
            let name = shown(&part.recording.path);
            console.note(&format!(
                "{name}: its header is damaged; read as its frames say"
            ));
        }
        let Plan {
            repeated,
            strangers,
            ..
        } = self.plan;
        if repeated > 0 {
            console.note(&format!(
                "{repeated} frames were in more than one file, or twice in one; they come once"
            ));
        }
        if self.plan.silence() > 0 {
            console.note(&format!(
                "{} of silence stand for frames that are missing",
                seconds(self.plan.silence())
            ));
        }
        if strangers > 0 {
            console.note("the audio is of more than one recording; it comes one behind the other");
        }
    }

    /// Keeps what lies between two samples.
    pub(super) fn cut(&mut self, from: u64, to: u64) {
        let mut at = 0;
        let mut kept = vec![];
        for segment in &self.plan.segments {
            let (begin, end) = (at.max(from), (at + segment.samples()).min(to));
            if begin < end {
                kept.push(segment.part(begin - at, end - begin, |file| self.parts[file].samples));
            }
            at += segment.samples();
        }
        self.plan.segments = kept;
    }

    /// Where a file's audio stands in what comes out: `(sample of the file, sample that comes out, how many)`.
    pub(super) fn places(&self, wanted: usize) -> Vec<(u64, u64, u64)> {
        let mut at = 0;
        let mut places = vec![];
        for segment in &self.plan.segments {
            if let Segment::Frames {
                file,
                run,
                skip,
                samples,
            } = segment
            {
                if *file == wanted {
                    places.push((
                        run.first * u64::from(self.parts[*file].samples) + skip,
                        at,
                        *samples,
                    ));
                }
            }
            at += segment.samples();
        }
        places
    }

    /// Hands out the audio in order.
    pub(super) fn play(&self, take: Take) -> Result<(), Failure> {
        for segment in &self.plan.segments {
            match segment {
                Segment::Silence(samples) => take(Audio::Missing(*samples))?,
                Segment::Frames {
                    file,
                    run,
                    skip,
                    samples,
                } => self.parts[*file].play(run, *skip, *samples, take)?,
            }
        }
        Ok(())
    }
}

/// `SECONDS`, `M:SS` or `H:MM:SS`, with fractions, in samples.
pub(super) fn time(text: &OsString) -> Result<u64, Failure> {
    let text = text.to_string_lossy();
    let known = text
        .bytes()
        .all(|b| b.is_ascii_digit() || b == b'.' || b == b':')
        && text.split(':').count() <= 3;
    let add = |sum: Option<f64>, part: &str| Some(sum? * 60.0 + part.parse::<f64>().ok()?);
    let value = text
        .split(':')
        .fold(Some(0.0), add)
        .filter(|seconds| known && *seconds < 1e9);
    match value {
        Some(seconds) => Ok((seconds * RATE as f64).round() as u64),
        None => usage(&format!(
            "'{}' is no time; write seconds, or M:SS",
            shown(Path::new(&*text))
        )),
    }
}

/// Seconds, for people.
pub(super) fn seconds(samples: u64) -> String {
    format!("{}.{:03} s", samples / RATE, samples % RATE * 1000 / RATE)
}
