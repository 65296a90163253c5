//! `GET /settings`: users, how long recordings are kept, and the balance.

use std::sync::atomic::Ordering;
use std::sync::Arc;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use axum::Extension;
use maud::{html, Markup};
use serde_json::Value;

use super::layout::Reader;
use crate::server::archive::accounts::users::{Role, User};
use crate::server::archive::app::App;
use crate::server::archive::peer::peers::{Peer, PeerStatus};
use crate::server::archive::retention;
use crate::server::archive::web::changes::has_password;
use crate::server::archive::web::error::ApiError;
use crate::server::archive::web::info::stats_of;
use crate::server::archive::web::viewer::Viewer;

/// What the page shows.
struct Shown {
    users: Vec<User>,
    stats: Value,
    retain_days: u64,
    /// Days until the disk is full.
    disk_days: Option<u64>,
    stopped: u64,
    asks_password: bool,
    host: String,
    peers: Vec<Peer>,
}

pub(super) async fn settings(
    State(app): State<Arc<App>>,
    Extension(viewer): Extension<Viewer>,
    headers: HeaderMap,
) -> Response {
    let reader = Reader::of(&app, &headers);
    let who = viewer.clone();
    let shown = match app.run(move |app| find(app, &who)).await {
        Ok(shown) => shown,
        Err(error) => return reader.refusal(Some(&viewer), &error),
    };
    let content = html! {
        (users(&reader, &shown.users))
        (kept(&reader, &shown))
        @if !shown.stats["balance"].is_null() { (balance(&reader, &shown.stats["balance"])) }
        (hosts(&reader, &shown))
    };
    reader.page(reader.say("Settings"), Some(&viewer), &content)
}

fn find(app: &App, viewer: &Viewer) -> Result<Shown, ApiError> {
    viewer.require(Role::Admin)?;
    let is_mine =
        |user: &User| viewer.rights.is_of_all() || user.rights.tenant == viewer.rights.tenant;
    Ok(Shown {
        users: app.accounts.users()?.into_iter().filter(is_mine).collect(),
        stats: stats_of(app, viewer)?,
        retain_days: app.settings.retain_days,
        disk_days: retention::disk_days(app)?,
        stopped: if viewer.rights.is_of_all() {
            app.stopped_round.load(Ordering::Relaxed)
        } else {
            0
        },
        asks_password: has_password(viewer),
        host: app.settings.host_name(),
        peers: if viewer.rights.is_of_all() {
            app.peers.all()
        } else {
            vec![]
        },
    })
}

fn users(reader: &Reader, users: &[User]) -> Markup {
    html! {
        section {
            h2 { (reader.say("Users")) }
            div.scroll tabindex="0" role="region" aria-label=(reader.say("Users")) { table {
                thead { tr { @for title in ["User", "Role", "Tenant", "Devices", "State"] { th scope="col" { (reader.say(title)) } } } }
                tbody { @for user in users { tr {
                    td { (user.name) }
                    td { (user.rights.role.name()) }
                    td { (user.rights.tenant) }
                    td { (user.rights.devices.join(", ")) }
                    td {
                        @if user.is_disabled { (reader.say("disabled")) } @else {
                            form method="post" action="/settings/disable" {
                                input type="hidden" name="user" value=(user.name);
                                button aria-label={ (reader.say("Disable")) " " (user.name) } { (reader.say("Disable")) }
                            }
                        }
                    }
                } } }
            } }
            details {
                summary { (reader.say("Add a user")) }
                form method="post" action="/settings/add" {
                    label { (reader.say("User")) input name="user" autocomplete="off" required; }
                    label { (reader.say("Password")) input type="password" name="new-password" autocomplete="new-password" minlength="12" required; }
                    label { (reader.say("Role")) select name="role" { @for role in Role::ALL { option value=(role.name()) { (role.name()) } } } }
                    label { (reader.say("Tenant")) input name="tenant" value="default"; }
                    label { (reader.say("Devices, with * and commas")) input name="devices"; }
                    button { (reader.say("Add")) }
                }
            }
        }
    }
}

fn kept(reader: &Reader, shown: &Shown) -> Markup {
    html! {
        section {
            h2 { (reader.say("Retention")) }
            @if shown.retain_days == 0 {
                p { (reader.say("Recordings are kept for ever.")) }
            } @else {
                p { (reader.say("Recordings are kept for days:")) " " (shown.retain_days) }
            }
            @if let Some(days) = shown.disk_days {
                p { (reader.say("At this rate the disk lasts for days:")) " " (days) }
            }
            @if shown.stopped > 0 {
                form method="post" action="/settings/retain" {
                    p role="alert" { (reader.say("A round of deletion waits; recordings:")) " " (shown.stopped) }
                    @if shown.asks_password { label { (reader.say("Your password again")) input type="password" name="password" autocomplete="current-password" required; } }
                    button.danger { (reader.say("Let it through")) }
                }
            }
        }
    }
}

/// This host, and its peers.
fn hosts(reader: &Reader, shown: &Shown) -> Markup {
    let state = |peer: &Peer| -> (&'static str, String) {
        match &peer.status {
            PeerStatus::NotAsked => ("not asked yet", String::new()),
            PeerStatus::Answers => ("answers", String::new()),
            PeerStatus::Itself => ("this host", String::new()),
            PeerStatus::Failing(problem, _) => ("does not answer", problem.clone()),
        }
    };
    html! {
        section {
            h2 { (reader.say("Hosts")) }
            p { (shown.host) }
            @if !shown.peers.is_empty() {
                div.scroll tabindex="0" role="region" aria-label=(reader.say("Hosts")) { table {
                    thead { tr { @for title in ["Host", "State", "Calls that run"] { th scope="col" { (reader.say(title)) } } } }
                    tbody { @for peer in &shown.peers { @let (word, problem) = state(peer); tr {
                        td { (peer.host) " " span.note { (peer.url) } }
                        td { (reader.say(word)) " " span.note { (problem) } }
                        td.number { (peer.running()) }
                    } } }
                } }
            }
        }
    }
}

fn balance(reader: &Reader, balance: &Value) -> Markup {
    let sum = |key: &str| -> u64 {
        let counts = balance[key].as_object().into_iter().flatten();
        counts.filter_map(|(_, count)| count.as_u64()).sum()
    };
    let reasons = |key: &str| -> String {
        let counts = balance[key].as_object().into_iter().flatten();
        counts
            .map(|(reason, count)| format!("{reason}: {count}"))
            .collect::<Vec<_>>()
            .join(", ")
    };
    html! {
        section {
            h2 { (reader.say("Balance")) }
            dl {
                @for key in ["accepted", "running", "present", "deleted"] {
                    dt { (reader.say(key)) }
                    dd { @if balance[key].is_null() { (reader.say("unknown")) } @else { (balance[key]) } }
                }
                @for key in ["lost", "refused"] {
                    dt { (reader.say(key)) } dd { (sum(key)) " " span.note { (reasons(key)) } }
                }
            }
        }
    }
}
