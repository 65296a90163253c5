//! The log of calls: a file of lines as `CallLogRequest` sends them, newest last. It is replaced with
//! each call, atomically, but at most once in `LOG_PACE`: a power failure costs the calls of the last
//! seconds at most.

use std::collections::VecDeque;
use std::io;

use log::warn;

use crate::base::limits::endpoint::{LOGGED_CALLS, LOG_LINE_BYTES, LOG_PACE};
use crate::base::time::Instant;
use crate::daemon::clients::Clients;
use crate::daemon::control_client::CallWalk;
use crate::io::atomic_file;
use crate::proto::recorder::outbox::ClientId;
use crate::wire::control::{Message, Text, Writer};

/// The file in the folder `intercomState`.
const NAME: &str = "calls";

type Line = Text<LOG_LINE_BYTES>;

/// The calls.
pub(super) struct CallLog {
    path: String,
    /// Oldest first.
    lines: VecDeque<Line>,
    /// The number of the next call; numbers are consecutive, and not kept over a restart.
    next: u64,
    /// The file's content, as it was written last.
    text: Vec<u8>,
    /// When it was written last, and when it is to be written.
    written_at: Option<Instant>,
    write_at: Instant,
    /// The last attempt to write has failed, and this was logged.
    has_failed: bool,
}

impl CallLog {
    /// Reads the log; a line that is no call is left out.
    pub(super) fn open(folder: &str) -> Self {
        let path = format!("{folder}/{NAME}");
        // All that is ever needed: nothing is allocated later.
        let mut text = vec![0; LOGGED_CALLS * (LOG_LINE_BYTES + 1)];
        let mut lines = VecDeque::with_capacity(LOGGED_CALLS);
        let known = atomic_file::read(&path, &mut text).unwrap_or_default();
        for line in known.split(|byte| *byte == b'\n') {
            if Message::parse(line).is_ok_and(|line| line.name() == "CallLog") {
                if lines.len() == LOGGED_CALLS {
                    lines.pop_front();
                }
                if let Ok(line) = Line::from_slice(line) {
                    lines.push_back(line);
                }
            }
        }
        Self {
            path,
            next: lines.len() as u64,
            lines,
            text,
            written_at: None,
            write_at: Instant::NEVER,
            has_failed: false,
        }
    }

    /// Adds a call; `write_due` follows.
    pub(super) fn add(&mut self, now: Instant, line: &[u8]) {
        let Ok(line) = Line::from_slice(line) else {
            return;
        };
        if self.lines.len() == LOGGED_CALLS {
            self.lines.pop_front();
        }
        self.lines.push_back(line);
        self.next += 1;
        if self.write_at == Instant::NEVER {
            let earliest = self.written_at.map_or(now, |at| at + LOG_PACE);
            self.write_at = now.max(earliest);
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
        for line in &self.lines {
            self.text.extend_from_slice(line);
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
            before: self.next,
            left: limit,
            count: 0,
        }
    }

    /// Queues lines for the clients that read the log, as far as they have room.
    pub(super) fn write_to(&self, clients: &mut Clients) {
        while let Some(mut reader) = clients.next_call_reader() {
            let number = reader.walk.before.checked_sub(1);
            let line = number.and_then(|number| Some((number, self.line(number)?)));
            match line.filter(|_| reader.walk.left > 0) {
                Some((number, line)) => {
                    reader.push(number, line);
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

    fn line(&self, number: u64) -> Option<&Line> {
        let age = usize::try_from(self.next.checked_sub(number)?).ok()?;
        let place = self.lines.len().checked_sub(age)?;
        self.lines.get(place)
    }

    /// Begins to send the log to a client.
    pub(super) fn begin(&self, client: ClientId, limit: usize, clients: &mut Clients) {
        clients.set_call_walk(client, self.walk(limit));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_are_kept_over_a_restart_and_the_oldest_are_forgotten() {
        let folder = std::env::temp_dir().join(format!("callrec-calls-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&folder);
        let folder = folder.to_str().unwrap();
        let mut log = CallLog::open(folder);
        let now = Instant::from_nanos(1);
        assert_eq!(log.line(0), None);
        for number in 0..LOGGED_CALLS + 5 {
            log.add(now, format!("cmd=CallLog&sid={number}").as_bytes());
            log.write_due(now);
        }
        assert_eq!(CallLog::open(folder).lines.len(), 1, "one each 5 s");
        log.write_due(log.deadline());
        assert_eq!(log.deadline(), Instant::NEVER);
        let log = CallLog::open(folder);
        assert_eq!(log.lines.len(), LOGGED_CALLS);
        assert_eq!(log.line(log.next - 1).unwrap(), b"cmd=CallLog&sid=204");
        assert_eq!(log.line(0).unwrap(), b"cmd=CallLog&sid=5");
        assert_eq!(log.line(log.next), None);
        // What is no call does no harm.
        std::fs::write(
            format!("{folder}/calls"),
            "\n\u{1}x\ncmd=CallLog&sid=1\ncmd=Call",
        )
        .unwrap();
        assert_eq!(CallLog::open(folder).lines.len(), 1);
        std::fs::remove_dir_all(folder).unwrap();
    }
}
