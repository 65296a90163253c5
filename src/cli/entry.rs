//! One file of a listing: what its header, its name, and the file beside it say together.

use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};

use crate::cli::beside::Beside;
use crate::cli::console::harmless;
use crate::cli::recording::{Problem, Recording, State};
use crate::io::clock::civil;
use crate::recordings::order::Key;
use crate::recordings::repair::Refusal;
use crate::recordings::scan::Head;
use crate::wire::recording::sidecar::Start;
use crate::wire::recording::{age_key, is_recording_name, HEADER_BYTES};

/// A recording's file, or a WAV file that a server wrote.
pub(super) struct Entry {
    pub(super) path: PathBuf,
    pub(super) beside: Beside,
    pub(super) codec: String,
    pub(super) state: &'static str,
    pub(super) frames: u64,
    pub(super) duration_ms: u64,
    /// The file's length.
    pub(super) bytes: u64,
    start: Start,
    /// It is known how far the local time was from UTC.
    zoned: bool,
    ends: Option<[Head; 2]>,
}

impl Entry {
    /// `None`: a file that nobody would look for in a list of recordings.
    pub(super) fn of(path: &Path) -> Result<Option<Self>, Problem> {
        let beside = Beside::of(path);
        let entry = std::fs::metadata(path)?;
        let (start, zoned) = match (beside.start(), of_name(path)) {
            (Some(start), _) => (start, true),
            (None, Some(start)) => (start, false),
            (None, None) => (of_seconds(entry.mtime()), true),
        };
        let mut found = Self {
            path: path.into(),
            codec: beside.text("codec"),
            state: if beside.has_end() {
                State::Finished.name()
            } else {
                State::Unfinished.name()
            },
            frames: beside.number("frames").unwrap_or(0),
            duration_ms: beside.number("duration_ms").unwrap_or(0),
            bytes: entry.len(),
            ends: None,
            beside,
            start,
            zoned,
        };
        match Recording::open(path) {
            Ok(recording) => found.take(&recording),
            // A server may be told to write WAV files: all that is known of one stands beside it.
            Err(Problem::Refused(Refusal::Riff)) if found.beside.object().is_some() => {}
            Err(Problem::Refused(_)) if is_ours(path) => found.state = State::Damaged.name(),
            Err(Problem::Refused(_)) => return Ok(None),
            Err(problem) => return Err(problem),
        }
        Ok(Some(found))
    }

    fn take(&mut self, recording: &Recording) {
        let (header, frames) = (&recording.header, recording.extent.frames);
        self.codec = header.codec.name().into();
        self.state = recording.state.name();
        (self.frames, self.duration_ms) = (frames, header.duration_ms(frames));
        let mut first = [0; 12];
        let read = recording
            .file
            .read_exact_at(&mut first, HEADER_BYTES as u64);
        if read.is_ok() && header.frames_are_rtp(first[0]) {
            let head = Head::parse(&first);
            self.ends = Some([head, head.after(frames, header.increment)]);
        }
    }

    /// Orders by time, then by the number in the name, then by part.
    pub(super) fn age(&self) -> impl Ord {
        let Start {
            year,
            month,
            day,
            hour,
            minute,
            second,
            ..
        } = self.start;
        let (_, number) = age_key(self.path.file_name().unwrap_or_default().as_bytes());
        (
            year,
            month,
            day,
            hour,
            minute,
            second,
            number,
            self.beside.number("part"),
            self.path.clone(),
        )
    }

    /// What tells its recording.
    pub(super) fn key(&self) -> Key {
        let id = self.beside.text("id");
        Key {
            call: (!id.is_empty()).then(|| (self.beside.text("device"), id)),
            ends: self.ends,
        }
    }

    /// ISO 8601, with the distance from UTC if it is known.
    pub(super) fn time(&self) -> String {
        let time = self.start.to_string();
        time[..if self.zoned { time.len() } else { 19 }].to_owned()
    }

    /// For people; with a mark behind it if the phone's clock had not been set.
    pub(super) fn shown_time(&self) -> String {
        let guess = self
            .beside
            .object()
            .and_then(|object| object.flag("clock_set"))
            == Some(false);
        self.time()[..19].replace('T', " ") + if guess { " ?" } else { "" }
    }

    /// The name, for people.
    pub(super) fn name(&self) -> String {
        harmless(&self.path.file_name().unwrap_or_default().to_string_lossy())
    }
}

fn is_ours(path: &Path) -> bool {
    is_recording_name(path.file_name().unwrap_or_default().as_bytes())
}

/// `Record_YYYYMMDD_HHMMSS...`: local time.
fn of_name(path: &Path) -> Option<Start> {
    let name = path.file_name()?.to_str().filter(|_| is_ours(path))?;
    let digits = |from: usize, to: usize| name.get(from..to);
    let [year, month, day] = [digits(7, 11)?, digits(11, 13)?, digits(13, 15)?];
    let [hour, minute, second] = [digits(16, 18)?, digits(18, 20)?, digits(20, 22)?];
    Start::parse(format!("{year}-{month}-{day}T{hour}:{minute}:{second}Z").as_bytes())
}

fn of_seconds(seconds: i64) -> Start {
    let c = civil(seconds);
    Start::new(
        [c.year, c.month, c.day],
        [c.hour, c.minute, c.second],
        c.offset_minutes,
    )
}
