//! One file of a list: what its header, its name and its sidecar say together.

use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};

use crate::io::clock::civil;
use crate::recordings::frame_runs::FramePosition;
use crate::recordings::grouping::PartKey;
use crate::recordings::recording_file::{FileState, OpenError, RecordingFile};
use crate::recordings::repair::Refusal;
use crate::recordings::sidecar_file::SidecarFile;
use crate::wire::recording::name::{age_key, is_recording_name, time_in_name};
use crate::wire::recording::sidecar::Start;
use crate::wire::recording::HEADER_BYTES;

/// A recording's file, or a RIFF/WAVE file that a server wrote.
pub struct RecordingEntry {
    /// Where it is.
    pub path: PathBuf,
    /// Its sidecar, empty if there is none.
    pub sidecar: SidecarFile,
    /// Name of the codec; empty if unknown.
    pub codec: String,
    /// The state of the file.
    pub state: FileState,
    /// Number of frames.
    pub frames: u64,
    /// Length of the audio.
    pub duration_ms: u64,
    /// Length of the file.
    pub bytes: u64,
    start: Start,
    /// The offset from UTC in `start` is known.
    has_offset: bool,
    /// Position of the first frame, and that of a frame after the last.
    ends: Option<[FramePosition; 2]>,
}

impl RecordingEntry {
    /// Reads a file. `None`: it does not belong in a list of recordings.
    pub fn of(path: &Path) -> Result<Option<Self>, OpenError> {
        let sidecar = SidecarFile::of(path);
        let metadata = std::fs::metadata(path)?;
        let (start, has_offset) = match (sidecar.start(), time_in_name(file_name(path))) {
            (Some(start), _) => (start, true),
            (None, Some(start)) => (start, false),
            (None, None) => (of_seconds(metadata.mtime()), true),
        };
        let state = if sidecar.has_end() {
            FileState::Finished
        } else {
            FileState::Unfinished
        };
        let mut entry = Self {
            path: path.into(),
            codec: sidecar.text("codec"),
            state,
            frames: sidecar.number("frames").unwrap_or(0),
            duration_ms: sidecar.number("duration_ms").unwrap_or(0),
            bytes: metadata.len(),
            ends: None,
            sidecar,
            start,
            has_offset,
        };
        match RecordingFile::open(path) {
            Ok(recording) => entry.update(&recording),
            // A server may be configured to write RIFF/WAVE files. Their sidecar says all that is known of them.
            Err(OpenError::Refused(Refusal::Riff)) if entry.sidecar.object().is_some() => {}
            Err(OpenError::Refused(_)) if is_recording_name(file_name(path)) => {
                entry.state = FileState::Damaged;
            }
            Err(OpenError::Refused(_)) => return Ok(None),
            Err(error) => return Err(error),
        }
        Ok(Some(entry))
    }

    /// Takes what the recording itself says: it is newer than the sidecar.
    fn update(&mut self, recording: &RecordingFile) {
        let header = &recording.header;
        let frames = recording.extent.frames;
        self.codec = header.codec.name().into();
        self.state = recording.state;
        self.frames = frames;
        self.duration_ms = header.duration_ms(frames);
        let mut first = [0; 12];
        let read = recording
            .file
            .read_exact_at(&mut first, HEADER_BYTES as u64);
        if read.is_ok() && header.frames_are_rtp(first[0]) {
            let position = FramePosition::parse(&first);
            self.ends = Some([position, position.after(frames, header.increment)]);
        }
    }

    /// Orders entries by time, then by the number in the name, then by part.
    pub fn age(&self) -> impl Ord {
        let Start {
            year,
            month,
            day,
            hour,
            minute,
            second,
            ..
        } = self.start;
        let (_, number) = age_key(file_name(&self.path));
        (
            [u32::from(year), month.into(), day.into()],
            [hour, minute, second],
            number,
            self.sidecar.number("part"),
            self.path.clone(),
        )
    }

    /// What identifies its recording.
    pub fn key(&self) -> PartKey {
        let id = self.sidecar.text("id");
        let device = self.sidecar.text("device");
        PartKey {
            call: (!id.is_empty()).then_some((device, id)),
            ends: self.ends,
        }
    }

    /// When it began: ISO 8601, with the offset from UTC if that is known.
    pub fn time(&self) -> String {
        let mut time = self.start.to_string();
        if !self.has_offset {
            time.truncate(LOCAL_TIME_CHARS);
        }
        time
    }

    /// When it began, in local time: `2026-11-21 10:15:00`, followed by ` ?` if the phone's clock had not been set.
    pub fn local_time(&self) -> String {
        let object = self.sidecar.object();
        let is_clock_set = object.and_then(|object| object.flag("clock_set"));
        let mark = if is_clock_set == Some(false) {
            " ?"
        } else {
            ""
        };
        self.time()[..LOCAL_TIME_CHARS].replace('T', " ") + mark
    }
}

/// Length of `YYYY-MM-DDTHH:MM:SS`.
const LOCAL_TIME_CHARS: usize = 19;

fn file_name(path: &Path) -> &[u8] {
    path.file_name().unwrap_or_default().as_bytes()
}

fn of_seconds(seconds: i64) -> Start {
    let c = civil(seconds);
    Start::new(
        [c.year, c.month, c.day],
        [c.hour, c.minute, c.second],
        c.offset_minutes,
    )
}
