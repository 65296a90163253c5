//! A UDP socket of a server: each reply is sent from the address to which the request was sent.

use std::io::{self, ErrorKind};
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};

use crate::io::nat_opening::send_opening;
use crate::io::sys;

pub use crate::io::sys::Origin;

/// A bound socket.
pub struct Service {
    socket: UdpSocket,
}

impl Service {
    /// Binds it.
    pub fn open(address: IpAddr, port: u16) -> io::Result<Self> {
        let socket = UdpSocket::bind(SocketAddr::new(address, port))?;
        socket.set_nonblocking(true)?;
        sys::tell_destinations(socket.as_fd(), address.is_ipv6())?;
        Ok(Self { socket })
    }

    /// Becomes readable when a datagram arrives.
    pub fn fd(&self) -> RawFd {
        self.socket.as_raw_fd()
    }

    /// The next datagram, truncated to the buffer; `None` when there is none.
    pub fn receive(&self, buffer: &mut [u8]) -> Option<(usize, Origin)> {
        loop {
            match sys::receive_from(self.socket.as_fd(), buffer) {
                Ok(received) => return Some(received),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => return None,
            }
        }
    }

    /// Replies to a datagram. A failure to send is ignored: the client repeats its request.
    pub fn reply(&self, bytes: &[u8], origin: &Origin) {
        let _ = sys::send_back(self.socket.as_fd(), bytes, origin);
    }

    /// Sends a datagram to any address; with `opens`, one that opens our NAT without reaching the
    /// other end.
    pub fn send(&self, bytes: &[u8], to: SocketAddr, opens: bool) -> io::Result<()> {
        if opens {
            return send_opening(&self.socket, bytes, to);
        }
        self.socket.send_to(bytes, to).map(|_| ())
    }
}

impl AsFd for Service {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replies_come_from_the_address_that_was_asked() {
        for (any, hosts) in [
            ("0.0.0.0", &["127.0.0.1", "127.0.0.2", "127.9.9.9"][..]),
            ("::1", &["::1"]),
            ("::", &["::1"]),
        ] {
            let service = Service::open(any.parse().unwrap(), 0).unwrap();
            let port = service.socket.local_addr().unwrap().port();
            for host in hosts {
                let host: IpAddr = host.parse().unwrap();
                let client = UdpSocket::bind(SocketAddr::new(host, 0)).unwrap();
                // Connected: what comes from another address is not seen.
                client.connect((host, port)).unwrap();
                client
                    .set_read_timeout(Some(std::time::Duration::from_secs(20)))
                    .unwrap();
                let mut buffer = [0; 8];
                assert!(service.receive(&mut buffer).is_none());
                client.send(b"question, too long").unwrap();
                let (len, origin) = service.receive(&mut buffer).unwrap();
                assert_eq!(
                    (&buffer[..len], origin.peer()),
                    (&b"question"[..], client.local_addr().unwrap())
                );
                service.reply(b"answer", &origin);
                assert_eq!(client.recv(&mut buffer).unwrap(), 6);
                service.send(b"more", origin.peer(), false).unwrap();
            }
        }
    }
}
