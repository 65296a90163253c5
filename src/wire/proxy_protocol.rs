//! The PROXY protocol, version 1: the line with which a proxy names the client of a connection
//! (haproxy.org, `doc/proxy-protocol.txt`, section 2.1).
//!
//! `PROXY TCP4 192.0.2.7 192.0.2.1 56324 10000\r\n`: family, source and destination address, their
//! ports.

use core::fmt::Write;
use core::net::{IpAddr, SocketAddr};

/// The longest line according to the specification, including CRLF.
pub const LINE_BYTES: usize = 107;

/// The line of a proxy that connects on its own behalf, such as for health checks, including CRLF.
pub const UNKNOWN: &str = "PROXY UNKNOWN\r\n";

/// The line, without CRLF, says that the proxy connects on its own behalf; the rest of the line
/// must be ignored.
pub fn is_unknown(line: &[u8]) -> bool {
    let rest = line.strip_prefix(UNKNOWN.trim_ascii_end().as_bytes());
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(b" "))
        && line.len() + 2 <= LINE_BYTES
}

/// Parses a line without CRLF into the source address; `None` if it is malformed, or the proxy
/// connects on its own behalf.
pub fn parse(line: &[u8]) -> Option<SocketAddr> {
    let line = core::str::from_utf8(line)
        .ok()
        .filter(|line| line.len() + 2 <= LINE_BYTES)?;
    let mut words = line.strip_prefix("PROXY ")?.split(' ');
    let mut word = || words.next();
    let family = word()?;
    let source = word()?.parse().ok()?;
    let destination = word()?.parse().ok()?;
    let fits = match (family, source, destination) {
        ("TCP4", IpAddr::V4(_), IpAddr::V4(_)) | ("TCP6", IpAddr::V6(_), IpAddr::V6(_)) => true,
        (_, _, _) => false,
    };
    let from = word()?.parse().ok()?;
    let to = word()?.parse::<u16>();
    (fits && to.is_ok() && words.next().is_none()).then_some(SocketAddr::new(source, from))
}

/// The line for a connection, including CRLF.
pub fn emit(source: SocketAddr, destination: SocketAddr) -> heapless::String<LINE_BYTES> {
    let mut line = heapless::String::new();
    let _ = match (source, destination) {
        (SocketAddr::V4(source), SocketAddr::V4(destination)) => {
            let (from, to) = (source.ip(), destination.ip());
            write!(
                line,
                "PROXY TCP4 {from} {to} {} {}\r\n",
                source.port(),
                destination.port()
            )
        }
        (SocketAddr::V6(source), SocketAddr::V6(destination)) => {
            let (from, to) = (source.ip(), destination.ip());
            write!(
                line,
                "PROXY TCP6 {from} {to} {} {}\r\n",
                source.port(),
                destination.port()
            )
        }
        _ => write!(line, "{UNKNOWN}"),
    };
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    #[test]
    fn what_is_written_can_be_read() {
        for (source, destination, line) in [
            (
                "192.0.2.7:56324",
                "192.0.2.1:10000",
                "PROXY TCP4 192.0.2.7 192.0.2.1 56324 10000\r\n",
            ),
            (
                "[2001:db8::7]:1",
                "[::1]:65535",
                "PROXY TCP6 2001:db8::7 ::1 1 65535\r\n",
            ),
        ] {
            assert_eq!(emit(address(source), address(destination)), line);
            assert_eq!(parse(line.trim_end().as_bytes()), Some(address(source)));
        }
        let full = address("[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535");
        assert_eq!(parse(emit(full, full).trim_end().as_bytes()), Some(full));
    }

    #[test]
    fn a_proxy_may_speak_for_itself() {
        for (line, unknown) in [
            ("PROXY UNKNOWN", true),
            ("PROXY UNKNOWN ffff:: ffff:: 65535 65535", true),
            ("PROXY UNKNOWNS", false),
            ("PROXY TCP4 192.0.2.7 192.0.2.1 5 6", false),
            ("", false),
        ] {
            assert_eq!(is_unknown(line.as_bytes()), unknown, "{line}");
        }
        assert!(!is_unknown(
            format!("PROXY UNKNOWN {}", "x".repeat(LINE_BYTES)).as_bytes()
        ));
    }

    #[test]
    fn other_lines_name_nobody() {
        for line in [
            "",
            "PROXY",
            "PROXY UNKNOWN",
            "PROXY UNKNOWN 192.0.2.7 192.0.2.1 5 6",
            "proxy TCP4 192.0.2.7 192.0.2.1 5 6",
            "PROXY TCP4 192.0.2.7 192.0.2.1 5",
            "PROXY TCP4 192.0.2.7 192.0.2.1 5 6 7",
            "PROXY TCP4  192.0.2.7 192.0.2.1 5 6",
            "PROXY TCP4 192.0.2.7 192.0.2.1 65536 6",
            "PROXY TCP4 ::1 ::1 5 6",
            "PROXY TCP6 192.0.2.7 192.0.2.1 5 6",
            "cmd=RecordStartRequest&id=1",
        ] {
            assert_eq!(parse(line.as_bytes()), None, "{line}");
        }
        assert!(emit(address("1.2.3.4:5"), address("[::1]:6")).starts_with("PROXY UNKNOWN"));
    }
}
