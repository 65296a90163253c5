//! One file of a list: what its header, its name and its sidecar say together.

use std::path::{Path, PathBuf};

use crate::io::file::is_claimed;
use crate::io::host::{FileExt, MetadataExt, OsStrExt};
use crate::io::regular_file;
use crate::recordings::frame_runs::FramePosition;
use crate::recordings::grouping::PartKey;
use crate::recordings::recording_file::{FileState, OpenError, RecordingFile};
use crate::recordings::repair::Refusal;
use crate::recordings::sidecar_file::SidecarFile;
use crate::recordings::start_time::StartTime;
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
    /// When it began.
    pub time: StartTime,
    /// Position of the first frame, and that of a frame after the last.
    ends: Option<[FramePosition; 2]>,
}

impl RecordingEntry {
    /// Reads a file. `None`: it does not belong in a list of recordings.
    pub fn of(path: &Path) -> Result<Option<Self>, OpenError> {
        let sidecar = SidecarFile::of(path);
        let metadata = std::fs::metadata(path)?;
        let time = match (sidecar.start(), time_in_name(file_name(path))) {
            (Some(start), _) => StartTime::with_offset(start),
            (None, Some(start)) => StartTime::without_offset(start),
            (None, None) => StartTime::of_seconds(metadata.mtime()),
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
            time,
        };
        match RecordingFile::open(path) {
            Ok(recording) => entry.update(&recording),
            Err(OpenError::Refused(_)) if is_being_written(path) => {
                entry.state = FileState::Recording;
            }
            // A server may be configured to write RIFF/WAVE files. Their sidecar says all that is
            // known of them.
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
        } = self.time.start;
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
            folder: self.path.parent().unwrap_or(Path::new("")).into(),
            call: (!id.is_empty()).then_some((device, id)),
            part: self.sidecar.number("part"),
            ends: self.ends,
        }
    }

    /// The phone's clock had not been set: the time is wrong.
    pub fn is_clock_unset(&self) -> bool {
        let object = self.sidecar.object();
        object.and_then(|object| object.flag("clock_set")) == Some(false)
    }
}

/// A server writes the file: it may not yet look like one.
fn is_being_written(path: &Path) -> bool {
    regular_file::open(path).is_ok_and(|file| is_claimed(&file))
}

fn file_name(path: &Path) -> &[u8] {
    path.file_name().unwrap_or_default().as_bytes()
}
