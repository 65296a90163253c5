//! The application server with the vendor's cloud, as the operator's programs use it.

use serde_json::Value;

use super::vendor::Vendor;
use super::{calls, Reply, Running};

pub fn started(states: &[(u64, u64)], more: &str) -> (Vendor, Running) {
    let vendor = Vendor::new(states);
    let server = calls(&vendor.hook.url(), more);
    (vendor, server)
}

pub fn create(server: &Running, body: &str) -> Reply {
    server.operate("POST", "/calls", body)
}

pub fn act(server: &Running, sid: &str, action: &str, from: u32) -> Reply {
    server.operate(
        "POST",
        &format!("/calls/{sid}/{action}"),
        &format!("{{\"from\":{from}}}"),
    )
}

pub fn call(server: &Running, sid: &str) -> Value {
    server.operate("GET", &format!("/calls/{sid}"), "").json()
}

/// Status and reason.
pub fn refused(reply: &Reply) -> (u16, String) {
    let json = reply.json();
    assert!(json["message"].is_string(), "{reply:?}");
    (reply.status, json["reason"].as_str().unwrap().to_owned())
}
