//! Tokens of devices: `cid_control_expire[_vod_time][_ip][_refer][_object_id]_digest`.
//!
//! Which optional fields a token has is not part of its text, and how they are signed is not
//! published: such a token is taken apart, but nobody can prove it.

use core::fmt::{self, Display};

use crate::wire::decimal::parse_decimal;

/// The longest token that is taken: one with all optional fields fits.
pub const TOKEN_BYTES: usize = 200;
/// Digits of a digest.
pub const DIGEST_DIGITS: usize = 32;
/// What stands in place of a digest's digits where people read.
pub const MASK: &str = "***";

/// A token, taken apart. Whether its digest is right is another question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Token<'a> {
    /// The device that it belongs to.
    pub cid: u32,
    /// What it permits, one bit each; opaque to us.
    pub control: u32,
    /// Unix seconds.
    pub expire: u32,
    /// The optional fields, with what separates them; empty for tokens of three fields.
    pub more: &'a [u8],
    /// Lower-case hexadecimal digits.
    pub digest: &'a [u8],
}

/// The bytes are no token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoToken;

impl<'a> Token<'a> {
    /// Takes a token apart.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, NoToken> {
        if bytes.len() > TOKEN_BYTES || !bytes.iter().all(u8::is_ascii_graphic) {
            return Err(NoToken);
        }
        let (fields, digest) = split_last(bytes).ok_or(NoToken)?;
        let is_digit = |byte: &u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        if digest.len() != DIGEST_DIGITS || !digest.iter().all(is_digit) {
            return Err(NoToken);
        }
        let mut parts = fields.splitn(4, |byte| *byte == b'_');
        let mut number = || field(parts.next()?);
        let (Some(cid), Some(control), Some(expire)) = (number(), number(), number()) else {
            return Err(NoToken);
        };
        let more = parts.next();
        if more.is_some_and(|more| more.split(|byte| *byte == b'_').any(<[u8]>::is_empty)) {
            return Err(NoToken);
        }
        Ok(Self {
            cid,
            control,
            expire,
            more: more.unwrap_or_default(),
            digest,
        })
    }

    /// It has optional fields: nobody but the issuer can tell whether it is genuine.
    pub fn has_more_fields(&self) -> bool {
        !self.more.is_empty()
    }
}

/// Without its digest.
impl Display for Token<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}_{}_{}_", self.cid, self.control, self.expire)?;
        if self.has_more_fields() {
            f.write_str("..._")?;
        }
        f.write_str(MASK)
    }
}

/// The bytes before and after the last underline.
fn split_last(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let at = bytes.iter().rposition(|byte| *byte == b'_')?;
    Some((&bytes[..at], &bytes[at + 1..]))
}

/// A decimal number of 32 bits, without zeros in front: each token has one text.
pub fn field(digits: &[u8]) -> Option<u32> {
    if digits.len() > 1 && digits.starts_with(b"0") {
        return None;
    }
    parse_decimal(digits).and_then(|number| u32::try_from(number).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIGEST: &str = "f124654ced4d5b30dad739caac64f424";

    #[test]
    fn tokens_are_taken_apart() {
        let text = format!("10000_3222274048_1475031947_{DIGEST}");
        let token = Token::parse(text.as_bytes()).unwrap();
        assert_eq!(
            (token.cid, token.control, token.expire),
            (10_000, 3_222_274_048, 1_475_031_947)
        );
        assert_eq!(token.digest, DIGEST.as_bytes());
        assert!(!token.has_more_fields());
        assert_eq!(token.to_string(), "10000_3222274048_1475031947_***");
        let long = format!("1_4_5_6_10.0.0.1_{DIGEST}");
        let token = Token::parse(long.as_bytes()).unwrap();
        assert_eq!(
            (token.more, token.has_more_fields()),
            (&b"6_10.0.0.1"[..], true)
        );
        assert_eq!(token.to_string(), "1_4_5_..._***");
    }

    #[test]
    fn what_is_no_token_is_refused() {
        for text in [
            String::new(),
            DIGEST.into(),
            format!("1_2_{DIGEST}"),
            format!("1_2_x_{DIGEST}"),
            format!("4294967296_2_3_{DIGEST}"),
            format!("-1_2_3_{DIGEST}"),
            format!("01_2_3_{DIGEST}"),
            format!("1_2_3__{DIGEST}"),
            format!("1_2_3_{}", DIGEST.to_uppercase()),
            format!("1_2_3_{}", &DIGEST[1..]),
            format!("1_2_3_{DIGEST}0"),
            format!(" 1_2_3_{DIGEST}"),
            format!("1_2_3_{}_{DIGEST}", "x".repeat(200)),
        ] {
            assert_eq!(Token::parse(text.as_bytes()), Err(NoToken), "{text}");
        }
    }
}
