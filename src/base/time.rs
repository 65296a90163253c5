//! Monotonic time as one integer of nanoseconds.
//!
//! `std::time::Instant` cannot be constructed from a number, so code that uses it cannot be tested
//! in virtual time; the core layers may not name `std::time` at all. Nanoseconds in a `u64` last
//! 584 years.

use core::ops::{Add, Sub};

/// A point on the monotonic clock, in nanoseconds from an arbitrary origin.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Instant(u64);

/// A length of time in nanoseconds, never negative.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Duration(u64);

impl Instant {
    /// A deadline that never arrives.
    pub const NEVER: Self = Self(u64::MAX);

    /// The point `nanos` after the clock's origin.
    pub const fn from_nanos(nanos: u64) -> Self {
        Self(nanos)
    }

    /// Nanoseconds since the clock's origin.
    pub const fn nanos(self) -> u64 {
        self.0
    }

    /// The time since `earlier`, or zero when `earlier` is in fact later.
    pub const fn since(self, earlier: Self) -> Duration {
        Duration(self.0.saturating_sub(earlier.0))
    }

    /// The first multiple of `step` after this point. Timers that are rounded up to it share one
    /// wake-up.
    pub const fn next_multiple_of(self, step: Duration) -> Self {
        Self((self.0 / step.0 + 1) * step.0)
    }
}

impl Duration {
    /// No time.
    pub const ZERO: Self = Self(0);

    /// A length of time in milliseconds.
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis * 1_000_000)
    }

    /// A length of time in nanoseconds.
    pub const fn from_nanos(nanos: u64) -> Self {
        Self(nanos)
    }

    /// Nanoseconds.
    pub const fn nanos(self) -> u64 {
        self.0
    }

    /// The sum of both, saturating.
    pub const fn saturating_add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }

    /// This length minus `other`, or zero when `other` is longer.
    pub const fn saturating_sub(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }

    /// Whole milliseconds, rounded down.
    pub const fn millis(self) -> u64 {
        self.0 / 1_000_000
    }
}

impl Add<Duration> for Instant {
    type Output = Self;
    fn add(self, length: Duration) -> Self {
        Self(self.0.saturating_add(length.0))
    }
}

impl Sub<Duration> for Instant {
    type Output = Self;
    fn sub(self, length: Duration) -> Self {
        Self(self.0.saturating_sub(length.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shared_tick_is_always_ahead() {
        let step = Duration::from_millis(200);
        for nanos in [0, 1, 199_999_999, 200_000_000, 200_000_001] {
            let at = Instant::from_nanos(nanos);
            let next = at.next_multiple_of(step);
            assert!(next > at && next.since(at) <= step);
            assert_eq!(next.nanos() % step.nanos(), 0);
        }
    }

    #[test]
    fn differences_never_wrap() {
        let early = Instant::from_nanos(5);
        let late = early + Duration::from_millis(3);
        assert_eq!(early.since(late), Duration::ZERO);
        assert_eq!(late.since(early).millis(), 3);
        assert_eq!(early - Duration::from_millis(1), Instant::from_nanos(0));
    }
}
