//! `topvdn://` URLs: where a device's stream is.
//!
//! ```text
//! url   = "topvdn://" host [":" port] "?" param *("&" param)
//! host  = IPv4 / "public.topvdn.cn"
//! param = key "=" value           ; in any order; a key stands once; unknown ones are ignored
//! ```
//! `protocolType` 1 is a call (the tracker of the peer), 2 a relay (`connectType` 1 publishes,
//! 2 plays), 3 a recording. Blanks around values are ignored.

use core::fmt::{self, Display, Write};
use core::net::Ipv4Addr;

use crate::wire::ascii;
use crate::wire::cloud::token::{field, Token};
use crate::wire::control::Text;

/// The longest URL: it must fit into a message.
pub const URL_BYTES: usize = 256;
/// The host of recordings.
pub const PUBLIC_HOST: &str = "public.topvdn.cn";
/// The same as one line of the vendor's documents has it.
const PUBLIC_HOST_MISSPELT: &str = "topvdn.public.cn";
const SCHEME: &[u8] = b"topvdn://";
/// Parameters of a URL, known or not.
const MAX_PARAMS: usize = 32;

/// Why a text is no URL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadUrl(&'static str);

impl Display for BadUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

/// What the URL is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// A call: the tracker of the peer.
    Call(Ipv4Addr, u16),
    /// To publish at a relay. `0.0.0.0:0`: the cloud chooses one.
    Push {
        /// The relay.
        relay: (Ipv4Addr, u16),
        /// 2 public, 3 private and stored, 4 public and stored, 5 private.
        mode: u8,
    },
    /// To play from a relay.
    Pull(Ipv4Addr, u16),
    /// A recording, times in seconds.
    Recording {
        /// Its first second.
        begin: u32,
        /// Its last second.
        end: u32,
        /// Where to begin to play.
        play: u32,
    },
}

/// A URL, taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TopvdnUrl<'a> {
    /// What it is for.
    pub purpose: Purpose,
    /// The token: of the peer, or the own one.
    pub token: Token<'a>,
    host: &'a str,
    query: &'a str,
}

impl<'a> TopvdnUrl<'a> {
    /// Takes a URL apart.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, BadUrl> {
        if bytes.len() > URL_BYTES {
            return Err(BadUrl("it is longer than 256 bytes"));
        }
        let text = core::str::from_utf8(bytes).ok().filter(|text| {
            text.bytes()
                .all(|byte| byte == b' ' || byte.is_ascii_graphic())
        });
        let text = text.ok_or(BadUrl("it has bytes that no URL has"))?.trim();
        let (scheme, rest) = text
            .as_bytes()
            .split_at_checked(SCHEME.len())
            .unwrap_or_default();
        if !ascii::is_same(scheme, SCHEME) {
            return Err(BadUrl("it does not begin with topvdn://"));
        }
        let rest = &text[text.len() - rest.len()..];
        let (authority, query) = rest.split_once('?').ok_or(BadUrl("there is no '?'"))?;
        let (host, port) = match authority.split_once(':') {
            Some((host, port)) => (host, Some(parse_port(port)?)),
            None => (authority, None),
        };
        check_params(query)?;
        let token = param(query, "token").ok_or(BadUrl("there is no token"))?;
        let token = Token::parse(token.as_bytes())
            .map_err(|_| BadUrl("its token is no token: cid_control_expire_digest"))?;
        let purpose = purpose(host, port, query)?;
        Ok(Self {
            purpose,
            token,
            host,
            query,
        })
    }

    /// As it was written.
    pub fn host(&self) -> &'a str {
        self.host
    }

    /// As it was written; recordings have none.
    pub fn port(&self) -> Option<u16> {
        match self.purpose {
            Purpose::Call(_, port) | Purpose::Pull(_, port) => Some(port),
            Purpose::Push { relay, .. } => Some(relay.1),
            Purpose::Recording { .. } => None,
        }
    }

    /// The parameters in their order, without blanks around them.
    pub fn params(&self) -> impl Iterator<Item = (&'a str, &'a str)> {
        params(self.query)
    }
}

/// Writes a URL; `None`: it is longer than 256 bytes.
pub fn emit(purpose: Purpose, token: &str) -> Option<Text<URL_BYTES>> {
    let mut out = heapless::String::<URL_BYTES>::new();
    match purpose {
        Purpose::Call(ip, port) => write!(out, "topvdn://{ip}:{port}?protocolType=1&token={token}"),
        Purpose::Pull(ip, port) => {
            write!(out, "topvdn://{ip}:{port}?protocolType=2&connectType=2&token={token}")
        }
        Purpose::Push {
            relay: (ip, port),
            mode,
        } => write!(
            out,
            "topvdn://{ip}:{port}?protocolType=2&connectType=1&token={token}&mode={mode}"
        ),
        Purpose::Recording { begin, end, play } => write!(
            out,
            "topvdn://{PUBLIC_HOST}?protocolType=3&token={token}&begin={begin}&end={end}&play={play}"
        ),
    }
    .ok()?;
    Some(out.into_bytes())
}

fn params(query: &str) -> impl Iterator<Item = (&str, &str)> {
    query.split('&').map(|param| {
        let (key, value) = param.split_once('=').unwrap_or((param, ""));
        (key.trim(), value.trim())
    })
}

fn param<'a>(query: &'a str, key: &str) -> Option<&'a str> {
    params(query)
        .find(|(name, _)| *name == key)
        .map(|(_, value)| value)
}

/// Each parameter has a key of its own and a value.
fn check_params(query: &str) -> Result<(), BadUrl> {
    for (at, (key, value)) in params(query).enumerate() {
        if at >= MAX_PARAMS {
            return Err(BadUrl("it has too many parameters"));
        }
        if key.is_empty() || value.is_empty() {
            return Err(BadUrl(
                "a parameter has no key or no value, or an '&' has none after it",
            ));
        }
        if key.contains(' ') || value.contains(' ') {
            return Err(BadUrl("a parameter has a blank inside"));
        }
        let is_first = param(query, key).is_some_and(|first| core::ptr::eq(first, value));
        if !is_first {
            return Err(BadUrl("a parameter stands twice"));
        }
    }
    Ok(())
}

fn parse_port(text: &str) -> Result<u16, BadUrl> {
    let port = field(text.as_bytes()).and_then(|port| u16::try_from(port).ok());
    port.ok_or(BadUrl("its port is no number from 1 to 65535"))
}

fn number(query: &str, key: &str, problem: &'static str) -> Result<u32, BadUrl> {
    let value = param(query, key).and_then(|value| field(value.as_bytes()));
    value.ok_or(BadUrl(problem))
}

fn purpose(host: &str, port: Option<u16>, query: &str) -> Result<Purpose, BadUrl> {
    let connect = param(query, "connectType");
    let mode = param(query, "mode");
    let cid = param(query, "cid").is_none_or(|cid| field(cid.as_bytes()).is_some());
    if !cid {
        return Err(BadUrl("its cid is no number"));
    }
    match param(query, "protocolType") {
        Some("1") => {
            if connect.is_some() || mode.is_some() {
                return Err(BadUrl(
                    "with protocolType 1 there is no connectType and no mode",
                ));
            }
            let (ip, port) = address(host, port)?;
            Ok(Purpose::Call(ip, port))
        }
        Some("2") => relay(host, port, connect, mode),
        Some("3") => recording(host, port, query),
        Some(_) => Err(BadUrl("its protocolType is not 1, 2 or 3")),
        None => Err(BadUrl("there is no protocolType")),
    }
}

fn relay(
    host: &str,
    port: Option<u16>,
    connect: Option<&str>,
    mode: Option<&str>,
) -> Result<Purpose, BadUrl> {
    match connect {
        Some("1") => {
            let mode = mode.and_then(|mode| field(mode.as_bytes()));
            let mode = mode.filter(|mode| (2..=5).contains(mode));
            let mode = mode.and_then(|mode| u8::try_from(mode).ok());
            let mode = mode.ok_or(BadUrl("to publish it needs a mode from 2 to 5"))?;
            let relay = if (host, port) == ("0.0.0.0", Some(0)) {
                (Ipv4Addr::UNSPECIFIED, 0)
            } else {
                address(host, port)?
            };
            Ok(Purpose::Push { relay, mode })
        }
        Some("2") if mode.is_some() => Err(BadUrl("to play there is no mode")),
        Some("2") => address(host, port).map(|(ip, port)| Purpose::Pull(ip, port)),
        _ => Err(BadUrl("with protocolType 2 its connectType must be 1 or 2")),
    }
}

fn recording(host: &str, port: Option<u16>, query: &str) -> Result<Purpose, BadUrl> {
    if !matches!(host, PUBLIC_HOST | PUBLIC_HOST_MISSPELT) || port.is_some() {
        return Err(BadUrl("recordings are at public.topvdn.cn, without a port"));
    }
    let problem = "a recording needs begin, end and play, in seconds";
    let (begin, end) = (
        number(query, "begin", problem)?,
        number(query, "end", problem)?,
    );
    let play = number(query, "play", problem)?;
    if begin > end {
        return Err(BadUrl("the recording ends before it begins"));
    }
    Ok(Purpose::Recording { begin, end, play })
}

/// The address of a tracker or relay.
fn address(host: &str, port: Option<u16>) -> Result<(Ipv4Addr, u16), BadUrl> {
    let ip: Option<Ipv4Addr> = host.parse().ok();
    let ip = ip.filter(|ip| !ip.is_unspecified());
    let ip = ip.ok_or(BadUrl("its host is no IPv4 address"))?;
    let port = port.filter(|port| *port > 0);
    Ok((ip, port.ok_or(BadUrl("it needs a port from 1 to 65535"))?))
}

#[cfg(test)]
mod tests;
