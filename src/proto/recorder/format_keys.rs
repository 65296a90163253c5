//! The keys `formats`, `formats_1` to `formats_8` and `formats_local`: what the payload types of a
//! recording's ports mean.

use crate::base::limits::{MAX_LEG_PORTS, TEXT_BYTES};
use crate::proto::media::formats::{FormatsError, PortFormats, ALL_PORTS};
use crate::proto::recorder::reason::{bad_request, Reason, Shown};
use crate::wire::control::{Message, Text};

/// What a request declares.
#[derive(Clone, Debug, Default)]
pub struct Declared {
    /// The formats of each port.
    pub formats: PortFormats,
    /// The other entries.
    pub understood: Text<TEXT_BYTES>,
    /// The entries that name audio which is not decoded, separated by commas; as many as fit.
    pub undecodable: Text<TEXT_BYTES>,
}

/// Reads the keys of a request for a recording with so many leg ports; `None`: it has none of them.
pub(super) fn parse(message: &Message, legs: usize) -> Result<Option<Declared>, Reason> {
    let mut declared = Declared::default();
    let mut any = read(message, "formats", ALL_PORTS, &mut declared)?;
    any |= read(message, "formats_local", legs as u8, &mut declared)?;
    for leg in 0..MAX_LEG_PORTS {
        let mut key = heapless::String::<10>::new();
        let _ = key.push_str("formats_");
        let _ = key.push(char::from(b'1' + leg as u8));
        let found = read(message, &key, leg as u8, &mut declared)?;
        if found && leg >= legs {
            return Err(no_such_leg(leg, legs));
        }
        any |= found;
    }
    Ok(any.then_some(declared))
}

/// The refusal of a list for leg number `leg`, counted from 0, of a recording with fewer legs.
pub(super) fn no_such_leg(leg: usize, legs: usize) -> Reason {
    bad_request(format_args!(
        "formats_{} is for a leg that the recording does not have: it has {legs}",
        leg + 1
    ))
}

/// Reads one key; `false`: it is not there.
fn read(message: &Message, key: &str, port: u8, declared: &mut Declared) -> Result<bool, Reason> {
    let Some(list) = message.raw(key) else {
        return Ok(false);
    };
    let Declared {
        formats,
        understood,
        undecodable,
    } = declared;
    let added = formats.add(port, list, |entry, is_undecodable| {
        append(
            if is_undecodable {
                undecodable
            } else {
                understood
            },
            entry,
        );
    });
    match added {
        Ok(()) => Ok(true),
        Err(FormatsError::Syntax) => Err(bad_request(format_args!(
            "{key} must be a list such as 0:PCMU/8000,101:telephone-event/8000"
        ))),
        Err(FormatsError::TooMany) => Err(bad_request(format_args!("{key} has too many entries"))),
        Err(FormatsError::Undecodable) => Err(bad_request(format_args!(
            "{} cannot be decoded; hand over PCMU, PCMA, G722 or L16",
            Shown(list)
        ))),
    }
}

/// Adds an entry to a list, if it fits.
fn append(list: &mut Text<TEXT_BYTES>, entry: &[u8]) {
    if list.len() + entry.len() < TEXT_BYTES {
        if !list.is_empty() {
            let _ = list.push(b',');
        }
        let _ = list.extend_from_slice(entry);
    }
}
