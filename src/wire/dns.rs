//! Resolves host names: DNS messages (RFC 1035), `resolv.conf` and `hosts`.
//!
//! The resolver of the C library blocks, and its code, with the thread that it needs, is a fifth of
//! the phone's program. A phone only needs the IPv4 addresses of one or two names: one kind of
//! query, and a parser of its response.

use core::net::{IpAddr, Ipv4Addr};

use crate::wire::ascii;

/// The longest query: a header of 12 bytes, a name of at most 255, type and class.
pub const QUERY_BYTES: usize = 12 + 255 + 4;
/// The most name servers that are asked in turn; the C libraries' limit.
pub const SERVERS: usize = 3;

/// The response of a name server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The first IPv4 address of the name.
    Address(Ipv4Addr),
    /// The name does not exist, or has no IPv4 address.
    NoAddress,
    /// The server cannot resolve the name.
    Failed,
}

/// Writes the query for the IPv4 addresses of a name; `None` if it is not a valid host name.
pub fn emit_query(name: &str, id: u16, buffer: &mut [u8; QUERY_BYTES]) -> Option<usize> {
    let [high, low] = id.to_be_bytes();
    // Flags: recursion desired; one question.
    buffer[..12].copy_from_slice(&[high, low, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
    let mut at = 12;
    let name = name.strip_suffix('.').unwrap_or(name);
    for label in name.as_bytes().split(|b| *b == b'.') {
        let length = u8::try_from(label.len())
            .ok()
            .filter(|length| (1..=63).contains(length))?;
        let place = buffer
            .get_mut(at..at + 1 + label.len())
            .filter(|_| at + label.len() < 12 + 254)?;
        place[0] = length;
        place[1..].copy_from_slice(label);
        at += place.len();
    }
    // The root, type A, class IN.
    buffer
        .get_mut(at..at + 5)?
        .copy_from_slice(&[0, 0, 1, 0, 1]);
    Some(at + 5)
}

/// Parses the response to `query`; `None` if it is not one: it may be forged.
pub fn parse_answer(bytes: &[u8], query: &[u8]) -> Option<Answer> {
    let (header, rest) = bytes.split_first_chunk::<12>()?;
    let (asked, question) = query.split_first_chunk::<12>()?;
    let (echo, mut records) = rest.split_at_checked(question.len())?;
    let is_response = header[..2] == asked[..2] && header[2] & 0xF8 == 0x80;
    if !is_response || !ascii::is_same(echo, question) {
        return None;
    }
    let truncated = header[2] & 2 != 0;
    for _ in 0..u16::from_be_bytes([header[6], header[7]]) {
        let Some((kind, data, behind)) = record(records) else {
            return Some(Answer::Failed);
        };
        if let ([0, 1, 0, 1], [a, b, c, d]) = (kind, data) {
            return Some(Answer::Address(Ipv4Addr::new(*a, *b, *c, *d)));
        }
        records = behind;
    }
    Some(match header[3] & 0x0F {
        0 | 3 if !truncated => Answer::NoAddress,
        _ => Answer::Failed,
    })
}

/// The type and class of a record, its data, and the bytes after it.
fn record(mut bytes: &[u8]) -> Option<([u8; 4], &[u8], &[u8])> {
    loop {
        let (length, rest) = bytes.split_first()?;
        match length {
            0 => {
                bytes = rest;
                break;
            }
            192.. => {
                bytes = rest.get(1..)?; // a pointer to the rest of the name
                break;
            }
            length => bytes = rest.get(usize::from(*length)..)?,
        }
    }
    let ([t0, t1, c0, c1, _, _, _, _, l0, l1], rest) = bytes.split_first_chunk::<10>()?;
    let (data, behind) = rest.split_at_checked(usize::from(u16::from_be_bytes([*l0, *l1])))?;
    Some(([*t0, *t1, *c0, *c1], data, behind))
}

/// The name servers of a `resolv.conf`; the local host if it has none.
pub fn name_servers(text: &[u8]) -> heapless::Vec<IpAddr, SERVERS> {
    let mut servers = heapless::Vec::new();
    for mut words in lines(text) {
        if words.next() == Some(b"nameserver") {
            if let Some(server) = words.next().and_then(address) {
                let _ = servers.push(server); // further ones are ignored
            }
        }
    }
    if servers.is_empty() {
        let _ = servers.push(IpAddr::V4(Ipv4Addr::LOCALHOST));
    }
    servers
}

/// The address of a name in a `hosts` file.
pub fn in_hosts(text: &[u8], name: &str) -> Option<IpAddr> {
    lines(text).find_map(|mut words| {
        let found = words.next().and_then(address)?;
        words
            .any(|word| ascii::is_same(word, name.as_bytes()))
            .then_some(found)
    })
}

/// The words of each line, without the comment.
fn lines(text: &[u8]) -> impl Iterator<Item = impl Iterator<Item = &[u8]>> {
    text.split(|b| *b == b'\n').map(|line| {
        let line = line.split(|b| b"#;".contains(b)).next().unwrap_or_default();
        line.split(u8::is_ascii_whitespace)
            .filter(|word| !word.is_empty())
    })
}

fn address(word: &[u8]) -> Option<IpAddr> {
    core::str::from_utf8(word).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const QUERY: &[u8] =
        b"\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x06record\x04test\x00\x00\x01\x00\x01";

    fn answer(flags: [u8; 2], count: u8, records: &[u8]) -> Vec<u8> {
        let mut bytes = QUERY.to_vec();
        (bytes[2], bytes[3], bytes[7]) = (flags[0], flags[1], count);
        bytes.extend(records);
        bytes
    }

    // An alias, then the address of what it stands for.
    const RECORDS: &[u8] = b"\xC0\x0C\x00\x05\x00\x01\x00\x00\x00\x3C\x00\x04\x01x\xC0\x13\
        \xC0\x29\x00\x01\x00\x01\x00\x00\x00\x3C\x00\x04\x0A\x00\x00\x09";

    #[test]
    fn a_query_is_emitted() {
        let mut buffer = [0; QUERY_BYTES];
        for name in ["record.test", "record.test."] {
            let len = emit_query(name, 0x1234, &mut buffer).unwrap();
            assert_eq!(&buffer[..len], QUERY);
        }
        let longest = "a.".repeat(95) + &"b".repeat(63);
        assert_eq!(emit_query(&longest, 1, &mut buffer), Some(QUERY_BYTES));
        for name in [
            "",
            ".",
            "a..b",
            &"x".repeat(64),
            &format!("a.{longest}"),
            &"a.".repeat(500),
        ] {
            assert_eq!(emit_query(name, 1, &mut buffer), None, "{name}");
        }
    }

    #[test]
    fn a_response_is_parsed() {
        let found = Some(Answer::Address(Ipv4Addr::new(10, 0, 0, 9)));
        assert_eq!(
            parse_answer(&answer([0x81, 0x80], 2, RECORDS), QUERY),
            found
        );
        assert_eq!(
            parse_answer(&answer([0x83, 0x80], 2, RECORDS), QUERY),
            found,
            "truncated, but the address is there"
        );
        assert_eq!(
            parse_answer(&answer([0x81, 0x80], 1, RECORDS), QUERY),
            Some(Answer::NoAddress)
        );
        assert_eq!(
            parse_answer(&answer([0x81, 0x83], 0, b""), QUERY),
            Some(Answer::NoAddress)
        );
        assert_eq!(
            parse_answer(&answer([0x83, 0x80], 0, b""), QUERY),
            Some(Answer::Failed)
        );
        assert_eq!(
            parse_answer(&answer([0x81, 0x82], 0, b""), QUERY),
            Some(Answer::Failed)
        );
    }

    #[test]
    fn other_responses_are_ignored_and_malformed_ones_fail() {
        let good = answer([0x81, 0x80], 2, RECORDS);
        for (at, bits) in [
            (0, 1),
            (1, 1),
            (2, 0x80),
            (2, 0x78),
            (14, 1),
            (QUERY.len() - 3, 1),
        ] {
            let mut other = good.clone();
            other[at] ^= bits;
            assert_eq!(parse_answer(&other, QUERY), None, "{at}");
        }
        let mut upper = good.clone();
        upper[13..19].make_ascii_uppercase();
        assert!(matches!(
            parse_answer(&upper, QUERY),
            Some(Answer::Address(_))
        ));
        for cut in 0..good.len() {
            let expected = (cut >= QUERY.len()).then_some(Answer::Failed);
            assert_eq!(parse_answer(&good[..cut], QUERY), expected, "{cut}");
        }
    }

    #[test]
    fn the_files_are_read() {
        let text = b"# none\nsearch lan\nnameserver 10.0.0.1\n nameserver\tfd00::1 # two\nnameserver x\nnameserver 1.1.1.1\nnameserver 2.2.2.2";
        let expected: [IpAddr; 3] =
            ["10.0.0.1", "fd00::1", "1.1.1.1"].map(|text| text.parse().unwrap());
        assert_eq!(name_servers(text), expected);
        assert_eq!(
            name_servers(b"options x"),
            [IpAddr::V4(Ipv4Addr::LOCALHOST)]
        );
        let hosts =
            b"127.0.0.1 localhost\n10.0.0.9\trecord Record.Test # x y\n#1.2.3.4 z\nbad w\n::1 ip6";
        assert_eq!(in_hosts(hosts, "record.test"), "10.0.0.9".parse().ok());
        assert_eq!(in_hosts(hosts, "ip6"), "::1".parse().ok());
        for name in ["x", "y", "z", "w", "10.0.0.9", "rec", ""] {
            assert_eq!(in_hosts(hosts, name), None, "{name}");
        }
    }
}
