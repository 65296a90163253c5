//! The call log: the latest calls, kept over a restart in a file that is replaced as a whole.
//!
//! A line of the file is what `CallLogRequest` prints after `cmd=CallLog&`; the oldest is first.

use std::collections::VecDeque;
use std::fmt::Write;

use log::warn;

use crate::base::limits::home_box::{CALL_LOG_BYTES, LOGGED_CALLS};
use crate::base::limits::MESSAGE_BYTES;
use crate::base::time::Instant;
use crate::home_box::pictures::Pictures;
use crate::home_box::wall_time::rfc3339;
use crate::io::atomic_file;
use crate::io::clock::Now;
use crate::proto::intercom::home_box::output::CallRecord;
use crate::wire::control::{Message, Writer};

/// What precedes a line of the file.
const COMMAND: &str = "cmd=CallLog&";
/// The longest name of a picture: a sid of 64 bytes, each as `%XX`, and `.flv`.
const PICTURE_NAME_BYTES: usize = 196;
/// A line that lacks one of these was cut by a power failure.
const KEYS: [&str; 4] = ["time", "direction", "state", "opened"];

/// The log.
pub(super) struct CallLog {
    path: String,
    pictures: Pictures,
    /// By the time of their begin, oldest first.
    calls: VecDeque<LoggedCall>,
}

struct LoggedCall {
    /// Zero for a call of an earlier run.
    began_at: Instant,
    line: String,
    /// The name of its file; empty if it has none.
    picture: String,
}

impl CallLog {
    /// Reads the log of this folder. A line that is not whole is left out.
    pub(super) fn open(folder: &str) -> Result<Self, String> {
        let path = format!("{folder}/calls");
        let mut buffer = vec![0; CALL_LOG_BYTES];
        let bytes = atomic_file::read(&path, &mut buffer).unwrap_or_default();
        let text = String::from_utf8_lossy(bytes);
        let whole = text.split_inclusive('\n');
        let whole = whole.filter_map(|line| line.strip_suffix('\n'));
        let mut calls: VecDeque<LoggedCall> = whole.filter_map(parse).collect();
        let excess = calls.len().saturating_sub(LOGGED_CALLS);
        calls.drain(..excess);
        let this = Self {
            path,
            pictures: Pictures::open(folder)?,
            calls,
        };
        this.forget_pictures();
        Ok(this)
    }

    /// Adds a call, with its picture as an FLV file. A file that cannot be written is told in the
    /// program's log; the call stays in memory.
    pub(super) fn add(&mut self, record: &CallRecord, picture: Option<Vec<u8>>, now: &Now) {
        let picture = picture.and_then(|picture| self.pictures.add(&record.sid, &picture));
        let picture = picture.unwrap_or_default();
        let began_at = record.began_at;
        let call = LoggedCall {
            began_at,
            line: line_of(record, &picture, now),
            picture,
        };
        let place = self.calls.partition_point(|it| it.began_at <= began_at);
        self.calls.insert(place, call);
        if self.calls.len() > LOGGED_CALLS {
            self.calls.pop_front();
        }
        let mut text = String::new();
        for call in &self.calls {
            let _ = writeln!(text, "{}", call.line);
        }
        if let Err(problem) = atomic_file::replace(&self.path, text.as_bytes()) {
            warn!("call log {}: {problem}", self.path);
        }
        self.forget_pictures();
    }

    /// Removes the pictures of calls that are no longer in the log.
    fn forget_pictures(&self) {
        self.pictures
            .keep(|name| self.calls.iter().any(|call| call.picture == name));
    }

    /// The latest calls, the newest first, as `CallLogRequest` prints them.
    pub(super) fn latest(&self, limit: usize) -> impl Iterator<Item = String> + '_ {
        let latest = self.calls.iter().rev().take(limit);
        latest.map(|call| format!("{COMMAND}{}", call.line))
    }
}

/// A line of the file; `None` if it is no call, or not a whole one.
fn parse(line: &str) -> Option<LoggedCall> {
    let whole = format!("{COMMAND}{line}");
    let message = Message::parse(whole.as_bytes()).ok()?;
    let is_whole = KEYS.iter().all(|key| message.raw(key).is_some());
    let picture = message.text::<PICTURE_NAME_BYTES>("picture").ok()?;
    is_whole.then(|| LoggedCall {
        began_at: Instant::default(),
        line: line.to_owned(),
        picture: String::from_utf8_lossy(&picture).into_owned(),
    })
}

fn line_of(record: &CallRecord, picture: &str, now: &Now) -> String {
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
    if !picture.is_empty() {
        writer.pair("picture", picture);
    }
    let len = writer.finish().unwrap_or(0);
    let line = String::from_utf8_lossy(&buffer[..len]).into_owned();
    line.strip_prefix(COMMAND).unwrap_or("").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::time::Duration;
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
            pictured: text(""),
        }
    }

    /// A folder of this test.
    fn folder(name: &str) -> String {
        let name = format!("callrec-box-{name}-{}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(&folder).unwrap();
        folder.to_str().unwrap().to_owned()
    }

    fn sids(log: &CallLog) -> Vec<String> {
        let sid = |line: String| {
            let message = Message::parse(line.as_bytes()).unwrap();
            String::from_utf8(message.raw("sid").unwrap().to_vec()).unwrap()
        };
        log.latest(usize::MAX).map(sid).collect()
    }

    fn pictures(folder: &str) -> usize {
        let entries = std::fs::read_dir(format!("{folder}/pictures"));
        entries.unwrap().count()
    }

    #[test]
    fn the_latest_calls_and_their_pictures_are_kept_over_a_restart() {
        let folder = folder("calls");
        let mut log = CallLog::open(&folder).unwrap();
        for number in 0..LOGGED_CALLS + 3 {
            let picture = (number % 2 == 0).then(|| b"FLV".to_vec());
            log.add(&record(number), picture, &clock::now());
        }
        assert_eq!(pictures(&folder), LOGGED_CALLS / 2);
        let again = CallLog::open(&folder).unwrap();
        let lines: Vec<String> = again.latest(usize::MAX).collect();
        assert_eq!(lines.len(), LOGGED_CALLS);
        let newest = format!("cmd=CallLog&sid=s{}&time=20", LOGGED_CALLS + 2);
        assert!(lines[0].starts_with(&newest), "{}", lines[0]);
        assert!(lines[0].contains("&state=missed&reason=no_answer&duration_ms=0&by=&opened=0"));
        assert!(lines[0].ends_with(&format!("&picture=s{}.flv", LOGGED_CALLS + 2)));
        assert!(lines[1].ends_with("&recording="), "{}", lines[1]);
        assert_eq!(pictures(&folder), LOGGED_CALLS / 2);
        std::fs::write(format!("{folder}/calls"), b"\xFF\0garbage\nsid=x&time=1\n").unwrap();
        assert_eq!(CallLog::open(&folder).unwrap().latest(5).count(), 0);
        assert_eq!(pictures(&folder), 0, "of calls that are not in the log");
        std::fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn calls_stand_in_the_order_of_their_begin() {
        let folder = folder("order");
        let mut log = CallLog::open(&folder).unwrap();
        let now = clock::now();
        // The line was busy for 2 and 3 while 1 was talking.
        for (number, after) in [(2, 20), (3, 30), (1, 10), (4, 40)] {
            let began_at = now.monotonic + Duration::from_millis(after);
            let record = CallRecord {
                began_at,
                ..record(number)
            };
            log.add(&record, None, &now);
        }
        assert_eq!(sids(&log), ["s4", "s3", "s2", "s1"]);
        let mut log = CallLog::open(&folder).unwrap();
        log.add(&record(5), None, &now);
        assert_eq!(sids(&log), ["s5", "s4", "s3", "s2", "s1"]);
        std::fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn a_torn_line_is_no_call() {
        let folder = folder("torn");
        let path = format!("{folder}/calls");
        let mut log = CallLog::open(&folder).unwrap();
        for number in 1..3 {
            log.add(&record(number), None, &clock::now());
        }
        let whole = std::fs::read(&path).unwrap();
        let first = 1 + whole.iter().position(|byte| *byte == b'\n').unwrap();
        for cut in first..whole.len() {
            std::fs::write(&path, &whole[..cut]).unwrap();
            let mut log = CallLog::open(&folder).unwrap();
            assert_eq!(sids(&log), ["s1"], "{cut}");
            if cut % 16 == 0 {
                log.add(&record(3), None, &clock::now());
                let log = CallLog::open(&folder).unwrap();
                assert_eq!(sids(&log), ["s3", "s1"], "{cut}");
            }
        }
        std::fs::remove_dir_all(folder).unwrap();
    }
}
