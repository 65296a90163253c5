//! The clocks: monotonic for measuring, the wall clock for file names and kernel timestamps.

use std::os::fd::{AsRawFd, OwnedFd, RawFd};

use crate::base::time::Instant;
use crate::base::wall_clock::{Stamp, WallClock};
use crate::io::sys::{self, Civil, Timespec};

/// One reading of both clocks.
#[derive(Clone, Copy, Debug)]
pub struct Now {
    /// The monotonic clock.
    pub monotonic: Instant,
    wall: Timespec,
}

/// Reads both clocks.
pub fn now() -> Now {
    Now {
        monotonic: instant(sys::monotonic()),
        wall: sys::wall(),
    }
}

/// Reads the monotonic clock.
pub fn monotonic() -> Instant {
    instant(sys::monotonic())
}

fn instant(time: Timespec) -> Instant {
    Instant::from_nanos(time.seconds.unsigned_abs() * 1_000_000_000 + u64::from(time.nanos))
}

impl Now {
    /// The local time of day at `at`.
    pub fn local(&self, at: Instant) -> Civil {
        let ago = self.monotonic.since(at).nanos() as i64 - at.since(self.monotonic).nanos() as i64;
        let nanos = i64::from(self.wall.nanos) - ago;
        civil(self.wall.seconds + nanos.div_euclid(1_000_000_000))
    }
}

/// The local time of day at a time of the wall clock.
pub fn civil(seconds: i64) -> Civil {
    let unknown = Civil {
        year: 1970,
        month: 1,
        day: 1,
        hour: 0,
        minute: 0,
        second: 0,
        offset_minutes: 0,
    };
    sys::local_time(seconds).unwrap_or(unknown)
}

/// The clocks of a loop that reads kernel timestamps: it keeps track of changes of the wall clock.
#[derive(Default)]
pub struct Clock {
    wall: WallClock,
    changes: Option<OwnedFd>,
    set_by: i64,
}

impl Clock {
    /// Asks the kernel to report when the wall clock is set. Without this, the next reading notices
    /// it.
    pub fn open() -> Self {
        Self {
            changes: sys::clock_changes().ok(),
            ..Self::default()
        }
    }

    /// Becomes readable when the wall clock is set.
    pub fn changes(&self) -> Option<RawFd> {
        self.changes.as_ref().map(AsRawFd::as_raw_fd)
    }

    /// Discards the kernel's report; the next reading determines the change.
    pub fn drain_changes(&self) {
        if let Some(changes) = &self.changes {
            let _ = nix::unistd::read(changes, &mut [0; 8]);
        }
    }

    /// Reads both clocks.
    pub fn read(&mut self) -> Now {
        let now = now();
        self.set_by += self.wall.read(now.monotonic, now.wall);
        now
    }

    /// By how many milliseconds the wall clock was set since the last call.
    pub fn take_set(&mut self) -> i64 {
        std::mem::take(&mut self.set_by)
    }

    /// Interprets a kernel timestamp. If it is later than the latest reading, or inconsistent with
    /// it, both clocks are read again.
    pub fn stamp(&mut self, stamp: Timespec, earliest: Instant) -> Stamp {
        let known = self.wall.stamp(stamp, earliest);
        if known.is_plain() {
            return known;
        }
        self.read();
        self.wall.stamp(stamp, earliest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::time::Duration;

    #[test]
    fn local_time_goes_back_and_forth() {
        let now = super::now();
        let seconds = |civil: Civil| civil.hour * 3600 + civil.minute * 60 + civil.second;
        let ago = now.local(now.monotonic - Duration::from_millis(10_000));
        let difference = (seconds(now.local(now.monotonic)) - seconds(ago)).rem_euclid(86_400);
        assert!(
            (9..=11).contains(&difference) || difference % 3600 == 10,
            "{difference}"
        );
    }

    /// A reading of both clocks, not before `at`.
    fn reading_after(at: Instant) -> Now {
        loop {
            let now = super::now();
            if now.monotonic >= at {
                return now;
            }
        }
    }

    #[test]
    fn a_stamp_that_is_later_than_the_reading_has_the_clocks_read_again() {
        let mut clock = Clock::open();
        let early = clock.read();
        let later = reading_after(early.monotonic + Duration::from_millis(50));
        let at = clock.stamp(later.wall, early.monotonic).certain();
        assert!(
            at.is_some_and(|at| at.since(early.monotonic).millis() >= 49),
            "{at:?}"
        );
        assert_eq!(clock.take_set(), 0);
    }
}
