//! The states of the file writer: one for each call to the stick.

use crate::proto::recording::disk_call::DiskError;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// No file is open; the next frame begins one.
    Waiting,
    Beginning(Beginning),
    /// A file is open and takes frames.
    Appending,
    Checkpoint(Checkpoint),
    Ending(Ending),
    /// No file is open, and none will be.
    Ended,
}

/// A part begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Beginning {
    Space,
    MakeRoom,
    Create,
    /// So many bytes of the header are written.
    Header(usize),
    Reserve,
}

/// What has been written is made to survive a power cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Checkpoint {
    Sync,
    /// So many bytes of `dataSize` are written.
    Size(usize),
    Space,
    MakeRoom,
    Reserve,
}

/// A part ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    Trim,
    Sync,
    /// So many bytes of `dataSize` are written.
    Size(usize),
    FinalSync,
    Close,
    /// It has no header: it is deleted.
    Discard,
}

/// Whether more frames will come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Course {
    /// Yes.
    Recording,
    /// No: what is in the ring is written, then the recording ends.
    Finishing,
    /// No: a call has failed; it ends as soon as the file is closed.
    Failed(DiskError),
}

/// Blocks that are reserved for the file ahead of its end.
#[derive(Clone, Copy, Debug)]
pub(super) enum Reservation {
    /// Up to this length of the file.
    UpTo(u64),
    /// The file system cannot reserve: it is not asked again.
    Impossible,
}

impl State {
    /// No file has its header yet.
    pub(super) fn is_before_header(self) -> bool {
        match self {
            Self::Beginning(step) => step != Beginning::Reserve,
            _ => false,
        }
    }

    /// A file is open.
    pub(super) fn has_file(self) -> bool {
        match self {
            Self::Waiting | Self::Ended => false,
            Self::Beginning(step) => matches!(step, Beginning::Header(_) | Beginning::Reserve),
            Self::Appending | Self::Checkpoint(_) | Self::Ending(_) => true,
        }
    }

    /// What comes after a call that has failed: after the `first` failure the file is cut to whole frames and closed; one
    /// that follows while that is done only skips a step.
    pub(super) fn after_failure(self, error: DiskError, first: bool) -> Self {
        match self {
            Self::Waiting | Self::Ended => Self::Ended,
            Self::Ending(Ending::Close | Ending::Discard) => Self::Ended,
            Self::Beginning(Beginning::Space | Beginning::MakeRoom | Beginning::Create) => {
                Self::Ended
            }
            _ if error == DiskError::Lost => Self::Ending(Ending::Close),
            Self::Beginning(Beginning::Header(_)) => Self::Ending(Ending::Discard),
            // No room for more, but the calls work: what is mixed already still goes into the reserve.
            Self::Checkpoint(Checkpoint::Space | Checkpoint::MakeRoom)
                if first && error == DiskError::Full =>
            {
                Self::Appending
            }
            Self::Ending(step) if !first => Self::Ending(match step {
                Ending::Trim => Ending::Sync,
                Ending::Sync => Ending::Size(0),
                Ending::Size(_) => Ending::FinalSync,
                Ending::FinalSync | Ending::Close | Ending::Discard => Ending::Close,
            }),
            _ => Self::Ending(Ending::Trim),
        }
    }
}
