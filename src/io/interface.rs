//! The phone's network interfaces, for the hardware address that identifies the phone.

use std::net::{Ipv4Addr, UdpSocket};
use std::os::fd::AsFd;

use crate::io::sys;

/// Interface indexes are small and assigned in order.
const NUMBERS: core::ops::Range<i32> = 1..1024;

/// The Ethernet address of the first interface that has one; the loopback has none.
pub fn first_mac() -> Option<[u8; 6]> {
    let any = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).ok()?;
    NUMBERS
        .filter_map(|number| sys::ethernet_address(any.as_fd(), number))
        .find(|mac| *mac != [0; 6])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_the_address_that_the_kernel_shows() {
        let addresses = |entry: std::io::Result<std::fs::DirEntry>| {
            let text = std::fs::read_to_string(entry.ok()?.path().join("address")).ok()?;
            let bytes = text
                .trim()
                .split(':')
                .map(|byte| u8::from_str_radix(byte, 16).ok());
            bytes.collect::<Option<Vec<u8>>>()?.try_into().ok()
        };
        let shown: Vec<[u8; 6]> = std::fs::read_dir("/sys/class/net")
            .unwrap()
            .filter_map(addresses)
            .collect();
        match first_mac() {
            Some(mac) => assert!(shown.contains(&mac), "{mac:x?} {shown:x?}"),
            None => assert!(shown.iter().all(|mac| *mac == [0; 6]), "{shown:x?}"),
        }
    }
}
