//! `GET /audit`

use std::sync::Arc;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use axum::Extension;
use maud::html;
use serde_json::Value;

use super::layout::Reader;
use crate::server::archive::accounts::users::Role;
use crate::server::archive::app::App;
use crate::server::archive::web::info::lines;
use crate::server::archive::web::viewer::Viewer;

const LINES: usize = 200;

pub(super) async fn audit(
    State(app): State<Arc<App>>,
    Extension(viewer): Extension<Viewer>,
    headers: HeaderMap,
) -> Response {
    let reader = Reader::of(&app, &headers);
    let who = viewer.clone();
    let found = app.run(move |app| {
        who.require(Role::Admin)?;
        lines(app, &who, LINES, &[])
    });
    let lines = match found.await {
        Ok(lines) => lines,
        Err(error) => return reader.refusal(Some(&viewer), &error),
    };
    let text = |line: &Value, key: &str| line[key].as_str().unwrap_or_default().to_owned();
    let content = html! {
        (reader.zone_note())
        div.scroll tabindex="0" role="region" aria-label=(reader.say("Audit")) {
            table {
                thead { tr {
                    @for title in ["Time", "Who", "Role", "What", "Call"] { th scope="col" { (reader.say(title)) } }
                } }
                tbody {
                    @for line in &lines {
                        @let id = text(line, "id");
                        tr {
                            td { (reader.time(&text(line, "time"))) }
                            td { (text(line, "who")) " " span.note { (text(line, "from")) } }
                            td { (text(line, "role")) }
                            td { (text(line, "what")) " " span.note { @if !line["more"].is_null() { (line["more"]) } } }
                            td { @if id.len() == 26 { a href={ "/call/" (id) } { (id) } } @else { (id) } }
                        }
                    }
                }
            }
        }
    };
    reader.page(reader.say("Audit"), Some(&viewer), &content)
}
