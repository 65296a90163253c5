//! The intercom's stream relay in virtual time: what publishers and players get, in whatever order
//! they come, and who may do what.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
#![cfg(feature = "box")]

use std::net::IpAddr;

use callrec::base::time::{Duration, Instant};
use callrec::proto::intercom::relay::permissions::Permissions;
use callrec::proto::intercom::relay::{ConnectionId, Relay, RelayLimits};
use callrec::wire::flv::set_timestamp;

const HEADER: &[u8] = b"FLV\x01\x05\0\0\0\x09\0\0\0\0";
const DOOR: [u8; 4] = [11, 0, 11, 1];
const SCREEN: [u8; 4] = [192, 168, 1, 100];
/// Of a reply to a player.
const OK: &str = "HTTP/1.1 200 OK\r\nContent-Type: video/x-flv\r\n";

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

struct Site {
    relay: Relay,
    now: Instant,
}

impl Site {
    fn new() -> Self {
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

    fn permit(&mut self, ids: &[&str]) {
        let parties = vec![
            ("community", IpAddr::from(DOOR)),
            ("home", IpAddr::from(SCREEN)),
        ];
        let ids = ids.iter().map(|id| id.as_bytes().to_vec()).collect();
        self.relay
            .set_permissions(self.now, Permissions { ids, parties });
    }

    fn connect(&mut self, side: &'static str, address: [u8; 4]) -> ConnectionId {
        self.relay
            .handle_accepted(self.now, side, address.into())
            .unwrap()
    }

    fn send(&mut self, id: ConnectionId, bytes: &[u8]) {
        self.relay.handle_bytes(self.now, id, bytes);
    }

    /// A door that publishes, as HTTP/1.0 does: until the connection is closed.
    fn publisher(&mut self, stream: &str) -> ConnectionId {
        let id = self.connect("community", DOOR);
        self.send(
            id,
            format!("POST /stream/{stream} HTTP/1.0\r\n\r\n").as_bytes(),
        );
        id
    }

    fn player(&mut self, stream: &str) -> ConnectionId {
        let id = self.connect("home", SCREEN);
        self.send(
            id,
            format!("GET /stream/{stream}.flv HTTP/1.1\r\n\r\n").as_bytes(),
        );
        id
    }

    /// Everything that waits for a connection is sent.
    fn receive(&mut self, id: ConnectionId) -> Vec<u8> {
        let outgoing = self.relay.outgoing(id).unwrap();
        let bytes: Vec<u8> = outgoing.slices().flatten().copied().collect();
        outgoing.consume(bytes.len());
        assert!(outgoing.is_empty());
        bytes
    }

    /// The body of what a player gets; its head is that of a stream.
    fn stream(&mut self, id: ConnectionId) -> Vec<u8> {
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
    fn status(&mut self, id: ConnectionId) -> u16 {
        let bytes = self.receive(id);
        let text = String::from_utf8_lossy(&bytes);
        text.split(' ').nth(1).unwrap().parse().unwrap()
    }

    fn request(&mut self, side: &'static str, address: [u8; 4], request: &str) -> u16 {
        let id = self.connect(side, address);
        self.send(id, format!("{request} HTTP/1.1\r\n\r\n").as_bytes());
        self.status(id)
    }

    fn pass(&mut self, length: Duration) {
        self.now = self.now + length;
        self.relay.handle_timeout(self.now);
    }

    fn events(&mut self) -> Vec<String> {
        let events = std::iter::from_fn(|| self.relay.poll_event());
        events
            .map(|event| format!("{} {} {}", event.state, event.side, event.codec))
            .collect()
    }
}

fn tag(kind: u8, millis: u32, body: &[u8]) -> Vec<u8> {
    let len = u32::try_from(body.len()).unwrap();
    let mut bytes = vec![kind];
    bytes.extend(&len.to_be_bytes()[1..]);
    bytes.extend([0; 7]);
    bytes.extend(body);
    bytes.extend((len + 11).to_be_bytes());
    set_timestamp(&mut bytes, millis);
    bytes
}

fn script() -> Vec<u8> {
    tag(18, 0, b"\x02\0\x0AonMetaData")
}

fn video_config() -> Vec<u8> {
    tag(9, 0, &[0x17, 0, 0, 0, 0, 1])
}

fn key(millis: u32) -> Vec<u8> {
    tag(9, millis, &[0x17, 1, 0, 0, 0, 7])
}

fn picture(millis: u32) -> Vec<u8> {
    tag(9, millis, &[0x27, 1, 0, 0, 0, 8])
}

fn sound(millis: u32) -> Vec<u8> {
    tag(8, millis, &[&[0x80][..], &[0xFF; 160]].concat())
}

/// The beginning of a stream with picture and sound.
fn film() -> Vec<u8> {
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

#[test]
fn tags_pass_byte_for_byte_however_they_are_cut() {
    for step in [1, 7, 100, 10_000] {
        let mut site = Site::new();
        let player = site.player("v1");
        let publisher = site.publisher("v1");
        for piece in film().chunks(step) {
            site.send(publisher, piece);
        }
        assert_eq!(site.stream(player), film(), "pieces of {step}");
        assert_eq!(site.events(), ["published community "]);
    }
}

#[test]
fn a_late_player_gets_all_since_the_last_key_frame() {
    let mut site = Site::new();
    let publisher = site.publisher("v1");
    site.send(publisher, &film());
    site.send(publisher, &[key(80), sound(90), picture(120)].concat());
    let player = site.player("v1");
    let expected = [
        HEADER,
        &script(),
        &video_config(),
        &key(80),
        &sound(90),
        &picture(120),
    ];
    assert_eq!(site.stream(player), expected.concat());
    site.send(publisher, &picture(160));
    assert_eq!(site.receive(player), picture(160));
}

#[test]
fn a_stream_without_pictures_starts_live() {
    let mut site = Site::new();
    let publisher = site.publisher("a1");
    site.send(publisher, &[HEADER, &sound(0), &sound(20)].concat());
    let player = site.player("a1");
    assert_eq!(site.stream(player), HEADER);
    site.send(publisher, &sound(40));
    assert_eq!(site.receive(player), sound(40));
    assert_eq!(site.events(), ["published community PCMU"]);
}

#[test]
fn sound_that_is_not_recorded_is_told() {
    let mut site = Site::new();
    let publisher = site.publisher("a1");
    site.send(publisher, &[HEADER, &tag(8, 0, &[0xAF, 0, 1, 2])].concat());
    assert_eq!(
        site.events(),
        ["published community AAC", "not-recordable community AAC"]
    );
}

#[test]
fn a_slow_player_loses_groups_and_the_others_nothing() {
    let mut site = Site::new();
    let publisher = site.publisher("v1");
    let slow = site.player("v1");
    let fast = site.player("v1");
    site.send(publisher, &film());
    site.stream(fast);
    let large = |first: u8, millis| tag(9, millis, &vec![first; 300_000]);
    let mut sent = vec![];
    for n in 0..40 {
        let first = if n % 10 == 0 { 0x12 } else { 0x22 };
        sent.push(large(first, 100 + n * 40));
        site.send(publisher, sent.last().unwrap());
        assert_eq!(&site.receive(fast), sent.last().unwrap(), "{n}");
    }
    // What waits for the slow one is bounded, and it goes on with a whole group.
    let waiting = site.receive(slow);
    assert!(waiting.len() < 5 << 20, "{}", waiting.len());
    assert!(site.relay.counts().skipped_tags > 10);
    site.send(publisher, &picture(1700));
    assert_eq!(site.receive(slow), b"");
    site.send(publisher, &[key(1740), sound(1750), picture(1780)].concat());
    assert_eq!(
        site.receive(slow),
        [key(1740), sound(1750), picture(1780)].concat()
    );
}

#[test]
fn a_publisher_that_comes_back_goes_on() {
    let mut site = Site::new();
    let player = site.player("v1");
    let first = site.publisher("v1");
    site.send(first, &film());
    assert_eq!(site.stream(player), film());
    site.relay.handle_closed(site.now, first);
    site.pass(ms(9_000));
    // Its stamps begin anew; the player's go on 40 ms after the last one.
    let second = site.publisher("v1");
    site.send(
        second,
        &[HEADER, &video_config(), &key(0), &sound(20)].concat(),
    );
    let expected = [tag(9, 80, &[0x17, 0, 0, 0, 0, 1]), key(80), sound(100)].concat();
    assert_eq!(site.receive(player), expected);
    // The same address replaces it at once; another one may not.
    let third = site.publisher("v1");
    site.send(third, &[HEADER, &key(0)].concat());
    assert!(site.relay.is_over(second));
    assert_eq!(site.receive(player), key(140));
    assert_eq!(site.request("home", SCREEN, "POST /stream/v1"), 409);
}

#[test]
fn players_wait_ten_seconds_for_a_publisher() {
    let mut site = Site::new();
    let player = site.player("v1");
    site.pass(ms(9_999));
    assert_eq!(site.receive(player), b"");
    site.pass(ms(1));
    assert_eq!(site.status(player), 404);
    // Those who played stay as long.
    let player = site.player("v1");
    let publisher = site.publisher("v1");
    site.send(publisher, &film());
    site.relay.handle_end(site.now, publisher);
    assert_eq!(site.events(), ["published community ", "ended community "]);
    site.pass(ms(9_999));
    assert!(!site.relay.is_over(player));
    site.pass(ms(1));
    assert!(site.relay.is_over(player));
}

#[test]
fn bodies_of_each_kind_and_their_ends() {
    let film = film();
    let mut site = Site::new();
    let id = site.connect("community", DOOR);
    let length = film.len();
    let head = format!(
        "PUT /streaming/v1 HTTP/1.1\r\nContent-Length: {length}\r\nExpect: 100-continue\r\n\r\n"
    );
    site.send(id, head.as_bytes());
    assert_eq!(site.status(id), 100);
    let player = site.player("v1");
    site.send(id, &film);
    assert_eq!(site.status(id), 200);
    assert_eq!(site.stream(player), film);

    let mut site = Site::new();
    let id = site.connect("community", DOOR);
    let player = site.player("v1");
    let mut bytes = b"POST /stream/v1?x HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
    for piece in film.chunks(50) {
        bytes.extend(format!("{:x}\r\n", piece.len()).bytes());
        bytes.extend(piece);
        bytes.extend(b"\r\n");
    }
    site.send(id, &bytes);
    assert_eq!(site.stream(player), film);
    site.send(id, b"0\r\n\r\n");
    assert_eq!(site.status(id), 200);
}

#[test]
fn requests_that_are_refused() {
    let mut site = Site::new();
    for (side, address, request, status) in [
        ("home", SCREEN, "GET /stream/other", 403),
        ("home", DOOR, "GET /stream/v1", 403),
        ("community", SCREEN, "GET /stream/v1", 403),
        ("community", [11, 0, 0, 99], "POST /stream/v1", 403),
        ("home", SCREEN, "GET /", 404),
        ("home", SCREEN, "GET /stream/", 404),
        ("home", SCREEN, "GET /stream/v1/x", 404),
        ("home", SCREEN, "DELETE /stream/v1", 405),
        ("home", SCREEN, "HEAD /stream/v1", 404),
        ("home", SCREEN, "nonsense", 400),
    ] {
        assert_eq!(
            site.request(side, address, request),
            status,
            "{side} {request}"
        );
        site.pass(ms(1000));
    }
    let publisher = site.publisher("v1");
    site.send(publisher, b"RIFF....");
    assert_eq!(site.status(publisher), 400);
    let publisher = site.publisher("v1");
    site.send(
        publisher,
        &[HEADER, &[9, 0x10, 0, 0, 0, 0, 0, 0, 0, 0, 0]].concat(),
    );
    assert_eq!(site.status(publisher), 413);
}

#[test]
fn bounds() {
    let mut site = Site::new();
    site.publisher("v1");
    site.publisher("a1");
    assert_eq!(site.request("community", DOOR, "POST /stream/x1"), 503);
    for _ in 0..3 {
        site.player("v1");
    }
    assert_eq!(site.request("home", SCREEN, "GET /stream/v1"), 503);
    let connect = |site: &mut Site| site.relay.handle_accepted(site.now, "home", SCREEN.into());
    let more = (0..20).filter(|_| connect(&mut site).is_some()).count();
    assert_eq!(more, 12 - 7);
    // Who says nothing is closed.
    site.pass(ms(5_000));
    site.pass(ms(0));
    let over = (8..=12).filter(|id| site.relay.is_over(*id)).count();
    assert_eq!(over, 5);
}

#[test]
fn a_silent_publisher_is_closed() {
    let mut site = Site::new();
    let publisher = site.publisher("v1");
    site.send(publisher, &film());
    site.pass(ms(4_999));
    assert!(!site.relay.is_over(publisher));
    site.pass(ms(1));
    assert!(site.relay.is_over(publisher));
}

#[test]
fn ids_die_with_their_call() {
    let mut site = Site::new();
    let publisher = site.publisher("v1");
    let player = site.player("v1");
    site.send(publisher, &film());
    site.permit(&[]);
    assert!(site.relay.is_over(publisher) && site.relay.is_over(player));
    assert_eq!(site.request("home", SCREEN, "GET /stream/v1"), 403);
    assert_eq!(site.relay.published(), 0);
}
