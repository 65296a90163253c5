//! What is known of one part of a recording: its sidecar, or its name alone.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use serde_json::{Map, Value};

use crate::io::regular_file;
use crate::recordings::start_time::StartTime;
use crate::wire::recording::name::time_in_name;
use crate::wire::recording::sidecar::Start;

/// The most that is read of a sidecar.
const MAX_SIDECAR_BYTES: u64 = 64 * 1024;

/// One part.
#[derive(Clone, Debug, Default)]
pub(super) struct PartFacts {
    /// The stem of the call's first part, if the sidecar says it.
    pub(super) call: Option<String>,
    /// The phone's id.
    pub(super) call_id: String,
    /// Counted from 1.
    pub(super) number: u64,
    /// Seconds since 1970.
    pub(super) start: i64,
    /// Seconds since 1970; the start if nothing is known.
    pub(super) finish: i64,
    /// As the recorder wrote it, with its offset.
    pub(super) start_text: String,
    /// The sidecar's members.
    pub(super) members: Map<String, Value>,
}

/// Why a sidecar says nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SidecarProblem {
    Missing,
    Permission,
    Unreadable,
}

/// Reads a sidecar.
pub(super) fn read_sidecar(path: &Path) -> Result<Map<String, Value>, SidecarProblem> {
    let opened = regular_file::open_no_follow(path, File::options().read(true));
    let file = opened.map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => SidecarProblem::Missing,
        std::io::ErrorKind::PermissionDenied => SidecarProblem::Permission,
        _ => SidecarProblem::Unreadable,
    })?;
    let mut bytes = vec![];
    let read = file.take(MAX_SIDECAR_BYTES).read_to_end(&mut bytes);
    read.map_err(|_| SidecarProblem::Unreadable)?;
    match serde_json::from_slice(&bytes) {
        Ok(Value::Object(members)) => Ok(members),
        _ => Err(SidecarProblem::Unreadable),
    }
}

impl PartFacts {
    /// The facts of a part with this stem; `members` are empty if it has no sidecar that can be read.
    /// `changed`: when its file was last written, in seconds since 1970.
    pub(super) fn new(stem: &str, members: Map<String, Value>, changed: i64) -> Self {
        let text = |key: &str| members.get(key).and_then(Value::as_str).unwrap_or_default();
        let in_name = format!("{stem}.wav");
        let start = match (
            Start::parse(text("start").as_bytes()),
            time_in_name(in_name.as_bytes()),
        ) {
            (Some(start), _) => StartTime::with_offset(start),
            (None, Some(start)) => StartTime::without_offset(start),
            (None, None) => StartTime::of_seconds(changed),
        };
        let duration = members
            .get("duration_ms")
            .and_then(Value::as_u64)
            .unwrap_or(0);
        let end = Start::parse(text("end_time").as_bytes())
            .map(|end| StartTime::with_offset(end).seconds());
        let by_length = start.seconds().saturating_add((duration / 1000) as i64);
        let call = Some(text("call")).filter(|call| is_stem(call));
        Self {
            call: call.map(str::to_owned),
            call_id: text("id").to_owned(),
            number: members
                .get("part")
                .and_then(Value::as_u64)
                .unwrap_or(1)
                .max(1),
            start: start.seconds(),
            finish: end.unwrap_or(by_length),
            start_text: start.start.to_string(),
            members,
        }
    }
}

/// It may be the stem of a file: a sidecar is a stranger's text.
fn is_stem(text: &str) -> bool {
    !text.is_empty() && text.len() <= 200 && !text.starts_with('.') && !text.contains(['/', '\0'])
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn facts(members: Value) -> PartFacts {
        let Value::Object(members) = members else {
            unreachable!()
        };
        PartFacts::new("Record_20260102_030405_17", members, 5)
    }

    #[test]
    fn the_sidecar_decides_and_the_name_is_better_than_nothing() {
        let whole = facts(json!({
            "start": "2026-01-02T03:04:05+01:00", "end_time": "2026-01-02T03:04:15+01:00", "id": "17", "part": 2,
            "call": "Record_20260102_030001_17",
        }));
        assert_eq!((whole.finish - whole.start, whole.number), (10, 2));
        assert_eq!(whole.call.unwrap(), "Record_20260102_030001_17");
        assert_eq!(whole.start_text, "2026-01-02T03:04:05+01:00");
        let bare = facts(json!({"duration_ms": 3000}));
        assert!(bare.start_text.starts_with("2026-01-02T03:04:05"));
        assert_eq!(
            (bare.finish - bare.start, bare.number, bare.call),
            (3, 1, None)
        );
        assert_eq!(facts(json!({"call": "../../x"})).call, None);
    }
}
