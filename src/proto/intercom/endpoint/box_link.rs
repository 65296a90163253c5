//! The states of a screen's link to its box.
//!
//! ```text
//! Pausing -> Connecting -> Joining -> Joined
//!    ^           |            |          |
//!    +-----------+------------+----------+  lost: 1, 2, 4 ... 30 s, +-20 %; refused: 30 s
//! ```

use crate::base::limits::endpoint::LONGEST_PAUSE;
use crate::base::time::{Duration, Instant};
use crate::proto::intercom::endpoint::output::Link;
use crate::wire::intercom::{Id, Reason};

/// The link to the box.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)] // the words say it
pub(super) enum BoxLink {
    /// The device has no box.
    None,
    /// The next attempt follows; so many have failed since the link was there.
    Pausing {
        until: Instant,
        failures: u32,
    },
    Connecting {
        link: Link,
        expires_at: Instant,
        failures: u32,
    },
    /// `join_family` is sent.
    Joining {
        link: Link,
        expires_at: Instant,
        failures: u32,
    },
    Joined {
        link: Link,
        room_id: Id,
    },
}

/// What happens to the link.
pub(super) enum BoxInput {
    Connected,
    Lost,
    Expired,
    /// The id of the home.
    Accepted(Id),
    /// Why the box does not want this screen.
    Refused(Reason),
}

impl BoxLink {
    /// Its connection.
    pub(super) fn link(&self) -> Option<Link> {
        match self {
            Self::None | Self::Pausing { .. } => None,
            Self::Connecting { link, .. }
            | Self::Joining { link, .. }
            | Self::Joined { link, .. } => Some(*link),
        }
    }

    /// Its connection, if it may carry calls.
    pub(super) fn joined(&self) -> Option<Link> {
        match self {
            Self::Joined { link, .. } => Some(*link),
            _ => None,
        }
    }

    /// When something is to be done.
    pub(super) fn deadline(&self) -> Instant {
        match self {
            Self::None | Self::Joined { .. } => Instant::NEVER,
            Self::Pausing { until, .. } => *until,
            Self::Connecting { expires_at, .. } | Self::Joining { expires_at, .. } => *expires_at,
        }
    }
}

/// The pause after so many failures: 1, 2, 4 ... 30 s, up to a fifth shorter or longer, so that the
/// screens of a house do not all come at once when its boxes have power again.
pub(super) fn pause_after(failures: u32, random: u64) -> Duration {
    let seconds = 1_u64 << failures.min(5);
    let plain = Duration::from_millis(seconds * 1000).min(LONGEST_PAUSE);
    let fifth = plain.nanos() / 5;
    let jitter = random % (2 * fifth + 1);
    Duration::from_nanos(plain.nanos() - fifth + jitter)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_30_s_and_vary_by_a_fifth() {
        for (failures, seconds) in [(0, 1), (1, 2), (2, 4), (3, 8), (4, 16), (5, 30), (9, 30)] {
            let plain = seconds * 1000;
            for random in [0, 1, 12_345_678_901_234, u64::MAX] {
                let pause = pause_after(failures, random).millis();
                assert!((plain * 4 / 5..=plain * 6 / 5).contains(&pause), "{pause}");
            }
            assert_eq!(pause_after(failures, 0).millis(), plain * 4 / 5);
        }
    }
}
