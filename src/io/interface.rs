//! Network interfaces, for the hardware address that identifies the phone, and to find the one that
//! has an address.

#[cfg(feature = "box")]
use std::io;
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

/// The name of the first interface that has this address.
#[cfg(feature = "box")]
pub fn with_address(address: Ipv4Addr) -> io::Result<Option<String>> {
    let has_address = |found: &nix::ifaddrs::InterfaceAddress| {
        let own = found.address.as_ref().and_then(|own| own.as_sockaddr_in());
        own.is_some_and(|own| own.ip() == address)
    };
    let found = nix::ifaddrs::getifaddrs()?.find(has_address);
    // An address may have a label of its own, `eth0:1`, which is no interface.
    let name = found.map(|found| {
        let label = found.interface_name;
        label.split(':').next().unwrap_or_default().to_owned()
    });
    Ok(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(feature = "box")]
    #[test]
    fn the_interface_of_an_address_is_found() {
        assert_eq!(with_address(Ipv4Addr::LOCALHOST).unwrap().unwrap(), "lo");
        // RFC 5737: nobody's.
        assert_eq!(with_address(Ipv4Addr::new(203, 0, 113, 7)).unwrap(), None);
    }

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
