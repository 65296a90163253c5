//! Both parties' packets of a call, on their way into its recording.
//!
//! A recording takes packets in the order of their arrival. What comes over a stalled connection
//! counts as having arrived in time: so everything waits here until the sound of all parties is
//! there, `RECORDING_DELAY` at most. `media_time` is how far that is; the recording is served with
//! this time instead of the phone's.

use crate::base::limits::sound::{FEED_BYTES, RECORDING_DELAY};
use crate::base::limits::DATAGRAM_BYTES;
use crate::base::ring::Ring;
use crate::base::time::{Duration, Instant};
use crate::base::wall_clock::Stamp;
use crate::proto::media::receiver::Sockets;

/// The two parties: the peer first.
pub const LEGS: usize = 2;

/// All packets of one call.
pub struct Feed {
    legs: [LegFeed; LEGS],
    /// The slot of the recording, once it is known.
    slot: Option<usize>,
    is_over: bool,
    /// The call has ended at this time: later sound is not its.
    end: Instant,
}

/// The packets of one party.
struct LegFeed {
    /// For each packet its arrival before anything was `lowered`, its length, its bytes.
    packets: Ring,
    /// Taken from the ring.
    next: Option<Held>,
    bytes: [u8; DATAGRAM_BYTES],
    /// All packets that arrived before this time are here.
    covered: Instant,
    /// So much earlier than it seemed at first did everything arrive.
    lowered: Duration,
    /// Packets that found no room.
    dropped: u32,
}

#[derive(Clone, Copy)]
struct Held {
    /// As in the ring.
    arrival: Instant,
    len: usize,
}

const HEAD: usize = 10;

impl Feed {
    /// Empty. This is the only allocation.
    pub fn new() -> Self {
        let leg = || LegFeed {
            packets: Ring::new(FEED_BYTES),
            next: None,
            bytes: [0; DATAGRAM_BYTES],
            covered: Instant::default(),
            lowered: Duration::ZERO,
            dropped: 0,
        };
        Self {
            legs: [leg(), leg()],
            slot: None,
            is_over: true,
            end: Instant::NEVER,
        }
    }

    /// A call begins.
    pub fn begin(&mut self) {
        self.slot = None;
        self.is_over = false;
        self.end = Instant::NEVER;
        for leg in &mut self.legs {
            leg.packets.clear();
            leg.next = None;
            leg.covered = Instant::default();
            leg.lowered = Duration::ZERO;
            leg.dropped = 0;
        }
    }

    /// The recording is in this slot.
    pub fn set_slot(&mut self, slot: usize) {
        self.slot = Some(slot);
    }

    /// This slot's packets come from here.
    pub fn feeds(&self, slot: usize) -> bool {
        self.slot == Some(slot)
    }

    /// A recording takes packets from here.
    pub fn is_in_use(&self) -> bool {
        self.slot.is_some()
    }

    /// The recording needs no more packets.
    pub fn end(&mut self) {
        self.slot = None;
    }

    /// The call has ended at this time; sound from before it may still come.
    pub fn set_end(&mut self, end: Instant) {
        self.end = end;
    }

    /// No packet will be added: the recording need not wait.
    pub fn finish(&mut self) {
        self.is_over = true;
    }

    /// Adds a party's packet; `arrival` as it seemed before anything was `lowered`. If there is no room,
    /// it is counted.
    pub fn push(&mut self, leg: usize, arrival: Instant, packet: &[u8]) {
        let Some(leg) = self.legs.get_mut(leg).filter(|_| !self.is_over) else {
            return;
        };
        let fits = packet.len() <= DATAGRAM_BYTES && leg.packets.room() >= HEAD + packet.len();
        if !fits {
            leg.dropped += 1;
            return;
        }
        let mut head = [0; HEAD];
        head[..8].copy_from_slice(&arrival.nanos().to_le_bytes());
        head[8..].copy_from_slice(&(packet.len() as u16).to_le_bytes());
        let queued = leg.packets.push(&head) && leg.packets.push(packet);
        debug_assert!(queued, "bug: there was room");
    }

    /// All packets of a party that arrived before `until` were added.
    pub fn set_covered(&mut self, leg: usize, until: Instant) {
        if let Some(leg) = self.legs.get_mut(leg) {
            leg.covered = leg.covered.max(until);
        }
    }

    /// The packets that wait arrived earlier than was thought: by this length, since the call began.
    pub fn set_lowered(&mut self, leg: usize, lowered: Duration) {
        if let Some(leg) = self.legs.get_mut(leg) {
            leg.lowered = lowered;
        }
    }

    /// How far all sound is there.
    pub fn media_time(&self, now: Instant) -> Instant {
        if self.is_over {
            return now;
        }
        let covered = self.legs.iter().map(|leg| leg.covered).min();
        let covered = covered.unwrap_or(now).min(now);
        covered.max(now - RECORDING_DELAY).min(self.end)
    }

    /// The packets that the recording may take: those of before `until`.
    pub fn reading(&mut self, until: Instant) -> FeedReading<'_> {
        FeedReading { feed: self, until }
    }
}

impl Default for Feed {
    fn default() -> Self {
        Self::new()
    }
}

impl LegFeed {
    /// The next packet's arrival.
    fn peek(&mut self) -> Option<Instant> {
        if self.next.is_none() {
            let mut head = [0; HEAD];
            if !self.packets.take(&mut head) {
                return None;
            }
            let [a0, a1, a2, a3, a4, a5, a6, a7, l0, l1] = head;
            let len = usize::from(u16::from_le_bytes([l0, l1]));
            let taken = self.packets.take(self.bytes.get_mut(..len)?);
            debug_assert!(taken, "bug: a packet follows its head");
            let arrival = u64::from_le_bytes([a0, a1, a2, a3, a4, a5, a6, a7]);
            self.next = Some(Held {
                arrival: Instant::from_nanos(arrival),
                len,
            });
        }
        self.arrival()
    }

    fn arrival(&self) -> Option<Instant> {
        self.next.map(|held| held.arrival - self.lowered)
    }
}

/// The feed as the sockets of a recording.
pub struct FeedReading<'a> {
    feed: &'a mut Feed,
    until: Instant,
}

impl Sockets for FeedReading<'_> {
    fn count(&self) -> usize {
        LEGS
    }

    fn fill(&mut self, socket: usize, dropped: &mut u32) -> bool {
        let leg = &mut self.feed.legs[socket];
        *dropped += core::mem::take(&mut leg.dropped);
        leg.peek().is_some_and(|arrival| arrival <= self.until)
    }

    fn held(&self, socket: usize) -> Option<&[u8]> {
        let leg = &self.feed.legs[socket];
        leg.next.and_then(|held| leg.bytes.get(..held.len))
    }

    fn stamp(&mut self, socket: usize) -> Stamp {
        let arrival = self.feed.legs[socket].arrival();
        Stamp::at(arrival.unwrap_or(self.until))
    }

    fn settle(&mut self, _socket: usize, _arrival: Instant) {}

    fn release(&mut self, socket: usize) {
        self.feed.legs[socket].next = None;
    }

    // A flood cannot come this way: the packets were made here.
    fn backlog(&self, _socket: usize) -> u32 {
        0
    }

    fn forget_backlog(&mut self, _socket: usize) {}

    fn guard(&mut self, _socket: usize, _sources: &[u32]) {}

    fn guarded(&self, _socket: usize) -> &[u32] {
        &[]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(millis: u64) -> Instant {
        Instant::from_nanos((100_000 + millis) * 1_000_000)
    }

    fn read(feed: &mut Feed, until: Instant, leg: usize) -> Vec<Vec<u8>> {
        let mut reading = feed.reading(until);
        let mut packets = vec![];
        let mut dropped = 0;
        while reading.fill(leg, &mut dropped) {
            packets.push(reading.held(leg).unwrap().to_vec());
            reading.release(leg);
        }
        packets
    }

    #[test]
    fn time_stops_with_the_call() {
        let mut feed = Feed::new();
        feed.begin();
        let [end, later] =
            [1000, 1500].map(|millis| Instant::default() + Duration::from_millis(millis));
        feed.set_end(end);
        for leg in 0..LEGS {
            feed.set_covered(leg, later);
        }
        assert_eq!(feed.media_time(later), end);
        feed.begin();
        for leg in 0..LEGS {
            feed.set_covered(leg, later);
        }
        assert_eq!(feed.media_time(later), later, "of the next call");
    }

    #[test]
    fn packets_wait_for_their_time() {
        let mut feed = Feed::new();
        feed.begin();
        feed.push(0, ms(20), b"one");
        feed.push(0, ms(40), b"two");
        feed.push(1, ms(30), b"other");
        assert_eq!(read(&mut feed, ms(19), 0), Vec::<Vec<u8>>::new());
        assert_eq!(read(&mut feed, ms(20), 0), [b"one"]);
        assert_eq!(read(&mut feed, ms(50), 0), [b"two"]);
        assert_eq!(read(&mut feed, ms(50), 1), [b"other"]);
    }

    #[test]
    fn a_later_look_may_show_that_they_came_earlier() {
        let mut feed = Feed::new();
        feed.begin();
        feed.push(0, ms(500), b"one");
        feed.set_lowered(0, Duration::from_millis(400));
        feed.push(0, ms(120 + 400), b"two");
        assert_eq!(read(&mut feed, ms(99), 0), Vec::<Vec<u8>>::new());
        assert_eq!(read(&mut feed, ms(100), 0), [b"one"]);
        assert_eq!(read(&mut feed, ms(120), 0), [b"two"]);
    }

    #[test]
    fn time_goes_on_with_the_slower_party_but_not_for_ever() {
        let mut feed = Feed::new();
        feed.begin();
        assert_eq!(feed.media_time(ms(6000)), ms(1000));
        feed.set_covered(0, ms(5980));
        feed.set_covered(1, ms(4000));
        assert_eq!(feed.media_time(ms(6000)), ms(4000));
        assert_eq!(feed.media_time(ms(9500)), ms(4500));
        feed.finish();
        assert_eq!(feed.media_time(ms(9500)), ms(9500));
    }

    #[test]
    fn what_finds_no_room_is_counted() {
        let mut feed = Feed::new();
        feed.begin();
        for n in 0..1000 {
            feed.push(0, ms(n), &[7; 172]);
        }
        let mut dropped = 0;
        assert!(feed.reading(ms(0)).fill(0, &mut dropped));
        let kept = FEED_BYTES / (172 + HEAD);
        assert_eq!(dropped as usize, 1000 - kept);
        assert_eq!(read(&mut feed, ms(1000), 0).len(), kept);
    }
}
