//! A datagram that opens our own NAT for an answer without reaching the other end.
//!
//! When two ends are behind NATs that pass only answers, both must have sent a datagram before
//! anything from the other end arrives. A Linux router that receives a datagram for which it has no
//! NAT entry may create a conflicting conntrack entry for itself; then the port that the other end
//! was told is in use, and the datagrams of its own host leave through another port. So the first
//! datagram to a peer must pass our router, but not reach the router of the peer:
//! - its TTL is 2: our router, and one on the way;
//! - if there is no router in between, as on a shared link, the second router rejects it because
//!   the router count in its timestamp option is full (RFC 791: parameter problem; RFC 1812,
//!   5.3.13.5).
//!
//! If there is no router at all, the datagram arrives.

use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::AsFd;

use crate::io::sys;

const ROUTERS: u32 = 2;
/// Type 68, length 4, no room left, timestamps only; the overflow count is 14, and 15 is its
/// maximum.
const FULL_TIMESTAMP: [u8; 4] = [68, 4, 5, 14 << 4];

/// Sends an opening datagram.
pub fn send_opening(socket: &UdpSocket, datagram: &[u8], to: SocketAddr) -> io::Result<()> {
    let ttl = socket.ttl()?;
    let shortened = socket.set_ttl(ROUTERS);
    let set = shortened.and_then(|()| sys::ip_options(socket.as_fd(), &FULL_TIMESTAMP));
    let sent = socket.send_to(datagram, to);
    // In any case, the socket's options are restored: it is used for other datagrams, too.
    let cleared = sys::ip_options(socket.as_fd(), &[]);
    let restored = cleared.and(socket.set_ttl(ttl));
    restored.and(set).and(sent)?;
    Ok(())
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
