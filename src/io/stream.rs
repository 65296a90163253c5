//! The two sockets of a connection to a server: a TCP connection, and a connected UDP socket.
//! Neither ever blocks.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::os::fd::{AsRawFd, RawFd};

use mio::net::TcpStream;
#[cfg(feature = "box")]
use nix::errno::Errno;
#[cfg(feature = "box")]
use nix::sys::socket::{bind, connect, socket, AddressFamily, SockFlag, SockType, SockaddrStorage};
use nix::sys::socket::{setsockopt, sockopt};

use crate::base::limits::{KEEP_ALIVE_IDLE, KEEP_ALIVE_STEP, USER_TIMEOUT};

// Between intercom devices (contract, section 5): after 30 s three probes of 10 s.
#[cfg(any(feature = "box", feature = "intercom"))]
const DEVICE_IDLE_SECONDS: u32 = 30;
#[cfg(any(feature = "box", feature = "intercom"))]
const DEVICE_STEP_SECONDS: u32 = 10;
#[cfg(any(feature = "box", feature = "intercom"))]
const DEVICE_PROBES: u32 = 3;
#[cfg(any(feature = "box", feature = "intercom"))]
const DEVICE_USER_TIMEOUT_MILLIS: u32 = 60_000;

/// A connection that is established or being established.
pub struct Connection {
    stream: TcpStream,
}

impl Connection {
    /// Begins to connect. The poll reports the connection as writable when the attempt is over.
    pub fn open(address: SocketAddr) -> io::Result<Self> {
        Ok(Self::of(TcpStream::connect(address)?))
    }

    /// Wraps a connection that was accepted or is being established.
    pub fn of(stream: TcpStream) -> Self {
        let _ = stream.set_nodelay(true);
        // Not every kernel supports all of them (qemu-user does not); the protocol has its own
        // timeouts besides.
        let seconds = |length: crate::base::time::Duration| (length.millis() / 1000) as u32;
        let _ = setsockopt(&stream, sockopt::KeepAlive, &true);
        let _ = setsockopt(&stream, sockopt::TcpKeepIdle, &seconds(KEEP_ALIVE_IDLE));
        let _ = setsockopt(&stream, sockopt::TcpKeepInterval, &seconds(KEEP_ALIVE_STEP));
        let _ = setsockopt(
            &stream,
            sockopt::TcpUserTimeout,
            &(USER_TIMEOUT.millis() as u32),
        );
        Self { stream }
    }

    /// Wraps a connection between intercom devices. It is idle for days, in networks of many
    /// switches: it is probed more patiently than a server's.
    #[cfg(any(feature = "box", feature = "intercom"))]
    pub fn of_device(stream: TcpStream) -> Self {
        let connection = Self::of(stream);
        let stream = &connection.stream;
        let _ = setsockopt(stream, sockopt::TcpKeepIdle, &DEVICE_IDLE_SECONDS);
        let _ = setsockopt(stream, sockopt::TcpKeepInterval, &DEVICE_STEP_SECONDS);
        let _ = setsockopt(stream, sockopt::TcpKeepCount, &DEVICE_PROBES);
        let _ = setsockopt(stream, sockopt::TcpUserTimeout, &DEVICE_USER_TIMEOUT_MILLIS);
        connection
    }

    /// This end's address.
    #[cfg(feature = "intercom")]
    pub fn local(&self) -> io::Result<SocketAddr> {
        self.stream.local_addr()
    }

    /// Tells the peer that nothing more will be sent.
    #[cfg(feature = "intercom")]
    pub fn end(&self) {
        // It fails when the peer has reset the connection, which says the same.
        let _ = self.stream.shutdown(std::net::Shutdown::Write);
    }

    /// For the poll's registry.
    pub fn source(&mut self) -> &mut TcpStream {
        &mut self.stream
    }

    /// The address of the peer if the connection is established, `None` while it is being
    /// established.
    pub fn peer(&self) -> io::Result<Option<SocketAddr>> {
        if let Some(error) = self.stream.take_error()? {
            return Err(error);
        }
        match self.stream.peer_addr() {
            Ok(peer) => Ok(Some(peer)),
            Err(error) if error.kind() == ErrorKind::NotConnected => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Reads some bytes: 0 at the end of the stream, `None` when none are available.
    pub fn read(&mut self, buffer: &mut [u8]) -> io::Result<Option<usize>> {
        unless_blocked(|| self.stream.read(buffer))
    }

    /// Writes some bytes; `None` when none can be written now.
    pub fn write(&mut self, bytes: &[u8]) -> io::Result<Option<usize>> {
        unless_blocked(|| self.stream.write(bytes))
    }
}

#[cfg(feature = "box")]
impl Connection {
    /// Begins to connect from this address of the machine's own, with any port.
    pub fn open_from(local: Ipv4Addr, address: SocketAddr) -> io::Result<Self> {
        let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
        let fd = socket(AddressFamily::Inet, SockType::Stream, flags, None)?;
        let local = SocketAddr::from((local, 0));
        bind(fd.as_raw_fd(), &SockaddrStorage::from(local))?;
        match connect(fd.as_raw_fd(), &SockaddrStorage::from(address)) {
            Ok(()) | Err(Errno::EINPROGRESS) => {}
            Err(problem) => return Err(problem.into()),
        }
        let stream = std::net::TcpStream::from(fd);
        Ok(Self::of_device(TcpStream::from_std(stream)))
    }
}

#[cfg(any(feature = "box", feature = "intercom"))]
impl Connection {
    /// Writes some of these bytes with one call; `None` when none can be written now.
    pub fn write_vectored(&mut self, slices: &[io::IoSlice]) -> io::Result<Option<usize>> {
        unless_blocked(|| self.stream.write_vectored(slices))
    }
}

/// A UDP socket that is connected to one address.
pub struct Datagrams {
    socket: UdpSocket,
}

impl Datagrams {
    /// Binds any port and connects it.
    pub fn open(to: SocketAddr) -> io::Result<Self> {
        let any = match to {
            SocketAddr::V4(_) => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            SocketAddr::V6(_) => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
        };
        let socket = UdpSocket::bind((any, 0))?;
        socket.set_nonblocking(true)?;
        socket.connect(to)?;
        Ok(Self { socket })
    }

    /// Its own address: that of the interface towards the other end.
    #[cfg(feature = "fsp")]
    pub fn own_address(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    /// Sends a datagram; returns whether the kernel accepted it, and a pending error. The error may
    /// belong to an earlier datagram (ICMP); then the kernel accepts this one at the second
    /// attempt.
    pub fn send(&self, datagram: &[u8]) -> (bool, Option<i32>) {
        match self.send_once(datagram) {
            Ok(taken) => (taken, None),
            Err(error) => (
                self.send_once(datagram).unwrap_or(false),
                Some(error.raw_os_error().unwrap_or(0)),
            ),
        }
    }

    /// Receives a datagram, if there is one. Pending errors belong to earlier datagrams and are
    /// ignored.
    pub fn receive(&self, buffer: &mut [u8]) -> Option<usize> {
        unless_blocked(|| self.socket.recv(buffer)).ok().flatten()
    }

    /// For the poll's registry; dropping the socket deregisters it.
    pub fn fd(&self) -> RawFd {
        self.socket.as_raw_fd()
    }

    /// Returns `false` if the kernel has no buffer space.
    fn send_once(&self, datagram: &[u8]) -> io::Result<bool> {
        match unless_blocked(|| self.socket.send(datagram)) {
            Err(error) if error.raw_os_error() == Some(libc::ENOBUFS) => Ok(false),
            sent => sent.map(|sent| sent.is_some()),
        }
    }
}

fn unless_blocked(mut call: impl FnMut() -> io::Result<usize>) -> io::Result<Option<usize>> {
    loop {
        match call() {
            Ok(count) => return Ok(Some(count)),
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(None),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mio::{Events, Interest, Poll, Token};
    use std::net::TcpListener;
    use std::time::Duration;

    fn connect(to: SocketAddr) -> io::Result<(Connection, SocketAddr)> {
        let mut poll = Poll::new()?;
        let mut connection = Connection::open(to)?;
        poll.registry().register(
            connection.source(),
            Token(0),
            Interest::READABLE | Interest::WRITABLE,
        )?;
        loop {
            poll.poll(&mut Events::with_capacity(4), Some(Duration::from_secs(20)))?;
            if let Some(peer) = connection.peer()? {
                return Ok((connection, peer));
            }
        }
    }

    #[test]
    fn a_connection_is_made_reads_writes_and_ends() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (mut connection, peer) = connect(address).unwrap();
        assert_eq!(peer, address);
        let mut server = listener.accept().unwrap().0;
        let mut buffer = [0; 16];
        assert_eq!(connection.read(&mut buffer).unwrap(), None);
        assert_eq!(connection.write(b"hello").unwrap(), Some(5));
        server.read_exact(&mut buffer[..5]).unwrap();
        drop(server);
        while connection.read(&mut buffer).unwrap() != Some(0) {}
        drop(listener);
        assert!(connect(address).is_err(), "nobody listens there any more");
    }

    #[test]
    fn what_an_earlier_datagram_met_costs_no_later_one() {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let address = socket.local_addr().unwrap();
        let sender = Datagrams::open(address).unwrap();
        assert_eq!(sender.send(b"one"), (true, None));
        drop(socket);
        assert!(
            sender.send(b"two").0,
            "the answer to this one says that nobody is there"
        );
        let socket = UdpSocket::bind(address).unwrap();
        assert_eq!(sender.send(b"three"), (true, Some(libc::ECONNREFUSED)));
        let mut buffer = [0; 16];
        assert_eq!(socket.recv(&mut buffer).unwrap(), 5);
        assert_eq!(sender.send(b"four"), (true, None));
    }
}
