//! Values of the box's configuration that have parts, and their parsers. An error says what the
//! value must be; the caller puts line and key before it.

use core::fmt::{self, Display};
use core::net::{Ipv4Addr, SocketAddrV4};

use crate::base::limits::home_box::ID_BYTES;
use crate::config::{host, number};
use crate::home_box::id::is_id;
use crate::proto::intercom::home_box::rules::Ipv4Prefix;

/// Printed and read where a key has no value.
pub(super) const NONE: &str = "none";
const PROPERTY_SERVER_PORT: u16 = 8088;

/// A home or a door unit whose address the box knows (`neighbour`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Neighbour {
    pub(crate) id: String,
    pub(crate) address: Ipv4Addr,
    /// `None`: the usual one of the called device's type.
    pub(crate) port: Option<u16>,
}

impl Display for Neighbour {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.id, self.address)?;
        match self.port {
            Some(port) => write!(f, ":{port}"),
            None => Ok(()),
        }
    }
}

/// A port of the home's side that the firewall forwards into the community (`forward`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Forward {
    /// On `homeAddr`, TCP.
    pub(crate) port: u16,
    pub(crate) to: SocketAddrV4,
}

impl Display for Forward {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.port, self.to)
    }
}

/// A server by its name or address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct HostPort {
    pub(crate) host: String,
    pub(crate) port: u16,
}

impl Display for HostPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

/// An id; empty for the word `none`.
pub(super) fn id(value: &str) -> Result<String, String> {
    match value {
        NONE => Ok(String::new()),
        id if is_id(id) => Ok(id.into()),
        _ => Err(format!(
            "must be 1 to {ID_BYTES} printable characters without blanks and commas, as 2-1-201, not '{value}'"
        )),
    }
}

/// An address that a host can have.
pub(super) fn host_address(value: &str) -> Result<Ipv4Addr, String> {
    let is_host = |address: &Ipv4Addr| {
        !address.is_unspecified() && !address.is_multicast() && !address.is_broadcast()
    };
    let address = value.parse().ok().filter(is_host);
    address.ok_or_else(|| format!("must be the IPv4 address of a host, not '{value}'"))
}

/// `ADDRESS[:PORT]`. An address of IPv6 has more colons: it is refused as a whole.
fn place(value: &str) -> Result<(Ipv4Addr, Option<u16>), String> {
    match value.split_once(':').filter(|_| !is_ipv6(value)) {
        Some((address, port)) => Ok((host_address(address)?, Some(number(port, 1, 65535)?))),
        None => Ok((host_address(value)?, None)),
    }
}

fn is_ipv6(value: &str) -> bool {
    value.matches(':').count() > 1
}

/// `11.0.0.0/8`; without a length it is a single address.
pub(super) fn prefix(value: &str) -> Result<Ipv4Prefix, String> {
    let (address, length) = value.split_once('/').unwrap_or((value, "32"));
    let address = address.parse().ok();
    let length = number(length, 0, 32).ok();
    let form = || format!("must be an IPv4 network as 11.0.0.0/8, not '{value}'");
    let (address, length): (Ipv4Addr, u32) = address.zip(length).ok_or_else(form)?;
    let prefix = Ipv4Prefix::new(address, length);
    if prefix.network != address {
        return Err(format!(
            "must begin with the network's own address: {prefix}, not '{value}'"
        ));
    }
    Ok(prefix)
}

/// `ADDRESS:PORT`.
pub(super) fn socket_address(value: &str) -> Result<SocketAddrV4, String> {
    let form = || format!("must be ADDRESS:PORT with an IPv4 address, not '{value}'");
    match place(value)? {
        (address, Some(port)) => Ok(SocketAddrV4::new(address, port)),
        (_, None) => Err(form()),
    }
}

/// `ID ADDRESS[:PORT]`.
pub(super) fn neighbour(value: &str) -> Result<Neighbour, String> {
    let form = || format!("must be ID ADDRESS[:PORT], not '{value}'");
    let (id, at) = two_words(value)
        .filter(|(id, _)| is_id(id))
        .ok_or_else(form)?;
    let (address, port) = place(at)?;
    Ok(Neighbour {
        id: id.into(),
        address,
        port,
    })
}

/// `PORT ADDRESS:PORT`.
pub(super) fn forward(value: &str) -> Result<Forward, String> {
    let form = || {
        format!(
            "must be PORT ADDRESS:PORT with an IPv4 address, as 7894 11.0.0.1:1935, not '{value}'"
        )
    };
    let (port, to) = two_words(value).ok_or_else(form)?;
    let port = number(port, 1, 65535).map_err(|_| form())?;
    let to = socket_address(to).map_err(|_| form())?;
    Ok(Forward { port, to })
}

/// `HOST[:PORT]`, or `none`.
pub(super) fn property_server(value: &str) -> Result<Option<HostPort>, String> {
    if value == NONE {
        return Ok(None);
    }
    if is_ipv6(value) {
        return Err(format!(
            "must be HOST[:PORT], a name or an IPv4 address, not '{value}'"
        ));
    }
    let (name, port) = match value.rsplit_once(':') {
        Some((name, port)) => (name, number(port, 1, 65535)?),
        None => (value, PROPERTY_SERVER_PORT),
    };
    Ok(Some(HostPort {
        host: host(name)?,
        port,
    }))
}

fn two_words(value: &str) -> Option<(&str, &str)> {
    let mut words = value.split_whitespace();
    let pair = words.next().zip(words.next());
    pair.filter(|_| words.next().is_none())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_contains_its_network_and_nothing_else() {
        for (text, inside, outside) in [
            ("11.0.0.0/8", "11.255.255.255", Some("12.0.0.0")),
            ("11.0.1.22", "11.0.1.22", Some("11.0.1.23")),
            ("192.168.1.128/25", "192.168.1.200", Some("192.168.1.127")),
            ("0.0.0.0/0", "255.255.255.255", None),
        ] {
            let prefix = prefix(text).unwrap();
            assert!(prefix.contains(inside.parse().unwrap()), "{text}");
            if let Some(outside) = outside {
                assert!(!prefix.contains(outside.parse().unwrap()), "{text}");
            }
        }
        for bad in ["11.0.0.1/8", "11.0.0.0/33", "11.0.0.0/", "11/8", "", "::/0"] {
            assert!(prefix(bad).is_err(), "{bad}");
        }
        assert_eq!(
            Ipv4Prefix::new(Ipv4Addr::BROADCAST, 99).to_string(),
            "255.255.255.255/32"
        );
    }
}
