//! A UDP port that is only read: in batches, each datagram with its kernel arrival time.
//!
//! It is not polled: while a recording runs the loop wakes on its own clock and reads all ports until
//! they are empty. One datagram is held in the port, so that several ports can be read in the order
//! of arrival.

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
    dropped: u32,
}

#[derive(Clone, Copy)]
struct Held {
    len: usize,
    truncated: bool,
    arrival: Instant,
}

/// A datagram that waits in its port.
#[derive(Clone, Copy, Debug)]
pub struct Datagram<'a> {
    /// Its bytes; `None` when it was longer than any we want.
    pub bytes: Option<&'a [u8]>,
    /// When the kernel got it.
    pub arrival: Instant,
}

impl Port {
    /// Binds a port.
    pub fn open(address: IpAddr, number: u16, now: Instant) -> io::Result<Self> {
        let socket = UdpSocket::bind(SocketAddr::new(address, number))?;
        socket.set_nonblocking(true)?;
        sys::stamp_arrivals(socket.as_fd())?;
        sys::receive_buffer(socket.as_fd(), RECEIVE_BUFFER as i32)?;
        Ok(Self { socket, number, buffer: [0; DATAGRAM_BYTES], held: None, empty_at: now, dropped: 0 })
    }

    /// The port's number.
    pub fn number(&self) -> u16 {
        self.number
    }

    /// Reads a datagram, if none is held; `None` when there is none. Counts those the kernel dropped.
    pub fn fill(&mut self, now: &Now, dropped: &mut u32) -> Option<Instant> {
        if let Some(held) = self.held {
            return Some(held.arrival);
        }
        if self.empty_at == now.monotonic {
            return None;
        }
        let received = loop {
            match sys::receive(self.socket.as_fd(), &mut self.buffer) {
                Ok(received) => break received,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                // Besides EAGAIN only pending ICMP errors come here, and they end nothing.
                Err(_) => {
                    self.empty_at = now.monotonic;
                    return None;
                }
            }
        };
        if let Some(total) = received.dropped {
            *dropped += total.wrapping_sub(self.dropped);
            self.dropped = total;
        }
        let arrival = received.stamp.map_or(now.monotonic, |stamp| now.arrival(stamp, self.empty_at, clock::monotonic));
        self.held = Some(Held { len: received.len, truncated: received.truncated, arrival });
        Some(arrival)
    }

    /// The datagram that `fill` has read.
    pub fn held(&self) -> Option<Datagram<'_>> {
        let held = self.held?;
        let bytes = if held.truncated { None } else { self.buffer.get(..held.len) };
        Some(Datagram { bytes, arrival: held.arrival })
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
        let arrival = port.fill(&now, &mut dropped).unwrap();
        assert!(arrival.nanos() + 1_000_000 > before.nanos() && arrival.nanos() < between.nanos() + 1_000_000);
        assert_eq!(port.held().unwrap().bytes, Some(&b"hello"[..]));
        assert_eq!(port.fill(&now, &mut dropped), Some(arrival), "held until it is released");
        port.release();
        assert!(port.fill(&now, &mut dropped).is_some());
        assert!(port.held().unwrap().bytes.is_none());
        port.release();
        assert_eq!((port.fill(&now, &mut dropped), dropped), (None, 0));
        sender.send_to(b"later", to).unwrap();
        assert_eq!(port.fill(&now, &mut dropped), None, "not again in the same turn");
        assert!(port.fill(&clock::now(), &mut dropped).is_some());
    }

    #[test]
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
            while port.fill(&now, &mut dropped).is_some() {
                port.release();
                read += 1;
            }
        }
        // The kernel tells with the next datagram it delivers: the first round's drops are known now.
        assert!(dropped > 0 && read < 400 && read + dropped <= 400, "{read} read, {dropped} dropped");
    }
}
