//! The log of calls: a file of lines as `CallLogRequest` sends them, newest last. It is replaced with
//! each call, atomically, but at most once in `LOG_PACE`: a power failure costs the calls of the last
//! seconds at most.

use std::io;

use log::warn;

use crate::base::limits::endpoint::{LOGGED_CALLS, LOG_LINE_BYTES, LOG_PACE};
use crate::base::time::Instant;
use crate::daemon::clients::Clients;
use crate::daemon::control_client::CallWalk;
use crate::io::atomic_file;
use crate::proto::recorder::outbox::ClientId;
use crate::wire::control::{Message, Text, Writer};

/// A line that lacks one of these was cut by a power failure.
const KEYS: [&str; 4] = ["time", "direction", "state", "opened"];

/// The file in the folder `intercomState`.
const NAME: &str = "calls";

type Line = Text<LOG_LINE_BYTES>;

/// The calls.
pub(super) struct CallLog {
    path: String,
    /// By the time of their begin, oldest first.
    calls: Vec<LoggedCall>,
    /// The file's content, as it was written last.
    text: Vec<u8>,
    /// When it was written last, and when it is to be written.
    written_at: Option<Instant>,
    write_at: Instant,
    /// The last attempt to write has failed, and this was logged.
    has_failed: bool,
}

struct LoggedCall {
    /// The place in the order, different for each: when the call began, in nanoseconds since the
    /// phone started. Calls that are read from the file have small numbers.
    key: u64,
    line: Line,
}

impl CallLog {
    /// Reads the log; a line that is no call, or not a whole one, is left out.
    pub(super) fn open(folder: &str) -> Self {
        let path = format!("{folder}/{NAME}");
        // All that is ever needed: nothing is allocated later.
        let mut text = vec![0; LOGGED_CALLS * (LOG_LINE_BYTES + 1)];
        let mut this = Self {
            path,
            calls: Vec::with_capacity(LOGGED_CALLS + 1),
            text: vec![],
            written_at: None,
            write_at: Instant::NEVER,
            has_failed: false,
        };
        let known = atomic_file::read(&this.path, &mut text).unwrap_or_default();
        let whole = known.split_inclusive(|byte| *byte == b'\n');
        let whole = whole.filter_map(|line| line.strip_suffix(b"\n"));
        for (key, line) in (0..).zip(whole.filter(|line| is_call(line))) {
            this.insert(key, line);
        }
        this.text = text;
        this
    }

    /// Adds a call that began at this time; `write_due` follows.
    pub(super) fn add(&mut self, now: Instant, began_at: Instant, line: &[u8]) {
        self.insert(began_at.nanos(), line);
        if self.write_at == Instant::NEVER {
            let earliest = self.written_at.map_or(now, |at| at + LOG_PACE);
            self.write_at = now.max(earliest);
        }
    }

    /// Puts a call in its place, behind one that began at the same time, and forgets the oldest.
    fn insert(&mut self, mut key: u64, line: &[u8]) {
        let Ok(line) = Line::from_slice(line) else {
            return;
        };
        let place = loop {
            match self.calls.binary_search_by_key(&key, |call| call.key) {
                Ok(_) => key += 1,
                Err(place) => break place,
            }
        };
        self.calls.insert(place, LoggedCall { key, line });
        if self.calls.len() > LOGGED_CALLS {
            self.calls.remove(0);
        }
    }

    /// When `write_due` has something to do.
    pub(super) fn deadline(&self) -> Instant {
        self.write_at
    }

    /// Writes the log if it is time.
    pub(super) fn write_due(&mut self, now: Instant) {
        if now >= self.write_at {
            self.written_at = Some(now);
            self.save();
        }
    }

    /// Writes what is not written yet: the daemon ends.
    pub(super) fn finish(&mut self) {
        if self.write_at != Instant::NEVER {
            self.save();
        }
    }

    fn save(&mut self) {
        self.write_at = Instant::NEVER;
        self.text.clear();
        for call in &self.calls {
            self.text.extend_from_slice(&call.line);
            self.text.push(b'\n');
        }
        let written = self.write();
        if let Err(error) = &written {
            if !self.has_failed {
                warn!(
                    "intercom: {}: {error}: calls are not kept over a restart (intercomState)",
                    self.path
                );
            }
        }
        self.has_failed = written.is_err();
    }

    fn write(&self) -> io::Result<()> {
        let written = atomic_file::replace(&self.path, &self.text);
        match &written {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                // The first call of a new phone.
                atomic_file::create_folder(&self.path)?;
                atomic_file::replace(&self.path, &self.text)
            }
            _ => written,
        }
    }

    /// A list of so many calls, from the newest one on.
    pub(super) fn walk(&self, limit: usize) -> CallWalk {
        CallWalk {
            before: u64::MAX,
            left: limit,
            count: 0,
        }
    }

    /// Queues lines for the clients that read the log, as far as they have room.
    pub(super) fn write_to(&self, clients: &mut Clients) {
        while let Some(mut reader) = clients.next_call_reader() {
            let call = self.before(reader.walk.before);
            match call.filter(|_| reader.walk.left > 0) {
                Some(call) => {
                    reader.push(call.key, &call.line);
                }
                None => {
                    let mut buffer = [0; 96];
                    let mut writer = Writer::new(&mut buffer, "CallLogResponse");
                    let count = reader.walk.count;
                    writer.pair("result", "success").pair("count", count);
                    let len = writer.finish().unwrap_or(0);
                    reader.end(&buffer[..len]);
                }
            }
        }
    }

    /// The newest call before the one with this key.
    fn before(&self, key: u64) -> Option<&LoggedCall> {
        let place = self.calls.partition_point(|call| call.key < key);
        self.calls.get(place.checked_sub(1)?)
    }

    /// Begins to send the log to a client.
    pub(super) fn begin(&self, client: ClientId, limit: usize, clients: &mut Clients) {
        clients.set_call_walk(client, self.walk(limit));
    }
}

fn is_call(line: &[u8]) -> bool {
    let Ok(line) = Message::parse(line) else {
        return false;
    };
    line.name() == "CallLog" && KEYS.iter().all(|key| line.raw(key).is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    const REST: &str = "&time=2026-11-21T10:15:00+01:00&direction=in&state=missed&opened=0";

    fn call(sid: usize) -> Vec<u8> {
        format!("cmd=CallLog&sid={sid}{REST}").into_bytes()
    }

    /// From the newest on, as a client gets them.
    fn sids(log: &CallLog) -> Vec<usize> {
        let mut key = u64::MAX;
        let next = || -> Option<usize> {
            let call = log.before(key)?;
            key = call.key;
            let line = String::from_utf8(call.line.to_vec()).unwrap();
            let sid = line.strip_prefix("cmd=CallLog&sid=").unwrap();
            let digits = sid.split('&').next().unwrap();
            Some(digits.parse().unwrap())
        };
        std::iter::from_fn(next).collect()
    }

    #[test]
    fn calls_are_kept_over_a_restart_and_the_oldest_are_forgotten() {
        let folder = std::env::temp_dir().join(format!("callrec-calls-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&folder);
        let folder = folder.to_str().unwrap();
        let mut log = CallLog::open(folder);
        let now = Instant::from_nanos(1);
        assert_eq!(sids(&log), [0_usize; 0]);
        for number in 0..LOGGED_CALLS + 5 {
            let began_at = Instant::from_nanos(number as u64);
            log.add(now, began_at, &call(number));
            log.write_due(now);
        }
        assert_eq!(sids(&CallLog::open(folder)), [0], "one each 5 s");
        log.write_due(log.deadline());
        assert_eq!(log.deadline(), Instant::NEVER);
        let newest_first: Vec<usize> = (5..LOGGED_CALLS + 5).rev().collect();
        assert_eq!(sids(&CallLog::open(folder)), newest_first);
        std::fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn calls_stand_in_the_order_of_their_begin() {
        let mut log = CallLog::open("/nowhere");
        let at = |seconds: u64| Instant::from_nanos(seconds * 1_000_000_000);
        // The line was busy for 2 and 3 while 1 was talking.
        for (sid, began, ended) in [(2, 20, 20), (3, 30, 30), (1, 10, 40), (4, 50, 50)] {
            log.add(at(ended), at(began), &call(sid));
        }
        assert_eq!(sids(&log), [4, 3, 2, 1]);
        // A client that has been listed 3 goes on with what is older, also if that is new.
        let third = log.calls[2].key;
        log.add(at(60), at(15), &call(9));
        let next = String::from_utf8(log.before(third).unwrap().line.to_vec()).unwrap();
        assert!(next.starts_with("cmd=CallLog&sid=2&"), "{next}");
        assert_eq!(sids(&log), [4, 3, 2, 9, 1]);
    }

    #[test]
    fn a_torn_line_is_no_call() {
        let folder = std::env::temp_dir().join(format!("callrec-torn-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let folder = folder.to_str().unwrap();
        let path = format!("{folder}/calls");
        let last = [&call(2)[..], b"\n"].concat();
        let first = [b"\n\x01x\ncmd=Call\n", &call(1)[..], b"\n"].concat();
        for cut in 0..last.len() {
            std::fs::write(&path, [&first, &last[..cut]].concat()).unwrap();
            let mut log = CallLog::open(folder);
            assert_eq!(sids(&log), [1], "{cut}");
            let now = Instant::from_nanos(1 << 40);
            log.add(now, now, &call(3));
            log.finish();
            assert_eq!(sids(&CallLog::open(folder)), [3, 1], "{cut}");
        }
        // A line in the middle that was cut has another one behind it.
        std::fs::write(&path, [&last[..40], b"\n", &last].concat()).unwrap();
        assert_eq!(sids(&CallLog::open(folder)), [2]);
        std::fs::remove_dir_all(folder).unwrap();
    }
}
