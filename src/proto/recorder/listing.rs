//! The line of a list response that describes a recording on the stick.

use crate::base::limits::TEXT_BYTES;
use crate::wire::control::Writer;
use crate::wire::json::Object;
use crate::wire::recording::probe::Head;
use crate::wire::recording::sidecar::Start;
use crate::wire::recording::{age_key, LocalTime, HEADER_BYTES};

/// A recording that was found.
#[derive(Clone, Copy, Debug)]
pub struct Found<'a> {
    /// Its file.
    pub name: &'a [u8],
    /// The parsed beginning of the file, if it is a recording, and the length of the file.
    pub head: Option<(Head, u64)>,
    /// It is being recorded.
    pub in_use: bool,
    /// The content of its sidecar; empty if there is none.
    pub sidecar: &'a [u8],
}

impl Found<'_> {
    /// Writes the line; `None` when it does not fit.
    pub fn emit(&self, buffer: &mut [u8]) -> Option<usize> {
        let mut writer = Writer::new(buffer, "List");
        writer.bytes("file", self.name).pair("state", self.state());
        if let Some((head, bytes)) = &self.head {
            writer
                .pair("codec", head.header.codec.name())
                .pair("duration_ms", head.header.duration_ms(head.frames));
            writer.pair("bytes", bytes);
        }
        let sidecar = Object::parse(self.sidecar).ok();
        let text = |key| {
            let text = sidecar.map(|object| object.text::<TEXT_BYTES>(key));
            text.unwrap_or_default()
        };
        let start = text("start");
        match Start::parse(&start) {
            Some(_) => writer.bytes("time", &start),
            None => writer.pair("time", LocalTime(age_key(self.name).0)),
        };
        for key in [
            "id",
            "dir",
            "remote_number",
            "remote_name",
            "local_number",
            "local_name",
        ] {
            let value = text(key);
            if !value.is_empty() {
                writer.bytes(key, &value);
            }
        }
        if let Some(part) = sidecar.and_then(|object| object.number("part")) {
            writer.pair("part", part);
        }
        writer.finish()
    }

    fn state(&self) -> &'static str {
        match &self.head {
            _ if self.in_use => "recording",
            None => "damaged",
            Some((head, bytes)) => {
                let whole = HEADER_BYTES as u64 + u64::from(head.header.data_size);
                if head.header.extent(*bytes).exact && whole == *bytes {
                    "finished"
                } else {
                    "unfinished"
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::g711::Law;
    use crate::wire::recording::{Codec, Header};

    const NAME: &[u8] = b"Record_20261121_101500.wav";

    fn line(found: &Found) -> String {
        let mut buffer = [0; 1000];
        let len = found.emit(&mut buffer).unwrap();
        String::from_utf8(buffer[..len].to_vec()).unwrap()
    }

    fn found(data_size: u32, bytes: u64) -> Found<'static> {
        let header = Header {
            codec: Codec::G711(Law::A),
            rtp_len: 172,
            increment: 160,
            data_size,
            big_endian: false,
        };
        let frames = header.extent(bytes).frames;
        Found {
            name: NAME,
            head: Some((
                Head {
                    header,
                    frames,
                    first: None,
                },
                bytes,
            )),
            in_use: false,
            sidecar: b"",
        }
    }

    #[test]
    fn a_line_says_what_is_known() {
        let plain = "cmd=List&file=Record_20261121_101500.wav&state=finished&codec=PCMA&duration_ms=40&bytes=420";
        assert_eq!(
            line(&found(344, 420)),
            format!("{plain}&time=2026-11-21T10:15:00")
        );
        let sidecar = br#"{"id":"17","part":2,"dir":"in","remote_number":"1&0","start":"2026-11-21T10:15:00+01:00"}"#;
        let known = line(&Found {
            sidecar,
            ..found(344, 420)
        });
        let rest = "&time=2026-11-21T10:15:00+01:00&id=17&dir=in&remote_number=1%260&part=2";
        assert_eq!(known, format!("{plain}{rest}"));
    }

    #[test]
    fn a_state_is_what_can_be_seen() {
        let state = |found: &Found| line(found).split('&').nth(2).unwrap().to_owned();
        assert_eq!(state(&found(344, 421)), "state=unfinished");
        assert_eq!(state(&found(0, 420)), "state=unfinished");
        assert_eq!(
            state(&Found {
                in_use: true,
                ..found(0, 420)
            }),
            "state=recording"
        );
        assert_eq!(
            state(&Found {
                head: None,
                ..found(0, 0)
            }),
            "state=damaged"
        );
    }

    #[test]
    fn what_is_no_sidecar_is_left_out() {
        for sidecar in [
            &b"{"[..],
            b"",
            b"[1]",
            br#"{"id":7,"part":"x","start":"yesterday","remote_number":{}}"#,
        ] {
            let text = line(&Found {
                sidecar,
                ..found(344, 420)
            });
            assert!(text.ends_with("&time=2026-11-21T10:15:00"), "{text}");
        }
    }
}
