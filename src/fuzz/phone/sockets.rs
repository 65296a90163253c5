//! The sockets of one recording: datagrams with arbitrary arrival times, timestamped by a wall
//! clock that may be set.

use std::collections::VecDeque;

use crate::base::time::Instant;
use crate::base::wall_clock::{Stamp, Timespec, WallClock};
use crate::proto::media::receiver::Sockets;

/// Arrival, socket, bytes.
pub(super) type Datagram = (Instant, usize, Vec<u8>);

/// The system's wall clock: by how much it was set, and when.
#[derive(Default)]
pub(super) struct Day {
    steps: Vec<(Instant, i64)>,
}

impl Day {
    pub(super) fn set(&mut self, at: Instant, by_millis: i64) {
        self.steps.push((at, by_millis));
    }

    pub(super) fn at(&self, at: Instant) -> Timespec {
        let by: i64 = self
            .steps
            .iter()
            .filter(|(from, _)| *from <= at)
            .map(|(_, by)| by)
            .sum();
        let nanos = 1_764_000_000_000_000_000 + at.nanos() as i64 + by * 1_000_000;
        Timespec {
            seconds: nanos.div_euclid(1_000_000_000),
            nanos: nanos.rem_euclid(1_000_000_000) as u32,
        }
    }
}

#[derive(Default)]
pub(super) struct VirtualSockets {
    waiting: Vec<VecDeque<Datagram>>,
    earliest: Vec<Instant>,
    settled: Vec<Option<Instant>>,
    backlog: Vec<u32>,
    guarded: Vec<Vec<u32>>,
    stamps: Vec<VecDeque<Timespec>>,
    clock: WallClock,
    now: Instant,
    /// Datagrams that were read.
    pub(super) released: u64,
}

impl VirtualSockets {
    pub(super) fn open(&mut self, now: Instant, count: usize) {
        self.close();
        self.waiting.resize(count, VecDeque::new());
        self.stamps.resize(count, VecDeque::new());
        self.earliest.resize(count, now);
        self.settled.resize(count, None);
        self.backlog.resize(count, 0);
        self.guarded.resize(count, vec![]);
    }

    /// Closes the sockets.
    pub(super) fn close(&mut self) {
        let (clock, now, released) = (self.clock, self.now, self.released);
        *self = Self {
            clock,
            now,
            released,
            ..Self::default()
        };
    }

    pub(super) fn send(&mut self, datagrams: Vec<Datagram>) {
        for datagram in datagrams {
            if let Some(queue) = self.waiting.get_mut(datagram.1) {
                let behind = queue
                    .iter()
                    .take_while(|(arrival, ..)| *arrival <= datagram.0)
                    .count();
                queue.insert(behind, datagram);
            }
        }
    }

    /// Reads both clocks, and timestamps the datagrams that have arrived by now.
    pub(super) fn look(&mut self, now: Instant, day: &Day) {
        self.now = now;
        self.clock.read(now, day.at(now));
        for (queue, stamps) in self.waiting.iter().zip(&mut self.stamps) {
            let arrived = queue.iter().take_while(|(arrival, ..)| *arrival <= now);
            let new = arrived
                .skip(stamps.len())
                .map(|(arrival, ..)| day.at(*arrival));
            stamps.extend(new.collect::<Vec<_>>());
        }
    }
}

impl Sockets for VirtualSockets {
    fn count(&self) -> usize {
        self.waiting.len()
    }

    fn fill(&mut self, socket: usize, _dropped: &mut u32) -> bool {
        let waits = !self.stamps[socket].is_empty();
        if !waits {
            self.earliest[socket] = self.earliest[socket].max(self.now);
        }
        waits
    }

    fn held(&self, socket: usize) -> Option<&[u8]> {
        let (.., bytes) = self.waiting[socket].front()?;
        (bytes.len() <= crate::base::limits::DATAGRAM_BYTES).then_some(bytes)
    }

    fn stamp(&mut self, socket: usize) -> Stamp {
        match (self.settled[socket], self.stamps[socket].front()) {
            (Some(arrival), _) => Stamp::at(arrival),
            (None, Some(stamp)) => self.clock.stamp(*stamp, self.earliest[socket]),
            (None, None) => panic!("nothing is held"),
        }
    }

    fn settle(&mut self, socket: usize, arrival: Instant) {
        assert!(
            arrival >= self.earliest[socket] && arrival <= self.now,
            "it arrived in the time that there was"
        );
        self.settled[socket] = Some(arrival);
        self.earliest[socket] = arrival;
    }

    fn release(&mut self, socket: usize) {
        assert!(
            self.stamps[socket].pop_front().is_some(),
            "only what is held can be released"
        );
        self.waiting[socket].pop_front();
        self.settled[socket] = None;
        self.backlog[socket] += 1;
        self.released += 1;
    }

    fn backlog(&self, socket: usize) -> u32 {
        self.backlog[socket]
    }

    fn forget_backlog(&mut self, socket: usize) {
        self.backlog[socket] = 0;
    }

    fn guard(&mut self, socket: usize, sources: &[u32]) {
        self.guarded[socket] = sources.to_vec();
    }

    fn guarded(&self, socket: usize) -> &[u32] {
        &self.guarded[socket]
    }
}
