//! The states of the file writer: one for each call to the stick.

use crate::proto::recording::disk_call::DiskError;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// No file is open; the next frame opens one.
    Waiting,
    Beginning(Beginning),
    /// A file is open, and frames are appended to it.
    Appending,
    Checkpoint(Checkpoint),
    Ending(Ending),
    /// No file is open, and none will be.
    Ended,
}

/// The steps at the beginning of a part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Beginning {
    Space,
    MakeRoom,
    Create,
    /// So many bytes of the header are written.
    Header(usize),
    Reserve,
}

/// The steps of a sync, after which the data survives a power failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Checkpoint {
    Sync,
    /// So many bytes of `dataSize` are written.
    Size(usize),
    Space,
    MakeRoom,
    Reserve,
}

/// The steps at the end of a part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    Trim,
    Sync,
    /// So many bytes of `dataSize` are written.
    Size(usize),
    FinalSync,
    Close,
    /// The file has no header: it is deleted.
    Discard,
}

/// Whether more frames are expected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Course {
    /// Yes.
    Recording,
    /// No: the content of the ring is written, then the recording ends.
    Finishing,
    /// No: a call has failed; the recording ends as soon as the file is closed.
    Failed(DiskError),
}

/// Blocks that are reserved beyond the end of the file.
#[derive(Clone, Copy, Debug)]
pub(super) enum Reservation {
    /// Up to this length of the file.
    UpTo(u64),
    /// The file system does not support reservation: it is not tried again.
    Impossible,
}

impl State {
    /// The header of the first file has not been written.
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

    /// The state after a failed call. After the `first` failure, the file is truncated to whole
    /// frames and closed; a further failure only skips a step.
    pub(super) fn after_failure(self, error: DiskError, first: bool) -> Self {
        match self {
            Self::Waiting | Self::Ended => Self::Ended,
            Self::Ending(Ending::Close | Ending::Discard) => Self::Ended,
            Self::Beginning(Beginning::Space | Beginning::MakeRoom | Beginning::Create) => {
                Self::Ended
            }
            _ if error == DiskError::Lost => Self::Ending(Ending::Close),
            Self::Beginning(Beginning::Header(_)) => Self::Ending(Ending::Discard),
            // There is no room for more, but calls still succeed: frames that are already mixed use
            // the reserve.
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
