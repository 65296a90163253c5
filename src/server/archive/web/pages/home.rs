//! `GET /`: the calls, newest first, and the search.

use std::sync::Arc;

use axum::extract::{Query, State};
use axum::http::HeaderMap;
use axum::response::Response;
use axum::Extension;
use maud::{html, Markup};
use serde_json::Value;

use super::layout::{length, Reader};
use crate::server::archive::accounts::users::Role;
use crate::server::archive::app::App;
use crate::server::archive::query::encode;
use crate::server::archive::web::cursor;
use crate::server::archive::web::error::ApiError;
use crate::server::archive::web::params;
use crate::server::archive::web::recordings::{page, shown, Pairs};
use crate::server::archive::web::viewer::Viewer;

/// Calls on a page, and where the next page begins.
type Found = (Vec<Value>, Option<String>);

pub(super) async fn home(
    State(app): State<Arc<App>>,
    Extension(viewer): Extension<Viewer>,
    headers: HeaderMap,
    Query(pairs): Query<Pairs>,
) -> Response {
    let reader = Reader::of(&app, &headers);
    let pairs: Pairs = pairs
        .into_iter()
        .filter(|(_, value)| !value.trim().is_empty())
        .collect();
    let (who, asked, zone) = (viewer.clone(), pairs.clone(), reader.zone_name());
    let found = app.run(move |app| find(app, &who, &asked, &zone)).await;
    let (problem, (calls, next)) = match found {
        Ok(found) => (None, found),
        Err(error) if error.status == 400 => (Some(error.message().to_owned()), (vec![], None)),
        Err(error) => return reader.refusal(Some(&viewer), &error),
    };
    let content = html! {
        (search_form(&reader, &viewer, &pairs))
        @if let Some(problem) = &problem { p role="alert" { (problem) } }
        (reader.zone_note())
        (table(&reader, &calls))
        @if let Some(next) = next {
            p { a.more href=(older(&pairs, &next)) { (reader.say("Older calls")) } }
        }
    };
    reader.page(reader.say("Calls"), Some(&viewer), &content)
}

/// The page's fields are the API's parameters, but for lengths in seconds, and days that are included.
fn find(app: &App, viewer: &Viewer, asked: &Pairs, zone: &str) -> Result<Found, ApiError> {
    let mut pairs: Pairs = vec![("tz".into(), zone.into())];
    let (mut is_held, mut end) = (false, None);
    let is_agent = viewer.rights.role == Role::Agent;
    for (key, value) in asked {
        let wrong = || ApiError::bad("bad-value", format!("{key}: '{value}'"));
        let (key, value) = match key.as_str() {
            "q" | "number" | "name" if is_agent => continue,
            "min" => ("min_ms", millis(value).ok_or_else(wrong)?),
            "max" => ("max_ms", millis(value).ok_or_else(wrong)?),
            "to" => ("to", day_after(value).ok_or_else(wrong)?),
            "held" => {
                is_held = true;
                continue;
            }
            "end" => {
                end = Some(value.clone());
                continue;
            }
            "tz" => continue,
            key => (key, value.clone()),
        };
        pairs.push((key.to_owned(), value));
    }
    let mut search = params::search(&pairs)?;
    search.query.held = is_held;
    search.query.end = end;
    let page = page(app, viewer, search, &pairs)?;
    let next = page.next.map(|next| cursor::make(&app.key, next));
    Ok((page.rows.iter().map(|row| shown(app, row)).collect(), next))
}

fn millis(seconds: &str) -> Option<String> {
    let seconds: u32 = seconds.trim().parse().ok()?;
    Some((u64::from(seconds) * 1000).to_string())
}

fn day_after(day: &str) -> Option<String> {
    let day: jiff::civil::Date = day.parse().ok()?;
    Some(day.tomorrow().ok()?.to_string())
}

fn older(pairs: &Pairs, cursor: &str) -> String {
    let kept = pairs.iter().filter(|(key, _)| key != "cursor");
    let mut text = "/?".to_owned();
    for (key, value) in kept {
        text += &format!("{}={}&", encode(key), encode(value));
    }
    text + "cursor=" + &encode(cursor)
}

fn search_form(reader: &Reader, viewer: &Viewer, pairs: &Pairs) -> Markup {
    let value = |name: &str| {
        pairs
            .iter()
            .find(|(key, _)| key == name)
            .map_or("", |(_, value)| value.as_str())
    };
    let field = |name: &'static str, label: &'static str, kind: &'static str| {
        html! { label { (reader.say(label)) input type=(kind) name=(name) value=(value(name)); } }
    };
    let sees_people = viewer.rights.role >= Role::Supervisor;
    let is_open = pairs
        .iter()
        .any(|(key, _)| !["q", "cursor"].contains(&key.as_str()));
    html! {
        form.search role="search" method="get" action="/" {
            div.box {
                @if sees_people {
                    label.main { span { (reader.say("Number, name or word")) } input type="search" name="q" id="q" value=(value("q")); }
                }
                button { (reader.say("Search")) }
            }
            details open[is_open] {
                summary { (reader.say("More fields")) }
                div.fields {
                    @if sees_people {
                        (field("number", "Number", "text"))
                        (field("name", "Name", "text"))
                    }
                    (field("device", "Device", "text"))
                    label { (reader.say("Direction"))
                        select name="dir" {
                            option value="" { (reader.say("any")) }
                            option value="in" selected[value("dir") == "in"] { (reader.say("incoming")) }
                            option value="out" selected[value("dir") == "out"] { (reader.say("outgoing")) }
                        }
                    }
                    (field("from", "From day", "date"))
                    (field("to", "To day", "date"))
                    (field("min", "At least, seconds", "number"))
                    (field("max", "At most, seconds", "number"))
                    (field("tag", "Tag", "text"))
                    (field("end", "End", "text"))
                    label.check { input type="checkbox" name="lost" value="1" checked[value("lost") == "1"]; (reader.say("Only with losses or not heard")) }
                    label.check { input type="checkbox" name="held" value="1" checked[value("held") == "1"]; (reader.say("Only held")) }
                }
            }
        }
    }
}

fn table(reader: &Reader, calls: &[Value]) -> Markup {
    if calls.is_empty() {
        return html! { p { (reader.say("No calls were found.")) } };
    }
    html! {
        div.scroll tabindex="0" role="region" aria-label=(reader.say("Calls")) {
            table.calls {
                thead { tr {
                    @for title in ["Time", "Direction", "Parties", "Device", "Duration", "Missing", "Held"] {
                        th scope="col" { (reader.say(title)) }
                    }
                } }
                tbody {
                    @for call in calls { (row(reader, call)) }
                }
            }
        }
    }
}

fn row(reader: &Reader, call: &Value) -> Markup {
    let text = |key: &str| call[key].as_str().unwrap_or_default();
    let is_running = text("state") == "running";
    html! {
        tr.running[is_running] {
            td { a href={ "/call/" (text("id")) } { (reader.time(text("start"))) } }
            td { (direction(reader, call)) }
            td.parties { (parties(call)) }
            td { (text("folder")) }
            td.number { (length(call["duration_ms"].as_i64().unwrap_or(0))) @if is_running { " " span.live { (reader.say("running")) } } }
            td { (missing(reader, call)) }
            td { @if call["hold"] == true { span title=(reader.say("Held")) { "★" span.hidden { (reader.say("Held")) } } } }
        }
    }
}

pub(super) fn direction(reader: &Reader, call: &Value) -> &'static str {
    match call["dir"].as_str() {
        Some("in") => reader.say("incoming"),
        Some("out") => reader.say("outgoing"),
        _ => "",
    }
}

/// Who has talked with whom.
pub(super) fn parties(call: &Value) -> String {
    let party = |which: &str| {
        let of = |what: &str| {
            call[format!("{which}_{what}")]
                .as_str()
                .unwrap_or_default()
                .to_owned()
        };
        match (of("name"), of("number")) {
            (name, number) if name.is_empty() => number,
            (name, number) if number.is_empty() => name,
            (name, number) => format!("{name} ({number})"),
        }
    };
    let (remote, local) = (party("remote"), party("local"));
    match (remote.is_empty(), local.is_empty()) {
        (_, true) => remote,
        (true, false) => local,
        (false, false) if call["dir"] == "in" => format!("{remote} → {local}"),
        (false, false) => format!("{local} → {remote}"),
    }
}

/// What is not there.
pub(super) fn missing(reader: &Reader, call: &Value) -> String {
    let mut words = vec![];
    match call["state"].as_str() {
        Some("interrupted") => words.push(reader.say("interrupted").to_owned()),
        Some("incomplete") => words.push(match call["problem"].as_str() {
            Some("part") => reader.say("part missing").to_owned(),
            Some("no-file") => reader.say("file missing").to_owned(),
            problem => problem.unwrap_or_default().to_owned(),
        }),
        _ => {}
    }
    if call["place"] == "moving" {
        words.push(reader.say("file on its way").into());
    }
    if call["place"] == "away" {
        words.push(reader.say("its host does not answer").into());
    }
    let lost = call["lost"].as_u64().unwrap_or(0);
    if lost > 0 {
        words.push(format!("{lost} {}", reader.say("frames lost")));
    }
    match call["heard"].as_str() {
        Some("one") => words.push(reader.say("heard by one only").into()),
        Some("none") => words.push(reader.say("nobody heard").into()),
        _ => {}
    }
    words.join(", ")
}
