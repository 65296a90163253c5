//! `GET /devices`

use std::sync::Arc;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use axum::Extension;
use maud::html;

use super::layout::Reader;
use crate::server::archive::app::App;
use crate::server::archive::web::info::devices_of;
use crate::server::archive::web::viewer::Viewer;

pub(super) async fn devices(
    State(app): State<Arc<App>>,
    Extension(viewer): Extension<Viewer>,
    headers: HeaderMap,
) -> Response {
    let reader = Reader::of(&app, &headers);
    let who = viewer.clone();
    let devices = match app.run(move |app| devices_of(app, &who)).await {
        Ok(devices) => devices,
        Err(error) => return reader.refusal(Some(&viewer), &error),
    };
    let content = html! {
        div.scroll tabindex="0" role="region" aria-label=(reader.say("Devices")) {
            table {
                thead { tr {
                    @for title in ["Device", "Recordings", "Last call", "Tenant"] { th scope="col" { (reader.say(title)) } }
                } }
                tbody {
                    @for device in &devices {
                        @let name = device["device"].as_str().unwrap_or_default();
                        tr {
                            td { a href={ "/?device=" (name) } { (name) } }
                            td.number { (device["recordings"]) }
                            td { (reader.time(device["last"].as_str().unwrap_or_default())) }
                            td { (device["tenant"].as_str().unwrap_or_default()) }
                        }
                    }
                }
            }
        }
    };
    reader.page(reader.say("Devices"), Some(&viewer), &content)
}
