//! The datagram that opens our own NAT: here one that may reach the other end. It has a small TTL, but not the
//! full timestamp option, for which the standard library has no call.

use std::io;
use std::net::{SocketAddr, UdpSocket};

const ROUTERS: u32 = 2;

/// Sends an opening datagram.
pub fn send_opening(socket: &UdpSocket, datagram: &[u8], to: SocketAddr) -> io::Result<()> {
    let ttl = socket.ttl()?;
    let shortened = socket.set_ttl(ROUTERS);
    let sent = socket.send_to(datagram, to);
    let restored = socket.set_ttl(ttl);
    restored.and(shortened).and(sent)?;
    Ok(())
}
