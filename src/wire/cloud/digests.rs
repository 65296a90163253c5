//! Digests of the cloud: of tokens, and of what its webhooks send.

use hmac::digest::KeyInit;
use hmac::{Hmac, Mac};
use hmac_of_md5::KeyInit as _;
use md5::{Digest, Md5};
use sha2::Sha256;

use crate::base::constant_time::is_equal;
use crate::wire::cloud::token::Token;

/// What a check of a token found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Signed with one of the keys, and not expired.
    Valid,
    /// Signed with one of the keys, but its time is over.
    Expired,
    /// Signed with none of the keys.
    WrongDigest,
    /// It has fields whose signing is not published.
    Unverifiable,
    /// It is no token.
    Malformed,
}

impl Verdict {
    /// The word that programs print.
    pub fn word(self) -> &'static str {
        match self {
            Self::Valid => "valid",
            Self::Expired => "expired",
            Self::WrongDigest => "wrong-digest",
            Self::Unverifiable => "unverifiable",
            Self::Malformed => "malformed",
        }
    }
}

/// The digest of a token: HMAC-MD5 of its fields, each as 32 bits with the lowest byte first.
pub fn token_digest(key: &[u8], cid: u32, control: u32, expire: u32) -> String {
    let mut fields = [0; 12];
    for (place, field) in fields.chunks_exact_mut(4).zip([cid, control, expire]) {
        place.copy_from_slice(&field.to_le_bytes());
    }
    // Padded here as HMAC pads it, so that no length of the key is an error.
    let mut block = [0; 64];
    if key.len() > block.len() {
        block[..16].copy_from_slice(&Md5::digest(key));
    } else {
        block[..key.len()].copy_from_slice(key);
    }
    let mut hmac = hmac_of_md5::Hmac::<Md5>::new(&block.into());
    hmac_of_md5::Mac::update(&mut hmac, &fields);
    hex(&hmac_of_md5::Mac::finalize(hmac).into_bytes())
}

/// Makes a token of three fields.
pub fn make_token(key: &[u8], cid: u32, control: u32, expire: u32) -> String {
    let digest = token_digest(key, cid, control, expire);
    format!("{cid}_{control}_{expire}_{digest}")
}

/// Checks a token against several keys; `now` in Unix seconds.
pub fn check_token<K: AsRef<[u8]>>(bytes: &[u8], keys: &[K], now: u64) -> Verdict {
    let Ok(token) = Token::parse(bytes) else {
        return Verdict::Malformed;
    };
    if token.has_more_fields() {
        return Verdict::Unverifiable;
    }
    let is_signed = keys.iter().fold(false, |found, key| {
        let digest = token_digest(key.as_ref(), token.cid, token.control, token.expire);
        found | is_equal(token.digest, digest.as_bytes())
    });
    match is_signed {
        false => Verdict::WrongDigest,
        true if u64::from(token.expire) <= now => Verdict::Expired,
        true => Verdict::Valid,
    }
}

/// `X-Event-Sign`: the MD5 of the app's id, the body as it is sent, and the app's key.
pub fn event_sign(app_id: &str, body: &[u8], key: &[u8]) -> String {
    let mut sum = Md5::new();
    sum.update(app_id);
    sum.update(body);
    sum.update(key);
    hex(&sum.finalize())
}

/// `X-Event-Sign2`: HMAC-SHA256 with the app's key, over id, time and body, with dots between.
pub fn event_sign2(key: &[u8], id: &str, time: u64, body: &[u8]) -> String {
    let mut block = [0; 64];
    if key.len() > block.len() {
        block[..32].copy_from_slice(&<Sha256 as sha2::Digest>::digest(key));
    } else {
        block[..key.len()].copy_from_slice(key);
    }
    let mut hmac = <Hmac<Sha256> as KeyInit>::new(&block.into());
    hmac.update(format!("{id}.{time}.").as_bytes());
    hmac.update(body);
    hex(&hmac.finalize().into_bytes())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Key and token; the first is published, the others were computed with another program.
    const VECTORS: [(&str, u32, u32, u32, &str); 6] = [
        (
            "d57559a82027b7d846318a0c1596d645",
            10_000,
            3_222_274_048,
            1_475_031_947,
            "f124654ced4d5b30dad739caac64f424",
        ),
        (
            "abcdefghijklmnopqrstuvwxyz123456",
            537_067_556,
            3_222_536_192,
            1_493_481_600,
            "0bf211112d86e796c24d39c31afd7f92",
        ),
        (
            "00000000000000000000000000000000",
            0,
            0,
            0,
            "28d6a5b37a9b00fcb892ab89af62e01e",
        ),
        (
            "0123456789abcdef0123456789abcdef",
            u32::MAX,
            u32::MAX,
            u32::MAX,
            "725dc77f73de24ccb6ca438e7c11f3c6",
        ),
        (
            "0123456789abcdef0123456789abcdef",
            1,
            16,
            1 << 31,
            "8f48dc2a462039ca4458146eff2b93c1",
        ),
        (
            "kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk",
            1_003_469,
            3_222_536_192,
            1_493_481_600,
            "3592a858974149e5b0f357553fa9788f",
        ),
    ];

    #[test]
    fn the_vectors_are_made_and_checked() {
        for (key, cid, control, expire, digest) in VECTORS {
            assert_eq!(token_digest(key.as_bytes(), cid, control, expire), digest);
            let token = make_token(key.as_bytes(), cid, control, expire);
            let check = |key: &str, now| check_token(token.as_bytes(), &[key], now);
            let expire = u64::from(expire);
            assert_eq!(
                check(key, expire.saturating_sub(1)),
                match expire {
                    0 => Verdict::Expired,
                    _ => Verdict::Valid,
                }
            );
            assert_eq!(check(key, expire), Verdict::Expired);
            assert_eq!(check("another", 0), Verdict::WrongDigest);
            assert_eq!(
                check_token(token.as_bytes(), &["another", key], expire),
                Verdict::Expired
            );
        }
        let long = format!("1_2_3_4_{}", "0".repeat(32));
        assert_eq!(
            check_token(long.as_bytes(), &["k"], 0),
            Verdict::Unverifiable
        );
        assert_eq!(check_token(b"1_2_3", &["k"], 0), Verdict::Malformed);
    }

    #[test]
    fn webhooks_are_signed() {
        let body = br#"{"data": {"msg": "aGVsbG8=", "to": [5003062], "from": 1003200, "created": 1452666295}, "event": "device-message"}"#;
        let sign = event_sign("Test", body, &[b'0'; 32]);
        assert_eq!(sign, "ee329043a9433bacadfb27e5d3639847");
        // Computed with Python's hmac.
        let sign = event_sign2(b"Jefe", "id", 7, b"{}");
        assert_eq!(
            sign,
            "e51086b46c98180b1fa936e4029524307c4a54842f170b2aeaae632e044e0b29"
        );
    }
}
