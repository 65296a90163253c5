//! A datagram that opens our own NAT for an answer, and goes no further.
//!
//! Two ends behind NATs that let only answers in must both have sent before anything of the other one arrives.
//! A Linux router that finds nobody behind it for a datagram may take it for its own; then the port that the other
//! end was told is taken, and what its host sends there leaves through another one. So the first datagram to a peer
//! must leave our router, but not reach the peer's:
//! - it lives for two routers (TTL 2): ours, and one on the way;
//! - where there is none between, as on one wire, the second router refuses it for the count of routers in its timestamp
//!   option, which is full (RFC 791: a parameter problem; RFC 1812, 5.3.13.5).
//!
//! Where there is no router at all, it arrives.

use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::AsFd;

use crate::io::sys;

const ROUTERS: u32 = 2;
/// Type 68, length 4, no room left, timestamps only; 14 routers have found no room, and a 15th is the last that may.
const FULL_TIMESTAMP: [u8; 4] = [68, 4, 5, 14 << 4];

/// Sends it.
pub fn send_opening(socket: &UdpSocket, datagram: &[u8], to: SocketAddr) -> io::Result<()> {
    let lives = socket.ttl()?;
    let set = socket
        .set_ttl(ROUTERS)
        .and_then(|()| sys::ip_options(socket.as_fd(), &FULL_TIMESTAMP));
    let sent = socket.send_to(datagram, to);
    // Whatever came of it, the socket is for others as well.
    sys::ip_options(socket.as_fd(), &[])
        .and(socket.set_ttl(lives))
        .and(set)
        .and(sent)
        .map(|_| ())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg_attr(
        target_arch = "arm",
        ignore = "qemu-user has no IP_OPTIONS; scripts/phone runs it"
    )]
    fn it_arrives_where_no_router_is_and_leaves_the_socket_as_it_was() {
        for host in ["127.0.0.1:0", "[::1]:0"] {
            let (socket, peer) = (
                UdpSocket::bind(host).unwrap(),
                UdpSocket::bind(host).unwrap(),
            );
            peer.set_read_timeout(Some(std::time::Duration::from_secs(20)))
                .unwrap();
            let lives = socket.ttl().unwrap();
            send_opening(&socket, b"knock", peer.local_addr().unwrap()).unwrap();
            assert_eq!(peer.recv(&mut [0; 8]).unwrap(), 5);
            assert_eq!(socket.ttl().unwrap(), lives);
        }
    }
}
