//! Phones that are offline are woken by the operator's push sender, and told of the call once they
//! are online.

use std::time::Duration;

use axum::http::Method;
use log::{info, warn};
use serde_json::json;
use tokio::time::{sleep, Instant};

use crate::server::calls::book::call::CallState;
use crate::server::calls::state::{CallServer, Shared};
use crate::server::calls::tell::push_call;
use crate::server::web::ids::{random_hex, unix_now};
use crate::server::web::signature::signed_headers;
use crate::wire::cloud::message::CallMessage;

/// How long a phone may take to come online.
const WAKE_TIME: Duration = Duration::from_secs(20);
/// How often the cloud is asked.
const ASK_PERIOD: Duration = Duration::from_secs(2);
/// The whole request to the hook.
const HOOK_TIME: Duration = Duration::from_secs(10);

/// Wakes these callees of a call, in the background.
pub(super) fn wake(server: &Shared, sid: &str, message: &CallMessage, callees: Vec<u32>) {
    for cid in callees {
        let (server, sid, message) = (server.clone(), sid.to_owned(), message.clone());
        let hook = server.clone();
        let order = json!({ "sid": sid, "from": message.from, "to": cid }).to_string();
        tokio::spawn(async move { call_hook(&hook, order).await });
        tokio::spawn(async move { await_callee(&server, &sid, &message, cid).await });
    }
}

async fn call_hook(server: &CallServer, body: String) {
    let Some(hook) = &server.settings.push_hook else {
        return;
    };
    let (id, key) = (random_hex::<16>(), server.app_key());
    let headers = signed_headers(
        &server.settings.app_id,
        &key,
        &id,
        unix_now(),
        body.as_bytes(),
    );
    let headers: Vec<(&str, &str)> = headers
        .iter()
        .map(|(name, value)| (*name, value.as_str()))
        .collect();
    let url = hook.join("");
    let sent = server
        .client
        .send(Method::POST, &url, &headers, body.into_bytes(), HOOK_TIME);
    let problem = match sent.await {
        Ok(reply) if (200..300).contains(&reply.status) => return,
        Ok(reply) => format!("status {}", reply.status),
        Err(problem) => problem.to_string(),
    };
    server.count(|counts| counts.hook_problems += 1);
    warn!("pushHook: {problem}");
}

/// Asks until the callee is online, and tells it of the call.
async fn await_callee(server: &Shared, sid: &str, message: &CallMessage, cid: u32) {
    let give_up_at = Instant::now() + WAKE_TIME;
    while Instant::now() < give_up_at {
        sleep(ASK_PERIOD).await;
        if !is_wanted(server, sid, cid) {
            return;
        }
        let devices = server
            .cloud
            .states(&server.app_key(), &[cid])
            .await
            .unwrap_or_default();
        let is_online = devices
            .iter()
            .any(|device| device.cid == cid && device.is_online());
        if is_online && is_wanted(server, sid, cid) {
            tell(server, sid, message, cid).await;
            return;
        }
    }
    give_up(server, sid, cid);
}

/// The call still waits for this callee.
fn is_wanted(server: &CallServer, sid: &str, cid: u32) -> bool {
    server.book(|book, _| {
        let call = book.get(sid).filter(|call| call.state.is_before_talking());
        call.is_some_and(|call| call.active().any(|active| active == cid))
    })
}

async fn tell(server: &Shared, sid: &str, message: &CallMessage, cid: u32) {
    if let Err(problem) = push_call(server, sid, message, &[cid]).await {
        server.count(|counts| counts.cloud_problems += 1);
        warn!("call {sid}: {problem}");
        give_up(server, sid, cid);
        return;
    }
    info!("call {sid}: {cid} is awake");
    server.book(|book, _| {
        let Some(call) = book.get_mut(sid) else {
            return;
        };
        if let Some(callee) = call.callee_mut(cid) {
            callee.is_told = true;
        }
        if call.state == CallState::Waking {
            call.state = CallState::Sent;
        }
    });
}

/// The callee is left out; the last one ends the call.
fn give_up(server: &CallServer, sid: &str, cid: u32) {
    server.book(|book, when| {
        let Some(call) = book
            .get_mut(sid)
            .filter(|call| call.state.is_before_talking())
        else {
            return;
        };
        if let Some(callee) = call.callee_mut(cid) {
            callee.is_out = true;
        }
        if call.active().next().is_none() {
            book.finish(when, sid, "callee-offline");
        }
    });
}
