//! What a store responds to an upload.

use ureq::http::{Response, StatusCode};
use ureq::Body;

/// Bytes read of an error response: its code is in the first lines.
const REFUSAL_BYTES: u64 = 4096;

/// A store's response to an upload.
pub(super) enum PutReply {
    Stored(Stored),
    /// There was an object of that name before.
    Exists,
    /// The store does not know `If-None-Match`.
    NoConditions,
}

/// An object that was stored.
pub(super) struct Stored {
    pub(super) tag: String,
    /// Encrypted with a key of the store's user: then the tag is not a sum of the object.
    pub(super) is_encrypted: bool,
}

pub(super) fn looks_like_md5(tag: &str) -> bool {
    let tag = tag.trim_matches('"');
    tag.len() == 32 && tag.bytes().all(|byte| byte.is_ascii_hexdigit())
}

pub(super) fn header<'a>(answer: &'a Response<Body>, name: &str) -> Option<&'a str> {
    answer
        .headers()
        .get(name)
        .and_then(|value| value.to_str().ok())
}

/// Checks the response to an upload. A stored object has a tag; another kind of server at the
/// address may respond with 200 as well.
pub(super) fn accept(mut answer: Response<Body>) -> Result<PutReply, String> {
    let status = answer.status();
    match status {
        StatusCode::PRECONDITION_FAILED => return Ok(PutReply::Exists),
        StatusCode::NOT_IMPLEMENTED => return Ok(PutReply::NoConditions),
        _ => {}
    }
    if status == StatusCode::OK {
        let tag = header(&answer, "etag")
            .ok_or("the endpoint is not object storage: its response has no ETag")?
            .to_owned();
        let with_kms = header(&answer, "x-amz-server-side-encryption")
            .is_some_and(|kind| kind.starts_with("aws:kms"));
        let is_encrypted = with_kms
            || header(&answer, "x-amz-server-side-encryption-customer-algorithm").is_some();
        return Ok(PutReply::Stored(Stored { tag, is_encrypted }));
    }
    Err(refusal(&mut answer))
}

/// Why a store has refused something, as it says it.
pub(super) fn refusal(answer: &mut Response<Body>) -> String {
    let status = answer.status();
    let text = answer
        .body_mut()
        .with_config()
        .limit(REFUSAL_BYTES)
        .read_to_string()
        .unwrap_or_default();
    let code = text
        .split_once("<Code>")
        .and_then(|(_, rest)| rest.split_once("</Code>"));
    format!(
        "refused: {status}{}",
        code.map_or_else(String::new, |(code, _)| format!(" ({code})"))
    )
}
