//! The call log: the latest calls, kept over a restart in a file that is replaced as a whole.
//!
//! A line of the file is what `CallLogRequest` prints after `cmd=CallLog&`; the oldest is first.

use std::collections::VecDeque;
use std::fmt::Write;

use log::warn;

use crate::base::limits::home_box::{CALL_LOG_BYTES, LOGGED_CALLS};
use crate::base::limits::MESSAGE_BYTES;
use crate::home_box::wall_time::rfc3339;
use crate::io::atomic_file;
use crate::io::clock::Now;
use crate::proto::intercom::home_box::output::CallRecord;
use crate::wire::control::Writer;

/// The log.
pub(super) struct CallLog {
    path: String,
    lines: VecDeque<String>,
}

impl CallLog {
    /// Reads the log of this folder.
    pub(super) fn open(folder: &str) -> Self {
        let path = format!("{folder}/calls");
        let mut buffer = vec![0; CALL_LOG_BYTES];
        let bytes = atomic_file::read(&path, &mut buffer).unwrap_or_default();
        let text = String::from_utf8_lossy(bytes);
        let lines = text.lines().filter(|line| line.starts_with("sid="));
        let mut lines: VecDeque<String> = lines.map(str::to_owned).collect();
        let excess = lines.len().saturating_sub(LOGGED_CALLS);
        lines.drain(..excess);
        Self { path, lines }
    }

    /// Adds a call. A file that cannot be written is told in the program's log; the call stays in
    /// memory.
    pub(super) fn add(&mut self, record: &CallRecord, now: &Now) {
        if self.lines.len() == LOGGED_CALLS {
            self.lines.pop_front();
        }
        self.lines.push_back(line_of(record, now));
        let mut text = String::new();
        for line in &self.lines {
            let _ = writeln!(text, "{line}");
        }
        if let Err(problem) = atomic_file::replace(&self.path, text.as_bytes()) {
            warn!("call log {}: {problem}", self.path);
        }
    }

    /// The latest calls, the newest first, as `CallLogRequest` prints them.
    pub(super) fn latest(&self, limit: usize) -> impl Iterator<Item = String> + '_ {
        let latest = self.lines.iter().rev().take(limit);
        latest.map(|line| format!("cmd=CallLog&{line}"))
    }
}

fn line_of(record: &CallRecord, now: &Now) -> String {
    let mut buffer = [0; MESSAGE_BYTES];
    let mut writer = Writer::new(&mut buffer, "CallLog");
    writer
        .bytes("sid", &record.sid)
        .pair("time", rfc3339(&now.local(record.began_at)))
        .pair("direction", record.direction)
        .bytes("peer", &record.peer)
        .pair("peer_type", record.peer_type)
        .pair("state", record.state)
        .bytes("reason", &record.reason)
        .pair("duration_ms", record.duration_ms)
        .bytes("by", &record.by)
        .pair("opened", record.opened)
        .pair("recording", "");
    let len = writer.finish().unwrap_or(0);
    let line = String::from_utf8_lossy(&buffer[..len]).into_owned();
    line.strip_prefix("cmd=CallLog&").unwrap_or("").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::io::clock;
    use crate::wire::intercom::text;

    fn record(number: usize) -> CallRecord {
        CallRecord {
            sid: text(&format!("s{number}")),
            began_at: clock::monotonic(),
            direction: "in",
            peer: text("2-1-1"),
            peer_type: 3,
            state: "missed",
            reason: text("no_answer"),
            duration_ms: 0,
            by: text(""),
            opened: 0,
        }
    }

    #[test]
    fn the_latest_calls_are_kept_over_a_restart() {
        let folder = std::env::temp_dir().join(format!("callrec-calls-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let folder = folder.to_str().unwrap().to_owned();
        let mut log = CallLog::open(&folder);
        for number in 0..LOGGED_CALLS + 3 {
            log.add(&record(number), &clock::now());
        }
        let again = CallLog::open(&folder);
        let lines: Vec<String> = again.latest(usize::MAX).collect();
        assert_eq!(lines.len(), LOGGED_CALLS);
        let newest = format!("cmd=CallLog&sid=s{}&time=20", LOGGED_CALLS + 2);
        assert!(lines[0].starts_with(&newest), "{}", lines[0]);
        assert!(lines[0].contains("&state=missed&reason=no_answer&duration_ms=0&by=&opened=0"));
        std::fs::write(format!("{folder}/calls"), b"\xFF\0garbage\nsid=x&time=1\n").unwrap();
        assert_eq!(CallLog::open(&folder).latest(5).count(), 1);
        std::fs::remove_dir_all(folder).unwrap();
    }
}
