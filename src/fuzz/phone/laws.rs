//! Evaluates the counters and responses of the phone.

use crate::base::stats::{Counter, Stats};

/// Each datagram that is read increments exactly one of these.
const DATAGRAMS: [Counter; 12] = [
    Counter::Audio,
    Counter::Rtcp,
    Counter::NotRtp,
    Counter::UnknownPayload,
    Counter::Oversize,
    Counter::Encrypted,
    Counter::TelephoneEvent,
    Counter::ComfortNoise,
    Counter::Empty,
    Counter::Duplicate,
    Counter::Late,
    Counter::TooManySources,
];

/// The number of counted datagrams.
pub(super) fn datagrams(totals: &Stats) -> u64 {
    DATAGRAMS.iter().map(|counter| totals.of(*counter)).sum()
}

/// The response to a stop request.
#[derive(Debug)]
pub(super) struct Stopped {
    pub(super) frames: u64,
    pub(super) files: Vec<String>,
}

impl Stopped {
    pub(super) fn parse(text: &str) -> Option<Self> {
        let frames = value(text, "frames")?.parse().ok()?;
        let names = value(text, "files")?;
        let files = names
            .split(',')
            .filter(|name| !name.is_empty())
            .map(str::to_owned)
            .collect();
        Some(Self { frames, files })
    }
}

/// The value of a key.
pub(super) fn value<'a>(message: &'a str, key: &str) -> Option<&'a str> {
    message
        .split('&')
        .find_map(|pair| pair.strip_prefix(key)?.strip_prefix('='))
}
