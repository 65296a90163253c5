//! How the server reacts to an input, and the operations that it asks its owner to perform.

use crate::proto::fsp::server::tree::File;

/// The server's reaction to one input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reaction {
    /// The request is not answered.
    Silence,
    /// Send this many bytes of the reply buffer.
    Reply(usize),
    /// Perform this operation, then call `handle_completion`.
    Perform(Operation),
}

/// An operation on the stick, or on the file that keeps the password.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// Get time and size of a file; completes with `Completion::Entry`.
    Stat(File),
    /// Read into the payload of the reply; completes with `Completion::Read`.
    Read {
        /// The file to read.
        file: File,
        /// The offset of the first byte.
        position: u32,
        /// The most bytes to read.
        len: usize,
    },
    /// Open the stick's folder and get its first name; completes with `Completion::Name`.
    FirstName,
    /// Get the next name; completes with `Completion::Name`.
    NextName,
    /// Store `FspServer::new_password` so that it survives a restart; completes with
    /// `Completion::Saved`.
    SavePassword,
}

/// The result of an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Completion<'a> {
    /// The file exists.
    Entry {
        /// Seconds since 1970, UTC.
        time: u32,
        /// Size in bytes; for a recording in progress, the bytes that would survive a power cut.
        size: u32,
    },
    /// Bytes were read; none at the end of the file.
    Read {
        /// The number of bytes.
        len: usize,
        /// For a recording in progress, its durable size in bytes.
        growing: Option<u32>,
    },
    /// A name, or `None` after the last one.
    Name(Option<&'a [u8]>),
    /// The password is stored.
    Saved,
    /// The operation failed: the file does not exist, or there is no stick.
    Failed,
}
