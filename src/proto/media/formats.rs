//! What the payload types of a port mean: the static ones of RFC 3551, and what a start request declares.
//!
//! `formats=0:PCMU/8000,9:G722/8000,101:telephone-event/8000` has SDP's rtpmap form. What it names is added to the static
//! types.

use crate::base::limits::{MAX_FORMATS, MAX_PORTS};
use crate::proto::media::jitter_buffer::packet::Format;
use crate::wire::g711::Law;

/// What a payload type carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PayloadKind {
    /// Audio that is decoded.
    Audio(Format),
    /// Comfort noise (RFC 3389): nothing to hear.
    ComfortNoise,
    /// Digits and tones (RFC 4733): kept out of the audio.
    TelephoneEvent,
    /// Audio that is not decoded here.
    Undecodable,
}

impl PayloadKind {
    /// By the encoding name and clock rate of an rtpmap; names are compared without regard to case.
    pub fn of_encoding(name: &[u8], clock: u32) -> Self {
        let is = |known: &[u8]| name.eq_ignore_ascii_case(known);
        match clock {
            _ if is(b"CN") => Self::ComfortNoise,
            _ if is(b"telephone-event") => Self::TelephoneEvent,
            8000 if is(b"PCMU") => Self::Audio(Format::G711(Law::Mu)),
            8000 if is(b"PCMA") => Self::Audio(Format::G711(Law::A)),
            // A clock of 16 kHz is noticed by the packets themselves (`jitter_buffer::clock_rate`).
            8000 | 16_000 if is(b"G722") => Self::Audio(Format::G722),
            _ => Self::Undecodable,
        }
    }

    /// Of a payload type that nobody has declared. 19 was comfort noise before 13 was.
    fn of_static(payload_type: u8) -> Option<Self> {
        match payload_type {
            0 => Some(Self::Audio(Format::G711(Law::Mu))),
            8 => Some(Self::Audio(Format::G711(Law::A))),
            9 => Some(Self::Audio(Format::G722)),
            13 | 19 => Some(Self::ComfortNoise),
            _ => None,
        }
    }
}

/// The payload types that were declared for one port.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Formats {
    declared: heapless::Vec<(u8, PayloadKind), MAX_FORMATS>,
}

/// Why a list of formats is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FormatsError {
    /// An entry is not `TYPE:NAME/CLOCK` with a type from 0 to 127.
    Syntax,
    /// There are too many entries.
    TooMany,
}

impl Formats {
    /// Reads `0:PCMU/8000,96:L16/16000`; `undecodable` is called with each entry that names audio which is not decoded.
    pub fn parse(list: &[u8], mut undecodable: impl FnMut(&[u8])) -> Result<Self, FormatsError> {
        let mut formats = Self::default();
        for entry in list.split(|byte| *byte == b',') {
            let (payload_type, kind) = parse_entry(entry).ok_or(FormatsError::Syntax)?;
            if kind == PayloadKind::Undecodable {
                undecodable(entry);
            }
            let added = formats.declared.push((payload_type, kind));
            added.map_err(|_| FormatsError::TooMany)?;
        }
        Ok(formats)
    }

    /// It names audio, and none of it can be decoded.
    pub fn is_undecodable(&self) -> bool {
        let names =
            |wanted: fn(&PayloadKind) -> bool| self.declared.iter().any(|(_, kind)| wanted(kind));
        let decodable = names(|kind| matches!(kind, PayloadKind::Audio(_)));
        names(|kind| *kind == PayloadKind::Undecodable) && !decodable
    }

    /// What a payload type carries; `None`: it is unknown.
    pub fn kind(&self, payload_type: u8) -> Option<PayloadKind> {
        let declared = self.declared.iter();
        let found = declared.rev().find(|(known, _)| *known == payload_type);
        match found {
            Some((_, kind)) => Some(*kind),
            None => PayloadKind::of_static(payload_type),
        }
    }
}

/// `TYPE:NAME/CLOCK`, also with a channel count of 1 behind it (`/1`).
fn parse_entry(entry: &[u8]) -> Option<(u8, PayloadKind)> {
    let entry = core::str::from_utf8(entry).ok()?.trim();
    let (payload_type, encoding) = entry.split_once(':')?;
    let payload_type = payload_type
        .parse::<u8>()
        .ok()
        .filter(|number| *number < 128)?;
    let (name, clock) = encoding.split_once('/')?;
    let (clock, channels) = clock.split_once('/').unwrap_or((clock, "1"));
    let clock: u32 = clock.parse().ok()?;
    if name.is_empty() {
        return None;
    }
    if channels != "1" {
        return Some((payload_type, PayloadKind::Undecodable));
    }
    Some((
        payload_type,
        PayloadKind::of_encoding(name.as_bytes(), clock),
    ))
}

/// The formats of all ports of a recording.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PortFormats {
    /// Of ports that have none of their own.
    pub all: Formats,
    /// In the order of the ports; the local stream's is the last of all ports.
    pub own: [Option<Formats>; MAX_PORTS],
}

impl PortFormats {
    /// What a payload type carries on this port.
    pub fn kind(&self, port: usize, payload_type: u8) -> Option<PayloadKind> {
        let own = self.own.get(port).and_then(Option::as_ref);
        own.unwrap_or(&self.all).kind(payload_type)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(list: &str) -> (Result<Formats, FormatsError>, Vec<String>) {
        let mut undecodable = vec![];
        let formats = Formats::parse(list.as_bytes(), |entry| {
            undecodable.push(String::from_utf8_lossy(entry).into_owned());
        });
        (formats, undecodable)
    }

    #[test]
    fn what_is_declared_is_added_to_the_static_types() {
        let (formats, undecodable) =
            parsed("96:pcma/8000,18:G729/8000,101:Telephone-Event/48000,107:opus/48000/2");
        let formats = formats.unwrap();
        assert_eq!(undecodable, ["18:G729/8000", "107:opus/48000/2"]);
        let pcma = Some(PayloadKind::Audio(Format::G711(Law::A)));
        assert_eq!(formats.kind(96), pcma);
        assert_eq!(formats.kind(8), pcma);
        assert_eq!(formats.kind(101), Some(PayloadKind::TelephoneEvent));
        assert_eq!(formats.kind(18), Some(PayloadKind::Undecodable));
        assert_eq!(formats.kind(13), Some(PayloadKind::ComfortNoise));
        assert_eq!(formats.kind(97), None);
        assert!(!formats.is_undecodable());
        assert!(parsed("18:G729/8000,101:telephone-event/8000")
            .0
            .unwrap()
            .is_undecodable());
        assert!(!parsed("101:telephone-event/8000")
            .0
            .unwrap()
            .is_undecodable());
    }

    #[test]
    fn a_list_that_is_none_is_refused() {
        for list in [
            "",
            "0",
            "0:PCMU",
            "128:PCMU/8000",
            "x:PCMU/8000",
            "0:/8000",
            "0:PCMU/x",
            ",",
        ] {
            assert_eq!(parsed(list).0, Err(FormatsError::Syntax), "{list}");
        }
        let many = vec!["0:PCMU/8000"; MAX_FORMATS + 1].join(",");
        assert_eq!(parsed(&many).0, Err(FormatsError::TooMany));
    }
}
