//! The calls to the stick that the file writer asks for, and their outcomes.

use crate::base::time::Instant;

/// A file name: `Record_YYYYMMDD_HHMMSS_NNN.wav`.
pub type Name = heapless::String<48>;

/// One call to the stick.
#[derive(Debug, PartialEq, Eq)]
pub enum Op<'a> {
    /// How many bytes are free?
    Space,
    /// Delete the oldest recording that is not in use.
    MakeRoom,
    /// Create a file named after the time its first frame began.
    Create(Instant),
    /// Write these bytes here.
    Write(u64, &'a [u8]),
    /// Reserve the file's blocks up to this length, if the file system can; its size stays.
    Reserve(u64),
    /// Make everything written so far survive a power cut.
    Sync,
    /// Set the file's length, and give back what was reserved beyond.
    Truncate(u64),
    /// Close the file.
    Close,
    /// Close the file and delete it: it has no header.
    Discard,
}

/// The outcome of a call that succeeded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Done {
    /// It did what it says.
    Yes,
    /// Free bytes, for `Space`.
    Free(u64),
    /// The name, for `Create`.
    Created(Name),
    /// Bytes written, at least one, for `Write`.
    Wrote(usize),
    /// For `MakeRoom`: nothing is left to delete.
    NothingToDelete,
}

/// Why a call failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DiskError {
    /// No space, no directory entry, no quota.
    Full,
    /// The stick is gone.
    Lost,
    /// No file descriptor or memory is left: the stick is not to blame, and a later call may succeed.
    Busy,
    /// A fault of the recorder itself; it is counted as `bug`.
    Internal,
    /// Anything else, with its errno.
    Failed(i32),
}
