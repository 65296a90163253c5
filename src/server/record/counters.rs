//! The recording server's counters and gauges, and their page of metrics.

use crate::base::time::Duration;
use crate::proto::record_server::{PacketOutcome, PACKET_OUTCOMES};
use crate::server::metrics::{write_header, write_metric, write_sample, MetricKind};

/// A counter: it grows from 0 at the start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub(super) enum ServerCounter {
    Connections,
    NotAllowed,
    TooManyConnections,
    TooManyOfAddress,
    TooManyRecordings,
    NoPort,
    NoSpace,
    DiskError,
    Ending,
    BadRequest,
    ClosedIdle,
    ClosedTooLong,
    ClosedSlow,
    ClosedNoProxyLine,
    Ignored,
    Started,
    Finished,
    Failed,
    Lost,
    Silence,
    KernelDrop,
    Bytes,
    Syncs,
    SyncErrors,
}

/// A current value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
#[cfg_attr(not(feature = "s3"), allow(dead_code))] // some are set where there is a store only
pub(super) enum Gauge {
    Connections,
    Recordings,
    FreeBytes,
    LongestTurn,
    LastSync,
    Repaired,
    UploadedTotal,
    UploadFailuresTotal,
    /// The same two under their first names, until version 2.0.
    Uploaded,
    UploadFailures,
    UploadsWaiting,
    UploadsRunning,
    /// Recordings whose sidecar is still to be written.
    Unfinished,
    /// The code of a `DiskProblem`; 0: none.
    DiskProblem,
    /// 1: the process can store recordings.
    Healthy,
    Workers,
}

const COUNTERS: usize = ServerCounter::SyncErrors as usize + 1;
const GAUGES: usize = Gauge::Workers as usize + 1;
const VALUES: usize = COUNTERS + PACKET_OUTCOMES.len() + GAUGES;

/// Name, label and help of each counter, in their order. Counters of one name are adjacent; the
/// first has the help.
const COUNTER_TEXTS: [(&str, &str, &str); COUNTERS] = [
    ("connections_total", "", "Control connections accepted."),
    (
        "refused_total",
        "not-allowed",
        "Connections and recordings refused, by reason.",
    ),
    ("refused_total", "connections", ""),
    ("refused_total", "connections-of-address", ""),
    ("refused_total", "recordings", ""),
    ("refused_total", "no-port", ""),
    ("refused_total", "disk-full", ""),
    ("refused_total", "disk-error", ""),
    ("refused_total", "ending", ""),
    ("refused_total", "bad-request", ""),
    (
        "closed_total",
        "idle",
        "Connections closed by the server, by reason.",
    ),
    ("closed_total", "message-too-long", ""),
    ("closed_total", "slow-reader", ""),
    ("closed_total", "no-proxy-line", ""),
    (
        "ignored_messages_total",
        "",
        "Messages without a known command and an id.",
    ),
    ("started_total", "", "Recordings started."),
    (
        "finished_total",
        "",
        "Recordings that were finished successfully.",
    ),
    (
        "failed_total",
        "",
        "Recordings that ended for another reason than a stop.",
    ),
    (
        "lost_packets_total",
        "",
        "RTP packets never received, by their sequence numbers, in finished recordings.",
    ),
    (
        "silence_frames_total",
        "",
        "Frames of 20 ms filled with silence, in finished recordings.",
    ),
    (
        "kernel_dropped_total",
        "",
        "Datagrams that the kernel dropped because a socket was full.",
    ),
    ("written_bytes_total", "", "Bytes written to recordings."),
    ("syncs_total", "", "Syncs of the file system."),
    ("sync_errors_total", "", "Syncs that failed."),
];

const GAUGE_TEXTS: [(&str, &str); GAUGES] = [
    ("connections", "Control connections open."),
    ("recordings", "Recordings running."),
    ("free_bytes", "Free disk space."),
    ("longest_turn_microseconds", "Longest turn of the event loop since the start."),
    ("last_sync_microseconds", "Duration of the last sync of the file system."),
    ("repaired", "Recordings of an earlier run that have been repaired."),
    ("uploaded_total", "Recordings moved to object storage."),
    ("upload_failures_total", "Failed uploads; each is tried again."),
    ("uploaded", "The same as callrec_uploaded_total, until version 2.0."),
    ("upload_failures", "The same as callrec_upload_failures_total, until version 2.0."),
    ("uploads_waiting", "Recordings not yet in object storage, including those being uploaded."),
    ("uploads_running", "Recordings being uploaded."),
    ("unfinished", "Recordings that have ended, but whose sidecar could not be written yet; it is tried again."),
    (
        "disk_trouble",
        "What prevents recordings from being stored: 0 nothing, 1 folder missing, 2 folder unusable, 3 disk full, 4 not \
         writable, 5 sync fails.",
    ),
    ("healthy", "Processes that can store recordings."),
    ("processes", "Processes that should be able to store recordings."),
];

/// All counters and gauges.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Counters {
    values: [u64; VALUES],
}

impl Counters {
    pub(super) fn new() -> Self {
        Self {
            values: [0; VALUES],
        }
    }

    pub(super) fn count(&mut self, counter: ServerCounter) {
        self.add(counter, 1);
    }

    pub(super) fn add(&mut self, counter: ServerCounter, amount: u64) {
        self.values[counter as usize] += amount;
    }

    pub(super) fn count_packet(&mut self, outcome: PacketOutcome) {
        self.values[COUNTERS + outcome as usize] += 1;
    }

    pub(super) fn set(&mut self, gauge: Gauge, value: u64) {
        self.values[index_of(gauge)] = value;
    }

    pub(super) fn gauge(&self, gauge: Gauge) -> u64 {
        self.values[index_of(gauge)]
    }

    /// A turn of the event loop has taken this long.
    pub(super) fn note_turn(&mut self, length: Duration) {
        let longest = &mut self.values[index_of(Gauge::LongestTurn)];
        *longest = (*longest).max(length.nanos() / 1000);
    }

    /// The values as bytes, for the parent process.
    pub(super) fn emit(&self) -> Vec<u8> {
        self.values
            .iter()
            .flat_map(|value| value.to_ne_bytes())
            .collect()
    }

    /// Reads the bytes of `emit` of a process of the same program.
    pub(super) fn parse(bytes: &[u8]) -> Option<Self> {
        let mut counters = Self::new();
        for (value, word) in counters.values.iter_mut().zip(bytes.chunks_exact(8)) {
            *value = u64::from_ne_bytes(word.try_into().ok()?);
        }
        (bytes.len() == VALUES * 8).then_some(counters)
    }

    /// Adds another process's values. Of those that cannot be added, the worst is kept.
    pub(super) fn merge(&mut self, other: &Self) {
        let worst = [
            Gauge::FreeBytes,
            Gauge::LongestTurn,
            Gauge::LastSync,
            Gauge::DiskProblem,
        ]
        .map(index_of);
        for (number, (mine, other)) in self.values.iter_mut().zip(other.values).enumerate() {
            *mine = if worst.contains(&number) {
                (*mine).max(other)
            } else {
                *mine + other
            };
        }
    }

    /// Only the counters: they still count when their process has ended.
    pub(super) fn without_gauges(mut self) -> Self {
        self.values[COUNTERS + PACKET_OUTCOMES.len()..].fill(0);
        self
    }

    /// Writes the page of metrics.
    pub(super) fn print(&self, page: &mut String) {
        let (counters, rest) = self.values.split_at(COUNTERS);
        let (packets, gauges) = rest.split_at(PACKET_OUTCOMES.len());
        for ((name, reason, help), value) in COUNTER_TEXTS.into_iter().zip(counters) {
            let name = format!("callrec_{name}");
            if reason.is_empty() {
                write_metric(page, &name, MetricKind::Counter, help, *value);
                continue;
            }
            if !help.is_empty() {
                write_header(page, &name, MetricKind::Counter, help);
            }
            write_sample(page, &name, ("reason", reason), *value);
        }
        let name = "callrec_packets_total";
        let help = "Datagrams read, by outcome.";
        write_header(page, name, MetricKind::Counter, help);
        for (outcome, value) in PACKET_OUTCOMES.into_iter().zip(packets) {
            write_sample(page, name, ("verdict", outcome), *value);
        }
        for ((name, help), value) in GAUGE_TEXTS.into_iter().zip(gauges) {
            let kind = if name.ends_with("_total") {
                MetricKind::Counter
            } else {
                MetricKind::Gauge
            };
            write_metric(page, &format!("callrec_{name}"), kind, help, *value);
        }
    }
}

const fn index_of(gauge: Gauge) -> usize {
    COUNTERS + PACKET_OUTCOMES.len() + gauge as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stand_in_the_counters_order() {
        let mut counters = Counters::new();
        counters.count(ServerCounter::Ending);
        counters.add(ServerCounter::SyncErrors, 3);
        counters.count_packet(PacketOutcome::Excess);
        counters.set(Gauge::LastSync, 9);
        counters.note_turn(Duration::from_millis(2));
        assert_eq!(Counters::parse(&counters.emit()), Some(counters.clone()));
        assert_eq!(Counters::parse(&counters.emit()[1..]), None);
        let mut page = String::new();
        counters.print(&mut page);
        let values: Vec<&str> = page
            .lines()
            .filter(|l| !l.starts_with('#') && !l.ends_with(" 0"))
            .collect();
        let expected = [
            "callrec_refused_total{reason=\"ending\"} 1",
            "callrec_sync_errors_total 3",
            "callrec_packets_total{verdict=\"excess\"} 1",
            "callrec_longest_turn_microseconds 2000",
            "callrec_last_sync_microseconds 9",
        ];
        assert_eq!(values, expected);
        let heads = page
            .lines()
            .filter(|l| l.starts_with("# TYPE callrec_refused_total "))
            .count();
        assert_eq!(heads, 1);
    }

    #[test]
    fn what_is_gone_counts_on_and_the_worst_is_shown() {
        let mut one = Counters::new();
        one.add(ServerCounter::Bytes, 5);
        one.set(Gauge::Recordings, 2);
        one.set(Gauge::LastSync, 9);
        let mut all = one.clone().without_gauges();
        assert_eq!(all.gauge(Gauge::Recordings), 0);
        all.merge(&one);
        all.merge(&one);
        assert_eq!(
            (all.gauge(Gauge::Recordings), all.gauge(Gauge::LastSync)),
            (4, 9)
        );
        assert_eq!(all.values[ServerCounter::Bytes as usize], 15);
    }
}
