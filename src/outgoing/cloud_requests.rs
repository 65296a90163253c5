//! The requests of a device in the cloud, as they are sent.

use core::fmt::Write;

use crate::config::{BaseUrl, CloudConfig};
use crate::outgoing::http_connection::Request;
use crate::proto::cloud::posts::Post;
use crate::proto::intercom::endpoint::urls::Url;

/// `GET /v2/channel`.
pub fn open_channel(config: &CloudConfig, token: &str) -> Option<Request> {
    let server = config.server.as_ref()?;
    let mut request = head("GET", server, "/v2/channel", token)?;
    request.push_str("Accept: text/event-stream\r\n\r\n").ok()?;
    Some(request)
}

/// `POST /v2/channel/ack?id=N`.
pub fn acknowledge(config: &CloudConfig, token: &str, id: u64) -> Option<Request> {
    let server = config.server.as_ref()?;
    let mut path = Request::new();
    write!(path, "/v2/channel/ack?id={id}").ok()?;
    let mut request = head("POST", server, &path, token)?;
    request
        .push_str("Content-Length: 0\r\nConnection: close\r\n\r\n")
        .ok()?;
    Some(request)
}

/// A request to the application server.
pub fn post(config: &CloudConfig, token: &str, what: &Post) -> Option<Request> {
    let server = config.calls.as_ref()?;
    let mut request = head("POST", server, &what.path(), token)?;
    let body = what.body(config.cid);
    let length = body.len();
    let written = write!(
        request,
        "Content-Type: application/json\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
    );
    written.ok()?;
    Some(request)
}

/// Plays or publishes (in chunks) a stream of the device's call; at the cloud itself.
pub fn stream(config: &CloudConfig, token: &str, method: &str, id: &str) -> Option<Request> {
    let authority = &config.server.as_ref()?.authority;
    let mut request = Request::new();
    let more = match method {
        "GET" => "Accept: video/x-flv",
        _ => "Content-Type: video/x-flv\r\nTransfer-Encoding: chunked",
    };
    let written = write!(
        request,
        "{method} /stream/{id}?token={token} HTTP/1.1\r\nHost: {authority}\r\n{more}\r\n\r\n"
    );
    written.ok()?;
    Some(request)
}

fn head(method: &str, server: &BaseUrl, path: &str, token: &str) -> Option<Request> {
    let BaseUrl { authority, prefix } = server;
    let mut request = Request::new();
    let written = write!(
        request,
        "{method} {prefix}{path} HTTP/1.1\r\nHost: {authority}\r\nX-Client-Token: {token}\r\n"
    );
    written.ok()?;
    Some(request)
}

/// A stream's URL for this device alone; empty if it would be too long.
pub fn with_token(url: &Url, token: &[u8]) -> Url {
    let mut url = url.clone();
    let parts = [&b"?token="[..], token];
    if url.is_empty() || !parts.iter().all(|part| url.extend_from_slice(part).is_ok()) {
        return Url::new();
    }
    url
}
