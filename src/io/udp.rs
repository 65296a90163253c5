//! A UDP port that is only read: in batches, and with the kernel arrival time of a datagram on
//! request.
//!
//! It is not registered with the poll: while a recording runs, the loop wakes by its own clock and
//! reads all ports until they are empty. One datagram is held in the port, so that several ports
//! can be read in the order of arrival. An arrival is requested by a separate call: reading it
//! along with every datagram (SO_TIMESTAMPNS) adds a third to the cost.

use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::os::fd::AsFd;

use crate::base::limits::{DATAGRAM_BYTES, FLOOD_SAMPLE, MAX_SOURCES, RECEIVE_BUFFER};
use crate::base::time::Instant;
use crate::base::wall_clock::Stamp;
use crate::io::clock::Clock;
use crate::io::sys;

/// A bound port.
pub struct Port {
    socket: UdpSocket,
    number: u16,
    buffer: [u8; DATAGRAM_BYTES],
    held: Option<Held>,
    /// The turn in which the port was found empty. It is not read again in that turn: with several
    /// ports, it would be read once for each datagram of the others.
    empty_at: Instant,
    /// Datagrams that are read now did not arrive before this time.
    earliest: Instant,
    /// The turn in which the number of dropped datagrams was read.
    counted_at: Instant,
    dropped: u32,
    /// Drops that have not been reported to the caller.
    unreported: u32,
    backlog: u32,
    guarded: heapless::Vec<u32, MAX_SOURCES>,
}

#[derive(Clone, Copy)]
struct Held {
    len: usize,
    arrival: Option<Instant>,
}

impl Port {
    /// Binds a port.
    pub fn open(address: IpAddr, number: u16, now: Instant) -> io::Result<Self> {
        let socket = UdpSocket::bind(SocketAddr::new(address, number))?;
        socket.set_nonblocking(true)?;
        sys::stamp_arrivals(socket.as_fd())?;
        sys::receive_buffer(socket.as_fd(), RECEIVE_BUFFER as i32)?;
        Ok(Self {
            socket,
            number,
            buffer: [0; DATAGRAM_BYTES],
            held: None,
            empty_at: now,
            earliest: now,
            counted_at: now,
            dropped: 0,
            unreported: 0,
            backlog: 0,
            guarded: heapless::Vec::new(),
        })
    }

    /// The port's number.
    pub fn number(&self) -> u16 {
        self.number
    }

    /// Reads a datagram, unless one is held; `false` when none is waiting. Counts those that the
    /// kernel dropped. `now` is constant during a turn.
    pub fn fill(&mut self, now: Instant, dropped: &mut u32) -> bool {
        if self.held.is_some() {
            return true;
        }
        if self.empty_at == now {
            return false;
        }
        let (len, total) = loop {
            match self.receive(now) {
                Ok(received) => break received,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                // Besides EAGAIN, only pending ICMP errors are possible, which do not affect the
                // socket.
                Err(_) => {
                    *dropped += std::mem::take(&mut self.unreported);
                    self.empty_at = now;
                    self.earliest = self.earliest.max(now);
                    return false;
                }
            }
        };
        self.count_drops(total);
        *dropped += std::mem::take(&mut self.unreported);
        self.held = Some(Held { len, arrival: None });
        true
    }

    /// `total`: drops since the socket was opened, modulo 2^32; `None` if it is unknown.
    fn count_drops(&mut self, total: Option<u32>) {
        if let Some(total) = total {
            self.unreported = self
                .unreported
                .wrapping_add(total.wrapping_sub(self.dropped));
            self.dropped = total;
        }
    }

    fn receive(&mut self, now: Instant) -> io::Result<(usize, Option<u32>)> {
        if self.counted_at == now {
            return sys::receive(self.socket.as_fd(), &mut self.buffer).map(|len| (len, None));
        }
        let received = sys::receive_and_count(self.socket.as_fd(), &mut self.buffer)?;
        self.counted_at = now;
        Ok(received)
    }

    /// The bytes of the datagram that `fill` has read; `None` when it was longer than is accepted.
    pub fn held(&self) -> Option<&[u8]> {
        self.held.and_then(|held| self.buffer.get(..held.len))
    }

    /// The kernel's timestamp of the held datagram.
    pub fn stamp(&mut self, clock: &mut Clock) -> Stamp {
        match self.held {
            Some(Held {
                arrival: Some(arrival),
                ..
            }) => Stamp::at(arrival),
            _ => match sys::arrival(self.socket.as_fd()) {
                Some(stamp) => clock.stamp(stamp, self.earliest),
                None => Stamp::at(clock.read().monotonic),
            },
        }
    }

    /// Sets the arrival of the held datagram; later ones did not arrive before it.
    pub fn settle(&mut self, arrival: Instant) {
        if let Some(held) = &mut self.held {
            held.arrival = Some(arrival);
            self.earliest = self.earliest.max(arrival);
        }
    }

    /// Discards the held datagram.
    pub fn release(&mut self) {
        self.held = None;
        self.backlog = self.backlog.saturating_add(1);
    }

    /// Datagrams released since `forget_backlog`.
    pub fn backlog(&self) -> u32 {
        self.backlog
    }

    /// Resets the backlog counter.
    pub fn forget_backlog(&mut self) {
        self.backlog = 0;
    }

    /// Has the kernel drop datagrams whose field at the position of the RTP SSRC has none of these
    /// values, except for a sample; no values: removes the filter. Dropped datagrams are counted. A
    /// kernel without filters (before 3.16) passes everything.
    pub fn guard(&mut self, words: &[u32]) {
        let done = if words.is_empty() {
            sys::detach_filter(self.socket.as_fd())
        } else {
            sys::attach_ssrc_filter(self.socket.as_fd(), words, FLOOD_SAMPLE)
        };
        // The last filtered datagrams may not be followed by one that reports them.
        self.count_drops(sys::drops(self.socket.as_fd()));
        if done.is_ok() {
            self.guarded = heapless::Vec::from_slice(words).unwrap_or_default();
        }
    }

    /// The sources that the filter passes; empty if there is no filter.
    pub fn guarded(&self) -> &[u32] {
        &self.guarded
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::io::clock;

    #[test]
    fn datagrams_come_with_their_arrival_and_long_ones_without_bytes() {
        let mut clock = Clock::open();
        let mut port = Port::open(IpAddr::from([127, 0, 0, 1]), 0, clock.read().monotonic).unwrap();
        let to = port.socket.local_addr().unwrap();
        let sender = UdpSocket::bind("127.0.0.1:0").unwrap();
        let before = clock.read().monotonic;
        sender.send_to(b"hello", to).unwrap();
        let between = clock.read().monotonic;
        sender.send_to(&[0; DATAGRAM_BYTES + 1], to).unwrap();
        let (now, mut dropped) = (clock.read().monotonic, 0);
        assert!(port.fill(now, &mut dropped));
        let arrival = port.stamp(&mut clock).certain().unwrap();
        assert!(
            arrival.nanos() + 1_000_000 > before.nanos()
                && arrival.nanos() < between.nanos() + 1_000_000
        );
        assert_eq!(port.held(), Some(&b"hello"[..]));
        port.settle(between);
        assert!(port.fill(now, &mut dropped), "held until it is released");
        assert_eq!(
            (port.stamp(&mut clock).certain(), port.held()),
            (Some(between), Some(&b"hello"[..]))
        );
        port.release();
        assert!(port.fill(now, &mut dropped));
        assert!(port.held().is_none() && port.stamp(&mut clock).certain() >= Some(between));
        port.release();
        assert_eq!((port.fill(now, &mut dropped), dropped), (false, 0));
        sender.send_to(b"later", to).unwrap();
        assert!(!port.fill(now, &mut dropped), "not again in the same turn");
        assert!(port.fill(clock.read().monotonic, &mut dropped));
    }

    #[test]
    #[cfg_attr(
        target_arch = "arm",
        ignore = "qemu-user has no SO_RXQ_OVFL; scripts/phone runs it"
    )]
    fn the_kernels_drops_are_counted() {
        let mut port = Port::open(IpAddr::from([127, 0, 0, 1]), 0, clock::monotonic()).unwrap();
        sys::receive_buffer(port.socket.as_fd(), 4096).unwrap();
        let to = port.socket.local_addr().unwrap();
        let sender = UdpSocket::bind("127.0.0.1:0").unwrap();
        let (mut read, mut dropped) = (0, 0);
        for _ in 0..2 {
            for _ in 0..200 {
                sender.send_to(&[7; 172], to).unwrap();
            }
            let now = clock::monotonic();
            while port.fill(now, &mut dropped) {
                port.release();
                read += 1;
            }
        }
        // The kernel tells with the next datagram it delivers: the first round's drops are known
        // now.
        assert!(
            dropped > 0 && read < 400 && read + dropped <= 400,
            "{read} read, {dropped} dropped"
        );
    }
}
