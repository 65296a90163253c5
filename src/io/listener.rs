//! TCP listeners. Several processes may listen on the same port; the kernel distributes the
//! connections.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use nix::sys::socket::sockopt::{ReuseAddr, ReusePort};
use nix::sys::socket::{
    bind, listen, setsockopt, socket, AddressFamily, Backlog, SockFlag, SockType, SockaddrStorage,
};

/// Listens on an address; `shared`: other processes may do so as well, if they share it too.
pub fn open(address: SocketAddr, shared: bool) -> io::Result<mio::net::TcpListener> {
    let fd = bound(address, shared)?;
    // The kernel limits the backlog (net.core.somaxconn). The constant for the maximum is only 128
    // with musl.
    listen(&fd, Backlog::MAXALLOWABLE)?;
    let listener = TcpListener::from(fd);
    listener.set_nonblocking(true)?;
    Ok(mio::net::TcpListener::from_std(listener))
}

/// Reserves a port for the processes that will listen on it.
pub struct ReservedPort {
    fd: OwnedFd,
}

impl ReservedPort {
    /// Binds the port, or any if it is 0. A port that is in use is an error, even if its users
    /// share it.
    pub fn open(address: SocketAddr) -> io::Result<Self> {
        let port = TcpListener::bind(address)?.local_addr()?.port();
        Ok(Self {
            fd: bound(SocketAddr::new(address.ip(), port), true)?,
        })
    }

    /// The address with the port.
    pub fn address(&self) -> io::Result<SocketAddr> {
        TcpListener::from(self.fd.as_fd().try_clone_to_owned()?).local_addr()
    }
}

fn bound(address: SocketAddr, shared: bool) -> io::Result<OwnedFd> {
    let family = if address.is_ipv4() {
        AddressFamily::Inet
    } else {
        AddressFamily::Inet6
    };
    let fd = socket(family, SockType::Stream, SockFlag::SOCK_CLOEXEC, None)?;
    setsockopt(&fd, ReuseAddr, &true)?;
    setsockopt(&fd, ReusePort, &shared)?;
    bind(fd.as_raw_fd(), &SockaddrStorage::from(address))?;
    Ok(fd)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_is_shared_by_those_who_agree_to() {
        let port = ReservedPort::open("127.0.0.1:0".parse().unwrap()).unwrap();
        let address = port.address().unwrap();
        let first = open(address, true).unwrap();
        let second = open(address, true).unwrap();
        assert!(open(address, false).is_err());
        assert!(ReservedPort::open(address).is_err(), "others listen there");
        let clients: Vec<_> = (0..64)
            .map(|_| std::net::TcpStream::connect(address).unwrap())
            .collect();
        let taken = |listener: &mio::net::TcpListener| {
            std::iter::from_fn(|| listener.accept().ok()).count()
        };
        let (one, other) = (taken(&first), taken(&second));
        assert!(
            one > 0 && other > 0 && one + other == clients.len(),
            "{one} {other}"
        );
    }
}
