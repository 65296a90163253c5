//! Why a token is refused, or cannot be made or revoked.

use core::fmt::{self, Display};

use crate::base::limits::home_box::{MAX_TOKENS, MAX_TOKEN_DAYS};

/// Why a screen may not join with a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TokenProblem {
    /// This box has not made it.
    Foreign,
    Expired,
    Revoked,
}

impl Display for TokenProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Foreign => "the token was not made by this box",
            Self::Expired => "the token has expired",
            Self::Revoked => "the token was revoked",
        })
    }
}

/// Why a token was not made or revoked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ChangeProblem {
    /// The device's id.
    Device,
    Days,
    ClockNotSet,
    /// As many tokens as a box keeps are good.
    Full,
    /// No token was made for this device.
    UnknownDevice,
    /// A file in `stateDir`.
    File(String),
}

impl ChangeProblem {
    /// The word of a refusal on the control socket; `bad-request` if the request itself was wrong.
    pub(crate) fn word(&self) -> &'static str {
        match self {
            Self::Device | Self::Days => "bad-request",
            Self::UnknownDevice => "unknown-id",
            Self::ClockNotSet | Self::Full | Self::File(_) => "failed",
        }
    }
}

impl From<String> for ChangeProblem {
    fn from(problem: String) -> Self {
        Self::File(problem)
    }
}

impl Display for ChangeProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Device => f.write_str(
                "the device must be 1 to 64 printable characters without blanks and commas",
            ),
            Self::Days => write!(f, "the days must be a number from 1 to {MAX_TOKEN_DAYS}"),
            Self::ClockNotSet => f.write_str(
                "the clock is not set, and the token would expire too early: set it, for example with ntpd -q",
            ),
            Self::Full => write!(f, "there are {MAX_TOKENS} good tokens: revoke some first"),
            Self::UnknownDevice => f.write_str("no token was made for this device"),
            Self::File(problem) => f.write_str(problem),
        }
    }
}
