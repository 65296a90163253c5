//! The calls to the stick that the file writer requests, and their outcomes.

use crate::base::time::Instant;

/// A file name: `Record_YYYYMMDD_HHMMSS_NNN.wav`.
pub type Name = heapless::String<48>;

/// One call to the stick.
#[derive(Debug, PartialEq, Eq)]
pub enum Op<'a> {
    /// Determine the number of free bytes.
    Space,
    /// Delete the oldest recording that is not in use.
    MakeRoom,
    /// Create a file named after the time at which its first frame began.
    Create(Instant),
    /// Write these bytes at this offset.
    Write(u64, &'a [u8]),
    /// Reserve the file's blocks up to this length if the file system supports it; the file size
    /// does not change.
    Reserve(u64),
    /// Sync the file, so that everything written so far survives a power failure.
    Sync,
    /// Set the length of the file, and release blocks that were reserved beyond it.
    Truncate(u64),
    /// Close the file.
    Close,
    /// Close the file and delete it: it has no header.
    Discard,
}

/// The outcome of a call that succeeded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Done {
    /// The call succeeded; there is no further result.
    Yes,
    /// Free bytes, for `Space`.
    Free(u64),
    /// The name, for `Create`.
    Created(Name),
    /// Bytes written, at least one, for `Write`.
    Wrote(usize),
    /// For `MakeRoom`: there is nothing left to delete.
    NothingToDelete,
}

/// Why a call failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DiskError {
    /// No space, no directory entry, no quota.
    Full,
    /// The stick was removed.
    Lost,
    /// No file descriptor or memory is available: this is not a fault of the stick, and a later
    /// call may succeed.
    Busy,
    /// A bug of the recorder; it is counted as `bug`.
    Internal,
    /// Any other failure, with its errno.
    Failed(i32),
}
