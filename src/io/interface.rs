//! The phone's network interfaces, for the addresses that name the phone.

use std::fs::{read_dir, read_to_string};
#[cfg(feature = "fsp")]
use std::net::{IpAddr, Ipv4Addr, SocketAddrV4, UdpSocket};

/// Where the kernel lists them.
const INTERFACES: &str = "/sys/class/net";

/// The hardware address of the first interface that has one, as 12 lower-case hex digits; the loopback has none.
pub fn first_mac() -> Option<String> {
    let interfaces = read_dir(INTERFACES).ok()?.filter_map(|entry| {
        let read = |file| read_to_string(entry.as_ref().ok()?.path().join(file)).ok();
        let number: u32 = read("ifindex")?.trim().parse().ok()?;
        Some((number, digits(&read("address")?)?))
    });
    interfaces.min().map(|(_, mac)| mac)
}

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

/// `00:1a:...` without its colons; `None` for what is no Ethernet address, or none at all (zeros).
fn digits(address: &str) -> Option<String> {
    let digits: String = address.trim().chars().filter(|c| *c != ':').map(|c| c.to_ascii_lowercase()).collect();
    let mac = digits.len() == 12 && digits.bytes().all(|b| b.is_ascii_hexdigit());
    (mac && digits.bytes().any(|b| b != b'0')).then_some(digits)
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
    fn an_address_is_twelve_digits_or_none() {
        assert_eq!(digits("0C:38:3e:00:00:01\n").as_deref(), Some("0c383e000001"));
        for none in ["00:00:00:00:00:00\n", "", "00:11:22", "00:11:22:33:44:55:66:77", "zz:11:22:33:44:55"] {
            assert_eq!(digits(none), None, "{none}");
        }
        assert!(first_mac().is_none_or(|mac| mac.len() == 12));
    }
}
