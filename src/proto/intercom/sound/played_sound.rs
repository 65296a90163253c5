//! The sound of a played stream as RTP packets, each with its place in time.
//!
//! A stream over TCP loses nothing, but comes late and in bursts. Its own time stamps say where each
//! sample belongs; what is to be found is when that time began on the phone's clock. The sample that
//! was least delayed shows it best: the smallest difference of arrival and place counts, and it is
//! measured anew in each `CLOCK_WINDOW`, so that the sender's clock is followed.

use crate::base::limits::sound::{CLOCK_WINDOW, RECORDING_DELAY, REPEATED_FOR};
use crate::base::limits::{FRAME_SAMPLES, RTP_FRAME_BYTES, SAMPLE_NANOS};
use crate::base::time::{Duration, Instant};
use crate::wire::g711::Law;
use crate::wire::rtp;

const FRAME: i64 = FRAME_SAMPLES as i64;
/// Time stamps in milliseconds need not fit the samples between them better than this.
const TOLERANCE: i64 = FRAME;

/// One party's stream.
#[derive(Debug)]
pub struct PlayedSound {
    ssrc: u32,
    sequence: u16,
    law: Law,
    /// Milliseconds of the last tag, without the wrap of its 32 bits.
    millis: i64,
    /// Added to the places of time stamps: the sender has begun again.
    shift: i64,
    /// The place after the newest sample.
    end: i64,
    /// The beginning of the next packet.
    pending: heapless::Vec<u8, FRAME_SAMPLES>,
    origin: Option<Origin>,
    /// The sum of the steps by which the origin was found to be earlier.
    lowered: Duration,
    /// Until then a server may repeat what was played before.
    repeated_until: Instant,
}

/// When place 0 was, in nanoseconds of the phone's clock.
#[derive(Clone, Copy, Debug)]
struct Origin {
    at: i64,
    /// The smallest that was seen in this window.
    least: i64,
    window_ends_at: Instant,
}

/// When a packet arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arrival {
    /// As far as it is known now.
    pub at: Instant,
    /// The same on the axis that `PlayedSound::lowered` does not move: what is lowered later applies to
    /// this packet, too.
    pub unlowered: Instant,
}

impl PlayedSound {
    /// A stream that nothing is known of. The number is that of its RTP source.
    pub fn new(ssrc: u32) -> Self {
        Self {
            ssrc,
            sequence: 0,
            law: Law::Mu,
            millis: 0,
            shift: 0,
            end: 0,
            pending: heapless::Vec::new(),
            origin: None,
            lowered: Duration::ZERO,
            repeated_until: Instant::default(),
        }
    }

    /// A connection to the stream is made.
    pub fn handle_connected(&mut self, now: Instant) {
        self.repeated_until = now + REPEATED_FOR;
    }

    /// Takes codes of a tag; `put` gets each packet that is full, and when it arrived.
    pub fn handle_codes(
        &mut self,
        now: Instant,
        law: Law,
        (millis, offset): (u32, u32),
        mut codes: &[u8],
        mut put: impl FnMut(Arrival, &[u8]),
    ) {
        if self.origin.is_none() {
            self.millis = i64::from(millis);
            self.end = 8 * self.millis + i64::from(offset);
        }
        self.millis += i64::from(millis.wrapping_sub(self.millis as u32) as i32);
        let place = 8 * self.millis + i64::from(offset) + self.shift;
        let gap = place - self.end;
        if gap <= -TOLERANCE && now < self.repeated_until {
            // What was played before the connection was lost comes again.
            let known = usize::try_from(-gap).unwrap_or(0).min(codes.len());
            codes = &codes[known..];
        } else if gap.abs() >= TOLERANCE || law != self.law {
            self.flush(&mut put);
            if gap <= -TOLERANCE {
                self.shift -= gap;
                self.origin = None;
            } else if gap > 0 {
                self.end = place;
            }
            self.law = law;
        }
        self.observe(now, codes.len() as i64);
        for code in codes {
            let _ = self.pending.push(*code);
            self.end += 1;
            if self.pending.is_full() {
                self.flush(&mut put);
            }
        }
    }

    /// Passes on what does not fill a packet.
    pub fn flush(&mut self, put: &mut dyn FnMut(Arrival, &[u8])) {
        if self.pending.is_empty() {
            return;
        }
        let place = self.end - self.pending.len() as i64;
        let header = rtp::Packet {
            marker: false,
            payload_type: self.law.payload_type(),
            sequence: self.sequence,
            timestamp: place as u32,
            ssrc: self.ssrc,
            payload: &[],
        };
        let mut packet = heapless::Vec::<u8, RTP_FRAME_BYTES>::new();
        let _ = packet.extend_from_slice(&header.emit_header());
        let _ = packet.extend_from_slice(&self.pending);
        self.sequence = self.sequence.wrapping_add(1);
        self.pending.clear();
        let at = self.instant(place);
        let unlowered = at + self.lowered;
        put(Arrival { at, unlowered }, &packet);
    }

    /// When a sample counts as having arrived.
    pub fn instant(&self, place: i64) -> Instant {
        let origin = self.origin.map_or(0, |origin| origin.at);
        let nanos = origin + place * SAMPLE_NANOS as i64;
        Instant::from_nanos(u64::try_from(nanos).unwrap_or(0))
    }

    /// All sound that arrived before this time is known; `None` before the first.
    pub fn covered(&self) -> Option<Instant> {
        self.origin?;
        Some(self.instant(self.end - self.pending.len() as i64))
    }

    /// By how much all packets so far, in sum, arrived earlier than was thought when they came.
    pub fn lowered(&self) -> Duration {
        self.lowered
    }

    /// So many samples after `end` have come now.
    fn observe(&mut self, now: Instant, count: i64) {
        let place = self.end + (count - FRAME).max(0);
        let seen = now.nanos() as i64 - place * SAMPLE_NANOS as i64;
        let origin = self.origin.get_or_insert(Origin {
            at: seen,
            least: seen,
            window_ends_at: now + CLOCK_WINDOW,
        });
        origin.least = origin.least.min(seen);
        if seen < origin.at {
            let step = u64::try_from(origin.at - seen).unwrap_or(0);
            self.lowered = Duration::from_nanos(self.lowered.nanos() + step);
            origin.at = seen;
        }
        let late = Duration::from_nanos(u64::try_from(seen - origin.at).unwrap_or(0));
        if late > RECORDING_DELAY {
            // Nothing waits so long: the sender has paused, and its time stamps with it.
            origin.at = seen;
            origin.least = seen;
        }
        if now >= origin.window_ends_at {
            origin.at = origin.least;
            origin.least = seen;
            origin.window_ends_at = now + CLOCK_WINDOW;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(millis: u64) -> Instant {
        Instant::from_nanos((1_000_000 + millis) * 1_000_000)
    }

    struct Stream {
        sound: PlayedSound,
        packets: Vec<(i64, u16, usize)>,
    }

    impl Stream {
        fn new() -> Self {
            Self {
                sound: PlayedSound::new(7),
                packets: vec![],
            }
        }

        fn tag(&mut self, now: u64, millis: u32, count: usize) {
            let codes = vec![9; count];
            let packets = &mut self.packets;
            self.sound
                .handle_codes(ms(now), Law::Mu, (millis, 0), &codes, |_, bytes| {
                    let packet = rtp::Packet::parse(bytes).unwrap();
                    let place = i64::from(packet.timestamp);
                    packets.push((place, packet.sequence, packet.payload.len()));
                });
        }

        fn arrivals(&self) -> Vec<u64> {
            let nanos = self
                .packets
                .iter()
                .map(|packet| self.sound.instant(packet.0));
            nanos.map(|at| at.nanos() / 1_000_000 - 1_000_000).collect()
        }
    }

    #[test]
    fn tags_of_any_length_become_packets_of_20_ms() {
        let mut stream = Stream::new();
        stream.tag(100, 5000, 1024);
        stream.tag(228, 5128, 1024);
        let lengths: Vec<usize> = stream.packets.iter().map(|packet| packet.2).collect();
        assert_eq!(lengths, [160; 12]);
        let places: Vec<i64> = stream.packets.iter().map(|packet| packet.0).collect();
        assert_eq!(places, Vec::from_iter((0..12).map(|n| 40_000 + 160 * n)));
    }

    #[test]
    fn a_stall_changes_no_place() {
        let mut stream = Stream::new();
        for n in 0..50 {
            // From the tenth to the thirtieth, all come at once.
            let at = if (10..30).contains(&n) { 600 } else { 20 * n };
            stream.tag(at, 20 * n as u32, 160);
        }
        assert_eq!(stream.arrivals(), Vec::from_iter((0..50).map(|n| 20 * n)));
    }

    #[test]
    fn a_burst_at_the_beginning_belongs_before_its_arrival() {
        let mut stream = Stream::new();
        for n in 0..20 {
            stream.tag(1000, 20 * n, 160);
        }
        assert_eq!(stream.arrivals()[0], 1000 - 19 * 20);
        assert_eq!(stream.sound.covered(), Some(ms(1020)));
    }

    #[test]
    fn packets_of_a_burst_keep_their_distance_in_the_feed() {
        let mut sound = PlayedSound::new(7);
        let mut unlowered = vec![];
        for n in 0..20 {
            sound.handle_codes(ms(1000), Law::Mu, (20 * n, 0), &[9; 160], |arrival, _| {
                unlowered.push(arrival.unlowered);
            });
        }
        let shown = unlowered.iter().map(|at| *at - sound.lowered());
        let millis = shown.map(|at| at.nanos() / 1_000_000 - 1_000_000);
        assert!(millis.eq((0..20).map(|n| 1000 - 19 * 20 + 20 * n)));
    }

    #[test]
    fn a_pause_of_the_sender_is_a_gap() {
        let mut stream = Stream::new();
        stream.tag(0, 0, 160);
        stream.tag(1000, 1000, 160);
        assert_eq!(stream.arrivals(), [0, 1000]);
        let sequences: Vec<u16> = stream.packets.iter().map(|packet| packet.1).collect();
        assert_eq!(sequences, [0, 1]);
    }

    #[test]
    fn what_is_repeated_after_a_new_connection_is_known() {
        let mut stream = Stream::new();
        for n in 0..10 {
            stream.tag(20 * n, 20 * n as u32, 160);
        }
        stream.sound.handle_connected(ms(300));
        for n in 5..15 {
            stream.tag(301, 20 * n, 160);
        }
        let places: Vec<i64> = stream.packets.iter().map(|packet| packet.0).collect();
        assert_eq!(places, Vec::from_iter((0..15).map(|n| 160 * n)));
    }

    #[test]
    fn a_sender_that_begins_again_goes_on_where_it_was() {
        let mut stream = Stream::new();
        stream.tag(10_000, 9000, 160);
        stream.tag(20_000, 0, 160);
        stream.tag(20_020, 20, 160);
        let places: Vec<i64> = stream.packets.iter().map(|packet| packet.0).collect();
        assert_eq!(places, [72_000, 72_160, 72_320]);
        assert_eq!(stream.arrivals()[1..], [20_000, 20_020]);
    }

    #[test]
    fn a_slow_clock_is_followed() {
        let mut stream = Stream::new();
        for n in 0..3000u32 {
            let at = 20 * u64::from(n) * 10_005 / 10_000;
            stream.tag(at, 20 * n, 160);
        }
        let last = *stream.arrivals().last().unwrap();
        let real = 20 * 2999 * 10_005 / 10_000;
        assert!(real - last < 15, "{last} for {real}");
    }
}
