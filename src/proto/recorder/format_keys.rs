//! The keys `formats`, `formats_1` to `formats_8` and `formats_local`: what the payload types of a recording's ports mean.

use core::fmt::Write;

use crate::base::limits::{MAX_LEG_PORTS, TEXT_BYTES};
use crate::proto::media::formats::{Formats, FormatsError, PortFormats};
use crate::proto::recorder::reason::{bad_request, Reason, Shown};
use crate::wire::control::{Message, Text};

/// What a request declares.
#[derive(Clone, Debug, Default)]
pub struct Declared {
    /// The formats of each port.
    pub formats: PortFormats,
    /// The other entries of `formats`.
    pub understood: Text<TEXT_BYTES>,
    /// The entries that name audio which is not decoded, separated by commas; as many as fit.
    pub undecodable: Text<TEXT_BYTES>,
}

/// Reads the keys of a request for a recording with so many leg ports; `None`: it has none of them.
pub(super) fn parse(message: &Message, legs: usize) -> Result<Option<Declared>, Reason> {
    let mut declared = Declared::default();
    let mut any = false;
    if let Some(list) = message.raw("formats") {
        declared.formats.all = read("formats", list, &mut declared.undecodable)?;
        for entry in list.split(|byte| *byte == b',') {
            let left_out = declared.undecodable.split(|byte| *byte == b',');
            if !left_out.into_iter().any(|other| other == entry) {
                append(&mut declared.understood, entry);
            }
        }
        any = true;
    }
    for port in 0..=legs.min(MAX_LEG_PORTS) {
        let mut key = heapless::String::<16>::new();
        let _ = match port {
            local if local == legs => key.push_str("formats_local").map_err(|_| core::fmt::Error),
            leg => write!(key, "formats_{}", leg + 1),
        };
        if let Some(list) = message.raw(&key) {
            let formats = read(&key, list, &mut declared.undecodable)?;
            declared.formats.own[port] = Some(formats);
            any = true;
        }
    }
    Ok(any.then_some(declared))
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

fn read(key: &str, list: &[u8], undecodable: &mut Text<TEXT_BYTES>) -> Result<Formats, Reason> {
    let formats = Formats::parse(list, |entry| append(undecodable, entry));
    let formats = formats.map_err(|error| match error {
        FormatsError::Syntax => bad_request(format_args!(
            "{key} must be a list such as 0:PCMU/8000,101:telephone-event/8000"
        )),
        FormatsError::TooMany => bad_request(format_args!("{key} has more than 16 entries")),
    })?;
    if formats.is_undecodable() {
        return Err(bad_request(format_args!(
            "{} cannot be decoded; hand over PCMU, PCMA or G722",
            Shown(list)
        )));
    }
    Ok(formats)
}
