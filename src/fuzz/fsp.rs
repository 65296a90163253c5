//! The bodies of the fuzz targets for FSP.

use crate::base::limits::fsp::UNPROVEN_PAYLOAD;
use crate::base::stats::Stats;
use crate::base::time::{Duration, Instant};
use crate::proto::fsp::server::{Completion, File, FspServer, FspSettings, Operation, Reaction};
use crate::wire::fsp::{
    passwords, target, Command, DirEntry, FspHeader, Packet, Toward, HEADER_BYTES, MAX_PAYLOAD,
};

/// Datagrams that are parsed are emitted as the same bytes. Listings end.
pub fn fsp(data: &[u8]) {
    for toward in [Toward::Server, Toward::Client] {
        let Ok(packet) = Packet::parse(data, toward) else {
            continue;
        };
        let mut again = [&[0; HEADER_BYTES][..], packet.data, packet.extra].concat();
        packet.head.seal(&mut again, packet.extra.len(), toward);
        assert_eq!(again, data);
        let _ = (
            packet.preferred_payload(),
            passwords(packet.data),
            target(packet.data),
        );
    }
    let (mut rest, mut entries) = (data, 0);
    while DirEntry::take(&mut rest).is_some() {
        entries += 1;
    }
    assert!(entries <= data.len());
    if let Some(file) = File::parse(data) {
        assert_eq!(file.name().as_bytes(), data);
    }
}

/// The server, with any requests, malformed or well-formed, from three clients, while time passes
/// and the stick fails and works. Each reply can be parsed, and is not longer than allowed.
pub fn fsp_service(data: &[u8]) {
    let password = heapless::Vec::from_slice(b"x").unwrap_or_default();
    let mut server = FspServer::new(
        FspSettings {
            password,
            max_payload: 1460,
        },
        1,
    );
    let (mut now, mut keys, mut proven) = (
        Instant::default() + Duration::from_millis(100_000),
        [0u16; 3],
        [false; 3],
    );
    let (mut reply, mut rest, mut count) = (vec![0; HEADER_BYTES + MAX_PAYLOAD], data, 1u16);
    while let Some(([kind, len], tail)) = rest.split_first_chunk::<2>() {
        let (bytes, behind) = tail.split_at(tail.len().min(usize::from(*len)));
        rest = behind;
        count = count.wrapping_add(77);
        now = now + Duration::from_millis(u64::from(*kind >> 5) * 700);
        let who = usize::from(*kind % 3);
        let datagram = match kind & 4 {
            0 => bytes.to_vec(),
            _ => well_formed(bytes, keys[who], kind & 8 != 0),
        };
        let peer = ([203, 0, 113, who as u8], 9).into();
        let handled = server.handle_datagram(
            now,
            peer,
            &datagram,
            count,
            &mut reply,
            &mut Stats::default(),
        );
        let mut next = handled.reaction;
        let mut names = NAMES.iter();
        while let Reaction::Perform(op) = next {
            let done = if kind & 16 == 0 {
                execute(op, &mut names, &mut reply)
            } else {
                Completion::Failed
            };
            next = server.handle_completion(done, &mut reply);
        }
        if let Reaction::Reply(length) = next {
            let most = if proven[who] { 1460 } else { UNPROVEN_PAYLOAD };
            assert!(length <= HEADER_BYTES + most, "{length}");
            let read =
                Packet::parse(&reply[..length], Toward::Client).map(|packet| packet.head.key);
            assert!(read.is_ok());
            proven[who] = true; // the next request may return this key
            keys[who] = read.unwrap_or(0);
        }
    }
}

const NAMES: [&str; 4] = [
    "Record_20260102_101500.wav",
    "Record_20260102_101500_2.json",
    "Record_20260103_000000.wav",
    "notes.txt",
];

/// A request with this command, position and path; the bytes after a zero are extra data.
fn well_formed(bytes: &[u8], key: u16, with_password: bool) -> Vec<u8> {
    let Some(([command, p0, p1], rest)) = bytes.split_first_chunk::<3>() else {
        return vec![];
    };
    let (name, extra) = rest.split_at(
        rest.iter()
            .position(|byte| *byte == 0)
            .unwrap_or(rest.len()),
    );
    let password: &[u8] = if with_password { b"\nx\0" } else { b"\0" };
    let position = u32::from(*p0) << 8 | u32::from(*p1);
    let mut datagram = [&[0; HEADER_BYTES][..], name, password, extra].concat();
    let head = FspHeader {
        command: Command(*command),
        key,
        sequence: 8,
        position,
    };
    head.seal(&mut datagram, extra.len(), Toward::Server);
    datagram
}

fn execute<'a>(
    op: Operation,
    names: &mut std::slice::Iter<'_, &'a str>,
    reply: &mut [u8],
) -> Completion<'a> {
    match op {
        Operation::Stat(_) => Completion::Entry { time: 1, size: 2 },
        Operation::Read { len, position, .. } => {
            reply[HEADER_BYTES..HEADER_BYTES + len].fill(7);
            Completion::Read {
                len,
                growing: (position % 2 == 0).then_some(position + 100),
            }
        }
        Operation::FirstName | Operation::NextName => {
            Completion::Name(names.next().map(|name| name.as_bytes()))
        }
        Operation::SavePassword => Completion::Saved,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fuzz::tests::attack;

    #[test]
    fn fsp_survives() {
        let list =
            b"\x41\xf6\xc8\xb7\x23\xc0\x00\x16\x00\x00\x00\x00Recorder/\nnewrocktech\0\x03\x00";
        let listing = b"\0\0\0\x01\0\0\0\x02\x01abc\0\0\0\0\0\0\0\0\0\0\0\0\x2a\0\0\0";
        attack(fsp, &[list, listing, b"Record_20260102_101500_20.json"]);
    }

    #[test]
    fn the_service_survives() {
        let mut good = vec![];
        for (kind, command, path) in [
            (12, 0x41, "Recorder/20260102\0\x02"),
            (
                12,
                0x42,
                "Recorder/20260102/Record_20260102_101500.wav\0\x39\x74",
            ),
            (13, 0x4D, "Recorder/20260103"),
            (12, 0x47, "/Recorder"),
            (45, 0x4F, "\nx\ny"),
            (14, 0x41, ""),
            (4, 0x10, ""),
            (4, 0x4A, ""),
            (12, 0x45, "x"),
        ] {
            good.extend([kind, path.len() as u8 + 3, command, 0, 0]);
            good.extend(path.as_bytes());
        }
        attack(fsp_service, &[&good]);
    }
}
