//! The URL of a stream: `http://192.168.1.22:954/stream/b1f0c4`. Names are not looked up here: the
//! intercom's networks have none, and the cloud's are known to whoever plays from it.

use core::net::{IpAddr, SocketAddr};

/// Where a stream is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StreamUrl<'a> {
    /// The server.
    pub server: SocketAddr,
    /// Address and port as they are written.
    pub host: &'a str,
    /// With its query.
    pub path: &'a str,
    /// `https`: spoken to with TLS.
    pub is_tls: bool,
}

impl<'a> StreamUrl<'a> {
    /// Parses a URL; `None` if it is no `http` URL with an IP address.
    pub fn parse(url: &'a [u8]) -> Option<Self> {
        Self::parse_at(url, None)
    }

    /// The same; a URL with a name is at this address. Only such a one may be `https`: it is a
    /// cloud's, not one of the intercom's network.
    pub fn parse_at(url: &'a [u8], address: Option<SocketAddr>) -> Option<Self> {
        let url = core::str::from_utf8(url).ok()?;
        let secure = url.strip_prefix("https://").filter(|_| address.is_some());
        let rest = secure.or_else(|| url.strip_prefix("http://"))?;
        let slash = rest.find('/')?;
        let (host, path) = rest.split_at(slash);
        if !path.bytes().all(|byte| byte.is_ascii_graphic()) {
            return None;
        }
        let with_port = host.parse::<SocketAddr>().ok();
        let alone = || Some(SocketAddr::new(host.parse::<IpAddr>().ok()?, 80));
        Some(Self {
            server: address.or(with_port).or_else(alone)?,
            host,
            path,
            is_tls: secure.is_some(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_has_an_address_and_a_path() {
        let url = StreamUrl::parse(b"http://192.168.1.22:954/stream/b1?t=1").unwrap();
        assert_eq!(url.server, "192.168.1.22:954".parse().unwrap());
        assert_eq!((url.host, url.path), ("192.168.1.22:954", "/stream/b1?t=1"));
        let plain = StreamUrl::parse(b"http://10.0.0.1/x").unwrap();
        assert_eq!(plain.server.port(), 80);
        let named = b"http://relay.example/stream/b1";
        let at = StreamUrl::parse_at(named, "10.0.0.1:80".parse().ok()).unwrap();
        assert_eq!((at.server.port(), at.host), (80, "relay.example"));
        assert!(!at.is_tls);
        let secure = b"https://relay.example/stream/b1";
        let at = StreamUrl::parse_at(secure, "10.0.0.1:443".parse().ok()).unwrap();
        assert_eq!((at.is_tls, at.host), (true, "relay.example"));
        for bad in [
            "https://10.0.0.1/x",
            "http://door/x",
            "http://10.0.0.1:954",
            "rtmp://10.0.0.1/x",
            "http://10.0.0.1:70000/x",
            "http://10.0.0.1/a b",
            "http://10.0.0.1/a\r\nX: y",
            "",
        ] {
            assert_eq!(StreamUrl::parse(bad.as_bytes()), None, "{bad}");
        }
    }
}
