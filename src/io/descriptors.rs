//! File descriptors: raises their limit, reserves some for calls that must not fail, and recognizes
//! a shortage.

use std::io;
use std::os::fd::{AsFd, OwnedFd};

pub use crate::io::sys::raise_descriptor_limit as raise_limit;

/// A descriptor that only reserves a number: if it is dropped just before a call, the call gets
/// that number.
pub fn spare() -> io::Result<OwnedFd> {
    io::stderr().as_fd().try_clone_to_owned()
}

/// A call failed because no descriptor or memory was available, independently of its arguments.
pub fn is_shortage(error: &io::Error) -> bool {
    matches!(
        error.raw_os_error(),
        Some(libc::EMFILE | libc::ENFILE | libc::ENOMEM)
    )
}
