//! A token: base64url of `DEVICE,TYPE,MADE,EXPIRES,SERIAL` and the HMAC-SHA256 of that text with the
//! box's secret (specification 8-21).

use hmac::digest::KeyInit;
use hmac::{Hmac, Mac};
use sha2::Sha256;

use crate::base::constant_time::is_equal;
use crate::base::limits::home_box::TOKEN_BYTES;
use crate::home_box::id::is_id;
use crate::wire::base64url;
use crate::wire::decimal::parse_decimal;

/// Bytes of the HMAC.
const MAC_BYTES: usize = 32;
/// Bytes of the box's secret.
pub(super) const SECRET_BYTES: usize = 32;
/// Bytes of a block of SHA-256: a shorter key is filled up with zeros (RFC 2104 section 2).
const BLOCK_BYTES: usize = 64;

pub(super) type Secret = [u8; SECRET_BYTES];

/// What a token is for (its TYPE).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TokenKind {
    /// A wall panel or pad.
    Pad,
    /// A phone.
    Phone,
}

impl TokenKind {
    /// By its number, 1 or 2.
    pub(crate) fn from_number(number: u64) -> Option<Self> {
        match number {
            1 => Some(Self::Pad),
            2 => Some(Self::Phone),
            _ => None,
        }
    }

    /// 1 or 2.
    pub(crate) fn number(self) -> u8 {
        match self {
            Self::Pad => 1,
            Self::Phone => 2,
        }
    }
}

/// What stands in a token. Times are seconds since 1970, UTC.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Token {
    pub(crate) device: String,
    pub(crate) kind: TokenKind,
    pub(crate) made: u64,
    /// From here on it is refused.
    pub(crate) expires: u64,
    /// Each token of a box has another one; a later one has a higher one.
    pub(crate) serial: u64,
}

impl Token {
    /// The token's fields, separated by commas.
    pub(super) fn emit_fields(&self) -> String {
        let kind = self.kind.number();
        let Self {
            device,
            made,
            expires,
            serial,
            ..
        } = self;
        format!("{device},{kind},{made},{expires},{serial}")
    }

    pub(super) fn parse_fields(fields: &str) -> Option<Self> {
        let mut parts = fields.split(',');
        let device = parts.next().filter(|device| is_id(device))?;
        let mut number = || parse_decimal(parts.next()?.as_bytes());
        let kind = TokenKind::from_number(number()?)?;
        let (made, expires, serial) = (number()?, number()?, number()?);
        let is_whole = parts.next().is_none();
        is_whole.then(|| Self {
            device: device.into(),
            kind,
            made,
            expires,
            serial,
        })
    }

    /// The token as a screen sends it.
    pub(super) fn emit(&self, secret: &Secret) -> String {
        let fields = self.emit_fields();
        let mac = mac(secret, fields.as_bytes());
        let mut text = String::new();
        base64url::emit(&mut text, &[fields.as_bytes(), &mac].concat());
        text
    }

    /// A token that was made with this secret; `None` for anything else.
    pub(super) fn parse(text: &str, secret: &Secret) -> Option<Self> {
        let mut buffer = [0; TOKEN_BYTES];
        let bytes = base64url::parse(text.as_bytes(), &mut buffer)?;
        let fields_end = bytes.len().checked_sub(MAC_BYTES)?;
        let (fields, given) = bytes.split_at(fields_end);
        if !is_equal(given, &mac(secret, fields)) {
            return None;
        }
        Self::parse_fields(core::str::from_utf8(fields).ok()?)
    }
}

fn mac(secret: &Secret, bytes: &[u8]) -> [u8; MAC_BYTES] {
    let mut block = [0; BLOCK_BYTES];
    block[..SECRET_BYTES].copy_from_slice(secret);
    let mut hmac = <Hmac<Sha256> as KeyInit>::new(&block.into());
    hmac.update(bytes);
    hmac.finalize().into_bytes().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: Secret = [0x0B; SECRET_BYTES];

    fn token() -> Token {
        Token {
            device: "panel-1".into(),
            kind: TokenKind::Pad,
            made: 1_800_000_000,
            expires: 2_115_360_000,
            serial: 7,
        }
    }

    #[test]
    fn the_mac_is_that_of_rfc_4231() {
        // Test case 1, whose key of 20 bytes ends in zeros here as it does inside HMAC.
        let mut secret = [0; SECRET_BYTES];
        secret[..20].fill(0x0B);
        let expected = "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7";
        let hex: String = mac(&secret, b"Hi There")
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        assert_eq!(hex, expected);
    }

    #[test]
    fn what_is_put_together_is_taken_apart() {
        let text = token().emit(&SECRET);
        assert_eq!(Token::parse(&text, &SECRET), Some(token()));
        assert_eq!(token().emit_fields(), "panel-1,1,1800000000,2115360000,7");
        let longest = Token {
            device: "x".repeat(64),
            kind: TokenKind::Phone,
            made: u64::MAX,
            expires: u64::MAX,
            serial: u64::MAX,
        };
        let text = longest.emit(&SECRET);
        assert_eq!(Token::parse(&text, &SECRET), Some(longest));
    }

    #[test]
    fn every_bit_and_every_byte_counts() {
        let text = token().emit(&SECRET);
        for at in 0..text.len() * 8 {
            let mut bytes = text.clone().into_bytes();
            bytes[at / 8] ^= 1 << (at % 8);
            let changed = String::from_utf8_lossy(&bytes);
            assert_eq!(Token::parse(&changed, &SECRET), None, "bit {at}");
        }
        for length in 0..text.len() {
            assert_eq!(Token::parse(&text[..length], &SECRET), None, "{length}");
        }
        for more in ["A", "AA", "AAAA", "=", "\n"] {
            assert_eq!(Token::parse(&format!("{text}{more}"), &SECRET), None);
        }
        let mut other = SECRET;
        other[31] ^= 1;
        assert_eq!(Token::parse(&text, &other), None);
        assert_eq!(Token::parse(&"A".repeat(10_000), &SECRET), None);
    }

    #[test]
    fn fields_that_no_token_has_are_refused() {
        for fields in [
            "",
            "a",
            "a,1,2,3",
            "a,1,2,3,4,5",
            "a,3,2,3,4",
            "a,1,-2,3,4",
            ",1,2,3,4",
            "a b,1,2,3,4",
            "a,1,2,3,",
            "\u{e9},1,2,3,4",
        ] {
            assert_eq!(Token::parse_fields(fields), None, "{fields}");
        }
    }
}
