//! The phone's network interfaces, for the addresses that name the phone.

#[cfg(feature = "fsp")]
use std::net::{IpAddr, SocketAddrV4};
use std::net::{Ipv4Addr, UdpSocket};
use std::os::fd::AsFd;

use crate::io::sys;

/// Interfaces have small numbers, given out in order.
const NUMBERS: core::ops::Range<i32> = 1..1024;

/// Our address on the way to another one. Nothing is sent.
#[cfg(feature = "fsp")]
pub fn address_towards(other: SocketAddrV4) -> Option<Ipv4Addr> {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).ok()?;
    socket.connect(other).ok()?;
    match socket.local_addr().ok()?.ip() {
        IpAddr::V4(own) => Some(own),
        IpAddr::V6(_) => None,
    }
}

/// The Ethernet address of the first interface that has one; the loopback has none.
pub fn first_mac() -> Option<[u8; 6]> {
    let any = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).ok()?;
    NUMBERS.filter_map(|number| sys::ethernet_address(any.as_fd(), number)).find(|mac| *mac != [0; 6])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(feature = "fsp")]
    fn the_way_to_ourselves_begins_here() {
        assert_eq!(address_towards("127.0.0.1:9".parse().unwrap()), Some(Ipv4Addr::LOCALHOST));
    }

    #[test]
    fn it_is_the_address_that_the_kernel_shows() {
        let addresses = |entry: std::io::Result<std::fs::DirEntry>| {
            let text = std::fs::read_to_string(entry.ok()?.path().join("address")).ok()?;
            let bytes = text.trim().split(':').map(|byte| u8::from_str_radix(byte, 16).ok());
            bytes.collect::<Option<Vec<u8>>>()?.try_into().ok()
        };
        let shown: Vec<[u8; 6]> = std::fs::read_dir("/sys/class/net").unwrap().filter_map(addresses).collect();
        match first_mac() {
            Some(mac) => assert!(shown.contains(&mac), "{mac:x?} {shown:x?}"),
            None => assert!(shown.iter().all(|mac| *mac == [0; 6]), "{shown:x?}"),
        }
    }
}
