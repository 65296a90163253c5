//! What the payload types of a port mean: the static ones of RFC 3551, and what a start request
//! declares.
//!
//! `formats=0:PCMU/8000,9:G722/8000,101:telephone-event/8000` has SDP's rtpmap form. What it names
//! is added to the static types.

use crate::base::limits::MAX_FORMATS;
use crate::proto::media::jitter_buffer::packet::Format;
use crate::wire::ascii;
use crate::wire::decimal::parse_decimal;
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

/// The clock rate of an encoding that may have any.
const ANY: u32 = 0;
/// The encodings that are understood: name, clock rate, meaning.
const ENCODINGS: [(&str, u32, PayloadKind); 8] = [
    ("CN", ANY, PayloadKind::ComfortNoise),
    ("telephone-event", ANY, PayloadKind::TelephoneEvent),
    ("PCMU", 8000, PayloadKind::Audio(Format::G711(Law::Mu))),
    ("PCMA", 8000, PayloadKind::Audio(Format::G711(Law::A))),
    ("G722", 8000, PayloadKind::Audio(Format::G722)),
    // A clock of 16 kHz is noticed by the packets themselves (`jitter_buffer::clock_rate`).
    ("G722", 16_000, PayloadKind::Audio(Format::G722)),
    ("L16", 8000, PayloadKind::Audio(Format::L16)),
    ("L16", 16_000, PayloadKind::Audio(Format::L16Wideband)),
];

impl PayloadKind {
    /// By the encoding name and clock rate of an rtpmap; names are compared without regard to case.
    pub fn of_encoding(name: &[u8], clock: u32) -> Self {
        let known = ENCODINGS.iter().find(|(known, known_clock, _)| {
            ascii::is_same(name, known.as_bytes()) && (*known_clock == ANY || *known_clock == clock)
        });
        known.map_or(Self::Undecodable, |(_, _, kind)| *kind)
    }

    /// Of a payload type that nobody has declared. 19 was comfort noise before 13 was.
    #[inline]
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

/// Why a list of formats is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FormatsError {
    /// An entry is not `TYPE:NAME/CLOCK` with a type from 0 to 127.
    Syntax,
    /// There are too many entries.
    TooMany,
    /// The list names audio, and none of it can be decoded.
    Undecodable,
}

/// A payload type that was declared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Entry {
    port: u8,
    payload_type: u8,
    kind: PayloadKind,
}

/// The port of entries that count for all ports without a list of their own.
pub const ALL_PORTS: u8 = u8::MAX;

/// The payload types that were declared for the ports of a recording.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PortFormats {
    entries: heapless::Vec<Entry, MAX_FORMATS>,
    /// A bit for each port that has a list of its own.
    own: u16,
}

impl PortFormats {
    /// Reads `0:PCMU/8000,101:telephone-event/8000` for a port, or for `ALL_PORTS`; `each` is
    /// called with each entry, and whether it names audio that is not decoded.
    pub fn add(
        &mut self,
        port: u8,
        list: &[u8],
        mut each: impl FnMut(&[u8], bool),
    ) -> Result<(), FormatsError> {
        let mut decodable = false;
        let mut undecodable = false;
        for text in list.split(|byte| *byte == b',') {
            let (payload_type, kind) = parse_entry(text).ok_or(FormatsError::Syntax)?;
            decodable |= matches!(kind, PayloadKind::Audio(_));
            undecodable |= kind == PayloadKind::Undecodable;
            each(text, kind == PayloadKind::Undecodable);
            let added = self.entries.push(Entry {
                port,
                payload_type,
                kind,
            });
            added.map_err(|_| FormatsError::TooMany)?;
        }
        if port != ALL_PORTS {
            self.own |= 1 << port;
        }
        if undecodable && !decodable {
            return Err(FormatsError::Undecodable);
        }
        Ok(())
    }

    /// The first port from `from` on, but before `to`, that has a list of its own.
    pub fn own_port(&self, from: usize, to: usize) -> Option<usize> {
        (from..to).find(|port| self.own & 1 << port != 0)
    }

    /// Entries for one port count for another one from now on.
    pub fn move_port(&mut self, from: u8, to: u8) {
        for entry in &mut self.entries {
            if entry.port == from {
                entry.port = to;
            }
        }
        if self.own & 1 << from != 0 {
            self.own |= 1 << to;
        }
    }

    /// What a payload type carries on this port; `None`: it is unknown.
    #[inline]
    pub fn kind(&self, port: usize, payload_type: u8) -> Option<PayloadKind> {
        if self.entries.is_empty() {
            PayloadKind::of_static(payload_type)
        } else {
            self.declared(port, payload_type)
        }
    }

    #[inline(never)]
    fn declared(&self, port: usize, payload_type: u8) -> Option<PayloadKind> {
        let port = port as u8;
        let list = if self.own & 1 << port != 0 {
            port
        } else {
            ALL_PORTS
        };
        let found = self
            .entries
            .iter()
            .rev()
            .find(|entry| entry.port == list && entry.payload_type == payload_type);
        match found {
            Some(entry) => Some(entry.kind),
            None => PayloadKind::of_static(payload_type),
        }
    }
}

/// `TYPE:NAME/CLOCK`, also followed by a channel count of 1 (`/1`).
fn parse_entry(entry: &[u8]) -> Option<(u8, PayloadKind)> {
    let mut fields = entry.split(|byte| matches!(byte, b':' | b'/'));
    let payload_type = parse_decimal(fields.next()?).filter(|number| *number < 128)?;
    let name = fields.next().filter(|name| !name.is_empty())?;
    let clock = u32::try_from(parse_decimal(fields.next()?)?).ok()?;
    let kind = match fields.next() {
        None | Some(b"1") => PayloadKind::of_encoding(name, clock),
        Some(_) => PayloadKind::Undecodable,
    };
    Some((payload_type as u8, kind))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(list: &str) -> (Result<PortFormats, FormatsError>, Vec<String>) {
        let mut undecodable = vec![];
        let mut formats = PortFormats::default();
        let added = formats.add(ALL_PORTS, list.as_bytes(), |entry, is_undecodable| {
            if is_undecodable {
                undecodable.push(String::from_utf8_lossy(entry).into_owned());
            }
        });
        (added.map(|()| formats), undecodable)
    }

    #[test]
    fn what_is_declared_is_added_to_the_static_types() {
        let (formats, undecodable) =
            parsed("96:pcma/8000,18:G729/8000,101:Telephone-Event/48000,107:opus/48000/2");
        let formats = formats.unwrap();
        assert_eq!(undecodable, ["18:G729/8000", "107:opus/48000/2"]);
        let pcma = Some(PayloadKind::Audio(Format::G711(Law::A)));
        assert_eq!(formats.kind(0, 96), pcma);
        assert_eq!(formats.kind(1, 8), pcma);
        assert_eq!(formats.kind(0, 101), Some(PayloadKind::TelephoneEvent));
        assert_eq!(formats.kind(0, 18), Some(PayloadKind::Undecodable));
        assert_eq!(formats.kind(0, 13), Some(PayloadKind::ComfortNoise));
        assert_eq!(formats.kind(0, 97), None);
        let (formats, undecodable) =
            parsed("96:L16/16000,97:l16/8000/1,98:L16/44100,99:L16/8000/2");
        let formats = formats.unwrap();
        assert_eq!(undecodable, ["98:L16/44100", "99:L16/8000/2"]);
        let wideband = Some(PayloadKind::Audio(Format::L16Wideband));
        assert_eq!(formats.kind(0, 96), wideband);
        assert_eq!(formats.kind(0, 97), Some(PayloadKind::Audio(Format::L16)));
        let refused = Err(FormatsError::Undecodable);
        assert_eq!(parsed("18:G729/8000,101:telephone-event/8000").0, refused);
        assert!(parsed("101:telephone-event/8000").0.is_ok());
    }

    #[test]
    fn a_port_with_a_list_of_its_own_has_no_other() {
        let mut formats = parsed("96:PCMA/8000").0.unwrap();
        formats.add(2, b"97:PCMU/8000", |_, _| {}).unwrap();
        let pcma = Some(PayloadKind::Audio(Format::G711(Law::A)));
        let pcmu = Some(PayloadKind::Audio(Format::G711(Law::Mu)));
        assert_eq!((formats.kind(0, 96), formats.kind(0, 97)), (pcma, None));
        assert_eq!((formats.kind(2, 96), formats.kind(2, 97)), (None, pcmu));
        formats.move_port(2, 8);
        assert_eq!((formats.kind(8, 96), formats.kind(8, 97)), (None, pcmu));
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
