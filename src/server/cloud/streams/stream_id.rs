//! Ids of streams: `SID-CID`, the call and the device that publishes.

use crate::wire::cloud::message::parse_sid;
use crate::wire::decimal::parse_decimal;

/// The cid at the end of an id; `None`: it is no id. An ending `.flv` is cut off before.
pub(in crate::server::cloud) fn cid_of(id: &str) -> Option<u32> {
    let (sid, cid) = id.split_once('-')?;
    parse_sid(sid.as_bytes())?;
    let is_plain = cid == "0" || !cid.starts_with('0');
    let cid = parse_decimal(cid.as_bytes()).filter(|_| is_plain)?;
    u32::try_from(cid).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_name_the_publisher() {
        assert_eq!(cid_of("0123456789abcdef-1003469"), Some(1_003_469));
        for id in [
            "",
            "0123456789abcdef",
            "0123456789abcdef-",
            "0123456789abcde-1",
            "0123456789abcdef-01",
            "0123456789abcdef-4294967296",
            "0123456789abcdef-1-1",
        ] {
            assert_eq!(cid_of(id), None, "{id}");
        }
    }
}
