//! Why a recording ends.

use std::io;

/// Why a recording ends: a word for the sidecar, and whether that is as it should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Why {
    /// The phone said so.
    Stopped,
    /// The control connection is gone.
    ConnectionLost,
    /// The server is ending.
    Shutdown,
    /// `max-minutes` have passed.
    MaxMinutes,
    /// There is no room left.
    DiskFull,
    /// The disk does not take it.
    DiskError,
}

impl Why {
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Stopped => "stopped",
            Self::ConnectionLost => "connection-lost",
            Self::Shutdown => "shutdown",
            Self::MaxMinutes => "max-minutes",
            Self::DiskFull => "disk-full",
            Self::DiskError => "disk-error",
        }
    }

    /// An error of the disk.
    pub(super) fn of(error: &io::Error) -> Self {
        match error.raw_os_error() {
            Some(libc::ENOSPC | libc::EDQUOT) => Self::DiskFull,
            _ => Self::DiskError,
        }
    }
}
