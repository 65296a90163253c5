//! File descriptors: as many as the system allows, some kept for those who must not fail, and what a lack of them is.

use std::io;
use std::os::fd::{AsFd, OwnedFd};

pub use crate::io::sys::raise_descriptor_limit as raise_limit;

/// A descriptor that only keeps a number occupied: dropped just before a call, it leaves one for it.
pub fn spare() -> io::Result<OwnedFd> {
    io::stderr().as_fd().try_clone_to_owned()
}

/// A call failed because no descriptor or memory is left, whatever it was to be made with.
pub fn is_shortage(error: &io::Error) -> bool {
    matches!(
        error.raw_os_error(),
        Some(libc::EMFILE | libc::ENFILE | libc::ENOMEM)
    )
}
