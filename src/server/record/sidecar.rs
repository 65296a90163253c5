//! The sidecar of a recording: the keys of a phone's sidecar (`wire::recording::sidecar`), and
//! those of the server.
//!
//! The server adds, for each part: `call`, the name of the first part without `.wav`; `received`, `lost`, `late` (packets), `silence` (frames for
//! which nothing was received), `format`, `peer`; and once the part is whole `end_time`, `result`,
//! and `reason`, the phone's own text. `dropped` counts the datagrams that were not used as audio,
//! by reason.

use serde_json::{Map, Value};

use crate::base::limits::{FRAME, SIDECAR_BYTES};
use crate::io::sys::Civil;
use crate::proto::record_server::{PacketOutcome, StartRequest, PACKET_OUTCOMES};
use crate::wire::recording::sidecar::{PartAudio, Sidecar, Start as StartTime};
use crate::wire::recording::Codec;

/// The counts of a stream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct StreamCounts {
    /// By outcome, in the order of `PACKET_OUTCOMES`.
    pub(super) packets: [u64; PACKET_OUTCOMES.len()],
    pub(super) lost: u64,
    pub(super) silence: u64,
}

/// What the sidecar of a part contains.
pub(super) struct SidecarFacts<'a> {
    pub(super) start: &'a StartRequest,
    pub(super) peer: String,
    pub(super) file: &'a str,
    /// The stem of the first part's file.
    pub(super) call: &'a str,
    pub(super) format: &'static str,
    pub(super) part: u32,
    pub(super) began: &'a Civil,
    pub(super) frames: u64,
    pub(super) counts: StreamCounts,
    /// `both`, `one` or `none`; empty if it is unknown.
    pub(super) heard: &'static str,
    /// Of all bytes after the file's header, once it is whole.
    pub(super) sha256: Option<[u8; 32]>,
    /// Once it is whole.
    pub(super) end: Option<PartEnd<'a>>,
}

/// How a part ended.
pub(super) struct PartEnd<'a> {
    pub(super) time: Civil,
    /// An `EndReason`'s code, or `rolled`.
    pub(super) word: &'a str,
    /// The phone's own text.
    pub(super) reason: &'a [u8],
    pub(super) success: bool,
    /// It was the last part.
    pub(super) last: bool,
}

impl StreamCounts {
    /// The counts since an earlier time.
    pub(super) fn since(&self, then: &Self) -> Self {
        let mut packets = self.packets;
        for (count, before) in packets.iter_mut().zip(then.packets) {
            *count -= before;
        }
        Self {
            packets,
            lost: self.lost.saturating_sub(then.lost),
            silence: self.silence - then.silence,
        }
    }
}

impl SidecarFacts<'_> {
    /// The sidecar's bytes.
    pub(super) fn emit(&self) -> Vec<u8> {
        // These two have keys of their own.
        let elsewhere = [PacketOutcome::Audio, PacketOutcome::Late];
        let elsewhere = elsewhere.map(|outcome| PACKET_OUTCOMES[outcome as usize]);
        let counts = PACKET_OUTCOMES.into_iter().zip(self.counts.packets);
        let dropped: Vec<(&str, u64)> = counts
            .filter(|(name, count)| *count > 0 && !elsewhere.contains(name))
            .collect();
        let call = &self.start.call;
        let codec = Codec::G711(self.start.law);
        let began = local_time(self.began).to_string();
        let intercom = call.intercom.as_ref();
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
            kind: intercom.map_or(b"", |call| call.kind().as_bytes()),
            sid: intercom.map_or(b"", |call| &call.sid),
            start: began.as_bytes(),
            audio: Some(PartAudio {
                duration_ms: self.frames * FRAME.millis(),
                frames: self.frames,
                dropped: &dropped,
                ..PartAudio::default()
            }),
            heard: self.heard.as_bytes(),
            end: self.end.as_ref().map_or(b"", |end| end.word.as_bytes()),
            ..Sidecar::default()
        };
        let mut buffer = vec![0; SIDECAR_BYTES];
        let len = sidecar.emit(&mut buffer).unwrap_or_default();
        let mut members: Map<String, Value> =
            serde_json::from_slice(&buffer[..len]).unwrap_or_default();
        members.remove("pauses"); // known to the phone only: the server sees gaps in the timestamps
        self.add(&mut members);
        (Value::Object(members).to_string() + "\n").into_bytes()
    }

    fn add(&self, members: &mut Map<String, Value>) {
        let mut add = |key: &str, value: Value| members.insert(key.into(), value);
        add("call", self.call.into());
        if let Some(sha256) = &self.sha256 {
            let digits: String = sha256.iter().map(|byte| format!("{byte:02x}")).collect();
            add("sha256", digits.into());
        }
        let count = |outcome| self.counts.packets[outcome as usize];
        add("received", count(PacketOutcome::Audio).into());
        add("late", count(PacketOutcome::Late).into());
        add("lost", self.counts.lost.into());
        add("silence", self.counts.silence.into());
        add("format", self.format.into());
        add("peer", self.peer.as_str().into());
        if let Some(end) = &self.end {
            add("end_time", local_time(&end.time).to_string().into());
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

/// The sidecar of a part that an earlier server has left unfinished, made from the one that was
/// written at its beginning. `None`: that one is not valid JSON.
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
        ("end_time", local_time(ended).to_string().into()),
        ("result", "failed".into()),
    ];
    // The counts at the time of the interruption are not known.
    for key in ["received", "late", "lost", "silence", "dropped"] {
        members.remove(key);
    }
    for (key, value) in changes {
        members.insert(key.into(), value);
    }
    Some((Value::Object(members).to_string() + "\n").into_bytes())
}

/// A time as sidecars have it, with the offset from UTC.
pub(super) fn local_time(c: &Civil) -> StartTime {
    StartTime::new(
        [c.year, c.month, c.day],
        [c.hour, c.minute, c.second],
        c.offset_minutes,
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::record_server::StartRequest;
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

    fn emitted(end: Option<PartEnd>) -> Vec<u8> {
        let mut start = StartRequest {
            id: b"17".as_slice().try_into().unwrap(),
            device: b"0c383e000001".as_slice().try_into().unwrap(),
            law: Law::A,
            call: Default::default(),
        };
        start.call.remote_name = "A\"n\n\u{e9}".as_bytes().try_into().unwrap();
        start.call.incoming = Some(false);
        let mut counts = StreamCounts {
            lost: 4,
            silence: 5,
            ..StreamCounts::default()
        };
        counts.packets[PacketOutcome::Audio as usize] = 595;
        counts.packets[PacketOutcome::Late as usize] = 2;
        counts.packets[PacketOutcome::Stranger as usize] = 3;
        let facts = SidecarFacts {
            start: &start,
            peer: "10.0.0.5".into(),
            file: "Record_1.wav",
            call: "Record_1",
            format: "phone",
            part: 1,
            began: &TIME,
            frames: 600,
            counts,
            heard: "one",
            sha256: end.as_ref().map(|_| [0xA5; 32]),
            end,
        };
        facts.emit()
    }

    #[test]
    fn the_phones_reader_reads_it_and_all_that_is_asked_for_is_there() {
        let end = PartEnd {
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
            "result": "success", "reason": "hangup", "call": "Record_1", "heard": "one", "sha256": "a5".repeat(32)
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
