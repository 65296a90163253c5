//! A UDP port that is only read: in batches, each datagram with its kernel arrival time if that is wanted.
//!
//! It is not polled: while a recording runs the loop wakes on its own clock and reads all ports until
//! they are empty. One datagram is held in the port, so that several ports can be read in the order
//! of arrival. Arrivals are asked for by a call of their own: read along with every datagram
//! (SO_TIMESTAMPNS) they would make each a third dearer.

use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::os::fd::AsFd;

use crate::base::limits::{DATAGRAM_BYTES, RECEIVE_BUFFER};
use crate::base::time::Instant;
use crate::io::clock::{self, Now};
use crate::io::sys;

/// A bound port.
pub struct Port {
    socket: UdpSocket,
    number: u16,
    buffer: [u8; DATAGRAM_BYTES],
    held: Option<Held>,
    /// Nothing that is read now arrived before this. A turn that has found the port empty does not ask
    /// again: with several ports it would ask for each datagram of the others.
    empty_at: Instant,
    /// The turn that has asked how many datagrams were dropped.
    counted_at: Instant,
    dropped: u32,
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
        Ok(Self { socket, number, buffer: [0; DATAGRAM_BYTES], held: None, empty_at: now, counted_at: now, dropped: 0 })
    }

    /// The port's number.
    pub fn number(&self) -> u16 {
        self.number
    }

    /// Reads a datagram, if none is held; `false` when there is none. Counts those the kernel dropped.
    pub fn fill(&mut self, now: &Now, dropped: &mut u32) -> bool {
        if self.held.is_some() {
            return true;
        }
        if self.empty_at == now.monotonic {
            return false;
        }
        let (len, total) = loop {
            match self.receive(now) {
                Ok(received) => break received,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                // Besides EAGAIN only pending ICMP errors come here, and they end nothing.
                Err(_) => {
                    self.empty_at = now.monotonic;
                    return false;
                }
            }
        };
        if let Some(total) = total {
            *dropped += total.wrapping_sub(self.dropped);
            self.dropped = total;
        }
        self.held = Some(Held { len, arrival: None });
        true
    }

    fn receive(&mut self, now: &Now) -> io::Result<(usize, Option<u32>)> {
        if self.counted_at == now.monotonic {
            return sys::receive(self.socket.as_fd(), &mut self.buffer).map(|len| (len, None));
        }
        let received = sys::receive_and_count(self.socket.as_fd(), &mut self.buffer)?;
        self.counted_at = now.monotonic;
        Ok(received)
    }

    /// The datagram that `fill` has read: its bytes, `None` when it was longer than any we want.
    pub fn held(&self) -> Option<&[u8]> {
        self.held.and_then(|held| self.buffer.get(..held.len))
    }

    /// When the kernel got the held datagram.
    pub fn arrival(&mut self, now: &Now) -> Instant {
        let Some(Held { arrival, .. }) = &mut self.held else { return now.monotonic };
        *arrival.get_or_insert_with(|| match sys::arrival(self.socket.as_fd()) {
            Some(stamp) => now.arrival(stamp, self.empty_at, clock::monotonic),
            None => now.monotonic,
        })
    }

    /// Forgets the held datagram.
    pub fn release(&mut self) {
        self.held = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn datagrams_come_with_their_arrival_and_long_ones_without_bytes() {
        let mut port = Port::open(IpAddr::from([127, 0, 0, 1]), 0, clock::monotonic()).unwrap();
        let to = port.socket.local_addr().unwrap();
        let sender = UdpSocket::bind("127.0.0.1:0").unwrap();
        let before = clock::monotonic();
        sender.send_to(b"hello", to).unwrap();
        let between = clock::monotonic();
        sender.send_to(&[0; DATAGRAM_BYTES + 1], to).unwrap();
        let (now, mut dropped) = (clock::now(), 0);
        assert!(port.fill(&now, &mut dropped));
        let arrival = port.arrival(&now);
        assert!(arrival.nanos() + 1_000_000 > before.nanos() && arrival.nanos() < between.nanos() + 1_000_000);
        assert_eq!(port.held(), Some(&b"hello"[..]));
        assert!(port.fill(&now, &mut dropped), "held until it is released");
        assert_eq!((port.arrival(&now), port.held()), (arrival, Some(&b"hello"[..])));
        port.release();
        assert!(port.fill(&now, &mut dropped));
        assert!(port.held().is_none() && port.arrival(&now) >= between);
        port.release();
        assert_eq!((port.fill(&now, &mut dropped), dropped), (false, 0));
        sender.send_to(b"later", to).unwrap();
        assert!(!port.fill(&now, &mut dropped), "not again in the same turn");
        assert!(port.fill(&clock::now(), &mut dropped));
    }

    #[test]
    #[cfg_attr(target_arch = "arm", ignore = "qemu-user has no SO_RXQ_OVFL; scripts/phone runs it")]
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
            let now = clock::now();
            while port.fill(&now, &mut dropped) {
                port.release();
                read += 1;
            }
        }
        // The kernel tells with the next datagram it delivers: the first round's drops are known now.
        assert!(dropped > 0 && read < 400 && read + dropped <= 400, "{read} read, {dropped} dropped");
    }
}
