//! Streams and addresses, as each side of the box is to see them: the address of one side never
//! reaches the other.
//!
//! | from | to the home | to the community |
//! | --- | --- | --- |
//! | an id | the id | a URL on the box's community address, or on the central server |
//! | a URL on the box's own address | its id | a URL on the box's community address |
//! | a URL on what a port is forwarded to | a URL on that port of the box | |
//! | a URL on a forwarded port of the box | | a URL on what the port is forwarded to |
//! | any other URL | left out | left out |

use core::fmt::Write;
use core::net::{IpAddr, SocketAddr};

use crate::proto::intercom::home_box::rules::Addresses;
use crate::wire::control::Text;
use crate::wire::intercom::{cut, peer_type, Party, Stream};

/// Both ends of a call as the other side sees them, and the number of URLs that were left out.
type Rewritten = (Party, Party, u64);

/// A URL of a stream.
struct StreamUrl<'a> {
    host: IpAddr,
    port: u16,
    id: &'a str,
}

impl<'a> StreamUrl<'a> {
    /// `http://HOST[:PORT]/stream/ID` or `/streaming/ID`.
    fn parse(url: &'a str) -> Option<Self> {
        let (host, path) = url.strip_prefix("http://")?.split_once('/')?;
        let id = path
            .strip_prefix("stream/")
            .or_else(|| path.strip_prefix("streaming/"))?;
        let id = id.strip_suffix(".flv").unwrap_or(id);
        let is_id = !id.is_empty() && !id.contains('/');
        let (host, port) = match host.rsplit_once(':') {
            Some((host, port)) => (host, port.parse().ok()?),
            None => (host, 80),
        };
        let host = host.parse().ok()?;
        is_id.then_some(Self { host, port, id })
    }
}

fn url(host: SocketAddr, id: &str) -> Stream {
    let mut url = Stream::new();
    let mut text = String::new();
    let _ = write!(text, "http://{host}/stream/{id}");
    let _ = url.extend_from_slice(text.as_bytes());
    url
}

/// A call from the community.
pub(super) fn to_home(addresses: &Addresses, src: &Party, dest: &Party) -> Rewritten {
    let mut left_out = 0;
    let mut stream = |value: &Stream| {
        stream_to_home(addresses, value).unwrap_or_else(|| {
            left_out += 1;
            Stream::new()
        })
    };
    let mut rewrite = |party: &Party| Party {
        audio: stream(&party.audio),
        video: stream(&party.video),
        ..at(party, addresses.home, addresses.family_port)
    };
    let (src, dest) = (rewrite(src), rewrite(dest));
    (src, dest, left_out)
}

/// A call from room to room: its streams are on the box.
pub(super) fn within_home(addresses: &Addresses, src: &Party, dest: &Party) -> Rewritten {
    let place = |party: &Party| at(party, addresses.home, addresses.family_port);
    (place(src), place(dest), 0)
}

/// A call of a screen to the community.
pub(super) fn to_community(addresses: &Addresses, src: &Party, dest: &Party) -> Rewritten {
    let is_home = peer_type::is_home(dest.peer_type);
    let central = addresses.central_stream.filter(|_| is_home);
    let server = central.unwrap_or(own_server(addresses));
    with_streams_on(server, addresses, src, dest)
}

/// The box's own stream server, as the community sees it.
fn own_server(addresses: &Addresses) -> SocketAddr {
    SocketAddr::new(addresses.community, addresses.stream_port)
}

/// `server`: where the streams are of which only an id is given.
fn with_streams_on(
    server: SocketAddr,
    addresses: &Addresses,
    src: &Party,
    dest: &Party,
) -> Rewritten {
    let mut left_out = 0;
    let mut stream = |value: &Stream| {
        stream_to_community(addresses, server, value).unwrap_or_else(|| {
            left_out += 1;
            Stream::new()
        })
    };
    let new_src = Party {
        audio: stream(&src.audio),
        video: stream(&src.video),
        ..at(src, addresses.community, addresses.call_port)
    };
    let new_dest = Party {
        audio: stream(&dest.audio),
        video: stream(&dest.video),
        ..dest.clone()
    };
    (new_src, new_dest, left_out)
}

/// A door's call that somebody else in the community is to answer: the door has its streams on the
/// box already.
pub(super) fn passed_on(addresses: &Addresses, src: &Party, dest: &Party, to: &[u8]) -> Rewritten {
    let server = own_server(addresses);
    let (mut src, mut dest, left_out) = with_streams_on(server, addresses, src, dest);
    src.ip = address_text(addresses.community);
    src.port = addresses.call_port;
    dest.id = cut(to);
    dest.ip = Text::new();
    dest.port = 0;
    (src, dest, left_out)
}

/// The party with the box's own address in place of its own.
fn at(party: &Party, address: IpAddr, port: u16) -> Party {
    Party {
        ip: address_text(address),
        port,
        ..party.clone()
    }
}

pub(super) fn address_text<const N: usize>(address: IpAddr) -> Text<N> {
    cut(address.to_string().as_bytes())
}

/// `None`: a URL that leads nowhere from the home.
fn stream_to_home(addresses: &Addresses, value: &Stream) -> Option<Stream> {
    let text = core::str::from_utf8(value).ok()?;
    if !text.contains("://") {
        return Some(value.clone());
    }
    let found = StreamUrl::parse(text)?;
    if found.host == addresses.community {
        return Some(cut(found.id.as_bytes()));
    }
    let to = SocketAddr::new(found.host, found.port);
    let mut forwards = addresses.forwards.iter();
    let forward = forwards.find(|forward| forward.to == to)?;
    let port = SocketAddr::new(addresses.home, forward.port);
    Some(url(port, found.id))
}

/// `None`: a URL that leads nowhere from the community. An id is on `server`.
fn stream_to_community(
    addresses: &Addresses,
    server: SocketAddr,
    value: &Stream,
) -> Option<Stream> {
    let text = core::str::from_utf8(value).ok()?;
    if text.is_empty() {
        return Some(Stream::new());
    }
    if !text.contains("://") {
        return Some(url(server, text));
    }
    let found = StreamUrl::parse(text)?;
    if found.host != addresses.home && found.host != addresses.community {
        return None;
    }
    let mut forwards = addresses.forwards.iter();
    let forward = forwards.find(|forward| forward.port == found.port);
    let to = forward.map_or(own_server(addresses), |forward| forward.to);
    Some(url(to, found.id))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::intercom::home_box::rules::Forward;
    use crate::wire::intercom::text;

    fn addresses() -> Addresses {
        Addresses {
            home: IpAddr::from([192, 168, 1, 22]),
            community: IpAddr::from([11, 0, 1, 22]),
            stream_port: 954,
            family_port: 7891,
            call_port: 7892,
            central_stream: Some(SocketAddr::from(([11, 0, 0, 1], 1935))),
            forwards: vec![Forward {
                port: 7894,
                to: SocketAddr::from(([11, 0, 0, 1], 1935)),
            }],
        }
    }

    fn party(peer_type: u8, audio: &str, video: &str) -> Party {
        Party {
            peer_type,
            audio: text(audio),
            video: text(video),
            ip: text("11.0.11.1"),
            port: 7895,
            ..Party::default()
        }
    }

    #[test]
    fn streams_of_the_community_are_ids_in_the_home() {
        for (given, seen) in [
            ("", ""),
            ("b1f0c4", "b1f0c4"),
            ("http://11.0.1.22:954/stream/b1", "b1"),
            ("http://11.0.1.22:594/streaming/5542", "5542"),
            ("http://11.0.1.22:954/stream/b1.flv", "b1"),
            (
                "http://11.0.0.1:1935/stream/c",
                "http://192.168.1.22:7894/stream/c",
            ),
        ] {
            let (src, dest, left_out) =
                to_home(&addresses(), &party(3, given, ""), &party(1, "", given));
            assert_eq!(
                (src.audio, dest.video, left_out),
                (text(seen), text(seen), 0),
                "{given}"
            );
            assert_eq!((src.ip, src.port), (text("192.168.1.22"), 7891));
        }
        for url in [
            "http://11.0.0.9:954/stream/x",
            "rtmp://11.0.1.22/stream/x",
            "http://x/stream/y",
            "http://11.0.1.22/other/x",
            "http://11.0.1.22/stream/",
        ] {
            let (src, _, left_out) = to_home(&addresses(), &party(3, url, ""), &party(1, "", ""));
            assert_eq!((src.audio, left_out), (text(""), 1), "{url}");
        }
    }

    #[test]
    fn a_call_that_is_passed_on_has_its_streams_on_the_box() {
        let (door, home) = (party(3, "", "v1"), party(1, "a1", ""));
        let (src, dest, _) = passed_on(&addresses(), &door, &home, b"guard");
        assert_eq!(src.video, b"http://11.0.1.22:954/stream/v1");
        assert_eq!(dest.audio, b"http://11.0.1.22:954/stream/a1");
        assert_eq!((src.ip, dest.id), (text("11.0.1.22"), text("guard")));
    }

    #[test]
    fn streams_of_the_home_are_urls_in_the_community() {
        for (given, to_door, to_home) in [
            ("", "", ""),
            (
                "5678",
                "http://11.0.1.22:954/stream/5678",
                "http://11.0.0.1:1935/stream/5678",
            ),
            (
                "http://192.168.1.22:954/stream/7",
                "http://11.0.1.22:954/stream/7",
                "http://11.0.1.22:954/stream/7",
            ),
            (
                "http://192.168.1.22:7894/stream/7",
                "http://11.0.0.1:1935/stream/7",
                "http://11.0.0.1:1935/stream/7",
            ),
        ] {
            for (dest_type, expected) in [(3, to_door), (4, to_door), (1, to_home), (2, to_home)] {
                let dest = party(dest_type, "", given);
                let (src, dest, left_out) = to_community(&addresses(), &party(2, given, ""), &dest);
                let expected: Stream = text(expected);
                assert_eq!(
                    (src.audio, dest.video, left_out),
                    (expected.clone(), expected, 0)
                );
                assert_eq!((src.ip, src.port), (text("11.0.1.22"), 7892));
                assert_eq!((dest.ip, dest.port), (text("11.0.11.1"), 7895));
            }
        }
        let elsewhere = party(2, "http://10.1.2.3/stream/x", "");
        assert_eq!(
            to_community(&addresses(), &elsewhere, &party(3, "", "")).2,
            1
        );
    }
}
