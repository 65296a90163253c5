//! The intercom's stream relay in virtual time: what publishers and players get, in whatever order
//! they come, and who may do what.
#![cfg(feature = "box")]

use std::net::IpAddr;

use callrec::proto::intercom::relay::permissions::Permissions;

use crate::virtual_relay::*;

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
        assert_eq!(site.events(), ["published community H264"]);
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
fn the_last_key_frame_outlives_its_publisher_but_not_its_call() {
    let mut site = Site::new();
    let publisher = site.publisher("v1");
    assert_eq!(site.relay.take_picture(b"v1"), None);
    site.send(publisher, &film());
    site.send(publisher, &[key(80), sound(90), picture(120)].concat());
    site.relay.handle_closed(site.now, publisher);
    site.pass(ms(20_000));
    assert_eq!(site.relay.take_picture(b"a1"), None);
    let header = b"FLV\x01\x01\0\0\0\x09\0\0\0\0";
    let expected = [&header[..], &video_config(), &key(80)].concat();
    assert_eq!(site.relay.take_picture(b"v1"), Some(expected));
    assert_eq!(site.relay.take_picture(b"v1"), None, "once");
    // Somebody else's call.
    let publisher = site.publisher("v1");
    site.send(publisher, &film());
    site.permit(&["v2"]);
    site.permit(&["v1"]);
    assert_eq!(site.relay.take_picture(b"v1"), None);
    // One of 256 KiB is too long for a log.
    for (bytes, is_kept) in [(262_144 - 13 - 15, true), (262_144 - 13 - 14, false)] {
        let publisher = site.publisher("v1");
        let long = tag(9, 0, &vec![0x12; bytes]);
        site.send(publisher, &[HEADER, &long].concat());
        assert_eq!(site.relay.take_picture(b"v1").is_some(), is_kept);
    }
}

#[test]
fn a_refused_head_has_no_body() {
    let mut site = Site::new();
    for (request, status) in [
        ("HEAD /stream/v1", "404 Not Found"),
        ("HEAD /stream/other", "403 Forbidden"),
        ("HEAD /elsewhere", "404 Not Found"),
    ] {
        let id = site.connect("home", SCREEN);
        site.send(id, format!("{request} HTTP/1.1\r\n\r\n").as_bytes());
        let reply = String::from_utf8(site.receive(id)).unwrap();
        let expected = format!("HTTP/1.1 {status}\r\nConnection: close\r\n\r\n");
        assert_eq!(reply, expected);
    }
    let id = site.connect("home", SCREEN);
    site.send(id, b"GET /stream/other HTTP/1.1\r\n\r\n");
    let reply = String::from_utf8(site.receive(id)).unwrap();
    assert!(reply.ends_with(" has this stream\n"), "{reply}");
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
    assert_eq!(site.status(second), 200, "it hears that it was replaced");
    assert_eq!(site.receive(player), key(140));
    assert_eq!(site.request("home", SCREEN, "POST /stream/v1"), 409);
}

#[test]
fn a_publisher_with_a_running_clock_goes_on_as_well_and_with_a_key_frame() {
    let mut site = Site::new();
    let player = site.player("v1");
    let first = site.publisher("v1");
    site.send(first, &film());
    site.stream(player);
    site.relay.handle_closed(site.now, first);
    let second = site.publisher("v1");
    let bytes = [
        HEADER,
        &video_config(),
        &picture(5000),
        &key(5040),
        &picture(5080),
    ];
    site.send(second, &bytes.concat());
    let config = tag(9, 80, &[0x17, 0, 0, 0, 0, 1]);
    assert_eq!(
        site.receive(player),
        [config, key(120), picture(160)].concat()
    );
}

#[test]
fn strangers_do_not_take_the_places_of_the_call() {
    let mut site = Site::new();
    let mut strangers = 0;
    for host in 1..100 {
        let address = IpAddr::from([11, 9, 9, host / 10]);
        let accepted = site.relay.handle_accepted(site.now, "community", address);
        strangers += usize::from(accepted.is_some());
    }
    assert_eq!(strangers, 8);
    let publisher = site.publisher("v1");
    site.send(publisher, &film());
    let player = site.player("v1");
    assert_eq!(site.stream(player), film());
}

#[test]
fn only_who_has_the_call_publishes_after_the_answer() {
    let mut site = Site::new();
    let early = site.connect("home", SCREEN);
    site.send(early, b"POST /stream/a1 HTTP/1.0\r\n\r\n");
    site.send(early, &[HEADER, &sound(0)].concat());
    let parties = vec![("community", IpAddr::from(DOOR)), ("home", SCREEN.into())];
    let permissions = Permissions {
        inputs: vec![],
        ids: vec![b"a1".to_vec()],
        publishers: vec![parties[0]],
        parties,
    };
    site.relay.set_permissions(site.now, permissions);
    assert_eq!(site.status(early), 200);
    assert_eq!(site.request("home", SCREEN, "POST /stream/a1"), 403);
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
    assert_eq!(
        site.events(),
        ["published community H264", "ended community "]
    );
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
    assert!(site.relay.is_over(player));
    assert_eq!(site.status(publisher), 200);
    assert_eq!(site.request("home", SCREEN, "GET /stream/v1"), 403);
    assert_eq!(site.relay.published(), 0);
}
