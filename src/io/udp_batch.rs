//! A UDP port that is read in batches, at times of the caller's choice; it is not registered with
//! epoll.

use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::os::fd::AsFd;

use nix::sys::socket::{setsockopt, sockopt};

use crate::base::limits::RECEIVE_BUFFER;
use crate::io::sys::{self, Batch};

/// A bound UDP port.
pub struct BatchSocket {
    socket: UdpSocket,
    /// The kernel's count of dropped datagrams at the last read.
    dropped: u32,
}

impl BatchSocket {
    /// Binds a port.
    pub fn open(address: IpAddr, port: u16) -> io::Result<Self> {
        let socket = UdpSocket::bind(SocketAddr::new(address, port))?;
        // Without this option (qemu-user has none), the datagrams that the kernel drops are not
        // counted.
        let _ = setsockopt(&socket, sockopt::RxqOvfl, &1);
        sys::receive_buffer(socket.as_fd(), RECEIVE_BUFFER as i32)?;
        Ok(Self { socket, dropped: 0 })
    }

    /// The port, even if the system has chosen it; 0 if it cannot be determined.
    pub fn port(&self) -> u16 {
        self.socket.local_addr().map_or(0, |address| address.port())
    }

    /// Reads a batch. Returns the number of datagrams read, and of those that the kernel has
    /// dropped since the last read. If the batch is full, there may be more to read.
    pub fn read(&mut self, batch: &mut Batch) -> (usize, u32) {
        let read = loop {
            match sys::receive_batch(self.socket.as_fd(), batch) {
                Ok(read) => break read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                // EAGAIN, or a pending ICMP error, which does not affect the socket.
                Err(_) => return (0, 0),
            }
        };
        let Some(total) = batch.dropped else {
            return (read, 0);
        };
        let dropped = total.wrapping_sub(self.dropped);
        self.dropped = total;
        (read, dropped)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::limits::server::DATAGRAMS_AT_ONCE;
    use crate::base::limits::DATAGRAM_BYTES;

    fn open(address: &str) -> (BatchSocket, SocketAddr) {
        let socket = BatchSocket::open(address.parse().unwrap(), 0).unwrap();
        let port = socket.port();
        (socket, SocketAddr::new([127, 0, 0, 1].into(), port))
    }

    #[test]
    fn batches_come_in_order_with_their_sources() {
        for address in ["127.0.0.1", "::"] {
            let (mut socket, to) = open(address);
            let senders = [0; 2].map(|_| UdpSocket::bind("127.0.0.1:0").unwrap());
            let mut batch = Batch::default();
            assert_eq!(socket.read(&mut batch), (0, 0));
            for number in 0..40u8 {
                senders[usize::from(number % 2)]
                    .send_to(&[number; 7], to)
                    .unwrap();
            }
            senders[0].send_to(&[1; DATAGRAM_BYTES + 1], to).unwrap();
            assert_eq!(socket.read(&mut batch), (DATAGRAMS_AT_ONCE, 0));
            let mut seen: Vec<_> = batch
                .datagrams()
                .map(|(from, bytes)| (from, bytes.map(<[u8]>::to_vec)))
                .collect();
            assert_eq!(socket.read(&mut batch), (41 - DATAGRAMS_AT_ONCE, 0));
            seen.extend(
                batch
                    .datagrams()
                    .map(|(from, bytes)| (from, bytes.map(<[u8]>::to_vec))),
            );
            assert_eq!(
                seen.pop(),
                Some((senders[0].local_addr().unwrap(), None)),
                "too long"
            );
            for (number, (from, bytes)) in (0..40u8).zip(seen) {
                assert_eq!(from, senders[usize::from(number % 2)].local_addr().unwrap());
                assert_eq!(bytes, Some(vec![number; 7]));
            }
        }
    }

    #[test]
    #[cfg_attr(
        target_arch = "arm",
        ignore = "qemu-user has no SO_RXQ_OVFL; scripts/phone runs it"
    )]
    fn the_kernels_drops_are_counted() {
        let (mut socket, to) = open("127.0.0.1");
        sys::receive_buffer(socket.socket.as_fd(), 4096).unwrap();
        let sender = UdpSocket::bind("127.0.0.1:0").unwrap();
        let (mut came, mut dropped, mut batch) = (0, 0, Batch::default());
        for _ in 0..2 {
            (0..200).for_each(|_| assert_eq!(sender.send_to(&[7; 172], to).unwrap(), 172));
            loop {
                let (read, lost) = socket.read(&mut batch);
                came += read;
                dropped += lost;
                if read < DATAGRAMS_AT_ONCE {
                    break;
                }
            }
        }
        assert!(
            dropped > 0 && came < 400 && came + dropped as usize <= 400,
            "{came} {dropped}"
        );
    }
}
