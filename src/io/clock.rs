//! The clocks: monotonic for everything that is measured, the wall clock for names and kernel stamps.

use crate::base::time::{Duration, Instant};
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
    Now { monotonic: instant(sys::monotonic()), wall: sys::wall() }
}

/// Reads the monotonic clock.
pub fn monotonic() -> Instant {
    instant(sys::monotonic())
}

fn instant(time: Timespec) -> Instant {
    Instant::from_nanos(time.seconds.unsigned_abs() * 1_000_000_000 + u64::from(time.nanos))
}

impl Now {
    /// The monotonic time of a kernel stamp, which is by the wall clock; not before `earliest`, and not
    /// after `latest`, which is asked only if the stamp is later than this reading (a stick may have
    /// stalled since): whoever sets the clock in between moves no audio. Seconds are compared modulo
    /// 2^32, since some kernels stamp with 32 bits.
    pub fn arrival(&self, stamp: Timespec, earliest: Instant, latest: impl FnOnce() -> Instant) -> Instant {
        let seconds = (self.wall.seconds as u32).wrapping_sub(stamp.seconds as u32) as i32;
        let ago = i64::from(seconds) * 1_000_000_000 + i64::from(self.wall.nanos) - i64::from(stamp.nanos);
        let length = Duration::from_nanos(ago.unsigned_abs());
        if ago >= 0 {
            (self.monotonic - length).max(earliest)
        } else {
            (self.monotonic + length).min(latest()).max(earliest)
        }
    }

    /// The local time of day at `at`.
    pub fn local(&self, at: Instant) -> Civil {
        let ago = self.monotonic.since(at).nanos() as i64 - at.since(self.monotonic).nanos() as i64;
        let nanos = i64::from(self.wall.nanos) - ago;
        civil(self.wall.seconds + nanos.div_euclid(1_000_000_000))
    }
}

/// The local time of day at a time of the wall clock.
pub fn civil(seconds: i64) -> Civil {
    let unknown = Civil { year: 1970, month: 1, day: 1, hour: 0, minute: 0, second: 0, offset_minutes: 0 };
    sys::local_time(seconds).unwrap_or(unknown)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reading(seconds: i64) -> Now {
        let monotonic = Instant::from_nanos(100_000_000_000);
        Now { monotonic, wall: Timespec { seconds, nanos: 500_000_000 } }
    }

    #[test]
    fn stamps_of_either_width_become_monotonic_also_after_2038() {
        for wall in [0, 1_764_000_000, i64::from(i32::MAX), 2_300_000_000, 4_294_967_296] {
            let now = reading(wall + 1);
            for seconds in [wall, i64::from(wall as i32)] {
                let at = now.arrival(Timespec { seconds, nanos: 700_000_000 }, Instant::default(), || now.monotonic);
                assert_eq!(now.monotonic.since(at).millis(), 800, "{wall} {seconds}");
            }
        }
    }

    #[test]
    fn a_clock_that_was_set_moves_no_packet_out_of_its_turn() {
        let now = reading(1_000_000);
        let earliest = now.monotonic - Duration::from_millis(200);
        let latest = now.monotonic + Duration::from_millis(4000);
        let arrival = |seconds| now.arrival(Timespec { seconds, nanos: 500_000_000 }, earliest, || latest);
        assert_eq!((arrival(5), arrival(2_000_000)), (earliest, latest));
        assert_eq!(arrival(1_000_003).since(now.monotonic).millis(), 3000, "read late, after a stall");
    }

    #[test]
    fn local_time_goes_back_and_forth() {
        let now = super::now();
        let seconds = |civil: Civil| civil.hour * 3600 + civil.minute * 60 + civil.second;
        let ago = now.local(now.monotonic - Duration::from_millis(10_000));
        let difference = (seconds(now.local(now.monotonic)) - seconds(ago)).rem_euclid(86_400);
        assert!((9..=11).contains(&difference) || difference % 3600 == 10, "{difference}");
    }
}
