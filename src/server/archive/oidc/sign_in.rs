//! A sign-in under way: it belongs to the browser that has begun it, lasts ten minutes, and ends once.
//!
//! All of it is in a cookie of the browser, so that strangers who begin many cost no memory: a secret,
//! the time it ends, the page to return to, and a MAC over them. State, nonce and the verifier of PKCE
//! are made from the secret with the server's key. Each sign-in has a cookie of its own, named after its
//! state: two tabs do not disturb each other.

use std::collections::HashMap;
use std::sync::Mutex;

use base64::prelude::{Engine as _, BASE64_URL_SAFE_NO_PAD};
use hmac::{Hmac, Mac};
use sha2::Sha256;

use crate::base::constant_time::is_equal;
use crate::server::archive::accounts::secret;
use crate::server::archive::lock::lock;

/// Somebody has so long to sign in.
pub(in crate::server::archive) const SECONDS: i64 = 600;
/// Sign-ins that have ended are remembered until their time is over; more in that time are refused.
const MOST_ENDED: usize = 10_000;
/// Characters of the state that name the cookie.
const NAME_CHARS: usize = 16;

/// The key of this process, and which sign-ins have ended.
pub(in crate::server::archive) struct SignIns {
    key: String,
    ended: Mutex<HashMap<String, i64>>,
}

/// A sign-in.
pub(in crate::server::archive) struct SignIn {
    secret: String,
    ends_at: i64,
    /// The page to return to.
    pub(in crate::server::archive) path: String,
    pub(in crate::server::archive) state: String,
    pub(in crate::server::archive) nonce: String,
    pub(in crate::server::archive) verifier: String,
}

/// How a sign-in ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::server::archive) enum End {
    Now,
    /// It has ended before.
    Again,
    /// Too many have ended lately.
    Full,
}

impl SignIns {
    pub(in crate::server::archive) fn new() -> Result<Self, String> {
        Ok(Self {
            key: secret()?,
            ended: Mutex::default(),
        })
    }

    /// Begins one that returns to this page.
    pub(in crate::server::archive) fn begin(&self, path: &str, now: i64) -> Result<SignIn, String> {
        Ok(self.of_secret(secret()?, now + SECONDS, path.to_owned()))
    }

    fn of_secret(&self, secret: String, ends_at: i64, path: String) -> SignIn {
        SignIn {
            state: self.mac(&["state", &secret]),
            nonce: self.mac(&["nonce", &secret]),
            verifier: self.mac(&["verifier", &secret]),
            secret,
            ends_at,
            path,
        }
    }

    /// The value of its cookie.
    pub(in crate::server::archive) fn cookie(&self, sign_in: &SignIn) -> String {
        let SignIn {
            secret,
            ends_at,
            path,
            ..
        } = sign_in;
        let path = BASE64_URL_SAFE_NO_PAD.encode(path);
        let mac = self.mac(&["cookie", secret, &ends_at.to_string(), &path]);
        format!("{secret}.{ends_at}.{path}.{mac}")
    }

    /// The sign-in of a cookie and of the state that the issuer has sent back; `None`: they do not
    /// belong together, or its time is over.
    pub(in crate::server::archive) fn find(
        &self,
        cookie: &str,
        state: &str,
        now: i64,
    ) -> Option<SignIn> {
        let mut parts = cookie.split('.');
        let mut next = || parts.next();
        let (secret, ends_at, path, mac) = (next()?, next()?, next()?, next()?);
        let expected = self.mac(&["cookie", secret, ends_at, path]);
        if !is_equal(mac.as_bytes(), expected.as_bytes()) {
            return None;
        }
        let path = String::from_utf8(BASE64_URL_SAFE_NO_PAD.decode(path).ok()?).ok()?;
        let sign_in = self.of_secret(secret.to_owned(), ends_at.parse().ok()?, path);
        let is_its_state = is_equal(state.as_bytes(), sign_in.state.as_bytes());
        (is_its_state && now < sign_in.ends_at).then_some(sign_in)
    }

    /// Ends one: only the first time counts.
    pub(in crate::server::archive) fn end(&self, sign_in: &SignIn, now: i64) -> End {
        let mut ended = lock(&self.ended);
        if ended.contains_key(&sign_in.state) {
            return End::Again;
        }
        if ended.len() >= MOST_ENDED {
            ended.retain(|_, ends_at| now < *ends_at);
            if ended.len() >= MOST_ENDED {
                return End::Full;
            }
        }
        ended.insert(sign_in.state.clone(), sign_in.ends_at);
        End::Now
    }

    fn mac(&self, parts: &[&str]) -> String {
        // A key of any length is accepted; an empty text would fit no state.
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(self.key.as_bytes()) else {
            return String::new();
        };
        mac.update(parts.join("\n").as_bytes());
        BASE64_URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes())
    }
}

/// What the name of a state's cookie ends with; `None`: it is no state of ours.
pub(in crate::server::archive) fn cookie_suffix(state: &str) -> Option<&str> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
    state
        .get(..NAME_CHARS)
        .filter(|name| name.bytes().all(is_plain))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sign_in_is_found_by_its_cookie_and_its_state_until_it_is_over() {
        let sign_ins = SignIns::new().unwrap();
        let first = sign_ins.begin("/call/a", 1000).unwrap();
        let second = sign_ins.begin("/", 1000).unwrap();
        let (cookie, other) = (sign_ins.cookie(&first), sign_ins.cookie(&second));
        let found = sign_ins.find(&cookie, &first.state, 1599).unwrap();
        assert_eq!(found.path, "/call/a");
        assert_eq!(
            (&found.nonce, &found.verifier),
            (&first.nonce, &first.verifier)
        );
        // RFC 7636: a verifier has 43 characters at least.
        assert!(found.verifier.len() >= 43 && found.verifier != found.nonce);
        assert!(sign_ins.find(&cookie, &first.state, 1600).is_none());
        assert!(sign_ins.find(&other, &first.state, 1000).is_none());
        assert!(sign_ins.find(&cookie, "", 1000).is_none());
        let later = cookie.replace("1600", "9999");
        assert!(sign_ins.find(&later, &first.state, 1000).is_none());
        let elsewhere = SignIns::new().unwrap();
        assert!(elsewhere.find(&cookie, &first.state, 1000).is_none());
        for end in 0..cookie.len() {
            assert!(sign_ins.find(&cookie[..end], &first.state, 1000).is_none());
        }
    }

    #[test]
    fn a_sign_in_ends_once_and_many_are_bounded() {
        let sign_ins = SignIns::new().unwrap();
        let first = sign_ins.begin("/", 1000).unwrap();
        assert_eq!(sign_ins.end(&first, 1000), End::Now);
        assert_eq!(sign_ins.end(&first, 1001), End::Again);
        for _ in 1..MOST_ENDED {
            let next = sign_ins.begin("/", 1000).unwrap();
            assert_eq!(sign_ins.end(&next, 1000), End::Now);
        }
        let next = sign_ins.begin("/", 1000).unwrap();
        assert_eq!(sign_ins.end(&next, 1599), End::Full);
        assert_eq!(sign_ins.end(&next, 1600), End::Now);
    }
}
