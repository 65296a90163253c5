//! The way to a phone: a socket that talks to one peer. What finds the peer, and gets through to it, comes before.

use std::io::{self, ErrorKind};
use std::net::{SocketAddr, ToSocketAddrs, UdpSocket};
use std::time::Duration;

/// A socket and its peer.
pub(super) struct Link {
    socket: UdpSocket,
    /// How long `receive` waits, as the socket knows it: asking costs a system call.
    wait: Duration,
}

impl Link {
    /// Straight to `HOST:PORT`; an error says what is wrong with it.
    pub(super) fn direct(to: &str) -> Result<Self, String> {
        let mut peers = to
            .to_socket_addrs()
            .map_err(|error| format!("{to}: {error}"))?;
        let peer = peers.next().ok_or_else(|| format!("{to}: no address"))?;
        let any = SocketAddr::new(
            if peer.is_ipv4() {
                [0; 4].into()
            } else {
                [0; 16].into()
            },
            0,
        );
        UdpSocket::bind(any)
            .and_then(|socket| Self::over(socket, peer))
            .map_err(|error| format!("{to}: {error}"))
    }

    /// Over a socket that has been used to get through to the peer.
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

    /// Waits for a datagram, for this long at the most; `None` when none has come.
    pub(super) fn receive(
        &mut self,
        buffer: &mut [u8],
        wait: Duration,
    ) -> io::Result<Option<usize>> {
        let wait = wait.max(Duration::from_millis(1)); // zero would be for ever
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
