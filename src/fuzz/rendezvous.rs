//! The bodies of the fuzz targets for the rendezvous.
#![allow(clippy::panic)] // a fuzz target reports what it finds with a panic

use crate::base::limits::rendezvous::{RENDEZVOUS_BYTES, SEALED_BYTES};
use crate::wire::rendezvous::cipher::Key;
use crate::wire::rendezvous::{Kind, Message, Writer};

#[cfg(all(feature = "server", feature = "tools"))]
use {
    crate::base::stats::Stats,
    crate::base::time::{Duration, Instant},
    crate::proto::rendezvous::agent::{Agent, AgentOutput},
    crate::proto::rendezvous::caller::Caller,
    crate::proto::rendezvous::server::{self, devices, relay, RendezvousServer},
    crate::proto::rendezvous::{Identity, Name},
    core::net::SocketAddrV4,
};

const KEY: &[u8] = b"0123456789abcdefghijklmnopqrstuv";

/// Rendezvous messages: attributes that are opened can be sealed again, and open to the same
/// values.
pub fn rendezvous(data: &[u8]) {
    let Some(key) = Key::new(KEY) else {
        return;
    };
    let Ok(message) = Message::parse(data) else {
        return;
    };
    let clear = message.clear;
    let _ = (clear.mid(), clear.code(), clear.address("ped"));
    let mut opened = [0; SEALED_BYTES];
    let Ok(attributes) = clear.open(&key, &mut opened) else {
        return;
    };
    let service = attributes.value("service");
    let mut buffer = [0; RENDEZVOUS_BYTES];
    let mut again = [0; SEALED_BYTES];
    let mut writer = Writer::new(&mut buffer, message.class, Kind::Register);
    let mark = writer.mark();
    let written = writer
        .text("service", service.unwrap_or_default())
        .seal(mark, &key)
        .finish();
    let Some(len) = written else {
        panic!("attributes that fitted do not fit any more")
    };
    let read =
        Message::parse(&buffer[..len]).and_then(|message| message.clear.open(&key, &mut again));
    assert_eq!(
        read.map(|attributes| attributes.value("service"))
            .unwrap_or(None),
        service
    );
}

/// Phone, caller and server, each given any datagrams, in clear or sealed with the right key, from
/// any of three addresses, while time passes. What they send can be parsed, and is bounded.
#[cfg(all(feature = "server", feature = "tools"))]
pub fn rendezvous_ends(data: &[u8]) {
    let Some(key) = Key::new(KEY) else {
        return;
    };
    let mut ends = Ends::new(&key);
    let mut rest = data;
    while let Some(([kind, len], tail)) = rest.split_first_chunk::<2>() {
        let (bytes, remainder) = tail.split_at(tail.len().min(usize::from(*len)));
        rest = remainder;
        ends.now = ends.now + Duration::from_millis(u64::from(*kind >> 4) * 50);
        let datagram = if kind & 8 == 0 {
            bytes.to_vec()
        } else {
            sealed(bytes, &key)
        };
        ends.handle(*kind, *len, &datagram);
        let sent = ends.drain();
        assert!(sent < 40 && ends.server.gauges().callers <= 3);
    }
}

/// One of three addresses.
#[cfg(all(feature = "server", feature = "tools"))]
fn address(n: u8) -> SocketAddrV4 {
    SocketAddrV4::new([203, 0, 113, n % 3].into(), 7042)
}

#[cfg(all(feature = "server", feature = "tools"))]
struct Ends {
    now: Instant,
    phone: Agent,
    caller: Caller,
    server: RendezvousServer,
}

#[cfg(all(feature = "server", feature = "tools"))]
impl Ends {
    fn new(key: &Key) -> Self {
        let now = Instant::default();
        let cid = Name::from_slice(b"phone1").unwrap_or_default();
        let identity = Identity {
            cid: cid.clone(),
            key: key.clone(),
        };
        let mut phone = Agent::new(now, identity, cid.clone(), 1);
        phone.handle_resolved(now, Some((address(0), address(1))));
        let caller = Caller::new(now, cid.clone(), cid.clone(), address(0), address(2), 1);
        let quota = relay::Quota {
            bytes: 1000,
            time: Duration::from_millis(60_000),
        };
        let settings = server::RendezvousLimits {
            callers: 3,
            callers_of_one: 2,
            keep: Duration::from_millis(10_000),
            relay: Some((address(0), 2, quota)),
        };
        let device = devices::KnownPhone {
            key: key.clone(),
            invite: None,
        };
        let server = RendezvousServer::new(settings, [(cid, device)].into(), [[1; 16], [2; 16]]);
        Self {
            now,
            phone,
            caller,
            server,
        }
    }

    /// Gives a datagram to one of the ends, or to a port of the relay.
    fn handle(&mut self, kind: u8, len: u8, datagram: &[u8]) {
        let now = self.now;
        let from = address(kind >> 2);
        match kind & 3 {
            0 => self
                .phone
                .handle_datagram(now, from, datagram, &mut Stats::default()),
            1 => self.caller.handle_datagram(now, from, datagram),
            2 => self.server.handle_datagram(now, from, datagram),
            _ => {
                let port = usize::from(kind >> 2 & 1);
                let mut buffer = [0; RENDEZVOUS_BYTES];
                let from = address(len);
                let _ = self
                    .server
                    .relay
                    .handle(now, port, from, datagram, &mut buffer);
            }
        }
    }

    /// Takes all that is to be sent; the number of datagrams.
    fn drain(&mut self) -> u32 {
        let mut buffer = [0; RENDEZVOUS_BYTES];
        let mut sent = 0;
        while let Some(output) = self.phone.poll_output(self.now, &mut buffer) {
            sent += u32::from(matches!(output, AgentOutput::Send(..)));
        }
        while self.caller.poll_output(self.now, &mut buffer).is_some() {
            sent += 1;
        }
        self.server.handle_timeout(self.now);
        while let Some((_, datagram)) = self.server.poll_output() {
            assert!(Message::parse(&datagram).is_ok());
            sent += 1;
        }
        sent
    }
}

/// A message with the lines before the first empty one in clear, and the rest sealed.
#[cfg(all(feature = "server", feature = "tools"))]
fn sealed(bytes: &[u8], key: &Key) -> Vec<u8> {
    let head = bytes
        .windows(2)
        .position(|end| end == b"\n\n")
        .unwrap_or(bytes.len());
    let mut text = bytes[head..].trim_ascii_start().to_vec();
    text.resize(text.len().next_multiple_of(16), 0);
    key.encrypt(&mut text);
    let mut base64 = vec![0; text.len() * 2];
    let len = crate::wire::rendezvous::cipher::encode(&text, &mut base64).unwrap_or(0);
    base64.truncate(len);
    [&bytes[..head], b"\r\ndata: ", &base64, b"\r\n"].concat()
}

#[cfg(test)]
mod tests {
    use super::super::tests::attack;
    use super::*;

    #[test]
    fn rendezvous_messages_survive() {
        attack(
            rendezvous,
            &[
                b"P2PNAT00 REG\r\ncid: 0015651a2b3c\r\nmid: 00001516\r\n\
                  data: lz6e42HhDtoz5FXpTcujxX4XX9JbY7kdw353VHQEaYA=\r\n",
                b"P2PNAT01 CON\r\nmid: 00001516\r\nconnid: 5\r\ncode: 200\r\nped: 203.0.113.5:9531\r\n\0",
            ],
        );
    }

    #[test]
    #[cfg(all(feature = "server", feature = "tools"))]
    fn the_ends_of_the_rendezvous_survive() {
        let mut good = vec![];
        for (kind, text) in [
            (8, "P2PNAT01 REG\r\nmid: 00000002\r\ncode: 200\n\nped: 203.0.113.1:7042\r\n"),
            (8, "P2PNAT01 REG\r\nmid: 00000002\r\ncode: 200\n\nped: 203.0.113.1:7042\r\nnonce: 0123456789abcdef\r\n"),
            (10, "P2PNAT00 REG\r\ncid: phone1\r\nmid: 00000008\n\nservice: FSP\r\nversion: -callrec\r\nproof: 0\r\n"),
            (10, "P2PNAT00 REG\r\ncid: phone1\r\nmid: 00000009\n\nservice: FSP\r\nic: phone1\r\n"),
            (8, "P2PNAT00 FWD\r\nmid: 00000003\r\nconnid: c\n\nservice: FSP\r\nic: phone1\r\nped: 203.0.113.2:7042\r\n"),
            (9, "P2PNAT01 CON\r\nmid: 00000004\r\nconnid: c\r\ncode: 200\n\nped: 203.0.113.1:7042\r\nsecret: 0\r\n"),
            (1, "P2PNAT01 PONG\r\nmid: 00000003\r\nconnid: cP\r\nproof: 0\r\n"),
            (0, "P2PNAT00 PING\r\nmid: 00000003\r\nconnid: cP\r\n"),
            (8, "P2PNAT00 NFY\r\nmid: 00000003\r\nconnid: c\n\nevent: rtpp_open\r\nped: 203.0.113.2:7042\r\ntoken: t\r\n"),
            (1, "P2PNAT01 REG\r\nmid: 00000002\r\ncode: 201\r\ncid: a\r\nkey: 01234567ab89cdefghijklmnopqrstuv\r\n"),
            (9, "P2PNAT01 REG\r\nmid: 00000003\r\ncode: 200\n\nped: 203.0.113.1:7042\r\n"),
            (9, "P2PNAT01 CON\r\nmid: 00000004\r\nconnid: c\r\ncode: 200\n\nped: 203.0.113.1:7042\r\n"),
            (2, "P2PNAT00 REG\r\nmid: 00000002\r\n"),
            (2, "keep"),
            (10, "P2PNAT00 CON\r\ncid: phone1\r\nmid: 00000009\n\nservice: FSP\r\ntid: phone1\r\nic: phone1\r\n"),
            (3, "P2PNAT00 BIND\r\nmid: 00000009\r\ntoken: t\r\n"),
        ] {
            good.extend([kind | 16, text.len() as u8]);
            good.extend(text.as_bytes());
        }
        attack(rendezvous_ends, &[&good]);
    }
}
