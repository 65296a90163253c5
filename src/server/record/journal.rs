//! The journal of starts: which calls this server has accepted, whatever becomes of their files.
//!
//! `DIR/.journal/YYYYMMDD/HH.ndjson` (local time, as in the names of recordings) has a line for each
//! accepted start, written before the phone is answered, one for each further part, one for each
//! end, and one for each refusal. The archive compares it with the recordings that are there.
//!
//! Several processes append to the same file: each line is one `write` of an `O_APPEND` file.

use std::io::{self, Write};
use std::sync::OnceLock;

use log::warn;
use serde_json::{json, Map, Value};

use crate::io::dir::Dir;
use crate::io::sys::Civil;
use crate::server::record::archive::{Archive, RecordingPath};
use crate::server::record::sidecar::local_time;

/// The folder of all journals.
const JOURNAL: &[u8] = b".journal";

/// What has happened.
#[derive(Clone, Copy)]
pub(super) enum JournalEvent<'a> {
    /// The start of a call is about to be answered with success.
    Start,
    /// Another part of it has begun.
    Part { call: &'a str, number: u32 },
    /// It has ended.
    End {
        call: &'a str,
        parts: u32,
        reason: &'a str,
        success: bool,
    },
}

/// Appends a line about a part. An error: it is not in the journal.
pub(super) fn append(
    archive: &Archive,
    time: &Civil,
    device: &[u8],
    id: &[u8],
    path: &RecordingPath,
    event: JournalEvent,
) -> io::Result<()> {
    let mut line = head(time, device, id);
    let mut add = |key: &str, value: Value| line.insert(key.into(), value);
    add("folder", path.folder.as_str().into());
    add("stem", path.stem.as_str().into());
    match event {
        JournalEvent::Start => add("event", "start".into()),
        JournalEvent::Part { call, number } => {
            add("call", call.into());
            add("part", number.into());
            add("event", "part".into())
        }
        JournalEvent::End {
            call,
            parts,
            reason,
            success,
        } => {
            add("call", call.into());
            add("parts", parts.into());
            add("end", reason.into());
            add("result", if success { "success" } else { "failed" }.into());
            add("event", "end".into())
        }
    };
    write(archive.root(), time, line)
}

/// The same where the recording goes on without its line: the log says that it is missing.
pub(super) fn note(
    archive: &Archive,
    time: &Civil,
    device: &[u8],
    id: &[u8],
    path: &RecordingPath,
    event: JournalEvent,
) {
    if let Err(problem) = append(archive, time, device, id, path, event) {
        warn!("{path}: its line in the journal cannot be written: {problem}");
    }
}

/// Appends a line about a start that is refused. It may fail as the recording did.
pub(super) fn note_refusal(
    archive: &Archive,
    time: &Civil,
    device: &[u8],
    id: &[u8],
    peer: &str,
    reason: &str,
) {
    let mut line = head(time, device, id);
    line.insert("event".into(), "refused".into());
    line.insert("peer".into(), peer.into());
    line.insert("reason".into(), reason.into());
    let _ = write(archive.root(), time, line);
}

fn head(time: &Civil, device: &[u8], id: &[u8]) -> Map<String, Value> {
    let text = |bytes: &[u8]| Value::from(String::from_utf8_lossy(bytes));
    let head = json!({
        "time": local_time(time).to_string(), "host": host(), "device": text(device), "id": text(id),
    });
    match head {
        Value::Object(members) => members,
        _ => Map::new(),
    }
}

fn write(root: &Dir, time: &Civil, line: Map<String, Value>) -> io::Result<()> {
    let day = format!("{:04}{:02}{:02}", time.year, time.month, time.day);
    let hour = format!("{:02}.ndjson", time.hour);
    let folder = root.make_folder(JOURNAL)?.make_folder(day.as_bytes())?;
    let mut file = folder.append_file(hour.as_bytes())?;
    let line = Value::Object(line).to_string() + "\n";
    // One call: other processes append as well. A short write leaves a line that no reader takes.
    match file.write(line.as_bytes())? {
        written if written == line.len() => Ok(()),
        _ => Err(io::ErrorKind::StorageFull.into()),
    }
}

/// This computer's name.
fn host() -> &'static str {
    static HOST: OnceLock<String> = OnceLock::new();
    HOST.get_or_init(|| {
        let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
        name.trim().to_owned()
    })
}
