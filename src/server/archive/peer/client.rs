//! Requests to peers: signed, answers bounded and proven, and one time limit for all of it.

use std::path::Path;
use std::time::Duration;

use axum::body::Bytes;
use axum::http::Method;

use super::key::{random_number, PeerKey};
use crate::server::https_client::{HttpClient, Limits, NoReply};

/// A request with all that belongs to it: a peer is near, and what it sends is small.
const ANSWER_TIME: Duration = Duration::from_secs(5);
/// The longest answer.
pub(in crate::server::archive) const ANSWER_BYTES: usize = 4 << 20;
const LIMITS: Limits = Limits {
    connect_time: Duration::from_secs(3),
    // The peer closes it after 10 s.
    kept_time: Duration::from_secs(8),
    head_bytes: Some(16 * 1024),
    answer_bytes: ANSWER_BYTES,
};
/// The header with the proof of an answer.
pub(in crate::server::archive) const PROOF: &str = "callrec-proof";

/// What asks peers, with its connections.
pub(in crate::server::archive) struct PeerClient {
    client: HttpClient,
    key: PeerKey,
}

/// Why there is no answer.
#[derive(Debug)]
pub(in crate::server::archive) enum NoAnswer {
    /// The peer does not have what was asked for.
    NotThere,
    /// What failed, in words.
    Failed(String),
}

impl PeerClient {
    /// `ca`: the one authority that is trusted, instead of all public ones.
    pub(in crate::server::archive) fn new(key: PeerKey, ca: Option<&Path>) -> Result<Self, String> {
        let client = match ca {
            Some(ca) => {
                let trusting = HttpClient::trusting(ca, LIMITS);
                trusting.map_err(|problem| format!("peerCa {problem}"))?
            }
            None => HttpClient::new(LIMITS),
        };
        Ok(Self { client, key })
    }

    /// The body of a peer's answer.
    pub(in crate::server::archive) async fn ask(
        &self,
        base: &str,
        path: &str,
        now: i64,
    ) -> Result<Bytes, NoAnswer> {
        let nonce = random_number().map_err(NoAnswer::Failed)?;
        let signed = self.key.sign(path, now, &nonce);
        let headers = [("authorization", signed.as_str())];
        let url = format!("{base}{path}");
        let sent = self
            .client
            .send(Method::GET, &url, &headers, vec![], ANSWER_TIME);
        let reply = sent.await.map_err(|problem| {
            NoAnswer::Failed(match problem {
                NoReply::TimedOut => "does not answer in 5 s".into(),
                NoReply::Failed(words) => words,
            })
        })?;
        match reply.status {
            200 => {}
            404 => return Err(NoAnswer::NotThere),
            403 => {
                let words = "refuses: its peerKeyFile is another one, or the clocks of the two hosts differ";
                return Err(NoAnswer::Failed(words.into()));
            }
            status => return Err(NoAnswer::Failed(format!("answers with status {status}"))),
        }
        let proof = reply.headers.get(PROOF);
        let proof = proof.and_then(|proof| proof.to_str().ok());
        if !self
            .key
            .is_proof(proof.unwrap_or_default(), &nonce, &reply.body)
        {
            let words = "its answer is not signed with the key in peerKeyFile";
            return Err(NoAnswer::Failed(words.into()));
        }
        Ok(reply.body)
    }
}
