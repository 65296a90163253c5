//! Which URLs a phone opens: whoever can push a message could have it connect to anything.

use core::net::Ipv4Addr;

use crate::base::limits::cloud::TOKEN_MARGIN_SECONDS;
use crate::proto::cloud::phone::settings::Authority;
use crate::wire::ascii;
use crate::wire::cloud::url::{Purpose, TopvdnUrl};
use crate::wire::decimal::parse_decimal;

const HTTP_PORT: u16 = 80;
const HTTPS_PORT: u16 = 443;

/// Where a call's sound is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// At the relay with this number in the settings.
    Relay(usize),
    /// Where only the vendor's helper finds it.
    Vendor,
}

/// Checks the URL of a call from this device; `None`: it is not opened. `now`: the cloud's time in
/// Unix seconds, if it is known.
pub(super) fn check(
    url: &[u8],
    from: u32,
    relays: &[Authority],
    now: Option<u64>,
) -> Option<Place> {
    let text = core::str::from_utf8(url).ok()?;
    if let Some(rest) = text.strip_prefix("https://") {
        return relay_of(rest, HTTPS_PORT, relays).map(Place::Relay);
    }
    match text.strip_prefix("http://") {
        Some(rest) => relay_of(rest, HTTP_PORT, relays).map(Place::Relay),
        None => is_vendors(url, from, now).then_some(Place::Vendor),
    }
}

/// `HOST:PORT/stream/ID[.flv]`, nothing before or after it; `usual` is a port that is not written.
///
/// Application servers write `http://` wherever the relay is. Whether TLS is spoken is said by this
/// phone's own configuration: nobody who sends a URL can have a token sent in the clear.
fn relay_of(rest: &str, usual: u16, relays: &[Authority]) -> Option<usize> {
    let (authority, path) = rest.split_once('/')?;
    let id = path.strip_prefix("stream/")?;
    let id = id.strip_suffix(".flv").unwrap_or(id);
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    if id.is_empty() || !id.bytes().all(is_plain) {
        return None;
    }
    let (host, port) = split(authority, usual)?;
    let wants_tls = usual == HTTPS_PORT;
    let is_it = |relay: &Authority| {
        let is_there = ascii::is_same(relay.host.as_bytes(), host.as_bytes()) && relay.port == port;
        is_there && (relay.is_tls || !wants_tls)
    };
    relays.iter().position(is_it)
}

/// Host and port.
fn split(authority: &str, usual: u16) -> Option<(&str, u16)> {
    let (host, port) = match authority.strip_prefix('[') {
        Some(rest) => rest.split_once(']')?,
        None => authority.split_at(authority.find(':').unwrap_or(authority.len())),
    };
    let port = match port.strip_prefix(':') {
        Some(port) => u16::try_from(parse_decimal(port.as_bytes())?).ok()?,
        None if port.is_empty() => usual,
        None => return None,
    };
    Some((host, port))
}

fn is_vendors(url: &[u8], from: u32, now: Option<u64>) -> bool {
    let Ok(url) = TopvdnUrl::parse(url) else {
        return false;
    };
    let Purpose::Call(address, _) = url.purpose else {
        return false;
    };
    let is_good = |now: u64| u64::from(url.token.expire) > now + TOKEN_MARGIN_SECONDS;
    is_elsewhere(address) && url.token.cid == from && now.is_none_or(is_good)
}

/// An address of one other machine.
fn is_elsewhere(address: Ipv4Addr) -> bool {
    let first = address.octets()[0];
    first != 0 && !address.is_loopback() && !address.is_multicast() && !address.is_broadcast()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOKEN: &str = "7_0_2000_0123456789abcdef0123456789abcdef";

    fn relays() -> Vec<Authority> {
        let relay = |host: &str, port| Authority {
            host: host.into(),
            port,
            is_tls: [443, 8443].contains(&port),
        };
        vec![
            relay("127.0.0.1", 8080),
            relay("relay.example", 80),
            relay("fd00::1", 954),
            relay("tls.example", 443),
            relay("tls.example", 8443),
        ]
    }

    fn checked(url: &str) -> Option<Place> {
        check(url.as_bytes(), 7, &relays(), Some(1000))
    }

    #[test]
    fn streams_are_at_configured_relays_only() {
        for (url, expected) in [
            ("http://127.0.0.1:8080/stream/a-7", Some(0)),
            ("http://127.0.0.1:8080/stream/a-7.flv", Some(0)),
            ("http://RELAY.example/stream/a", Some(1)),
            ("http://relay.example:80/stream/a", Some(1)),
            ("http://[fd00::1]:954/stream/a", Some(2)),
            ("https://tls.example/stream/a", Some(3)),
            ("https://TLS.example:443/stream/a.flv", Some(3)),
            ("https://tls.example:8443/stream/a", Some(4)),
            // Spoken to with TLS all the same.
            ("http://tls.example:8443/stream/a", Some(4)),
            ("http://tls.example/stream/a", None),
            ("https://tls.example:80/stream/a", None),
            ("https://relay.example:80/stream/a", None),
            ("https://user@tls.example/stream/a", None),
            ("http://127.0.0.1:8081/stream/a", None),
            ("http://127.0.0.1/stream/a", None),
            ("http://127.0.0.2:8080/stream/a", None),
            ("http://user@127.0.0.1:8080/stream/a", None),
            ("http://127.0.0.1:8080@evil/stream/a", None),
            ("http://127.0.0.1:8080/streaming/a", None),
            ("http://127.0.0.1:8080/stream/", None),
            ("http://127.0.0.1:8080/stream/.flv", None),
            ("http://127.0.0.1:8080/stream/a?x=1", None),
            ("http://127.0.0.1:8080/stream/a/../../v2", None),
            ("http://127.0.0.1:8080", None),
            ("https://127.0.0.1:8080/stream/a", None),
            ("rtmp://127.0.0.1:8080/stream/a", None),
        ] {
            assert_eq!(checked(url), expected.map(Place::Relay), "{url}");
        }
    }

    #[test]
    fn the_vendors_urls_are_of_the_caller_and_not_here() {
        let url = |host: &str| format!("topvdn://{host}?protocolType=1&token={TOKEN}");
        assert_eq!(checked(&url("203.0.113.1:80")), Some(Place::Vendor));
        for host in [
            "127.0.0.1:80",
            "0.1.2.3:80",
            "224.0.0.1:80",
            "255.255.255.255:80",
            "example:80",
        ] {
            assert_eq!(checked(&url(host)), None, "{host}");
        }
        let good = url("203.0.113.1:80");
        let with = |from, now| check(good.as_bytes(), from, &relays(), now);
        assert_eq!(with(8, Some(1000)), None, "somebody else's token");
        assert_eq!(with(7, Some(1970)), None, "it expires in 30 s");
        assert_eq!(with(7, Some(1969)), Some(Place::Vendor));
        assert_eq!(with(7, None), Some(Place::Vendor));
        let pull = format!("topvdn://203.0.113.1:80?protocolType=2&connectType=2&token={TOKEN}");
        assert_eq!(checked(&pull), None, "no call");
    }
}
