//! The captures of the package sip-tester (pcap: Ethernet, IPv4 without options, nothing else).
#![allow(dead_code, unreachable_pub)] // each test program uses some of it

use std::path::{Path, PathBuf};

/// A capture of the package, by name.
pub fn path(name: &str) -> PathBuf {
    Path::new("/usr/share/sip-tester").join(name)
}

/// The RTP datagrams, and when each was captured: nanoseconds since the first one.
pub fn timed(path: &Path) -> Vec<(u64, Vec<u8>)> {
    let bytes = std::fs::read(path).unwrap();
    let word = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap());
    let mut found = vec![];
    let mut at = 24;
    while at + 16 <= bytes.len() {
        let time = u64::from(word(at)) * 1_000_000_000 + u64::from(word(at + 4)) * 1000;
        let length = word(at + 8) as usize;
        found.push((time, bytes[at + 16 + 42..at + 16 + length].to_vec()));
        at += 16 + length;
    }
    let first = found[0].0;
    for (time, _) in &mut found {
        *time -= first;
    }
    found
}

/// The RTP datagrams alone.
pub fn datagrams(path: &Path) -> Vec<Vec<u8>> {
    timed(path).into_iter().map(|(_, bytes)| bytes).collect()
}
