//! Reaches a phone behind NAT through its rendezvous server. FSP then uses the same socket.

use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV4, ToSocketAddrs, UdpSocket};
use std::time::Duration;

use crate::base::limits::rendezvous::{NAME_BYTES, RENDEZVOUS_BYTES};
use crate::cli::failure::{usage, Failure};
use crate::cli::fetch::peer_socket::PeerSocket;
use crate::io::clock;
use crate::io::nat_opening::send_opening;
use crate::io::random::Random;
use crate::proto::rendezvous::caller::Caller;
use crate::proto::rendezvous::{Datagram, Name};

/// The port of rendezvous servers.
const PORT: u16 = 7042;

/// A phone that was reached.
pub(super) struct Reached {
    pub(super) socket: PeerSocket,
    pub(super) peer: SocketAddrV4,
    /// The peer has proven to be the phone.
    pub(super) is_proven: bool,
}

/// Reaches the phone with this id. A failure has the server's code, or says what timed out.
pub(super) fn reach(id: &str, server: &str, invite: &str) -> Result<Reached, Failure> {
    let (phone, invite) = (name("id", id)?, name("invite", invite)?);
    if phone.is_empty() {
        return usage("fetch: --id must not be empty: it is the phone's p2pCid");
    }
    let address = resolve(server)?;
    let failed = |problem: std::io::Error| Failure::Failed(format!("{server}: {problem}"));
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).map_err(failed)?;
    let inside = own_address(&socket, address).map_err(failed)?;
    let mut caller = Caller::new(
        clock::monotonic(),
        phone,
        invite,
        address,
        inside,
        Random::open().words()[0],
    );
    loop {
        let mut buffer = [0; RENDEZVOUS_BYTES];
        let now = clock::monotonic();
        while let Some(Datagram { to, len, opens }) = caller.poll_output(now, &mut buffer) {
            // An error is not needed to notice that the network is down: the response times out.
            let _ = if opens {
                send_opening(&socket, &buffer[..len], to.into())
            } else {
                socket.send_to(&buffer[..len], to).map(|_| ())
            };
        }
        match caller.outcome() {
            Some(Ok(peer)) => {
                return Ok(Reached {
                    socket: PeerSocket::over(socket, peer.into()).map_err(failed)?,
                    peer,
                    is_proven: caller.is_proven(),
                });
            }
            Some(Err(why)) => return Err(Failure::Failed(format!("{id} through {server}: {why}"))),
            None => {}
        }
        let wait = caller
            .next_deadline()
            .map_or(1_000_000, |at| at.since(now).nanos().max(1_000_000));
        socket
            .set_read_timeout(Some(Duration::from_nanos(wait)))
            .map_err(failed)?;
        match socket.recv_from(&mut buffer) {
            Ok((len, SocketAddr::V4(from))) => {
                caller.handle_datagram(clock::monotonic(), from, &buffer[..len])
            }
            Ok(_) => {}
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
            Err(error)
                if matches!(
                    error.kind(),
                    ErrorKind::Interrupted | ErrorKind::ConnectionRefused
                ) => {}
            Err(error) => return Err(failed(error)),
        }
    }
}

/// Our address in our own network, which the phone pings if it is in the same network.
fn own_address(socket: &UdpSocket, server: SocketAddrV4) -> std::io::Result<SocketAddrV4> {
    let probe = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?;
    probe.connect(server)?;
    let own = match probe.local_addr()?.ip() {
        IpAddr::V4(own) => own,
        IpAddr::V6(_) => Ipv4Addr::UNSPECIFIED,
    };
    Ok(SocketAddrV4::new(own, socket.local_addr()?.port()))
}

fn resolve(server: &str) -> Result<SocketAddrV4, Failure> {
    let (host, port) = match server.rsplit_once(':') {
        Some((host, port)) => (host, port.parse::<u16>().ok()),
        None => (server, Some(PORT)),
    };
    let Some(port) = port.filter(|port| *port != 0 && !host.is_empty()) else {
        return usage(&format!(
            "fetch: --server must be HOST or HOST:PORT, not '{server}'"
        ));
    };
    let mut found = (host, port)
        .to_socket_addrs()
        .map_err(|error| Failure::Failed(format!("{server}: {error}")))?;
    let v4 = found.find_map(|address| match address {
        SocketAddr::V4(address) => Some(address),
        SocketAddr::V6(_) => None,
    });
    v4.ok_or_else(|| Failure::Failed(format!("{server}: no IPv4 address")))
}

fn name(option: &str, text: &str) -> Result<Name, Failure> {
    let plain = text.bytes().all(|b| b >= b' ' && b != 0x7F);
    let name = Name::from_slice(text.as_bytes()).ok().filter(|_| plain);
    name.ok_or_else(|| {
        let problem = format!("fetch: --{option} must have at most {NAME_BYTES} characters");
        Failure::Usage(problem)
    })
}
