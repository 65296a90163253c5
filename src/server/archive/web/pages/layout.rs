//! What all pages have in common: the frame, the times, and pages that say what went wrong.

use axum::http::{header, HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use jiff::tz::TimeZone;
use jiff::Timestamp;
use maud::{html, Markup, DOCTYPE};

use super::words::Language;
use crate::server::archive::accounts::users::Role;
use crate::server::archive::app::App;
use crate::server::archive::web::error::ApiError;
use crate::server::archive::web::viewer::{cookie, Proof, Viewer};

/// How a page is made for somebody.
pub(super) struct Reader {
    pub(super) language: Language,
    zone: TimeZone,
    /// The browser has told its zone.
    is_own_zone: bool,
}

impl Reader {
    pub(super) fn of(app: &App, headers: &HeaderMap) -> Self {
        let named = cookie(headers, "tz").map(|name| name.replace("%2F", "/"));
        let zone = named.and_then(|name| TimeZone::get(&name).ok());
        Self {
            language: Language::of(&app.settings, headers),
            is_own_zone: zone.is_some(),
            zone: zone.unwrap_or_else(TimeZone::system),
        }
    }

    pub(super) fn say(&self, english: &'static str) -> &'static str {
        self.language.say(english)
    }

    /// The name of the zone, for parameters and people.
    pub(super) fn zone_name(&self) -> String {
        self.zone.iana_name().unwrap_or("UTC").to_owned()
    }

    /// A time of the API in the reader's zone.
    pub(super) fn time(&self, text: &str) -> String {
        let Ok(time) = text.parse::<Timestamp>() else {
            return text.to_owned();
        };
        let here = time.to_zoned(self.zone.clone());
        here.strftime("%Y-%m-%d %H:%M:%S").to_string()
    }

    /// Which zone the times are of, if it is not the browser's.
    pub(super) fn zone_note(&self) -> Markup {
        html! {
            @if !self.is_own_zone {
                p.note { (self.say("Times are of the zone")) " " (self.zone_name()) }
            }
        }
    }

    /// A page.
    pub(super) fn page(&self, title: &str, viewer: Option<&Viewer>, content: &Markup) -> Response {
        let page = html! {
            (DOCTYPE)
            html lang=(self.language.code()) {
                head {
                    meta charset="utf-8";
                    meta name="viewport" content="width=device-width, initial-scale=1";
                    meta name="color-scheme" content="light dark";
                    title { (title) " - callrec" }
                    link rel="stylesheet" href="/static/style.css";
                    script src="/static/script.js" defer {}
                }
                body {
                    a.skip href="#content" { (self.say("Skip to the content")) }
                    @if let Some(viewer) = viewer { (self.navigation(viewer)) }
                    main id="content" {
                        h1 { (title) }
                        (content)
                    }
                }
            }
        };
        let kind = [(header::CONTENT_TYPE, "text/html; charset=utf-8")];
        (kind, page.into_string()).into_response()
    }

    fn navigation(&self, viewer: &Viewer) -> Markup {
        let is_admin = viewer.rights.role == Role::Admin;
        html! {
            header {
                nav aria-label="callrec" {
                    a href="/" { (self.say("Calls")) }
                    a href="/devices" { (self.say("Devices")) }
                    @if is_admin {
                        a href="/audit" { (self.say("Audit")) }
                        a href="/settings" { (self.say("Settings")) }
                    }
                }
                @if matches!(viewer.proof, Proof::Proxy { .. }) {
                    // The proxy would let him in again.
                    span.who { (viewer.name) }
                } @else {
                    form method="post" action="/logout" {
                        span.who { (viewer.name) }
                        button { (self.say("Log out")) }
                    }
                }
            }
        }
    }

    /// A page that says why there is none.
    pub(super) fn refusal(&self, viewer: Option<&Viewer>, error: &ApiError) -> Response {
        let (title, words) = match error.status {
            StatusCode::NOT_FOUND => (
                self.say("Not found"),
                self.say("There is no such page or call."),
            ),
            StatusCode::FORBIDDEN if error.is_role() => (
                self.say("Not allowed"),
                self.say("Your role does not allow this."),
            ),
            _ => (self.say("It did not work"), error.message()),
        };
        let content = html! {
            p role="alert" { (words) }
            p { a href="/" { (self.say("Back")) } }
        };
        let mut response = self.page(title, viewer, &content);
        *response.status_mut() = error.status;
        response
    }
}

/// `1:02:03` or `2:03`.
pub(super) fn length(millis: i64) -> String {
    let seconds = millis / 1000;
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    if hours > 0 {
        format!("{hours}:{minutes:02}:{seconds:02}")
    } else {
        format!("{minutes}:{seconds:02}")
    }
}
