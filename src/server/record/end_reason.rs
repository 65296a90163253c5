//! Why a recording ends.

use std::io;

/// Why a recording ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum EndReason {
    /// The phone has stopped it.
    Stopped,
    /// The control connection was closed.
    ConnectionLost,
    /// The server is shutting down.
    Shutdown,
    /// `max-minutes` have passed.
    MaxMinutes,
    /// There is no space left.
    DiskFull,
    /// The disk fails to store it.
    DiskError,
}

impl EndReason {
    /// The reason's code in sidecars, logs and stop requests.
    pub(super) fn code(self) -> &'static str {
        match self {
            Self::Stopped => "stopped",
            Self::ConnectionLost => "connection-lost",
            Self::Shutdown => "shutdown",
            Self::MaxMinutes => "max-minutes",
            Self::DiskFull => "disk-full",
            Self::DiskError => "disk-error",
        }
    }

    /// The reason that an error of the file system stands for.
    pub(super) fn from_disk_error(error: &io::Error) -> Self {
        match error.raw_os_error() {
            Some(libc::ENOSPC | libc::EDQUOT) => Self::DiskFull,
            _ => Self::DiskError,
        }
    }

    /// The recording is complete: whoever ended it was entitled to.
    pub(super) fn is_success(self) -> bool {
        matches!(self, Self::Stopped | Self::Shutdown | Self::MaxMinutes)
    }
}
