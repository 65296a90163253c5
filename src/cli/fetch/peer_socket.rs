//! A socket that talks to one peer: the phone. How the peer is found and reached is decided before.

use std::io::{self, ErrorKind};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs, UdpSocket};
use std::time::Duration;

/// A socket and its peer.
pub(super) struct PeerSocket {
    socket: UdpSocket,
    /// The receive timeout that the socket has. It is only set when it changes, to save a system
    /// call.
    wait: Duration,
}

impl PeerSocket {
    /// A socket for a host and port.
    pub(super) fn direct(to: (&str, u16)) -> Result<Self, String> {
        let mut peers = to
            .to_socket_addrs()
            .map_err(|error| format!("{}: {error}", to.0))?;
        let to = to.0;
        let peer = peers.next().ok_or_else(|| format!("{to}: no address"))?;
        let any: IpAddr = if peer.is_ipv4() {
            Ipv4Addr::UNSPECIFIED.into()
        } else {
            Ipv6Addr::UNSPECIFIED.into()
        };
        UdpSocket::bind((any, 0))
            .and_then(|socket| Self::over(socket, peer))
            .map_err(|error| format!("{to}: {error}"))
    }

    /// The socket over which the peer was reached.
    pub(super) fn over(socket: UdpSocket, peer: SocketAddr) -> io::Result<Self> {
        socket.connect(peer)?;
        Ok(Self {
            socket,
            wait: Duration::ZERO,
        })
    }

    pub(super) fn send(&self, datagram: &[u8]) -> io::Result<()> {
        self.socket.send(datagram).map(|_| ())
    }

    /// Waits for a datagram, at most for this time; `None` if none was received.
    pub(super) fn receive(
        &mut self,
        buffer: &mut [u8],
        wait: Duration,
    ) -> io::Result<Option<usize>> {
        let wait = wait.max(Duration::from_millis(1)); // zero would mean without end
        if wait != self.wait {
            self.socket.set_read_timeout(Some(wait))?;
            self.wait = wait;
        }
        match self.socket.recv(buffer) {
            Ok(length) => Ok(Some(length)),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                Ok(None)
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => Ok(None),
            Err(error) => Err(error),
        }
    }
}
