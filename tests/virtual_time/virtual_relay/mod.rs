//! A stream relay in virtual time: a door that publishes, screens that play, and tags.
#![allow(
    dead_code,
    unreachable_pub,
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic
)]

use std::net::IpAddr;

use callrec::base::time::{Duration, Instant};
use callrec::proto::intercom::relay::permissions::Permissions;
use callrec::proto::intercom::relay::{ConnectionId, Relay, RelayLimits};
use callrec::wire::flv::set_timestamp;

pub const HEADER: &[u8] = b"FLV\x01\x05\0\0\0\x09\0\0\0\0";
pub const DOOR: [u8; 4] = [11, 0, 11, 1];
pub const SCREEN: [u8; 4] = [192, 168, 1, 100];
/// Of a reply to a player.
pub const OK: &str = "HTTP/1.1 200 OK\r\nContent-Type: video/x-flv\r\n";

pub fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

pub struct Site {
    pub relay: Relay,
    pub now: Instant,
}

impl Site {
    pub fn new() -> Self {
        let limits = RelayLimits {
            streams: 2,
            players: 3,
            connections: 12,
        };
        let mut site = Self {
            relay: Relay::new(limits),
            now: Instant::from_nanos(1 << 40),
        };
        site.permit(&["v1", "a1", "x1"]);
        site
    }

    pub fn permit(&mut self, ids: &[&str]) {
        let parties = vec![
            ("community", IpAddr::from(DOOR)),
            ("home", IpAddr::from(SCREEN)),
        ];
        let ids = ids.iter().map(|id| id.as_bytes().to_vec()).collect();
        let permissions = Permissions {
            inputs: vec![],
            ids,
            publishers: parties.clone(),
            parties,
        };
        self.relay.set_permissions(self.now, permissions);
    }

    pub fn connect(&mut self, side: &'static str, address: [u8; 4]) -> ConnectionId {
        self.relay
            .handle_accepted(self.now, side, address.into())
            .unwrap()
    }

    pub fn send(&mut self, id: ConnectionId, bytes: &[u8]) {
        self.relay.handle_bytes(self.now, id, bytes);
    }

    /// A door that publishes, as HTTP/1.0 does: until the connection is closed.
    pub fn publisher(&mut self, stream: &str) -> ConnectionId {
        let id = self.connect("community", DOOR);
        self.send(
            id,
            format!("POST /stream/{stream} HTTP/1.0\r\n\r\n").as_bytes(),
        );
        id
    }

    pub fn player(&mut self, stream: &str) -> ConnectionId {
        let id = self.connect("home", SCREEN);
        self.send(
            id,
            format!("GET /stream/{stream}.flv HTTP/1.1\r\n\r\n").as_bytes(),
        );
        id
    }

    /// Everything that waits for a connection is sent.
    pub fn receive(&mut self, id: ConnectionId) -> Vec<u8> {
        let outgoing = self.relay.outgoing(id).unwrap();
        let bytes: Vec<u8> = outgoing.slices().flatten().copied().collect();
        outgoing.consume(bytes.len());
        assert!(outgoing.is_empty());
        bytes
    }

    /// The body of what a player gets; its head is that of a stream.
    pub fn stream(&mut self, id: ConnectionId) -> Vec<u8> {
        let bytes = self.receive(id);
        assert!(
            bytes.starts_with(OK.as_bytes()),
            "{}",
            String::from_utf8_lossy(&bytes)
        );
        let end = bytes
            .windows(4)
            .position(|part| part == b"\r\n\r\n")
            .unwrap();
        bytes[end + 4..].to_vec()
    }

    /// The status of a reply.
    pub fn status(&mut self, id: ConnectionId) -> u16 {
        let bytes = self.receive(id);
        let text = String::from_utf8_lossy(&bytes);
        text.split(' ').nth(1).unwrap().parse().unwrap()
    }

    pub fn request(&mut self, side: &'static str, address: [u8; 4], request: &str) -> u16 {
        let id = self.connect(side, address);
        self.send(id, format!("{request} HTTP/1.1\r\n\r\n").as_bytes());
        self.status(id)
    }

    pub fn pass(&mut self, length: Duration) {
        self.now = self.now + length;
        self.relay.handle_timeout(self.now);
    }

    pub fn events(&mut self) -> Vec<String> {
        let events = std::iter::from_fn(|| self.relay.poll_event());
        events
            .map(|event| format!("{} {} {}", event.state, event.side, event.codec))
            .collect()
    }
}

pub fn tag(kind: u8, millis: u32, body: &[u8]) -> Vec<u8> {
    let len = u32::try_from(body.len()).unwrap();
    let mut bytes = vec![kind];
    bytes.extend(&len.to_be_bytes()[1..]);
    bytes.extend([0; 7]);
    bytes.extend(body);
    bytes.extend((len + 11).to_be_bytes());
    set_timestamp(&mut bytes, millis);
    bytes
}

pub fn script() -> Vec<u8> {
    tag(18, 0, b"\x02\0\x0AonMetaData")
}

pub fn video_config() -> Vec<u8> {
    tag(9, 0, &[0x17, 0, 0, 0, 0, 1])
}

pub fn key(millis: u32) -> Vec<u8> {
    tag(9, millis, &[0x17, 1, 0, 0, 0, 7])
}

pub fn picture(millis: u32) -> Vec<u8> {
    tag(9, millis, &[0x27, 1, 0, 0, 0, 8])
}

pub fn sound(millis: u32) -> Vec<u8> {
    tag(8, millis, &[&[0x80][..], &[0xFF; 160]].concat())
}

/// The beginning of a stream with picture and sound.
pub fn film() -> Vec<u8> {
    [
        HEADER,
        &script(),
        &video_config(),
        &key(0),
        &sound(10),
        &picture(40),
    ]
    .concat()
}
