//! The wall clock compared with the monotonic clock: what a kernel timestamp means when the wall
//! clock may have been set.
//!
//! The kernel stamps a datagram with the wall clock when it arrives; everything else in this
//! program is measured by the monotonic clock. Two readings of both clocks show by how much the
//! wall clock was set between them, but not when. A stamp from that time has two possible meanings.
//! `Stamp` carries both, and the limits between which the arrival must lie.

use super::time::{Duration, Instant};

/// A difference between the two clocks that is smaller than this is not a step: 1 ms. On a busy
/// machine, time passes between the two system calls of a reading, and NTP slews by at most half a
/// millisecond a second. What NTP slews over a longer interval between two readings counts as a
/// step; the two meanings of a stamp are then close enough to be equivalent.
const MIN_STEP: i64 = 1_000_000;
/// How far a stamp may lie outside its limits: 20 ms. The limits come from readings that a busy
/// machine may delay.
const SLACK: Duration = Duration::from_millis(20);

/// A time as seconds and nanoseconds, of any clock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Timespec {
    /// Whole seconds.
    pub seconds: i64,
    /// 0 to 999 999 999.
    pub nanos: u32,
}

/// The latest reading of both clocks, and the latest step between two readings.
#[derive(Clone, Copy, Debug, Default)]
pub struct WallClock {
    read_at: Instant,
    wall: Timespec,
    step: Option<ClockStep>,
}

/// The wall clock was set by `nanos`, at an unknown time before `noticed_at`.
#[derive(Clone, Copy, Debug)]
struct ClockStep {
    nanos: i64,
    noticed_at: Instant,
}

/// The arrival of a datagram, as far as its stamp determines it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// The arrival if the datagram was stamped after the wall clock was set.
    after: Instant,
    /// The arrival if it was stamped before that; equal to `after` if this is impossible.
    before: Instant,
    /// The earliest possible arrival.
    earliest: Instant,
    /// The latest possible arrival.
    latest: Instant,
}

impl WallClock {
    /// Takes a reading. Returns by how many milliseconds the wall clock was set since the previous
    /// reading; 0 if it was not.
    pub fn read(&mut self, monotonic: Instant, wall: Timespec) -> i64 {
        let passed = monotonic.nanos() as i64 - self.read_at.nanos() as i64;
        let nanos = difference(wall, self.wall) - passed;
        let is_first = self.read_at == Instant::default();
        self.read_at = monotonic;
        self.wall = wall;
        if is_first || nanos.abs() < MIN_STEP {
            return 0;
        }
        self.step = Some(ClockStep {
            nanos,
            noticed_at: monotonic,
        });
        nanos / 1_000_000
    }

    /// Interprets the stamp of a datagram that arrived after `earliest` and before the latest
    /// reading.
    pub fn stamp(&self, stamp: Timespec, earliest: Instant) -> Stamp {
        let ago = difference(self.wall, stamp);
        let after = back(self.read_at, ago);
        let mut stamp = Stamp {
            after,
            before: after,
            earliest,
            latest: self.read_at,
        };
        if let Some(step) = self.step {
            // If only this program's clock was set and not the kernel's (time namespaces,
            // emulators), stamps continue on the older clock.
            if earliest < step.noticed_at || stamp.fitting(after).is_none() {
                // If the clock was set forward by `step`, the same digits on the older clock mean a
                // later time.
                stamp.before = back(self.read_at, ago.saturating_sub(step.nanos));
            }
        }
        stamp
    }
}

impl Stamp {
    /// A known arrival.
    pub fn at(arrival: Instant) -> Self {
        Self {
            after: arrival,
            before: arrival,
            earliest: arrival,
            latest: arrival,
        }
    }

    /// The stamp lies within its limits, and the clock was not set: a newer reading would not
    /// change its meaning.
    pub fn is_plain(&self) -> bool {
        self.before == self.after && self.earliest <= self.after && self.after <= self.latest
    }

    /// The arrival, if the stamp is unambiguous.
    pub fn certain(&self) -> Option<Instant> {
        match (self.fitting(self.after), self.fitting(self.before)) {
            (Some(at), None) | (None, Some(at)) => Some(at),
            (Some(one), Some(other)) if one == other => Some(one),
            _ => None,
        }
    }

    /// The possible arrival that is closest to the expected one. Without an expectation, the
    /// earliest possible one: datagrams that wait in a socket follow each other closely. An
    /// impossible stamp is ignored.
    pub fn nearest(&self, expected: Option<Instant>) -> Instant {
        let distance = |at: Instant| expected.map_or(at, |expected| absolute(at, expected));
        let nearest = match (self.fitting(self.after), self.fitting(self.before)) {
            (Some(after), Some(before)) if distance(before) < distance(after) => before,
            (Some(after), _) => after,
            (None, Some(before)) => before,
            (None, None) => expected.unwrap_or(self.latest),
        };
        nearest.clamp(self.earliest, self.latest)
    }

    #[inline(always)] // for each measured packet
    fn fitting(&self, at: Instant) -> Option<Instant> {
        let fits = at + SLACK >= self.earliest && at <= self.latest + SLACK;
        fits.then_some(at.clamp(self.earliest, self.latest))
    }
}

/// The difference of two times of day in nanoseconds. Seconds are compared modulo 2^32: some
/// kernels stamp with 32 bits.
fn difference(one: Timespec, other: Timespec) -> i64 {
    let seconds = (one.seconds as u32).wrapping_sub(other.seconds as u32) as i32;
    i64::from(seconds) * 1_000_000_000 + i64::from(one.nanos) - i64::from(other.nanos)
}

/// The point `ago` nanoseconds before `from`; after it if `ago` is negative.
fn back(from: Instant, ago: i64) -> Instant {
    let length = Duration::from_nanos(ago.unsigned_abs());
    if ago >= 0 {
        from - length
    } else {
        from + length
    }
}

/// The distance between two points, as an `Instant`, so that it compares with one.
fn absolute(one: Instant, other: Instant) -> Instant {
    Instant::from_nanos(one.since(other).nanos().max(other.since(one).nanos()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ORIGIN: u64 = 100_000_000_000;

    fn ms(millis: u64) -> Instant {
        Instant::from_nanos(ORIGIN) + Duration::from_millis(millis)
    }

    fn wall(seconds: i64, millis: u64) -> Timespec {
        Timespec {
            seconds: seconds + (millis / 1000) as i64,
            nanos: (millis % 1000 * 1_000_000) as u32,
        }
    }

    /// A clock that was read at 0 and at 600 ms, and set by `step` seconds between.
    fn set(base: i64, step: i64) -> WallClock {
        let mut clock = WallClock::default();
        assert_eq!(clock.read(ms(0), wall(base, 0)), 0);
        assert_eq!(clock.read(ms(600), wall(base + step, 600)), step * 1000);
        clock
    }

    #[test]
    fn stamps_of_either_width_become_monotonic_also_after_2038() {
        for base in [
            0,
            1_764_000_000,
            i64::from(i32::MAX),
            2_300_000_000,
            4_294_967_296,
        ] {
            let clock = set(base, 0);
            for base in [base, i64::from(base as i32)] {
                let stamp = clock.stamp(wall(base, 250), ms(0));
                assert_eq!(stamp.certain(), Some(ms(250)), "{base}");
            }
        }
    }

    #[test]
    fn a_stamp_from_before_and_one_from_after_the_step_both_have_their_time() {
        for (base, step) in [
            (1_764_000_000, 5),
            (1_764_000_000, -5),
            (1_764_000_000, -3600),
            (1_764_000_000, -1_764_000_000),
        ] {
            let clock = set(base, step);
            assert_eq!(
                clock.stamp(wall(base, 100), ms(0)).certain(),
                Some(ms(100)),
                "{step}"
            );
            assert_eq!(
                clock.stamp(wall(base + step, 500), ms(0)).certain(),
                Some(ms(500)),
                "{step}"
            );
            let later = clock.stamp(wall(base, 100), ms(600));
            assert_eq!(
                (later.certain(), later.nearest(Some(ms(590)))),
                (None, ms(600)),
                "{step}: read since the step"
            );
        }
    }

    #[test]
    fn where_both_clocks_fit_the_expected_arrival_decides() {
        let mut clock = WallClock::default();
        clock.read(ms(0), wall(1000, 0));
        clock.read(ms(4000), wall(1001, 4000));
        let stamp = clock.stamp(wall(1000, 3000), ms(0));
        assert_eq!(
            stamp.certain(),
            None,
            "3000 by the old clock, 2000 by the new one"
        );
        assert_eq!(stamp.nearest(Some(ms(2990))), ms(3000));
        assert_eq!(stamp.nearest(Some(ms(2400))), ms(2000));
        assert_eq!(stamp.nearest(None), ms(2000));
    }

    #[test]
    fn a_stamp_that_cannot_be_true_gives_way_to_what_is_expected() {
        let clock = set(1000, 0);
        let stamp = clock.stamp(wall(5000, 0), ms(100));
        assert_eq!(
            (stamp.certain(), stamp.nearest(Some(ms(300)))),
            (None, ms(300))
        );
        assert_eq!(
            (stamp.nearest(Some(ms(50))), stamp.nearest(None)),
            (ms(100), ms(600))
        );
    }

    #[test]
    fn a_slow_reading_is_no_step() {
        let mut clock = WallClock::default();
        clock.read(ms(0), wall(1000, 0));
        let late = Timespec {
            seconds: 1000,
            nanos: 600_900_000,
        };
        assert_eq!(clock.read(ms(600), late), 0);
        assert_eq!(
            clock
                .stamp(wall(1000, 599), ms(0))
                .certain()
                .map(|at| at.since(ms(598)).millis()),
            Some(0)
        );
    }
}
