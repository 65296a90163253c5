//! The key that peers share, and what they prove with it: that a request is a peer's and of this minute,
//! and that an answer is a peer's to this very request.
//!
//! A request has `Authorization: Callrec-Peer TIME NONCE MAC`, an answer `Callrec-Proof: MAC`. Both are
//! HMAC-SHA-256, in hexadecimal, over texts that begin differently.

use std::fs::File;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use hmac::{Hmac, Mac};
use sha2::Sha256;

use crate::io::random::Random;

/// A key with fewer bytes can be guessed.
const LEAST_BYTES: usize = 32;
/// A longer file is no key.
const MOST_BYTES: u64 = 4096;
/// A request is good for so many seconds: clocks differ a little.
pub(in crate::server::archive) const GOOD_SECONDS: i64 = 60;

const SCHEME: &str = "Callrec-Peer";
const NONCE_CHARS: usize = 32;

/// The key.
#[derive(Clone)]
pub(in crate::server::archive) struct PeerKey(Vec<u8>);

/// Why a request is not a peer's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::server::archive) enum PeerRefusal {
    /// It is not signed at all.
    NotSigned,
    /// With another key, or for another request.
    Key,
    /// Too old, or from the future.
    Time,
    /// It was answered before.
    Again,
}

impl PeerRefusal {
    /// For the log.
    pub(in crate::server::archive) fn words(self) -> &'static str {
        match self {
            Self::NotSigned => "it is not signed by a peer",
            Self::Key => "it is signed with another key than that in peerKeyFile",
            Self::Time => "it is older than 60 s, or the clocks of the two hosts differ",
            Self::Again => "it was answered before",
        }
    }
}

impl PeerKey {
    /// Reads the key from its file, which is its owner's alone.
    pub(in crate::server::archive) fn read(path: &Path) -> Result<Self, String> {
        let shown = path.display();
        let failed = |error: std::io::Error| format!("peerKeyFile {shown}: {error}");
        let file = File::open(path).map_err(failed)?;
        let metadata = file.metadata().map_err(failed)?;
        if !metadata.is_file() {
            return Err(format!("peerKeyFile {shown}: is not a file"));
        }
        if metadata.permissions().mode() & 0o077 != 0 {
            return Err(format!(
                "peerKeyFile {shown}: others than its owner may use it; 'chmod 600 {shown}'"
            ));
        }
        let mut bytes = vec![];
        let read = file.take(MOST_BYTES + 1).read_to_end(&mut bytes);
        read.map_err(failed)?;
        // A text ends with a newline on one host, and without on another one.
        if bytes.is_ascii() {
            bytes.truncate(bytes.trim_ascii_end().len());
        }
        if bytes.len() < LEAST_BYTES || bytes.len() as u64 > MOST_BYTES {
            return Err(format!(
                "peerKeyFile {shown}: must have from 32 to 4096 bytes; 'openssl rand -hex 32' makes a key"
            ));
        }
        Ok(Self(bytes))
    }

    /// The header of a request.
    pub(in crate::server::archive) fn sign(&self, path: &str, time: i64, nonce: &str) -> String {
        let mac = self.mac(&[request_text(path, time, nonce).as_bytes()]);
        let mac = mac.map_or(String::new(), |mac| hex(&mac.finalize().into_bytes()));
        format!("{SCHEME} {time} {nonce} {mac}")
    }

    /// The nonce of a request that a peer has signed.
    pub(in crate::server::archive) fn check<'a>(
        &self,
        header: &'a str,
        path: &str,
        now: i64,
    ) -> Result<&'a str, PeerRefusal> {
        let mut words = header.split(' ');
        let parts = (words.next(), words.next(), words.next(), words.next());
        let (Some(SCHEME), Some(time), Some(nonce), Some(mac)) = parts else {
            return Err(PeerRefusal::NotSigned);
        };
        let is_plain = nonce.len() == NONCE_CHARS && nonce.bytes().all(|c| c.is_ascii_hexdigit());
        let (Ok(time), Some(given), true) = (time.parse::<i64>(), bytes(mac), is_plain) else {
            return Err(PeerRefusal::NotSigned);
        };
        let expected = self.mac(&[request_text(path, time, nonce).as_bytes()]);
        let is_signed = expected.is_some_and(|mac| mac.verify_slice(&given).is_ok());
        if !is_signed {
            return Err(PeerRefusal::Key);
        }
        if now.saturating_sub(time).saturating_abs() > GOOD_SECONDS {
            return Err(PeerRefusal::Time);
        }
        Ok(nonce)
    }

    /// The header of an answer.
    pub(in crate::server::archive) fn proof(&self, nonce: &str, body: &[u8]) -> String {
        let mac = self.mac(&[answer_text(nonce).as_bytes(), body]);
        mac.map_or(String::new(), |mac| hex(&mac.finalize().into_bytes()))
    }

    /// The answer is a peer's to this request.
    pub(in crate::server::archive) fn is_proof(
        &self,
        proof: &str,
        nonce: &str,
        body: &[u8],
    ) -> bool {
        let mac = self.mac(&[answer_text(nonce).as_bytes(), body]);
        match (mac, bytes(proof)) {
            (Some(mac), Some(given)) => mac.verify_slice(&given).is_ok(),
            _ => false,
        }
    }

    fn mac(&self, parts: &[&[u8]]) -> Option<Hmac<Sha256>> {
        // No length of a key is wrong for HMAC.
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.0).ok()?;
        parts.iter().for_each(|part| mac.update(part));
        Some(mac)
    }
}

/// 128 random bits: a request's nonce.
pub(in crate::server::archive) fn random_number() -> Result<String, String> {
    let mut bytes = [0; NONCE_CHARS / 2];
    let filled = Random::open().fill(&mut bytes);
    filled.map_err(|error| format!("no random numbers: {error}"))?;
    Ok(hex(&bytes))
}

fn request_text(path: &str, time: i64, nonce: &str) -> String {
    format!("callrec peer 1 request\nGET\n{path}\n{time}\n{nonce}\n")
}

fn answer_text(nonce: &str) -> String {
    format!("callrec peer 1 answer\n{nonce}\n")
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// 32 bytes in hexadecimal.
fn bytes(text: &str) -> Option<Vec<u8>> {
    if text.len() != 64 || !text.bytes().all(|c| c.is_ascii_hexdigit()) {
        return None;
    }
    let pairs = (0..32).map(|at| u8::from_str_radix(&text[at * 2..at * 2 + 2], 16).ok());
    pairs.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NONCE: &str = "000102030405060708090a0b0c0d0e0f";

    #[test]
    fn a_request_is_good_for_its_path_its_minute_and_its_key() {
        let key = PeerKey(vec![7; 32]);
        let header = key.sign("/peer/v1/running", 1000, NONCE);
        let check = |key: &PeerKey, path: &str, now: i64| key.check(&header, path, now);
        for now in [940, 1000, 1060] {
            assert_eq!(check(&key, "/peer/v1/running", now), Ok(NONCE));
        }
        for now in [939, 1061, i64::MAX, i64::MIN] {
            let refusal = check(&key, "/peer/v1/running", now);
            assert_eq!(refusal, Err(PeerRefusal::Time), "{now}");
        }
        let other = PeerKey(vec![8; 32]);
        assert_eq!(
            check(&other, "/peer/v1/running", 1000),
            Err(PeerRefusal::Key)
        );
        assert_eq!(check(&key, "/peer/v1/audio", 1000), Err(PeerRefusal::Key));
    }

    #[test]
    fn no_other_header_is_taken() {
        let key = PeerKey(vec![7; 32]);
        let header = key.sign("/p", 1000, NONCE);
        for length in 0..header.len() {
            let refusal = key.check(&header[..length], "/p", 1000);
            assert!(refusal.is_err(), "{length}");
        }
        for at in 0..header.len() {
            let mut bytes = header.clone().into_bytes();
            bytes[at] ^= 1;
            let changed = String::from_utf8(bytes).unwrap();
            assert!(key.check(&changed, "/p", 1000).is_err(), "{changed}");
        }
        assert!(key.check("", "/p", 1000).is_err());
        assert!(key.check("Bearer cra_x", "/p", 1000).is_err());
    }

    #[test]
    fn an_answer_is_proven_for_its_request_alone() {
        let key = PeerKey(vec![7; 32]);
        let proof = key.proof(NONCE, b"body");
        assert!(key.is_proof(&proof, NONCE, b"body"));
        assert!(!key.is_proof(&proof, NONCE, b"bodx"));
        assert!(!key.is_proof(&proof, &NONCE.replace('0', "1"), b"body"));
        assert!(!key.is_proof("", NONCE, b"body"));
        assert!(!PeerKey(vec![8; 32]).is_proof(&proof, NONCE, b"body"));
    }
}
