//! The page for trying (`tryPage = 1`), on the home side of the stream server: who is joined, the call
//! and its sound, the pictures' URLs; the door is opened with the token of the screen that talks.

use log::{info, warn};

use crate::base::time::Instant;
use crate::home_box::parts::Parts;
use crate::home_box::wall_time::unix_seconds;
use crate::proto::intercom::relay::{Asked, AskedFor, RelayEvent};
use crate::streams::StreamServer;
use crate::wire::json::quote;

const PAGE: &str = include_str!("try_page.html");
const SCRIPT: &str = include_str!("try_page.js");
const STYLE: &str = include_str!("try_page.css");
const HTML: &str = "text/html";
const JSON: &str = "application/json";

/// Replies to all requests of the page; `true`: the call may have changed.
pub(super) fn answer(now: Instant, parts: &mut Parts, streams: &mut StreamServer) -> bool {
    let mut may_have_changed = false;
    while let Some(Asked { id, what }) = streams.relay_mut().poll_asked() {
        let (status, kind, body) = match what {
            AskedFor::Page => ("200 OK", HTML, PAGE.to_owned()),
            AskedFor::Script => ("200 OK", "text/javascript", SCRIPT.to_owned()),
            AskedFor::Style => ("200 OK", "text/css", STYLE.to_owned()),
            AskedFor::Status => ("200 OK", JSON, status(parts, streams)),
            AskedFor::Open(token) => {
                may_have_changed = true;
                let (status, words) = open(now, parts, &token);
                (status, JSON, message(words))
            }
        };
        streams.relay_mut().reply(id, status, kind, &body);
    }
    may_have_changed
}

fn status(parts: &Parts, streams: &StreamServer) -> String {
    let (call, sid) = parts.router.call_status();
    let settings = &parts.settings;
    let devices = parts.router.devices().map(quoted);
    let devices: Vec<String> = devices.collect();
    let server = format!("{}:{}", settings.home_addr, settings.stream_port);
    let streams = streams
        .relay()
        .present()
        .map(|event| stream(&server, &event));
    let streams: Vec<String> = streams.collect();
    format!(
        "{{\"room\":{},\"screens\":[{}],\"call\":{},\"sid\":{},\"streams\":[{}]}}",
        quoted(settings.room_id.as_bytes()),
        devices.join(","),
        quoted(call.as_bytes()),
        quoted(sid),
        streams.join(",")
    )
}

fn stream(server: &str, event: &RelayEvent) -> String {
    let id = String::from_utf8_lossy(&event.id);
    let url = format!("http://{server}/stream/{id}");
    format!(
        "{{\"id\":{},\"side\":{},\"codec\":{},\"url\":{}}}",
        quoted(&event.id),
        quoted(event.side.as_bytes()),
        quoted(event.codec.as_bytes()),
        quoted(url.as_bytes())
    )
}

fn message(words: &str) -> String {
    format!("{{\"message\":{}}}", quoted(words.as_bytes()))
}

/// A text of JSON.
fn quoted(text: &[u8]) -> String {
    let mut quoted = String::new();
    // A string takes everything.
    let _ = quote(&mut quoted, text);
    quoted
}

fn open(now: Instant, parts: &mut Parts, token: &[u8]) -> (&'static str, &'static str) {
    // The command may have made or revoked a token since.
    if let Err(problem) = parts.tokens.reload_if_changed() {
        warn!("tokens: {problem}");
    }
    let token = core::str::from_utf8(token).unwrap_or_default();
    let Ok(verified) = parts.tokens.verify(token, unix_seconds()) else {
        return ("401 Unauthorized", "this token is not valid");
    };
    let device = verified.device;
    if parts.router.handle_page_open(now, device.as_bytes()) {
        info!("the page opens the door for {device}");
        ("200 OK", "the door was asked to open")
    } else {
        (
            "409 Conflict",
            "only the screen that talks opens the door: use its token",
        )
    }
}
