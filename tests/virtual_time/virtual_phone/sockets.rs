//! The sockets of a recording in virtual time, and a wall clock that can be set while it runs.

use super::*;
use callrec::base::wall_clock::{Stamp, Timespec, WallClock};
use callrec::proto::media::receiver::Sockets;

/// A datagram on its way: arrival, port, bytes.
pub type Arriving = (Instant, usize, Vec<u8>);

/// The time of day when the phone was started, in seconds.
const DAY: i64 = 1_764_000_000;

/// The phone's wall clock: it shows the virtual time and what it was set by, and is read as the
/// loop reads it.
pub struct VirtualClock {
    /// (when, by how many milliseconds), in order.
    pub steps: Vec<(Instant, i64)>,
    /// The kernel wakes the loop when the clock is set.
    pub tells: bool,
    known: WallClock,
}

impl VirtualClock {
    fn wall(&self, at: Instant) -> Timespec {
        let by: i64 = self
            .steps
            .iter()
            .filter(|(from, _)| *from <= at)
            .map(|(_, by)| by)
            .sum();
        let nanos = DAY * 1_000_000_000 + at.nanos() as i64 + by * 1_000_000;
        Timespec {
            seconds: nanos.div_euclid(1_000_000_000),
            nanos: nanos.rem_euclid(1_000_000_000) as u32,
        }
    }

    /// When the kernel tells of the next setting.
    pub fn next_set(&self, now: Instant) -> Option<Instant> {
        self.steps
            .iter()
            .map(|(at, _)| *at)
            .find(|at| self.tells && *at > now)
    }

    fn read(&mut self, now: Instant) {
        self.known.read(now, self.wall(now));
    }
}

pub struct VirtualSockets {
    pub clock: VirtualClock,
    /// What has not been read, by arrival.
    pub queue: VecDeque<Arriving>,
    /// It may be later than when the turn began: a stick has stalled.
    pub now: Instant,
    /// Nothing that is read now from these sockets arrived before.
    earliest: Vec<Instant>,
    /// Arrivals of the datagrams held, once they are known.
    settled: Vec<Option<Instant>>,
}

impl VirtualSockets {
    pub fn new(now: Instant) -> Self {
        let clock = VirtualClock {
            steps: vec![],
            tells: true,
            known: WallClock::default(),
        };
        Self {
            clock,
            queue: VecDeque::new(),
            now,
            earliest: vec![],
            settled: vec![],
        }
    }

    pub fn open(&mut self, now: Instant, count: usize) {
        (self.earliest, self.settled) = (vec![now; count], vec![None; count]);
    }

    /// Packets to come; sorted by arrival.
    pub fn send(&mut self, packets: impl IntoIterator<Item = Arriving>) {
        let mut all: Vec<Arriving> = self.queue.drain(..).chain(packets).collect();
        all.sort_by_key(|(arrival, port, _)| (*arrival, *port));
        self.queue = all.into();
    }

    pub fn look(&mut self, now: Instant) {
        self.now = now;
        self.clock.read(now);
    }

    fn next(&self, socket: usize) -> Option<usize> {
        let mut come = self
            .queue
            .iter()
            .take_while(|(arrival, ..)| *arrival <= self.now);
        come.position(|(_, port, _)| *port == socket)
    }
}

impl Sockets for VirtualSockets {
    fn count(&self) -> usize {
        self.settled.len()
    }

    fn fill(&mut self, socket: usize, _dropped: &mut u32) -> bool {
        let found = self.next(socket).is_some();
        if !found {
            self.earliest[socket] = self.earliest[socket].max(self.now);
        }
        found
    }

    fn held(&self, socket: usize) -> Option<&[u8]> {
        self.next(socket).map(|at| self.queue[at].2.as_slice())
    }

    fn stamp(&mut self, socket: usize) -> Stamp {
        if let Some(arrival) = self.settled[socket] {
            return Stamp::at(arrival);
        }
        let wall = self.clock.wall(self.queue[self.next(socket).unwrap()].0);
        self.clock.known.stamp(wall, self.earliest[socket])
    }

    fn settle(&mut self, socket: usize, arrival: Instant) {
        self.settled[socket] = Some(arrival);
        self.earliest[socket] = self.earliest[socket].max(arrival);
    }

    fn backlog(&self, _socket: usize) -> u32 {
        0 // no flood fills a virtual socket
    }

    fn forget_backlog(&mut self, _socket: usize) {}

    fn guard(&mut self, _socket: usize, _sources: &[u32]) {}

    fn guarded(&self, _socket: usize) -> &[u32] {
        &[]
    }

    fn release(&mut self, socket: usize) {
        let at = self.next(socket).unwrap();
        self.queue.remove(at);
        self.settled[socket] = None;
    }
}
