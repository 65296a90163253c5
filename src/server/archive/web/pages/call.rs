//! `GET /call/ID`: one call: its waveform and player, what people have added, who has heard it.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::Response;
use axum::Extension;
use maud::{html, Markup};
use serde_json::Value;

use super::home::{direction, missing, parties};
use super::layout::{length, Reader};
use crate::server::archive::accounts::users::Role;
use crate::server::archive::app::App;
use crate::server::archive::web::changes::has_password;
use crate::server::archive::web::error::ApiError;
use crate::server::archive::web::info::lines;
use crate::server::archive::web::recordings::shown;
use crate::server::archive::web::viewer::Viewer;

/// Lines of the audit log that are shown.
const LISTENERS: usize = 20;
/// Facts that are shown as they are.
const FACTS: [(&str, &str); 7] = [
    ("device", "Device"),
    ("end", "End"),
    ("result", "Result"),
    ("reason", "Reason"),
    ("codec", "Codec"),
    ("call_id", "Number of the call"),
    ("host", "Host"),
];

pub(super) async fn call(
    State(app): State<Arc<App>>,
    Extension(viewer): Extension<Viewer>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Response {
    let reader = Reader::of(&app, &headers);
    let who = viewer.clone();
    let found = app.run(move |app| find(app, &who, &id)).await;
    let (call, listeners) = match found {
        Ok(found) => found,
        Err(error) => return reader.refusal(Some(&viewer), &error),
    };
    let people = parties(&call);
    let title = if people.is_empty() {
        reader.say("Call").to_owned()
    } else {
        people
    };
    let is_deleted = call["state"] == "deleted";
    let content = html! {
        p.lead {
            (reader.time(text(&call, "start"))) " · " (direction(&reader, &call)) " · "
            (length(call["duration_ms"].as_i64().unwrap_or(0)))
            @let missing = missing(&reader, &call);
            @if !missing.is_empty() { " · " strong { (missing) } }
        }
        (reader.zone_note())
        @if !is_deleted { (sound(&reader, &viewer, &call)) }
        (facts(&reader, &call))
        @if !is_deleted && viewer.rights.role >= Role::Supervisor { (added(&reader, &viewer, &call)) }
        @if let Some(listeners) = listeners { (heard_by(&reader, &listeners)) }
    };
    reader.page(&title, Some(&viewer), &content)
}

fn find(app: &App, viewer: &Viewer, id: &str) -> Result<(Value, Option<Vec<Value>>), ApiError> {
    let row = app.recording(viewer, id, Role::Agent)?;
    let listeners = if viewer.rights.role == Role::Admin {
        Some(lines(app, viewer, LISTENERS, &[("id".into(), id.into())])?)
    } else {
        None
    };
    Ok((shown(app, &row), listeners))
}

fn text<'a>(call: &'a Value, key: &str) -> &'a str {
    call[key].as_str().unwrap_or_default()
}

fn sound(reader: &Reader, viewer: &Viewer, call: &Value) -> Markup {
    let api = format!("/api/v1/recordings/{}", text(call, "id"));
    let is_running = call["state"] == "running";
    let may_download = viewer.rights.role >= Role::Supervisor;
    html! {
        section.sound aria-label=(reader.say("Waveform")) {
            @if is_running {
                p { (reader.say("This call is being recorded now.")) " "
                    button type="button" id="live" data-src={ (api) "/audio" } data-stop=(reader.say("Stop")) { (reader.say("Listen live")) }
                    " " output id="live-time" aria-live="off" {}
                }
            }
            div.wave id="wave" {
                img src={ (api) "/waveform.svg" } alt=(reader.say("Waveform"));
                div id="cursor" {}
            }
            @if !is_running {
                audio id="player" controls preload="metadata" src={ (api) "/audio" } {}
                p {
                    label { (reader.say("Speed")) " "
                        select id="speed" {
                            @for speed in ["0.5", "0.75", "1", "1.25", "1.5", "2"] {
                                option value=(speed) selected[speed == "1"] { (speed) "×" }
                            }
                        }
                    }
                    span.note { (reader.say("Keys: space plays, arrows seek, < and > change the speed.")) }
                }
            }
            @if may_download && !is_running {
                p { (reader.say("Download")) ": "
                    a href={ (api) "/audio?format=wav&download=1" } { "WAV" } " "
                    a href={ (api) "/audio?format=pcm16&download=1" } { "WAV, PCM" } " "
                    @for file in call["files"].as_array().into_iter().flatten() {
                        a href={ (api) "/audio?format=original&part=" (file["part"]) "&download=1" } {
                            (reader.say("Original")) ", " (reader.say("part")) " " (file["part"])
                        } " "
                    }
                }
            }
        }
    }
}

fn facts(reader: &Reader, call: &Value) -> Markup {
    html! {
        section {
            h2 { (reader.say("Facts")) }
            dl {
                @if let Some(state) = state_word(text(call, "state")) {
                    dt { (reader.say("State")) } dd { (reader.say(state)) }
                }
                @for (key, label) in FACTS {
                    @if !text(call, key).is_empty() { dt { (reader.say(label)) } dd { (text(call, key)) } }
                }
            }
        }
    }
}

fn state_word(state: &str) -> Option<&'static str> {
    [
        "running",
        "interrupted",
        "finished",
        "incomplete",
        "deleted",
    ]
    .into_iter()
    .find(|word| *word == state)
}

fn added(reader: &Reader, viewer: &Viewer, call: &Value) -> Markup {
    let id = text(call, "id");
    let tags: Vec<&str> = call["tags"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    let is_held = call["hold"] == true;
    let is_admin = viewer.rights.role == Role::Admin;
    let asks = has_password(viewer);
    html! {
        section {
            h2 { (reader.say("Notes, tags and hold")) }
            form method="post" action={ "/call/" (id) } {
                label { (reader.say("Tags")) input name="tags" value=(tags.join(", ")); }
                label { (reader.say("Note")) textarea name="note" rows="3" { (text(call, "note")) } }
                @if is_held {
                    p { "★ " (reader.say("Held")) }
                    @if is_admin {
                        label.check { input type="checkbox" name="release" value="1"; (reader.say("Release the hold")) }
                        @if asks { label { (reader.say("Your password again")) input type="password" name="password" autocomplete="current-password"; } }
                    }
                } @else {
                    label.check { input type="checkbox" name="hold" id="hold" value="1"; (reader.say("Hold: never delete")) }
                }
                button { (reader.say("Save")) }
            }
        }
        @if is_admin && call["state"] != "running" {
            section {
                h2 { (reader.say("Delete this call")) }
                form method="post" action={ "/call/" (id) "/delete" } {
                    label { (reader.say("Reason")) input name="reason" required maxlength="1000"; }
                    @if asks { label { (reader.say("Your password again")) input type="password" name="password" autocomplete="current-password" required; } }
                    button.danger { (reader.say("Delete")) }
                }
            }
        }
    }
}

fn heard_by(reader: &Reader, lines: &[Value]) -> Markup {
    html! {
        section {
            h2 { (reader.say("Who has heard it")) }
            @if lines.is_empty() { p { (reader.say("Nobody.")) } }
            ul {
                @for line in lines {
                    li { (reader.time(text(line, "time"))) " " (text(line, "who")) ": " (text(line, "what")) }
                }
            }
        }
    }
}
