//! All routes, with who may use them: the router, its description and the tests are made from this.

use axum::routing::{delete, get, patch, post, MethodRouter};

use std::sync::Arc;

use super::audio;
use super::changes;
use super::events;
use super::export;
use super::info;
use super::pages;
use super::picture;
use super::recordings;
use crate::server::archive::accounts::users::Role;
use crate::server::archive::app::App;

/// A route.
pub(super) struct Route {
    pub(super) method: &'static str,
    pub(super) path: &'static str,
    /// The least role; `None`: nobody has to log in.
    pub(super) least: Option<Role>,
    pub(super) name: &'static str,
    pub(super) summary: &'static str,
    pub(super) parameters: &'static [&'static str],
    /// Members of the body.
    pub(super) members: &'static [&'static str],
}

impl Route {
    /// The roles that may use it.
    pub(super) fn roles(&self) -> Vec<&'static str> {
        let all = Role::ALL
            .into_iter()
            .filter(|role| self.least.is_none_or(|least| *role >= least));
        all.map(Role::name).collect()
    }
}

const fn route(
    method: &'static str,
    path: &'static str,
    least: Option<Role>,
    name: &'static str,
    summary: &'static str,
) -> Route {
    Route {
        method,
        path,
        least,
        name,
        summary,
        parameters: &[],
        members: &[],
    }
}

const AGENT: Option<Role> = Some(Role::Agent);
const SUPERVISOR: Option<Role> = Some(Role::Supervisor);
const ADMIN: Option<Role> = Some(Role::Admin);
const SEARCH: &[&str] = &[
    "q",
    "number",
    "number_match",
    "name",
    "device",
    "dir",
    "from",
    "to",
    "tz",
    "min_ms",
    "max_ms",
    "tag",
    "state",
    "lost",
    "limit",
    "cursor",
];

pub(super) const ROUTES: [Route; 27] = [
    Route { parameters: SEARCH, ..route("GET", "/api/v1/recordings", AGENT, "listRecordings", "Recordings, newest first. q, number and name need the role supervisor, state=deleted admin.") },
    route("GET", "/api/v1/recordings/{id}", AGENT, "recording", "A recording."),
    Route { parameters: &["format", "part", "download"], ..route("GET", "/api/v1/recordings/{id}/audio", AGENT, "audio", "Its sound: original, wav or pcm16. download=1 needs the role supervisor.") },
    route("GET", "/api/v1/recordings/{id}/waveform.svg", AGENT, "waveform", "Its picture."),
    Route { parameters: &["points"], ..route("GET", "/api/v1/recordings/{id}/peaks", AGENT, "peaks", "Least and greatest samples of 8 bits.") },
    Route { members: &["tags", "note", "hold", "password"], ..route("PATCH", "/api/v1/recordings/{id}", SUPERVISOR, "changeRecording", "Changes tags, note and hold; releasing a hold needs the role admin and the password.") },
    Route { members: &["reason", "password"], ..route("DELETE", "/api/v1/recordings/{id}", ADMIN, "deleteRecording", "Deletes it.") },
    Route { members: &["ids", "search", "password"], ..route("POST", "/api/v1/export", SUPERVISOR, "export", "A ZIP file of recordings.") },
    route("GET", "/api/v1/devices", AGENT, "devices", "The devices."),
    route("GET", "/api/v1/stats", SUPERVISOR, "stats", "Figures."),
    Route { parameters: &["limit", "id", "who", "what"], ..route("GET", "/api/v1/audit", ADMIN, "audit", "The audit log, newest first.") },
    route("GET", "/api/v1/events", AGENT, "events", "Server-sent events: started, finished, changed, deleted."),
    route("GET", "/api/v1/openapi.json", None, "openapi", "This description."),
    route("GET", "/", AGENT, "home", ""),
    route("GET", "/call/{id}", AGENT, "call", ""),
    route("POST", "/call/{id}", SUPERVISOR, "changeCall", ""),
    route("POST", "/call/{id}/delete", ADMIN, "deleteCall", ""),
    route("GET", "/devices", AGENT, "devicesPage", ""),
    route("GET", "/audit", ADMIN, "auditPage", ""),
    route("GET", "/settings", ADMIN, "settings", ""),
    route("POST", "/settings/{action}", ADMIN, "changeSettings", ""),
    route("GET", "/login", None, "loginPage", ""),
    route("POST", "/login", None, "login", ""),
    route("POST", "/logout", None, "logout", ""),
    route("GET", "/first", None, "firstPage", ""),
    route("POST", "/first", None, "first", ""),
    route("GET", "/static/{name}", None, "static", ""),
];

/// What a route does; that of the description is elsewhere.
pub(super) fn handler(name: &str) -> MethodRouter<Arc<App>> {
    match name {
        "listRecordings" => get(recordings::list),
        "recording" => get(recordings::one),
        "audio" => get(audio::audio),
        "waveform" => get(picture::waveform),
        "peaks" => get(picture::peaks),
        "changeRecording" => patch(changes::change),
        "deleteRecording" => delete(changes::remove),
        "export" => post(export::export),
        "devices" => get(info::devices),
        "stats" => get(info::stats),
        "audit" => get(info::audit),
        "events" => get(events::events),
        name => pages::handler(name),
    }
}
