//! Counters by reason: what was dropped, and why. Nobody watches a phone, so it keeps numbers
//! instead of logs.

use super::time::Duration;

/// One counter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub enum Counter {
    /// Datagrams whose audio was accepted.
    Audio,
    /// RTCP packets on an RTP port (RFC 5761).
    Rtcp,
    /// Neither RTP nor RTCP: STUN, DTLS, other versions, too short, bad lengths.
    NotRtp,
    /// RTP packets with an unknown payload type.
    UnknownPayload,
    /// RTP packets with more audio than is accepted, and datagrams longer than is read.
    Oversize,
    /// Packets of a source that is muted because it seems to be encrypted (SRTP).
    Encrypted,
    /// telephone-event packets (RFC 4733), kept out of the audio.
    TelephoneEvent,
    /// Comfort-noise packets (RFC 3389), and one-byte G.711.
    ComfortNoise,
    /// RTP without a payload.
    Empty,
    /// Packets that were received before.
    Duplicate,
    /// Packets that arrived after their frame had been mixed.
    Late,
    /// Packets of a source that sent no second packet.
    Unconfirmed,
    /// Packets of a source for which no slot was free.
    TooManySources,
    /// Times that a source was anchored again, after a timestamp jump or a pause of the sender.
    Reanchored,
    /// Times that the timestamps of a source were found to run at another rate than its bytes.
    WrongClock,
    /// Samples added to or removed from sources to follow their clocks.
    SkewSteps,
    /// Samples synthesized for lost packets.
    Concealed,
    /// Datagrams that the kernel dropped before we read them (SO_RXQ_OVFL).
    KernelDrop,
    /// Frames mixed.
    Frames,
    /// Frames that were mixed but not written because their recording's stick failed.
    FramesLost,
    /// Frames for a server that were not sent: the kernel did not accept them, or the server had
    /// stopped the recording.
    UploadDropped,
    /// Malformed control lines and malformed messages of servers.
    BadMessage,
    /// Clients that were disconnected because they did not read.
    SlowClient,
    /// Clients that were refused because no slot was free.
    TooManyClients,
    /// Recordings started.
    Started,
    /// Recordings that ended because of a failure.
    Failed,
    /// Files that were repaired.
    Repaired,
    /// Old recordings deleted to make room.
    Deleted,
    /// FSP requests that were processed.
    FspRequests,
    /// Datagrams on the FSP port that were not processed: malformed, without a session, or beyond
    /// the rate limit.
    FspDropped,
    /// FSP requests with a wrong password.
    FspWrongPassword,
    /// Rendezvous messages that were ignored: not sealed by the server, or from an unknown sender.
    P2pIgnored,
    /// Callers that were refused: a wrong invite code, or too many callers.
    P2pRefused,
    /// Callers whose connection attempt was accepted.
    P2pFollowed,
    /// Packets of recordings that were played.
    Played,
    /// Packets of played recordings that the system did not accept for sending.
    PlayDrop,
    /// Sidecar lines that could not be written.
    SidecarsLost,
    /// Turns of the loop.
    Wakeups,
    /// Broken invariants: bugs of this program.
    Bug,
}

/// The names under which `StatsRequest` prints the counters, in their order.
pub const NAMES: [&str; COUNTERS] = [
    "audio",
    "rtcp",
    "not_rtp",
    "unknown_payload",
    "oversize",
    "encrypted",
    "telephone_event",
    "comfort_noise",
    "empty",
    "duplicate",
    "late",
    "unconfirmed",
    "too_many_sources",
    "reanchored",
    "wrong_clock",
    "skew_steps",
    "concealed",
    "kernel_drop",
    "frames",
    "frames_lost",
    "upload_dropped",
    "bad_message",
    "slow_client",
    "too_many_clients",
    "started",
    "failed",
    "repaired",
    "deleted",
    "fsp_requests",
    "fsp_dropped",
    "fsp_wrong_password",
    "p2p_ignored",
    "p2p_refused",
    "p2p_followed",
    "played",
    "play_drop",
    "sidecars_lost",
    "wakeups",
    "bug",
];

const COUNTERS: usize = Counter::Bug as usize + 1;

/// All counters since the daemon's start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stats {
    /// The longest time from one wake-up to the next sleep.
    pub longest_turn: Duration,
    /// The state of the registration with the rendezvous server, in one word.
    pub p2p: &'static str,
    counts: [u64; COUNTERS],
}

impl Default for Stats {
    fn default() -> Self {
        Self {
            longest_turn: Duration::ZERO,
            p2p: "off",
            counts: [0; COUNTERS],
        }
    }
}

impl Stats {
    /// Adds one.
    pub fn count(&mut self, counter: Counter) {
        self.add(counter, 1);
    }

    /// Adds `amount`.
    pub fn add(&mut self, counter: Counter, amount: u64) {
        self.counts[counter as usize] += amount;
    }

    /// Adds all counts of `other`.
    pub fn add_all(&mut self, other: &Self) {
        for (count, more) in self.counts.iter_mut().zip(other.counts) {
            *count += more;
        }
    }

    /// Subtracts what must not be counted after all.
    pub fn take_back(&mut self, counter: Counter, amount: u64) {
        let count = &mut self.counts[counter as usize];
        *count = count.saturating_sub(amount);
    }

    /// The count so far.
    pub fn of(&self, counter: Counter) -> u64 {
        self.counts[counter as usize]
    }

    /// Every counter with its name.
    pub fn all(&self) -> impl Iterator<Item = (&'static str, u64)> + '_ {
        NAMES.into_iter().zip(self.counts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `KernelDrop` -> `kernel_drop`.
    fn snake_case(variant: &str) -> String {
        let mut name = String::new();
        for letter in variant.chars() {
            if letter.is_ascii_uppercase() && !name.is_empty() {
                name.push('_');
            }
            name.push(letter.to_ascii_lowercase());
        }
        name
    }

    #[test]
    fn each_counter_is_printed_under_its_own_name() {
        let source = include_str!("stats.rs");
        let (_, variants) = source.split_once("pub enum Counter {").unwrap();
        let (variants, _) = variants.split_once("\n}").unwrap();
        let lines = variants
            .lines()
            .map(str::trim)
            .filter(|line| !line.starts_with("//"));
        let names: Vec<String> = lines
            .filter_map(|line| line.strip_suffix(','))
            .map(snake_case)
            .collect();
        assert_eq!(names, NAMES);
        let mut stats = Stats::default();
        stats.add(Counter::KernelDrop, 7);
        stats.count(Counter::Bug);
        let named: Vec<_> = stats.all().filter(|(_, count)| *count > 0).collect();
        assert_eq!(named, [("kernel_drop", 7), ("bug", 1)]);
    }
}
