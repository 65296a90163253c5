//! The phones that a server knows: lines `cid = key` or `cid = key, invite code`.

use std::collections::BTreeMap;

use crate::proto::rendezvous::Name;
use crate::wire::rendezvous::cipher::Key;

/// What is known of a phone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownPhone {
    /// Its messages are sealed with it.
    pub key: Key,
    /// The invite code that a caller must know; `None`: the one that the phone registers with.
    pub invite: Option<Name>,
}

/// All known phones.
pub type KnownPhones = BTreeMap<Name, KnownPhone>;

/// Parses a line of the file. An error continues the sentence that the phone's id begins.
pub fn parse_device(cid: &str, value: &str) -> Result<(Name, KnownPhone), String> {
    let plain = |text: &str| text.bytes().all(|b| b >= b' ' && b != 0x7F);
    let name = |text: &str| {
        Name::from_slice(text.as_bytes())
            .ok()
            .filter(|name| !name.is_empty() && plain(text))
    };
    let (key, invite) = value
        .split_once(',')
        .map_or((value, None), |(key, invite)| {
            (key.trim(), Some(invite.trim()))
        });
    let cid = name(cid).ok_or("is not an id: 1 to 64 characters without control characters")?;
    let key = Key::new(key.as_bytes())
        .ok_or("needs a key of 32 printable ASCII characters without blanks")?;
    let invite = invite.map(|invite| {
        name(invite).ok_or("has no invite code after the comma, or one that is too long")
    });
    Ok((
        cid,
        KnownPhone {
            key,
            invite: invite.transpose()?,
        },
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "0123456789abcdefghijklmnopqrstuv";

    #[test]
    fn a_line_is_a_phone_with_or_without_invite_code() {
        let (cid, device) = parse_device("0015651a2b3c", KEY).unwrap();
        assert_eq!((&cid[..], device.invite), (&b"0015651a2b3c"[..], None));
        let (_, device) = parse_device("a", &format!("{KEY} ,  open, sesame ")).unwrap();
        assert_eq!(device.key.text(), KEY.as_bytes());
        assert_eq!(device.invite.as_deref(), Some(&b"open, sesame"[..]));
    }

    #[test]
    fn a_line_that_is_none_says_why() {
        let long = "x".repeat(65);
        for (cid, value, word) in [
            ("a", "short", "32 printable"),
            ("a", &KEY.replace('7', " "), "32 printable"),
            ("a", &format!("{KEY},"), "comma"),
            ("a", &format!("{KEY}, {long}"), "too long"),
            (&long, KEY, "id"),
            ("", KEY, "id"),
        ] {
            assert!(
                parse_device(cid, value).unwrap_err().contains(word),
                "{cid} {value}"
            );
        }
    }
}
