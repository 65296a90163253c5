//! What a control line must keep to besides its keys' values: each key once, whole escapes. Keys
//! that a request does not know are told in its response, so that a misspelt one is found.

use core::fmt::Write;

use crate::base::limits::{MAX_IGNORED, REMARK_BYTES};
use crate::proto::recorder::reason::{bad_request, Reason, Shown};
use crate::wire::control::{is_well_escaped, Message};

/// What the response to a line adds: `&ignored=...`, `&warning=...`; empty if there is nothing.
pub type Remarks = heapless::String<REMARK_BYTES>;

/// The keys of each request besides `cmd`; `formats_N` is understood where `formats` is.
const KEYS: &[(&str, &str)] = &[
    (
        "RecordStartRequest",
        "sink codec dir remote_number remote_name local_number local_name device legs formats near far",
    ),
    (
        "RecordStopRequest",
        "id reason at_ms dir remote_number remote_name local_number local_name",
    ),
    ("RecordStopAllRequest", "reason at_ms"),
    ("RecordPauseRequest", "id at_ms"),
    ("RecordResumeRequest", "id at_ms"),
    ("RecordStatusRequest", "id"),
    ("RecordFormatsRequest", "id formats near far"),
    ("PlayStartRequest", "file host port position_ms"),
    ("PlaySeekRequest", "id position_ms"),
    ("PlayPauseRequest", "id"),
    ("PlayResumeRequest", "id"),
    ("PlayStopRequest", "id"),
    ("DeleteRequest", "file parts"),
];

/// Checks a line; a command that is not known has no keys.
pub(super) fn check(message: &Message) -> Result<Remarks, Reason> {
    let known = KEYS.iter().find(|(name, _)| *name == message.name());
    check_keys(message, known.map_or("", |(_, keys)| *keys))
}

/// Checks a line whose command has these keys, separated by blanks.
pub fn check_keys(message: &Message, known: &str) -> Result<Remarks, Reason> {
    let mut remarks = Remarks::new();
    let mut ignored = 0;
    let mut pairs = message.pairs();
    while let Some((key, value)) = pairs.next() {
        if pairs.clone().any(|(other, _)| other == key) {
            return Err(bad_request(&format_args!("{} stands twice", Shown(key))));
        }
        if key == b"cmd" {
            continue;
        }
        if !knows(known, key) {
            if ignored < MAX_IGNORED {
                let start = if ignored == 0 { "&ignored=" } else { "," };
                let _ = write!(remarks, "{start}{}", Name(key));
                ignored += 1;
            }
            continue;
        }
        if !is_well_escaped(value) && !is_text(key) {
            return Err(bad_request(&format_args!(
                "% in {} must be followed by two hex digits",
                Shown(key)
            )));
        }
    }
    let mut start = "&warning=";
    for (key, value) in message.pairs() {
        if is_text(key) && knows(known, key) && !is_well_escaped(value) {
            let _ = write!(remarks, "{start}{}", Name(key));
            start = ",";
        }
    }
    Ok(remarks)
}

fn knows(known: &str, key: &[u8]) -> bool {
    let number = key.strip_prefix(b"formats_");
    let is_port = number.is_some_and(|port| port == b"local" || matches!(port, [b'1'..=b'9']));
    let key: &[u8] = if is_port { b"formats" } else { key };
    known.split(' ').any(|word| word.as_bytes() == key)
}

/// The key's value is shown to people and need not be well escaped: a caller may be called
/// "50% off".
fn is_text(key: &[u8]) -> bool {
    key.starts_with(b"remote_") || key.starts_with(b"local_") || key == b"reason"
}

/// A key as it may stand in a value: cut, and without what would have to be escaped.
struct Name<'a>(&'a [u8]);

impl core::fmt::Display for Name<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        for byte in self.0.iter().take(32) {
            let plain = byte.is_ascii_graphic() && !b"%,=".contains(byte);
            f.write_char(if plain { char::from(*byte) } else { '?' })?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(text: &str) -> Result<String, String> {
        let message = Message::parse(text.as_bytes()).unwrap();
        match check(&message) {
            Ok(remarks) => Ok(remarks.as_str().to_owned()),
            Err(reason) => Err(reason.as_str().to_owned()),
        }
    }

    #[test]
    fn unknown_keys_are_told() {
        let start = "cmd=RecordStartRequest&legs=2";
        assert_eq!(checked(start), Ok(String::new()));
        assert_eq!(
            checked(&format!(
                "{start}&remote_nr=1&x%y=&formats_2=&formats_local="
            )),
            Ok("&ignored=remote_nr,x?y".into())
        );
        let many: String = (0..20).map(|n| format!("&k{n}=")).collect();
        assert_eq!(
            checked(&format!("{start}{many}")),
            Ok("&ignored=k0,k1,k2,k3,k4,k5,k6,k7".into())
        );
        assert_eq!(checked("cmd=StatsRequest&id=1"), Ok("&ignored=id".into()));
    }

    #[test]
    fn a_repeated_key_is_refused() {
        for text in [
            "cmd=RecordStopRequest&id=1&id=2",
            "cmd=RecordStopRequest&id=1&cmd=RecordPauseRequest",
            "cmd=StatsRequest&x=1& x =1",
        ] {
            let refusal = checked(text).unwrap_err();
            assert!(refusal.starts_with("bad-request: ") && refusal.ends_with(" stands twice"));
        }
    }

    #[test]
    fn broken_escapes_are_refused_but_in_texts() {
        assert_eq!(
            checked("cmd=PlayStartRequest&file=100%.wav"),
            Err("bad-request: % in file must be followed by two hex digits".into())
        );
        assert_eq!(
            checked("cmd=RecordStartRequest&remote_name=50% off&local_name=%zz"),
            Ok("&warning=remote_name,local_name".into())
        );
        assert_eq!(
            checked("cmd=RecordStopRequest&id=1&reason=5%&y=%"),
            Ok("&ignored=y&warning=reason".into())
        );
    }
}
