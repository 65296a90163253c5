//! The configuration that the cloud hands to devices: an INI text, opaque to application servers.

use core::fmt::{self, Write};

/// Writes the text for one tracker. Devices of ours ignore the rest.
pub fn emit(out: &mut dyn Write, host: &str, port: u16) -> fmt::Result {
    out.write_str(
        "[Config]\r\nIsDebug=0\r\nLocalBasePort=8200\r\nIsCaptureDev=1\r\nIsPlayDev=1\r\n\
         UdpSendInterval=2\r\nConnectTimeout=10000\r\nTransferTimeout=10000\r\n",
    )?;
    write!(
        out,
        "[Tracker]\r\nCount=1\r\nIP1={host}\r\nPort1={port}\r\n"
    )?;
    out.write_str("[LogServer]\r\nCount=0")
}

/// The first tracker of a text: host and port.
pub fn first_tracker(text: &str) -> Option<(&str, u16)> {
    let tracker = text.split("[Tracker]").nth(1)?.split('[').next()?;
    let value = |key: &str| {
        let mut lines = tracker.lines().map(str::trim);
        lines.find_map(|line| line.strip_prefix(key)?.strip_prefix('='))
    };
    let port = super::token::field(value("Port1")?.trim().as_bytes())?;
    let port = u16::try_from(port).ok().filter(|port| *port > 0)?;
    Some((value("IP1")?.trim(), port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tracker_is_found_again() {
        let mut text = String::new();
        emit(&mut text, "cloud.example", 8080).unwrap();
        assert_eq!(first_tracker(&text), Some(("cloud.example", 8080)));
        let vendor =
            "[Config]\r\nIsDebug=1\r\n[Tracker]\r\nCount=3\r\nIP1=121.42.156.148\r\nPort1=80\r\n\
                      [LogServer]\r\nCount=1\r\nIP1=223.202.103.147\r\nPort1=80";
        assert_eq!(first_tracker(vendor), Some(("121.42.156.148", 80)));
        assert_eq!(first_tracker("[Tracker]\r\nIP1=x\r\nPort1=0"), None);
        assert_eq!(first_tracker(""), None);
    }
}
