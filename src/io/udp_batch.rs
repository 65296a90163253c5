//! A UDP port of a server: read in batches, and not registered with epoll.

use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::os::fd::AsFd;

use nix::sys::socket::{setsockopt, sockopt};

use crate::base::limits::RECEIVE_BUFFER;
use crate::io::sys::{self, Batch};

/// A bound port.
pub struct Inlet {
    socket: UdpSocket,
    dropped: u32,
}

impl Inlet {
    /// Binds a port.
    pub fn open(address: IpAddr, port: u16) -> io::Result<Self> {
        let socket = UdpSocket::bind(SocketAddr::new(address, port))?;
        // Where there is no such option (qemu-user), what the kernel drops is not counted.
        let _ = setsockopt(&socket, sockopt::RxqOvfl, &1);
        sys::receive_buffer(socket.as_fd(), RECEIVE_BUFFER as i32)?;
        Ok(Self { socket, dropped: 0 })
    }

    /// The port, also where the system has chosen it; 0: it does not say.
    pub fn port(&self) -> u16 {
        self.socket.local_addr().map_or(0, |address| address.port())
    }

    /// Reads a batch: how many came (when they filled it, there may be more), and how many the kernel has dropped.
    pub fn read(&mut self, batch: &mut Batch) -> (usize, u32) {
        let read = loop {
            match sys::receive_batch(self.socket.as_fd(), batch) {
                Ok(read) => break read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                // Besides EAGAIN only pending ICMP errors come here, and they end nothing.
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

    fn open(address: &str) -> (Inlet, SocketAddr) {
        let inlet = Inlet::open(address.parse().unwrap(), 0).unwrap();
        let port = inlet.port();
        (inlet, SocketAddr::new([127, 0, 0, 1].into(), port))
    }

    #[test]
    fn batches_come_in_order_with_their_sources() {
        for address in ["127.0.0.1", "::"] {
            let (mut inlet, to) = open(address);
            let senders = [0; 2].map(|_| UdpSocket::bind("127.0.0.1:0").unwrap());
            let mut batch = Batch::default();
            assert_eq!(inlet.read(&mut batch), (0, 0));
            for number in 0..40u8 {
                senders[usize::from(number % 2)]
                    .send_to(&[number; 7], to)
                    .unwrap();
            }
            senders[0].send_to(&[1; DATAGRAM_BYTES + 1], to).unwrap();
            assert_eq!(inlet.read(&mut batch), (DATAGRAMS_AT_ONCE, 0));
            let mut seen: Vec<_> = batch
                .datagrams()
                .map(|(from, bytes)| (from, bytes.map(<[u8]>::to_vec)))
                .collect();
            assert_eq!(inlet.read(&mut batch), (41 - DATAGRAMS_AT_ONCE, 0));
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
        let (mut inlet, to) = open("127.0.0.1");
        sys::receive_buffer(inlet.socket.as_fd(), 4096).unwrap();
        let sender = UdpSocket::bind("127.0.0.1:0").unwrap();
        let (mut came, mut dropped, mut batch) = (0, 0, Batch::default());
        for _ in 0..2 {
            (0..200).for_each(|_| assert_eq!(sender.send_to(&[7; 172], to).unwrap(), 172));
            loop {
                let (read, lost) = inlet.read(&mut batch);
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
