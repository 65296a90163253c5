//! The sidecar, `Record_....json`: what is known about one part of a recording, as one line of JSON
//! (RFC 8259).
//!
//! ```text
//! {"id":"17","part":1,"parts":2,"file":"Record_20261121_101500.wav","device":"0015651a2b3c","codec":"PCMU","dir":"in",
//!  "remote_number":"100","remote_name":"Ann","local_number":"200","local_name":"Bob",
//!  "start":"2026-11-21T10:15:00+01:00","clock_set":true,"duration_ms":12000,"frames":600,
//!  "pauses":[[4000,1500]],"dropped":{"late":3},"heard":"one","heard_ms":{"1":12000,"2":0,"local":0},
//!  "unintelligible":"payload type 18 cannot be decoded","sha256":"64 hex digits","end":"stopped"}
//! ```
//! What is unknown is left out; while the part is being recorded, that is everything from
//! `duration_ms` on. A pause is `[position in this part's audio, length]` in
//! milliseconds; if the list would be too long, `pauses` is the number of pauses. `sha256` covers
//! all bytes after the recording's header, and is present once the part is finished. A reader
//! accepts the keys in any order, uses the first of duplicate ones, and ignores unknown ones
//! (`wire::json`).

use core::fmt::{self, Write};

mod out;
mod part_audio;
mod start;

use out::Out;
pub use part_audio::{PartAudio, Pauses};
pub use start::Start;

/// The most bytes that a checksum adds to the line.
pub const SUM_BYTES: usize = 80;
/// The end of the line.
const END: &str = "}\n";

/// A part of a recording. Empty texts, zeros of `part` and `parts`, and `None` are left out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sidecar<'a> {
    /// The recording's id: the same in all its parts.
    pub id: &'a [u8],
    /// 1 for the first part.
    pub part: u32,
    /// Number of parts, once it is known.
    pub parts: u32,
    /// The recording's file name, without a folder.
    pub file: &'a [u8],
    /// The phone: 12 lower-case hex digits.
    pub device: &'a [u8],
    /// `PCMU` or `PCMA`.
    pub codec: &'a [u8],
    /// `in` or `out`, from the phone's view.
    pub dir: &'a [u8],
    /// The other party's number.
    pub remote_number: &'a [u8],
    /// The other party's name.
    pub remote_name: &'a [u8],
    /// The phone's own number.
    pub local_number: &'a [u8],
    /// The phone's own name.
    pub local_name: &'a [u8],
    /// `intercom`; empty for a telephone call.
    pub kind: &'a [u8],
    /// The key of an intercom call.
    pub sid: &'a [u8],
    /// The other device of an intercom call.
    pub peer: &'a [u8],
    /// When the part's first frame began, as `Start` shows it.
    pub start: &'a [u8],
    /// The phone's clock had been set by then.
    pub clock_set: Option<bool>,
    /// The part's audio; `None` while it is being recorded.
    pub audio: Option<PartAudio<'a>>,
    /// Which parties are in the recording so far: `both`, `one` or `none`.
    pub heard: &'a [u8],
    /// Milliseconds of audio that came for each leg; the last one is the local stream.
    pub heard_ms: &'a [u64],
    /// Why a leg was not heard.
    pub unintelligible: &'a [u8],
    /// Why the part ended.
    pub end: &'a [u8],
}

impl Sidecar<'_> {
    /// Writes the line, with its line end; `None`: it does not fit. Bytes that are not UTF-8 become
    /// U+FFFD.
    pub fn emit(&self, buffer: &mut [u8]) -> Option<usize> {
        let room = buffer.len();
        let mut out = Out {
            rest: buffer,
            separator: "{",
        };
        self.emit_members(&mut out).ok()?;
        if out.separator == "{" {
            out.write_str("{").ok()?;
        }
        out.write_str(END).ok()?;
        Some(room - out.rest.len())
    }

    fn emit_members(&self, out: &mut Out) -> fmt::Result {
        out.text("id", self.id)?;
        out.known("part", self.part)?;
        out.known("parts", self.parts)?;
        let calls = [
            ("file", self.file),
            ("device", self.device),
            ("codec", self.codec),
            ("dir", self.dir),
            ("remote_number", self.remote_number),
            ("remote_name", self.remote_name),
            ("local_number", self.local_number),
            ("local_name", self.local_name),
            ("kind", self.kind),
            ("sid", self.sid),
            ("peer", self.peer),
            ("start", self.start),
        ];
        calls
            .iter()
            .try_for_each(|(key, value)| out.text(key, value))?;
        if let Some(set) = self.clock_set {
            out.key("clock_set")?;
            out.write_str(if set { "true" } else { "false" })?;
        }
        if let Some(audio) = &self.audio {
            audio.emit_members(out)?;
        }
        out.text("heard", self.heard)?;
        if !self.heard_ms.is_empty() {
            self.emit_heard(out)?;
        }
        out.text("unintelligible", self.unintelligible)?;
        out.text("end", self.end)
    }

    /// `"heard_ms":{"1":12000,"2":0,"local":0}`.
    fn emit_heard(&self, out: &mut Out) -> fmt::Result {
        out.key("heard_ms")?;
        let mut separator = "{";
        for (leg, length) in self.heard_ms.iter().enumerate() {
            if leg + 1 == self.heard_ms.len() {
                write!(out, "{separator}\"local\":{length}")?;
            } else {
                write!(out, "{separator}\"{}\":{length}", leg + 1)?;
            }
            separator = ",";
        }
        out.write_str("}")
    }
}

/// Adds the SHA-256 of a part's frames to the line of `len` bytes at the beginning of `buffer`, one
/// without a sum; its length then. `None` when it does not fit, or is no such line.
pub fn add_sum(buffer: &mut [u8], len: usize, sum: &[u8; 32]) -> Option<usize> {
    let end = len.checked_sub(END.len())?;
    let rest = buffer
        .get_mut(end..)
        .filter(|rest| rest.starts_with(END.as_bytes()))?;
    let mut out = Out {
        rest,
        separator: ",",
    };
    out.key("sha256").ok()?;
    out.write_str("\"").ok()?;
    sum.iter()
        .try_for_each(|byte| write!(out, "{byte:02x}"))
        .ok()?;
    out.write_str("\"").ok()?;
    out.write_str(END).ok()?;
    let left = out.rest.len();
    Some(buffer.len() - left)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::limits::{SIDECAR_BYTES, TEXT_BYTES};
    use crate::base::stats;
    use crate::wire::json::Object;

    fn full() -> Sidecar<'static> {
        Sidecar {
            id: b"17",
            part: 1,
            parts: 2,
            file: b"Record_20261121_101500.wav",
            device: b"0015651a2b3c",
            codec: b"PCMU",
            dir: b"in",
            remote_number: b"100",
            remote_name: "A\"n\\n\u{1}\u{7f}\u{9b} \u{e9}\u{1F600}".as_bytes(),
            local_number: b"200",
            local_name: b"G\xC4\xE3BK",
            kind: b"intercom",
            sid: b"9f3c",
            peer: b"2-1-1",
            start: b"2026-11-21T10:15:00+01:00",
            clock_set: Some(true),
            audio: Some(PartAudio {
                duration_ms: 12_000,
                frames: 600,
                pauses: Pauses::List(&[[4000, 1500], [8000, 20]]),
                dropped: &[("late", 3), ("kernel_drop", u64::MAX)],
            }),
            heard: b"",
            heard_ms: &[],
            unintelligible: b"",
            end: b"stopped",
        }
    }

    fn emitted(sidecar: &Sidecar) -> Vec<u8> {
        let mut buffer = vec![0; SIDECAR_BYTES];
        let len = sidecar.emit(&mut buffer).unwrap();
        assert_eq!(sidecar.emit(&mut vec![0; len]), Some(len));
        (0..len).for_each(|short| assert_eq!(sidecar.emit(&mut vec![0; short]), None));
        buffer.truncate(len);
        buffer
    }

    #[test]
    fn another_reader_finds_what_was_put_together() {
        let line = emitted(&full());
        assert!(line.ends_with(b"}\n") && line.iter().filter(|b| **b < b' ').count() == 1);
        let expected = serde_json::json!({
            "id": "17", "part": 1, "parts": 2, "file": "Record_20261121_101500.wav", "device": "0015651a2b3c",
            "codec": "PCMU", "dir": "in", "remote_number": "100",
            "remote_name": "A\"n\\n\u{1}\u{7f}\u{9b} \u{e9}\u{1F600}",
            "local_number": "200", "local_name": "G\u{FFFD}\u{FFFD}BK", "kind": "intercom", "sid": "9f3c", "peer": "2-1-1", "start": "2026-11-21T10:15:00+01:00",
            "clock_set": true, "duration_ms": 12000, "frames": 600, "pauses": [[4000, 1500], [8000, 20]],
            "dropped": {"late": 3, "kernel_drop": u64::MAX}, "end": "stopped",
        });
        assert_eq!(
            serde_json::from_slice::<serde_json::Value>(&line).unwrap(),
            expected
        );
    }

    #[test]
    fn what_is_not_known_is_left_out() {
        let begun = Sidecar {
            id: b"17",
            ..Sidecar::default()
        };
        assert_eq!(emitted(&begun), b"{\"id\":\"17\"}\n");
        let ended = Sidecar {
            audio: Some(PartAudio {
                pauses: Pauses::Count(7),
                ..PartAudio::default()
            }),
            ..begun
        };
        assert_eq!(
            emitted(&ended),
            b"{\"id\":\"17\",\"duration_ms\":0,\"frames\":0,\"pauses\":7,\"dropped\":{}}\n"
        );
    }

    #[test]
    fn our_own_reader_finds_it_too() {
        let line = emitted(&full());
        let object = Object::parse(&line).unwrap();
        assert_eq!(object.text::<64>("remote_name"), full().remote_name);
        assert_eq!(
            (object.number("frames"), object.flag("clock_set")),
            (Some(600), Some(true))
        );
        assert_eq!(
            Start::parse(&object.text::<40>("start"))
                .unwrap()
                .to_string()
                .as_bytes(),
            full().start
        );
        assert_eq!(
            object.pairs("pauses").collect::<Vec<_>>(),
            [[4000, 1500], [8000, 20]]
        );
        let dropped = Object::parse(object.raw("dropped").unwrap()).unwrap();
        assert_eq!(dropped.number("kernel_drop"), Some(u64::MAX));
        (0..line.len() - 2).for_each(|cut| assert!(Object::parse(&line[..cut]).is_err(), "{cut}"));
    }

    #[test]
    fn a_sum_is_added_at_the_end() {
        let line = emitted(&full());
        let sum: [u8; 32] = core::array::from_fn(|n| n as u8 * 8);
        let mut buffer = [line.clone(), vec![0; 80]].concat();
        let len = add_sum(&mut buffer, line.len(), &sum).unwrap();
        let (before, after) = (&line[..line.len() - 2], &buffer[..len]);
        assert!(after.starts_with(before) && after.ends_with(b"}\n"));
        assert_eq!(Object::parse(after).unwrap().digest("sha256"), Some(sum));
        assert!(serde_json::from_slice::<serde_json::Value>(after).is_ok());
        let mut short = line.clone();
        assert_eq!(add_sum(&mut short, line.len(), &sum), None);
        assert_eq!(
            [0, 1, 7].map(|len| add_sum(&mut buffer, len, &sum)),
            [None; 3]
        );
    }

    #[test]
    fn the_longest_one_fits() {
        let long = [1; TEXT_BYTES];
        let dropped = stats::NAMES.map(|name| (name, u64::MAX));
        let worst = Sidecar {
            remote_number: &long,
            remote_name: &long,
            local_number: &long,
            local_name: &long,
            end: &long,
            audio: Some(PartAudio {
                duration_ms: u64::MAX,
                frames: u64::MAX,
                pauses: Pauses::List(&[[u32::MAX; 2]; 32]),
                dropped: &dropped,
            }),
            ..full()
        };
        assert!(emitted(&worst).len() < SIDECAR_BYTES);
    }
}
