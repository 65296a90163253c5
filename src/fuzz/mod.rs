//! The bodies of the fuzz targets (tests/fuzz): for arbitrary input bytes, nothing may panic, and
//! the results must be consistent. They also run as plain tests: with random bytes of every length
//! up to 2048, and with mutations of valid input.
#![allow(clippy::panic)] // an assertion that fails is what a fuzz target is for

use crate::base::limits::{MESSAGE_BYTES, SIDECAR_BYTES};
use crate::config::Config;
use crate::wire::control::{Message, Writer};
use crate::wire::json::Object;
use crate::wire::message_framer::Reader;
use crate::wire::recording::sidecar::{add_sum, Sidecar, Start};
use crate::wire::recording::{age_key, is_recording_name, Header};
use crate::wire::rtp::Packet;

#[cfg(feature = "cloud")]
mod cloud;
#[cfg(feature = "fsp")]
mod fsp;
#[cfg(feature = "box")]
mod intercom;
mod mounts;
mod phone;
#[cfg(test)]
mod random;
#[cfg(feature = "server")]
mod record_server;
#[cfg(feature = "fsp")]
mod rendezvous;
#[cfg(feature = "intercom")]
mod sound;
mod time;
#[cfg(feature = "cloud")]
pub use cloud::{cloud_message, cloud_phone, cloud_token, cloud_url};
#[cfg(feature = "box")]
pub use intercom::{home_box, intercom_message, intercom_stream, stream_relay};
pub use mounts::mounts;
pub use phone::recorder;
#[cfg(test)]
pub(crate) use random::Random;
#[cfg(feature = "server")]
pub use record_server::*;
#[cfg(feature = "intercom")]
pub use sound::{played_stream, published_sound};
pub use time::{clock, receiver};
#[cfg(feature = "fsp")]
pub use {fsp::*, rendezvous::*};

/// RTP: the payload of a parsed packet lies within the datagram.
pub fn rtp(data: &[u8]) {
    if let Ok(packet) = Packet::parse(data) {
        assert!(packet.payload.len() + 12 <= data.len());
        let header = packet.emit_header();
        let again =
            Packet::parse(&header).map(|again| (again.sequence, again.timestamp, again.ssrc));
        assert_eq!(again, Ok((packet.sequence, packet.timestamp, packet.ssrc)));
    }
}

/// Messages: every parsed value can be written and parsed again.
pub fn message(data: &[u8]) {
    let Ok(message) = Message::parse(data) else {
        return;
    };
    let _ = crate::proto::recorder::request::parse(&message);
    #[cfg(feature = "intercom")]
    let _ = crate::proto::intercom::endpoint::request::parse(data);
    let Ok(value) = message.text::<128>("remote_name") else {
        return;
    };
    let mut buffer = [0; MESSAGE_BYTES];
    let written = Writer::new(&mut buffer, "Echo")
        .bytes("remote_name", &value)
        .finish();
    let Some(length) = written else {
        panic!("128 bytes always fit")
    };
    let again = Message::parse(&buffer[..length]).map(|message| message.text::<128>("remote_name"));
    assert_eq!(again, Ok(Ok(trimmed(&value))));
}

/// A stream of messages: the boundaries of the reads do not matter.
pub fn message_stream(data: &[u8]) {
    let read = |pieces: &mut dyn Iterator<Item = &[u8]>| {
        let mut reader = Reader::new();
        let mut messages = vec![];
        for mut bytes in pieces {
            while let Some(message) = reader.next(&mut bytes) {
                messages.push(message.map(<[u8]>::to_vec));
            }
        }
        messages.extend(reader.finish().map(|message| message.map(<[u8]>::to_vec)));
        messages
    };
    let whole = read(&mut core::iter::once(data));
    assert_eq!(read(&mut data.chunks(1)), whole);
    assert!(whole
        .iter()
        .flatten()
        .all(|message| message.len() <= MESSAGE_BYTES));
}

/// The parser trims blanks around values, even escaped ones.
fn trimmed(value: &[u8]) -> crate::wire::control::Text<128> {
    // Of the characters that are trimmed, only the blank is written unescaped.
    let start = value.iter().position(|b| *b != b' ').unwrap_or(value.len());
    let end = value
        .iter()
        .rposition(|b| *b != b' ')
        .map_or(start, |last| last + 1);
    heapless::Vec::from_slice(&value[start..end]).unwrap_or_default()
}

/// Headers: a parsed header has plausible lengths, and is written unchanged.
pub fn header(data: &[u8]) {
    let _ = (is_recording_name(data), age_key(data));
    if let Ok(header) = Header::parse(data) {
        assert_eq!(Header::parse(&header.emit()), Ok(header));
        let extent = header.extent(data.len() as u64);
        assert!(extent.frames * u64::from(header.rtp_len) + 76 <= data.len().max(76) as u64);
        let _ = (header.period_ms(), header.duration_ms(extent.frames));
    }
}

/// Sidecars: a parsed text is written as JSON that contains it, and parsed again.
pub fn sidecar(data: &[u8]) {
    let _ = Start::parse(data);
    let Ok(object) = Object::parse(data) else {
        return;
    };
    assert!(object.members().all(|(_, value)| !value.is_empty()));
    let _ = (
        object.digest("sha256"),
        object.pairs("pauses").count(),
        object.number("frames"),
        object.flag("clock_set"),
    );
    let name = object.text::<128>("remote_name");
    let start = Start::parse(&object.text::<40>("start"));
    let mut buffer = [0; SIDECAR_BYTES];
    let shown = start.map(|start| start.to_string()).unwrap_or_default();
    let sidecar = Sidecar {
        remote_name: &name,
        start: shown.as_bytes(),
        ..Sidecar::default()
    };
    let written = sidecar
        .emit(&mut buffer)
        .and_then(|len| add_sum(&mut buffer, len, &[7; 32]));
    let Some(Ok(again)) = written.map(|len| Object::parse(&buffer[..len])) else {
        panic!("a sidecar is an object")
    };
    assert_eq!(
        String::from_utf8_lossy(&again.text::<384>("remote_name")),
        String::from_utf8_lossy(&name)
    );
    assert_eq!(
        (
            Start::parse(&again.text::<40>("start")),
            again.digest("sha256")
        ),
        (start, Some([7; 32]))
    );
}

/// Configurations: an accepted configuration is printed and accepted again.
pub fn config(data: &[u8]) {
    let Ok(text) = core::str::from_utf8(data) else {
        return;
    };
    match Config::parse(text) {
        Ok(config) => assert_eq!(Config::parse(&config.to_string()), Ok(config)),
        Err(error) => assert!(error.line >= 1 && error.line <= text.lines().count()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Under qemu each seventh input (7, so that all bits of a byte have their turn): these tests took half of the time there.
    const EACH: usize = if cfg!(target_arch = "arm") { 7 } else { 1 };

    /// Runs a body on random bytes of every length, and on valid input with every bit flipped;
    /// seeded.
    pub(super) fn attack(body: fn(&[u8]), good: &[&[u8]]) {
        let mut seeded = Random(1);
        let mut random = move || seeded.next();
        for length in (0..=2048).step_by(EACH) {
            let bytes: Vec<u8> = (0..length).map(|_| random() as u8).collect();
            body(&bytes);
        }
        for input in good {
            for cut in (0..=input.len()).step_by(EACH) {
                body(&input[..cut]);
            }
            for bit in (0..input.len() * 8).step_by(EACH) {
                let mut flipped = input.to_vec();
                flipped[bit / 8] ^= 1 << (bit % 8);
                body(&flipped);
                flipped[(random() as usize) % input.len()] = random() as u8;
                body(&flipped);
            }
            for _ in 0..2000 / EACH {
                let mut mixed = input.to_vec();
                for _ in 0..1 + random() % 8 {
                    let at = (random() as usize) % mixed.len();
                    mixed[at] = b"&=%cmd \n\t\0\xFF0123"[(random() % 15) as usize];
                }
                body(&mixed);
            }
        }
    }

    #[test]
    fn rtp_survives() {
        let mut good = vec![0xB2, 0x80, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10];
        good.extend([1; 8]);
        good.extend([0xBE, 0xDE, 0, 1, 1, 2, 3, 4, 9, 9, 9, 3]);
        attack(rtp, &[&good, &[0x80; 172]]);
    }

    #[test]
    fn messages_survive() {
        attack(
            message,
            &[
                b"cmd=RecordStartRequest&sink=local&codec=PCMU&dir=in&legs=2&remote_number=100&remote_name=A%26%20B",
                b" cmd = RecordStopRequest & id = 12 & reason=x &remote_name=\xC3\xA4%00%7F",
            ],
        );
    }

    #[test]
    fn message_streams_survive() {
        attack(
            message_stream,
            &[b"cmd=RecordStopRequest&id=12&reason=x cmd=RecordStopResponse&id=12&result=success\r\ncmd =A\0"],
        );
    }

    #[test]
    fn headers_survive() {
        let header = Header::parse(&{
            let mut bytes = [0; 80];
            bytes[..4].copy_from_slice(b"PCMU");
            bytes[64..72].copy_from_slice(&[172, 0, 0, 0, 160, 0, 0, 0]);
            bytes
        });
        attack(
            super::header,
            &[&header.unwrap().emit(), b"Record_20260101_120000_2.wav"],
        );
    }

    #[test]
    fn sidecars_survive() {
        attack(
            sidecar,
            &[
                br#"{"id":"17","part":1,"remote_name":"A\u00e9\ud83d\ude00\n\"","start":"2026-11-21T10:15:00+01:00","clock_set":true}"#,
                br#"{"duration_ms":12,"pauses":[[4,15],[8,2]],"dropped":{"late":3,"x":[{}]},"sha256":"0f0f","end":null}"#,
            ],
        );
    }

    #[test]
    fn configurations_survive() {
        attack(config, &[Config::default().to_string().as_bytes()]);
    }

    #[test]
    fn mount_tables_survive() {
        attack(
            mounts,
            &[b"36 35 8:1 / /mnt/my\\040stick rw,noatime master:1 - vfat /dev/sda1 rw\n"],
        );
    }

    #[test]
    fn the_recorder_survives() {
        // Configured for the stick with parts of one second: a start, packets, a clock that is set,
        // a pause, a stall, a stop.
        let mut good = vec![0b10010, 8, 0];
        for n in 0..6u8 {
            good.extend([
                4,
                0,
                24 * 8,
                0,
                0,
                80,
                12,
                n,
                9,
                1 + n % 2,
                5,
                14,
                60,
                3,
                20,
            ]);
        }
        good.extend([9, 0, 1]);
        // The same with a server that fails, and then a stick that fails.
        let mut server = vec![0b101010, 8, 6];
        server.extend([
            4, 0, 200, 0, 3, 30, 15, 8, 4, 2, 255, 32, 3, 30, 13, 10, 14, 129, 3, 9, 9, 0, 0,
        ]);
        attack(recorder, &[&good, &server]);
    }

    #[test]
    fn clocks_survive() {
        attack(
            clock,
            &[&[1; 40], b"\x00\x10\x20\x30\x40\x50\x60\x70\x80\x90"],
        );
    }

    #[test]
    fn media_reading_survives() {
        attack(receiver, &[&[3; 60], b"\x00\x01\x02\x03\x04\x05\x06\x07"]);
    }

    type Body = fn(&[u8]);

    /// The saved corpora of the fuzzer.
    #[test]
    fn corpora_survive() {
        let bodies: &[(&str, Body)] = &[
            ("rtp", rtp),
            ("message", message),
            ("message_stream", message_stream),
            ("header", header),
            ("sidecar", sidecar),
            ("config", config),
            ("mounts", mounts),
            ("recorder", recorder),
            ("clock", clock),
            ("receiver", receiver),
            #[cfg(feature = "fsp")]
            ("fsp", fsp),
            #[cfg(feature = "fsp")]
            ("fsp_service", fsp_service),
            #[cfg(feature = "fsp")]
            ("rendezvous", rendezvous),
            #[cfg(feature = "fsp")]
            ("rendezvous_ends", rendezvous_ends),
            #[cfg(feature = "server")]
            ("record_control", record_control),
            #[cfg(feature = "server")]
            ("record_stream", record_stream),
            #[cfg(feature = "server")]
            ("proxy_line", proxy_line),
        ];
        for (name, body) in bodies {
            let inputs: Vec<_> = std::fs::read_dir(format!("tests/fuzz/corpus/{name}"))
                .unwrap()
                .collect();
            assert!(!inputs.is_empty(), "{name} has a corpus");
            for input in inputs {
                body(&std::fs::read(input.unwrap().path()).unwrap());
            }
        }
    }
}
