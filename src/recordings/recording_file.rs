//! One recording's file, open to be read, and the state it is in.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use crate::io::file::is_claimed;
use crate::io::host::FileExt;
use crate::io::regular_file;
use crate::recordings::repair::{inspect, Inspection, Refusal};
use crate::wire::recording::{Extent, Header, HEADER_BYTES};

/// A file that can be read as a recording.
pub struct RecordingFile {
    /// Where it is.
    pub path: PathBuf,
    /// Open for reading.
    pub file: File,
    /// The file's header, or the one that was reconstructed from the frames if that is damaged.
    pub header: Header,
    /// What the file holds, whatever the header says.
    pub extent: Extent,
    /// The state of the file.
    pub state: FileState,
}

/// The state of a recording's file; the better ones come first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum FileState {
    /// Header and length agree.
    Finished,
    /// Header and length disagree, and no process writes the file.
    Unfinished,
    /// The header was reconstructed from the frames, or its lengths contradict each other.
    Damaged,
    /// The daemon is writing the file.
    Recording,
}

impl FileState {
    /// The name in tables and in JSON.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Finished => "finished",
            Self::Unfinished => "unfinished",
            Self::Recording => "recording",
            Self::Damaged => "damaged",
        }
    }
}

/// Why a path cannot be opened as a recording.
#[derive(Debug)]
pub enum OpenError {
    /// The file is not a recording, or is damaged beyond reading.
    Refused(Refusal),
    /// The file cannot be read.
    Io(io::Error),
}

impl core::fmt::Display for OpenError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Refused(refusal) => f.write_str(refusal.description()),
            Self::Io(error) => error.fmt(f),
        }
    }
}

impl From<io::Error> for OpenError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl RecordingFile {
    /// Opens a file and inspects it.
    pub fn open(path: &Path) -> Result<Self, OpenError> {
        let file = regular_file::open(path)?;
        let file_bytes = file.metadata()?.len();
        let (header, is_sound) = match inspect(&file)? {
            Inspection::Sound(header) => (header, true),
            Inspection::Reconstructed(header) | Inspection::Inconsistent(header) => (header, false),
            Inspection::Refused(refusal) => return Err(OpenError::Refused(refusal)),
        };
        let extent = header.extent(file_bytes);
        let state = if is_claimed(&file) {
            FileState::Recording
        } else if !is_sound {
            FileState::Damaged
        } else if extent.exact {
            FileState::Finished
        } else {
            FileState::Unfinished
        };
        Ok(Self {
            path: path.into(),
            file,
            header,
            extent,
            state,
        })
    }

    /// Frames are whole RTP packets. The lengths in the header say so; if they contradict each
    /// other, the first byte of the first frame does.
    pub fn is_rtp(&self) -> bool {
        let mut first = [0x80];
        if !self.header.fits() {
            let _ = self.file.read_at(&mut first, HEADER_BYTES as u64);
        }
        self.header.frames_are_rtp(first[0])
    }
}
