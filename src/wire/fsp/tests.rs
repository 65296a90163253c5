//! Datagrams of real clients, and of a server whose replies they accepted.

use super::*;

fn bytes(hex: &str) -> Vec<u8> {
    (0..hex.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap())
        .collect()
}

/// Both ways: the datagram is parsed to these fields, and they are emitted as the datagram.
fn check(hex: &str, toward: Toward, head: (u8, u16, u16, u32), data: &[u8], extra: &[u8]) {
    let datagram = bytes(hex);
    let (command, key, sequence, position) = head;
    let head = FspHeader {
        command: Command(command),
        key,
        sequence,
        position,
    };
    assert_eq!(
        Packet::parse(&datagram, toward),
        Ok(Packet { head, data, extra }),
        "{hex}"
    );
    let mut emitted = [&[0xEE; 12][..], data, extra].concat();
    head.seal(&mut emitted, extra.len(), toward);
    assert_eq!(emitted, datagram, "{hex}");
}

const LIST: &str = "41f6c8b723c00016000000005265636f726465722f0a6e6577726f636b74656368000300";
const VENDOR_GET: &str =
    "428edb7f23c00021000000005265636f726465722f68656c6c6f2e7478740a6e6577726f636b746563680000000300";

#[test]
fn requests_of_real_clients() {
    let data = b"Recorder/\nnewrocktech\0";
    check(
        LIST,
        Toward::Server,
        (0x41, 0xc8b7, 0x23c0, 0),
        data,
        &[3, 0],
    );
    let data = b"Recorder/hello.txt\nnewrocktech\0\0\0";
    check(
        VENDOR_GET,
        Toward::Server,
        (0x42, 0xdb7f, 0x23c0, 0),
        data,
        &[3, 0],
    );
    check(
        "4a9373114870000000000000",
        Toward::Server,
        (0x4a, 0x7311, 0x4870, 0),
        b"",
        b"",
    );
    check(
        "10e300004f78000000000000",
        Toward::Server,
        (0x10, 0, 0x4f78, 0),
        b"",
        b"",
    );
    check(
        "4d4c00000008000600000000612e77617600",
        Toward::Server,
        (0x4d, 0, 8, 0),
        b"a.wav\0",
        b"",
    );
    let change = "4faf34a123c00015000000000a6e6577726f636b746563680a7365637265743200";
    check(
        change,
        Toward::Server,
        (0x4f, 0x34a1, 0x23c0, 0),
        b"\nnewrocktech\nsecret2\0",
        b"",
    );
}

#[test]
fn replies_that_the_clients_accepted() {
    check(
        "424cc2ce23c0000a0000000068656c6c6f206673700a",
        Toward::Client,
        (0x42, 0xc2ce, 0x23c0, 0),
        b"hello fsp\n",
        b"",
    );
    check(
        "4a6178e54870000000000000",
        Toward::Client,
        (0x4a, 0x78e5, 0x4870, 0),
        b"",
        b"",
    );
    let refusal = "4058beef0008000d000000004e6f20737563682066696c6500";
    check(
        refusal,
        Toward::Client,
        (0x40, 0xbeef, 8, 0),
        b"No such file\0",
        b"",
    );
    let version = "10ff22654f7800040000000378203100223974";
    check(
        version,
        Toward::Client,
        (0x10, 0x2265, 0x4f78, 3),
        b"x 1\0",
        &[0x22, 0x39, 0x74],
    );
    let stat = "4dd50102000800090000000057109f80000003e801";
    let entry = DirEntry {
        time: 1_460_707_200,
        size: 1000,
        kind: EntryKind::FILE,
        name: b"",
    };
    check(
        stat,
        Toward::Client,
        (0x4d, 0x102, 8, 0),
        &entry.head(),
        b"",
    );
    assert_eq!(DirEntry::parse_head(&entry.head()), Some(entry));
}

#[test]
fn the_preferred_payload_is_read_from_the_extra_data() {
    let list = bytes(LIST);
    assert_eq!(
        Packet::parse(&list, Toward::Server)
            .unwrap()
            .preferred_payload(),
        Some(768)
    );
    let head = Packet::parse(&list, Toward::Server).unwrap().head;
    for (extra, wish) in [
        (&[][..], None),
        (&[7], None),
        (&[0, 0], None),
        (&[0x39, 0x74, 1], Some(14_708)),
    ] {
        assert_eq!(
            Packet {
                head,
                data: b"",
                extra
            }
            .preferred_payload(),
            wish
        );
    }
}

#[test]
fn truncated_datagrams_and_flipped_bits_are_refused() {
    for (hex, toward) in [
        (LIST, Toward::Server),
        (VENDOR_GET, Toward::Server),
        ("4a6178e54870000000000000", Toward::Client),
    ] {
        let whole = bytes(hex);
        for cut in 0..whole.len() {
            assert!(
                Packet::parse(&whole[..cut], toward).is_err(),
                "{cut} bytes of {hex}"
            );
        }
        for bit in 0..whole.len() * 8 {
            let mut flipped = whole.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(
                Packet::parse(&flipped, toward).is_err(),
                "bit {bit} of {hex}"
            );
        }
        let other = if toward == Toward::Server {
            Toward::Client
        } else {
            Toward::Server
        };
        assert_eq!(
            Packet::parse(&whole, other),
            Err(Error::Checksum),
            "the checksum of the other direction"
        );
    }
}

#[test]
fn the_sum_of_words_is_the_sum_of_bytes() {
    for length in (0..300).chain([1023, 1024, 1025, 2047, 2048, 2049, 14_720]) {
        let bytes: Vec<u8> = (0..length).map(|n: u32| 255 - (n * 7 % 11) as u8).collect();
        assert_eq!(
            sum(&bytes),
            bytes.iter().map(|byte| u32::from(*byte)).sum::<u32>(),
            "{length}"
        );
    }
    assert_eq!(sum(&[255; 14_720]), 14_720 * 255);
}

#[test]
fn three_ways_to_give_a_password() {
    for (data, name, password) in [
        (&b"a/b\0"[..], &b"a/b"[..], None),
        (b"a/b\n\0", b"a/b", Some(&b""[..])),
        (b"a/b\nsecret\0\0\0", b"a/b", Some(b"secret")),
        (b"\n1\n2\0", b"", Some(b"1\n2")),
        (b"\0", b"", None),
    ] {
        assert_eq!(target(data), Some(RequestTarget { name, password }));
    }
    assert_eq!((target(b""), target(b"a/b")), (None, None));
    assert_eq!(passwords(b"\nold\nnew\0"), Some((&b"old"[..], &b"new"[..])));
    assert_eq!(passwords(b"\n\n\0"), Some((&b""[..], &b""[..])));
    for broken in [&b"old\nnew\0"[..], b"\nold\0", b"\nold\nnew", b"\0", b""] {
        assert_eq!(passwords(broken), None);
    }
}

#[test]
fn entries_are_parsed_as_they_were_emitted() {
    let mut block = [0xEE; 64];
    let entry = DirEntry {
        time: 1,
        size: 2,
        kind: EntryKind::FILE,
        name: b"abc",
    };
    assert_eq!(entry.emit(&mut block), Some(16));
    assert_eq!(
        block[..16],
        [0, 0, 0, 1, 0, 0, 0, 2, 1, b'a', b'b', b'c', 0, 0, 0, 0]
    );
    let folder = DirEntry {
        kind: EntryKind::FOLDER,
        name: b"ab",
        ..entry
    };
    assert_eq!(folder.emit(&mut block[16..]), Some(12));
    block[28..37].copy_from_slice(&DirEntry::mark(EntryKind::END).head());
    let mut rest = &block[..];
    assert_eq!(DirEntry::take(&mut rest), Some(entry));
    assert_eq!(DirEntry::take(&mut rest), Some(folder));
    assert_eq!(
        DirEntry::take(&mut rest),
        Some(DirEntry::mark(EntryKind::END))
    );
    assert_eq!(DirEntry::take(&mut rest), None);
    assert_eq!(entry.emit(&mut block[..15]), None);
    let link = [&[0, 0, 0, 0, 0, 0, 0, 0, 3][..], b"to\n/etc/passwd\0"].concat();
    assert_eq!(
        DirEntry::take(&mut &link[..]).map(|entry| entry.name),
        Some(&b"to"[..])
    );
    assert_eq!(
        DirEntry::take(&mut &link[..20]),
        None,
        "a name without an end"
    );
}
