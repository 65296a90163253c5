//! The keys `formats`, `formats_1` to `formats_8` and `formats_local`: what the payload types of a
//! recording's ports mean.

use crate::base::limits::{MAX_LEG_PORTS, TEXT_BYTES};
use crate::proto::media::formats::{FormatsError, PortFormats, ALL_PORTS};
use crate::proto::recorder::keys::Values;
use crate::proto::recorder::reason::{bad_request, Reason, Shown};
use crate::wire::control::Text;

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
pub(super) fn read(values: &mut Values, legs: usize) -> Option<Declared> {
    let mut declared = Declared::default();
    let mut any = read_key(values, "formats", ALL_PORTS, &mut declared);
    any |= read_key(values, "formats_local", legs as u8, &mut declared);
    for leg in 0..MAX_LEG_PORTS {
        let mut key = heapless::String::<10>::new();
        let _ = key.push_str("formats_");
        let _ = key.push(char::from(b'1' + leg as u8));
        let found = read_key(values, &key, leg as u8, &mut declared);
        if found && leg >= legs {
            values.refuse(no_such_leg(leg, legs));
        }
        any |= found;
    }
    any.then_some(declared)
}

/// The refusal of a list for leg number `leg`, counted from 0, of a recording with fewer legs.
pub(super) fn no_such_leg(leg: usize, legs: usize) -> Reason {
    bad_request(&format_args!(
        "formats_{} is for a leg that the recording does not have: it has {legs}",
        leg + 1
    ))
}

/// Reads one key; `false`: it is not there.
fn read_key(values: &mut Values, key: &str, port: u8, declared: &mut Declared) -> bool {
    let Some(list) = values.message.raw(key) else {
        return false;
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
    if let Err(error) = added {
        values.refuse(refusal(error, key, list));
    }
    true
}

fn refusal(error: FormatsError, key: &str, list: &[u8]) -> Reason {
    match error {
        FormatsError::Syntax => bad_request(&format_args!(
            "{key} must be a list such as 0:PCMU/8000,101:telephone-event/8000"
        )),
        FormatsError::TooMany => bad_request(&format_args!("{key} has too many entries")),
        FormatsError::Undecodable => bad_request(&format_args!(
            "{} cannot be decoded; hand over PCMU, PCMA, G722 or L16",
            Shown(list)
        )),
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
