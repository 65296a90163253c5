//! What is written beside a recording: the phone's own sidecar (`wire::recording::sidecar`), and what only a server knows.
//!
//! Besides the phone's keys: `received`, `lost`, `late` (packets), `silence` (frames of which nothing came), all of
//! this part; `format`, `peer`; and once the part is whole `end_time`, `result`, and `reason`, the phone's own words.
//! `dropped` counts what was not taken for audio, by reason.

use serde_json::{Map, Value};

use crate::base::limits::{FRAME, SIDECAR_BYTES};
use crate::io::sys::Civil;
use crate::proto::record_server::{Start, Verdict, VERDICTS};
use crate::wire::recording::sidecar::{Sidecar, Start as Time};
use crate::wire::recording::Codec;

/// What came of a stream so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Tally {
    pub(super) verdicts: [u64; VERDICTS.len()],
    pub(super) lost: u64,
    pub(super) silence: u64,
}

/// One part, as its sidecar tells of it.
pub(super) struct Facts<'a> {
    pub(super) start: &'a Start,
    pub(super) peer: String,
    pub(super) file: &'a str,
    pub(super) format: &'static str,
    pub(super) part: u32,
    pub(super) began: &'a Civil,
    pub(super) frames: u64,
    pub(super) tally: Tally,
    /// Once it is whole.
    pub(super) end: Option<End<'a>>,
}

/// How a part ended.
pub(super) struct End<'a> {
    pub(super) time: Civil,
    /// A word of ours, and what the phone said.
    pub(super) word: &'a str,
    pub(super) reason: &'a [u8],
    pub(super) success: bool,
    /// It was the last part.
    pub(super) last: bool,
}

impl Tally {
    /// What has come since then.
    pub(super) fn since(&self, then: &Self) -> Self {
        let mut verdicts = self.verdicts;
        verdicts
            .iter_mut()
            .zip(then.verdicts)
            .for_each(|(now, then)| *now -= then);
        Self {
            verdicts,
            lost: self.lost.saturating_sub(then.lost),
            silence: self.silence - then.silence,
        }
    }
}

impl Facts<'_> {
    /// The sidecar's bytes.
    pub(super) fn emit(&self) -> Vec<u8> {
        let heard = [Verdict::Audio, Verdict::Late].map(|verdict| VERDICTS[verdict as usize]);
        let dropped: Vec<(&str, u64)> = VERDICTS
            .into_iter()
            .zip(self.tally.verdicts)
            .filter(|(name, count)| *count > 0 && !heard.contains(name))
            .collect();
        let call = &self.start.call;
        let codec = Codec::G711(self.start.law);
        let began = time(self.began).to_string();
        let sidecar = Sidecar {
            id: &self.start.id,
            part: self.part,
            parts: self
                .end
                .as_ref()
                .filter(|end| end.last)
                .map_or(0, |_| self.part),
            file: self.file.as_bytes(),
            device: &self.start.device,
            codec: codec.name().as_bytes(),
            dir: call
                .incoming
                .map_or(b"", |incoming| if incoming { b"in" } else { b"out" }),
            remote_number: &call.remote_number,
            remote_name: &call.remote_name,
            local_number: &call.local_number,
            local_name: &call.local_name,
            start: began.as_bytes(),
            duration_ms: self.frames * FRAME.millis(),
            frames: self.frames,
            dropped: &dropped,
            end: self.end.as_ref().map_or(b"", |end| end.word.as_bytes()),
            ..Sidecar::default()
        };
        let mut buffer = vec![0; SIDECAR_BYTES];
        let len = sidecar.emit(&mut buffer).unwrap_or_default();
        let mut members: Map<String, Value> =
            serde_json::from_slice(&buffer[..len]).unwrap_or_default();
        members.remove("pauses"); // only the phone knows them: here they are gaps in its timestamps
        self.add(&mut members);
        (Value::Object(members).to_string() + "\n").into_bytes()
    }

    fn add(&self, members: &mut Map<String, Value>) {
        let mut add = |key: &str, value: Value| members.insert(key.into(), value);
        let count = |verdict| self.tally.verdicts[verdict as usize];
        add("received", count(Verdict::Audio).into());
        add("late", count(Verdict::Late).into());
        add("lost", self.tally.lost.into());
        add("silence", self.tally.silence.into());
        add("format", self.format.into());
        add("peer", self.peer.as_str().into());
        if let Some(end) = &self.end {
            add("end_time", time(&end.time).to_string().into());
            add(
                "result",
                if end.success { "success" } else { "failed" }.into(),
            );
            if !end.reason.is_empty() {
                add("reason", String::from_utf8_lossy(end.reason).into());
            }
        }
    }
}

/// The sidecar of a part that an earlier server left behind, from what it wrote at the part's beginning; `None`: that
/// cannot be read.
pub(super) fn finish_interrupted(
    begun: &[u8],
    file: &str,
    frames: u64,
    ended: &Civil,
) -> Option<Vec<u8>> {
    let mut members: Map<String, Value> = serde_json::from_slice(begun).ok()?;
    let changes: [(&str, Value); 6] = [
        ("file", file.into()),
        ("frames", frames.into()),
        ("duration_ms", (frames * FRAME.millis()).into()),
        ("end", "interrupted".into()),
        ("end_time", time(ended).to_string().into()),
        ("result", "failed".into()),
    ];
    // What had been counted by then nobody knows.
    ["received", "late", "lost", "silence", "dropped"]
        .iter()
        .for_each(|key| drop(members.remove(*key)));
    changes.into_iter().for_each(|(key, value)| {
        members.insert(key.into(), value);
    });
    Some((Value::Object(members).to_string() + "\n").into_bytes())
}

fn time(c: &Civil) -> Time {
    Time::new(
        [c.year, c.month, c.day],
        [c.hour, c.minute, c.second],
        c.offset_minutes,
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::record_server::Start;
    use crate::wire::g711::Law;
    use crate::wire::json::Object;

    const TIME: Civil = Civil {
        year: 2026,
        month: 1,
        day: 2,
        hour: 3,
        minute: 4,
        second: 5,
        offset_minutes: -90,
    };

    fn emitted(end: Option<End>) -> Vec<u8> {
        let mut start = Start {
            id: b"17".as_slice().try_into().unwrap(),
            device: b"0c383e000001".as_slice().try_into().unwrap(),
            law: Law::A,
            call: Default::default(),
        };
        start.call.remote_name = "A\"n\n\u{e9}".as_bytes().try_into().unwrap();
        start.call.incoming = Some(false);
        let mut tally = Tally {
            lost: 4,
            silence: 5,
            ..Tally::default()
        };
        tally.verdicts[Verdict::Audio as usize] = 595;
        tally.verdicts[Verdict::Late as usize] = 2;
        tally.verdicts[Verdict::Stranger as usize] = 3;
        let facts = Facts {
            start: &start,
            peer: "10.0.0.5".into(),
            file: "Record_1.wav",
            format: "phone",
            part: 1,
            began: &TIME,
            frames: 600,
            tally,
            end,
        };
        facts.emit()
    }

    #[test]
    fn the_phones_reader_reads_it_and_all_that_is_asked_for_is_there() {
        let end = End {
            time: TIME,
            word: "stopped",
            reason: b"hangup",
            success: true,
            last: true,
        };
        let bytes = emitted(Some(end));
        let object = Object::parse(&bytes).unwrap();
        assert_eq!(object.text::<64>("remote_name"), "A\"n\n\u{e9}".as_bytes());
        assert_eq!(object.number("frames"), Some(600));
        let value: Value = serde_json::from_slice(&bytes).unwrap();
        let expected = serde_json::json!({
            "id": "17", "part": 1, "parts": 1, "file": "Record_1.wav", "device": "0c383e000001", "codec": "PCMA",
            "dir": "out", "remote_name": "A\"n\n\u{e9}", "start": "2026-01-02T03:04:05-01:30", "duration_ms": 12000,
            "frames": 600, "dropped": {"stranger": 3}, "end": "stopped", "received": 595, "late": 2,
            "lost": 4, "silence": 5, "format": "phone", "peer": "10.0.0.5", "end_time": "2026-01-02T03:04:05-01:30",
            "result": "success", "reason": "hangup"
        });
        assert_eq!(value, expected);
    }

    #[test]
    fn what_was_interrupted_keeps_what_was_known() {
        let begun = emitted(None);
        let whole = finish_interrupted(&begun, "Record_1.wav", 100, &TIME).unwrap();
        let value: Value = serde_json::from_slice(&whole).unwrap();
        assert_eq!(
            (&value["end"], &value["frames"], &value["id"]),
            (&"interrupted".into(), &100.into(), &"17".into())
        );
        assert_eq!(
            (
                &value["duration_ms"],
                value.get("received"),
                value.get("lost")
            ),
            (&2000.into(), None, None)
        );
        assert_eq!(finish_interrupted(b"{\"id\":", "x", 1, &TIME), None);
    }
}
