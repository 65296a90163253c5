//! What the recording server counts, and how it is shown.

use core::fmt::Write;

use crate::base::time::Duration;
use crate::proto::record_server::{Verdict, VERDICTS};

/// One counter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub(super) enum Counter {
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

/// What is now, not since the start.
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
    /// The same two under the names that they had first, until version 2.0.
    Uploaded,
    UploadFailures,
    UploadsWaiting,
    UploadsRunning,
    /// Recordings whose sidecar is still to be written.
    Unfinished,
    /// `Trouble` as a number; 0: none.
    DiskTrouble,
    /// 1: it can store recordings.
    Healthy,
    Workers,
}

const COUNTERS: usize = Counter::SyncErrors as usize + 1;
const GAUGES: usize = Gauge::Workers as usize + 1;
const VALUES: usize = COUNTERS + VERDICTS.len() + GAUGES;

/// Name, label and help of each counter, in their order; those of one name stand together.
const COUNTER_TEXTS: [(&str, &str, &str); COUNTERS] = [
    ("connections_total", "", "Control connections taken."),
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
        "Recordings that ended as they should.",
    ),
    (
        "failed_total",
        "",
        "Recordings that ended for another reason than a stop.",
    ),
    (
        "lost_packets_total",
        "",
        "RTP packets that never came, by their sequence numbers, of finished recordings.",
    ),
    (
        "silence_frames_total",
        "",
        "Frames of 20 ms filled with silence, of finished recordings.",
    ),
    (
        "kernel_dropped_total",
        "",
        "Datagrams the kernel dropped for want of room in a socket.",
    ),
    ("written_bytes_total", "", "Bytes written to recordings."),
    ("syncs_total", "", "Times the file system was synced."),
    ("sync_errors_total", "", "Times that failed."),
];

const GAUGE_TEXTS: [(&str, &str); GAUGES] = [
    ("connections", "Control connections open."),
    ("recordings", "Recordings running."),
    ("free_bytes", "Disk space that is free."),
    ("longest_turn_microseconds", "Longest time between two polls since the start."),
    ("last_sync_microseconds", "How long the last sync of the file system took."),
    ("repaired", "Recordings of an earlier run that have been made whole."),
    ("uploaded_total", "Recordings that have gone to object storage."),
    ("upload_failures_total", "Times an upload failed; it is tried again."),
    ("uploaded", "The same as callrec_uploaded_total, until version 2.0."),
    ("upload_failures", "The same as callrec_upload_failures_total, until version 2.0."),
    ("uploads_waiting", "Recordings that are not in object storage yet, those on their way included."),
    ("uploads_running", "Recordings on their way to object storage."),
    ("unfinished", "Recordings that have ended and whose sidecar could not be written yet; it is tried again."),
    (
        "disk_trouble",
        "What keeps recordings from being stored: 0 nothing, 1 folder missing, 2 folder unusable, 3 disk full, 4 not \
         writable, 5 sync fails.",
    ),
    ("healthy", "Processes that can store recordings."),
    ("processes", "Processes that are to."),
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

    pub(super) fn count(&mut self, counter: Counter) {
        self.add(counter, 1);
    }

    pub(super) fn add(&mut self, counter: Counter, amount: u64) {
        self.values[counter as usize] += amount;
    }

    pub(super) fn packet(&mut self, verdict: Verdict) {
        if verdict != Verdict::TakeFirst {
            self.values[COUNTERS + verdict as usize] += 1;
        }
    }

    pub(super) fn set(&mut self, gauge: Gauge, value: u64) {
        self.values[place(gauge)] = value;
    }

    pub(super) fn gauge(&self, gauge: Gauge) -> u64 {
        self.values[place(gauge)]
    }

    pub(super) fn turn(&mut self, length: Duration) {
        let longest = &mut self.values[place(Gauge::LongestTurn)];
        *longest = (*longest).max(length.nanos() / 1000);
    }

    /// As bytes, for the process that collects them.
    pub(super) fn emit(&self) -> Vec<u8> {
        self.values
            .iter()
            .flat_map(|value| value.to_ne_bytes())
            .collect()
    }

    /// From the bytes of a process of the same program.
    pub(super) fn parse(bytes: &[u8]) -> Option<Self> {
        let mut counters = Self::new();
        for (value, word) in counters.values.iter_mut().zip(bytes.chunks_exact(8)) {
            *value = u64::from_ne_bytes(word.try_into().ok()?);
        }
        (bytes.len() == VALUES * 8).then_some(counters)
    }

    /// Adds another process's; the worst of what cannot be added.
    pub(super) fn merge(&mut self, other: &Self) {
        let worst = [
            Gauge::FreeBytes,
            Gauge::LongestTurn,
            Gauge::LastSync,
            Gauge::DiskTrouble,
        ]
        .map(place);
        for (number, (mine, other)) in self.values.iter_mut().zip(other.values).enumerate() {
            *mine = if worst.contains(&number) {
                (*mine).max(other)
            } else {
                *mine + other
            };
        }
    }

    /// Only what counts on when its process is gone.
    pub(super) fn without_gauges(mut self) -> Self {
        self.values[COUNTERS + VERDICTS.len()..].fill(0);
        self
    }

    /// Writes all as Prometheus text.
    pub(super) fn print(&self, page: &mut String) {
        let (counters, rest) = self.values.split_at(COUNTERS);
        let (packets, gauges) = rest.split_at(VERDICTS.len());
        for ((name, label, help), value) in COUNTER_TEXTS.into_iter().zip(counters) {
            line(page, name, "counter", help, ("reason", label), *value);
        }
        for (number, (verdict, value)) in VERDICTS.into_iter().zip(packets).enumerate() {
            let help = if number == 0 {
                "Datagrams read, by what became of them."
            } else {
                ""
            };
            line(
                page,
                "packets_total",
                "counter",
                help,
                ("verdict", verdict),
                *value,
            );
        }
        for ((name, help), value) in GAUGE_TEXTS.into_iter().zip(gauges) {
            let kind = if name.ends_with("_total") {
                "counter"
            } else {
                "gauge"
            };
            line(page, name, kind, help, ("", ""), *value);
        }
    }
}

const fn place(gauge: Gauge) -> usize {
    COUNTERS + VERDICTS.len() + gauge as usize
}

/// One value; with its head where there is a help text.
fn line(
    page: &mut String,
    name: &str,
    kind: &str,
    help: &str,
    (key, label): (&str, &str),
    value: u64,
) {
    let name = format!("callrec_{name}");
    if !help.is_empty() {
        let _ = writeln!(page, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }
    let _ = match label {
        "" => writeln!(page, "{name} {value}"),
        label => writeln!(page, "{name}{{{key}=\"{label}\"}} {value}"),
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stand_in_the_counters_order() {
        let mut counters = Counters::new();
        counters.count(Counter::Ending);
        counters.add(Counter::SyncErrors, 3);
        counters.packet(Verdict::Excess);
        counters.set(Gauge::LastSync, 9);
        counters.turn(Duration::from_millis(2));
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
        one.add(Counter::Bytes, 5);
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
        assert_eq!(all.values[Counter::Bytes as usize], 15);
    }
}
