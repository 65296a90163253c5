//! The building intercom: the reader of a connection, and the box's router.

use std::net::IpAddr;

use crate::base::time::{Duration, Instant};
use crate::proto::intercom::home_box::output::Output;
use crate::proto::intercom::home_box::rules::{
    Addresses, DoorPolicy, Ipv4Prefix, JoinVerdict, RejectPolicy, Rules,
};
use crate::proto::intercom::home_box::{HomeBox, LegId, Side};
use crate::proto::intercom::message_reader::{MessageReader, Received};
use crate::proto::intercom::relay::permissions::Permissions;
use crate::proto::intercom::relay::{Relay, RelayLimits};
use crate::wire::intercom::{cut, emit, parse, text, Message, FRAME_BYTES};

/// A message: what was parsed is emitted and parsed again as the same.
pub fn intercom_message(data: &[u8]) {
    let Ok(message) = parse(data) else {
        return;
    };
    let mut buffer = [0; FRAME_BYTES + 1];
    let Some(len) = emit(&message, 1, &mut buffer) else {
        panic!("a message that was parsed is too long to be emitted");
    };
    let again = parse(&buffer[..len - 1]);
    // Bytes that are not UTF-8 are replaced, which may make a text longer than its place.
    let is_text = core::str::from_utf8(data).is_ok();
    if is_text && message != Message::Unknown {
        assert!(again.is_ok(), "{message:?}");
    }
}

/// A stream of frames, in pieces whose lengths its first byte gives.
pub fn intercom_stream(data: &[u8]) {
    let Some((step, data)) = data.split_first() else {
        return;
    };
    let mut reader = MessageReader::new();
    for piece in data.chunks(usize::from(*step) + 1) {
        let space = reader.space();
        space[..piece.len()].copy_from_slice(piece);
        reader.advance(piece.len());
        loop {
            match reader.next_message(Instant::default()) {
                Received::Nothing => break,
                Received::Broken(_) => return,
                Received::Message(_) | Received::Bad => {}
            }
        }
    }
}

/// The router: each byte or two of the input are one thing that happens to it.
pub fn home_box(data: &[u8]) {
    let mut router = HomeBox::new(rules(data), [1; 32]);
    let mut now = Instant::default();
    let mut legs: Vec<LegId> = vec![];
    for step in data.chunks(2) {
        let (what, which) = (step[0], step.get(1).copied().unwrap_or(0));
        let leg = legs.get(usize::from(which) % legs.len().max(1)).copied();
        match (what % 8, leg) {
            (0, _) => {
                let side = if which & 1 == 0 {
                    Side::Home
                } else {
                    Side::Community
                };
                let address = IpAddr::from([11, 0, 0, which >> 4]);
                legs.extend(router.handle_accepted(now, side, address));
            }
            (1, Some(leg)) => router.handle_join(now, leg, verdict(what)),
            (2, Some(leg)) => router.handle_closed(now, leg),
            (3, _) => {
                now = now + Duration::from_millis(u64::from(which) * 100);
                router.handle_timeout(now);
            }
            (_, Some(leg)) => router.handle_message(now, leg, &message(what >> 3, which)),
            _ => {}
        }
        drain(&mut router, now, &mut legs, which);
    }
    for leg in legs.clone() {
        router.handle_closed(now, leg);
        drain(&mut router, now, &mut legs, 0);
    }
    router.handle_timeout(now + Duration::from_millis(200_000));
    drain(&mut router, now, &mut legs, 0);
    assert_eq!(router.call_status().0, "free");
    assert_eq!(router.devices().count(), 0);
}

/// Does what the router wants: connections succeed or fail as the input says.
fn drain(router: &mut HomeBox, now: Instant, legs: &mut Vec<LegId>, which: u8) {
    while let Some(output) = router.poll_output() {
        match output {
            Output::Close(leg) => legs.retain(|other| *other != leg),
            Output::Connect { leg, address } if which & 2 == 0 => {
                legs.push(leg);
                router.handle_connected(now, leg, address);
            }
            Output::Connect { leg, .. } => router.handle_unreachable(now, leg),
            _ => {}
        }
    }
}

/// The stream relay: a publisher whose request and body are the input, in pieces whose lengths its
/// first byte gives, and a player.
pub fn stream_relay(data: &[u8]) {
    let Some((step, data)) = data.split_first() else {
        return;
    };
    let mut relay = Relay::new(RelayLimits {
        streams: 2,
        players: 2,
        connections: 4,
    });
    let address = IpAddr::from([11, 0, 0, 1]);
    let permissions = Permissions {
        inputs: vec![],
        ids: vec![b"v".to_vec()],
        parties: vec![("home", address)],
        publishers: vec![("home", address)],
    };
    let now = Instant::default();
    relay.set_permissions(now, permissions);
    let ids = [(); 2].map(|()| relay.handle_accepted(now, "home", address));
    let [Some(player), Some(publisher)] = ids else {
        panic!("a relay has room for two connections");
    };
    relay.handle_bytes(now, player, b"GET /stream/v HTTP/1.1\r\n\r\n");
    let mut sent = 0;
    for piece in data.chunks(usize::from(*step) + 1) {
        relay.handle_bytes(now, publisher, piece);
        sent += piece.len();
        let Some(outgoing) = relay.outgoing(player) else {
            break;
        };
        let waiting: usize = outgoing.slices().map(<[u8]>::len).sum();
        // The head of the reply, and nothing that did not come in.
        assert!(waiting <= 512 + sent, "{waiting} bytes of {sent}");
    }
    relay.handle_end(now, publisher);
    relay.handle_timeout(now + Duration::from_millis(20_000));
}

fn verdict(what: u8) -> JoinVerdict {
    JoinVerdict::Device {
        device: cut(&[b'a' + (what >> 6)]),
        device_type: what >> 6,
    }
}

fn message(what: u8, which: u8) -> Message {
    let sid = text(["", "s1", "s2", "s1"][usize::from(which >> 6)]);
    let reason = text("declined");
    match what % 7 {
        0 | 1 => call_req(which),
        2 => Message::CallAccept { sid, by: text("") },
        3 => Message::CallReject { sid, reason },
        4 => Message::CallEnd { sid, reason },
        5 => Message::CallKeep { sid },
        _ => Message::OpenDoor {
            sid,
            door: 0,
            ack: true,
        },
    }
}

fn call_req(which: u8) -> Message {
    let json = format!(
        r#"{{"name":"call_req","values":{{"sid":"{}","src":{{"type":{}}},"dest":{{"ip":"11.0.0.{}"}}}}}}"#,
        ["", "s1"][usize::from(which & 1)],
        which >> 5,
        which & 7
    );
    parse(json.as_bytes()).unwrap_or(Message::Unknown)
}

fn rules(data: &[u8]) -> Rules {
    let choice = data.first().copied().unwrap_or(0);
    let second = |seconds: u64| Duration::from_millis(seconds * 1000);
    Rules {
        room_id: text("2-1-201"),
        addresses: Addresses {
            home: IpAddr::from([192, 168, 1, 22]),
            community: IpAddr::from([11, 0, 0, 1]),
            stream_port: 954,
            family_port: 7891,
            call_port: 7892,
            central_stream: None,
            forwards: vec![],
        },
        reject: [
            RejectPolicy::Panel,
            RejectPolicy::Household,
            RejectPolicy::Device,
        ][usize::from(choice) % 3],
        door: [DoorPolicy::Talk, DoorPolicy::Ringing][usize::from(choice & 1)],
        open_ends: second(u64::from(choice & 3)),
        no_answer_to: text(""),
        keep: second(3),
        keep_timeout: second(10),
        ring_timeout: second(60),
        connect_timeout: second(10),
        join_timeout: second(5),
        max_call: second(300),
        prefixes: vec![Ipv4Prefix::new([11, 0, 0, 0].into(), 8)],
        neighbours: vec![],
        max_screens: 16,
        max_joining: 16,
        max_waiting: 8,
        max_waiting_of_address: 4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fuzz::tests::attack;

    #[test]
    fn intercom_messages_survive() {
        attack(
            intercom_message,
            &[
                br#"{"id":"1","name":"call_req","values":{"sid":"9f","src":{"id":"2-1-1","type":3,"audio_stream_id":5678},"dest":{"ip":"11.0.1.22","port":"7892"}}}"#,
                br#"{"name":"call_reject","values":{"code":3,"message":"no app online"}}"#,
                br#"{"name":"emergency","values":{"port":3,"name":"\u70df\u611f"}}"#,
            ],
        );
    }

    #[test]
    fn intercom_streams_survive() {
        attack(
            intercom_stream,
            &[b"\x07{\"name\":\"call_keep\"}\0\n\0{\"name\":\"call_end\",\"values\":[]}\0"],
        );
    }

    #[test]
    fn stream_relays_survive() {
        let film = b"FLV\x01\x05\0\0\0\x09\0\0\0\0\
            \x09\0\0\x02\0\0\0\0\0\0\0\x17\x01\0\0\0\x0D\x08\0\0\x01\0\0\x0A\0\0\0\0\x80\0\0\0\x0C";
        let plain = [&b"\x20POST /stream/v HTTP/1.0\r\n\r\n"[..], film].concat();
        let head = b"\x10PUT /stream/v HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n2A\r\n";
        attack(stream_relay, &[&plain, &[&head[..], film].concat()]);
    }

    #[test]
    fn home_boxes_survive() {
        attack(
            home_box,
            &[&[
                0, 0, 1, 0, 65, 0, 0, 17, 4, 97, 20, 64, 3, 30, 44, 64, 52, 65, 36, 1,
            ]],
        );
    }
}
