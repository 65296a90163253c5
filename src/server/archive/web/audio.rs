//! `GET /api/v1/recordings/ID/audio`: the sound of a recording, whole or in part, also while it is
//! being recorded.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::body::Body;
use axum::extract::{Path, Query, State};
use axum::http::{header, HeaderMap, HeaderValue, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::Extension;
use sha2::{Digest, Sha256};

use super::audio_query::{asked, Asked};
use super::body::blocking;
use super::error::ApiError;
use super::live::LiveCall;
use super::ranges::{self, Wanted};
use super::recordings::Pairs;
use super::sound_files::{not_here, sound_files};
use super::viewer::Viewer;
use crate::server::archive::accounts::users::Role;
use crate::server::archive::app::App;
use crate::server::archive::search::Row;
use crate::server::archive::sound::{Sound, SoundFormat};

/// How long a request waits at the live edge.
const EDGE_WAIT: Duration = Duration::from_secs(10);
/// How often the edge is looked at.
const EDGE_LOOK: Duration = Duration::from_millis(200);
const WAVE: &str = "audio/wav";

pub(super) async fn audio(
    State(app): State<Arc<App>>,
    Extension(viewer): Extension<Viewer>,
    Path(id): Path<String>,
    pairs: Result<Query<Pairs>, axum::extract::rejection::QueryRejection>,
    method: Method,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let Query(pairs) =
        pairs.map_err(|_| ApiError::bad("query", "the parameters cannot be read"))?;
    let (who, wanted) = (viewer.clone(), pairs);
    let (row, asked) = app
        .run(move |app| {
            let row = app.recording(&who, &id, Role::Agent)?;
            if row.state == "deleted" {
                return Err(ApiError::not_found());
            }
            let asked = asked(&wanted)?;
            if asked.is_download {
                who.require(Role::Supervisor)?;
            }
            app.log_listen(&who, &id, asked.format.name())?;
            Ok((row, asked))
        })
        .await?;
    if row.state == "running" && asked.part.is_none() && asked.format != SoundFormat::Original {
        let is_pcm16 = asked.format == SoundFormat::Pcm16;
        let of_live = row.clone();
        let live = app.run(move |app| LiveCall::open(app, &of_live, is_pcm16));
        let live = live.await?;
        return growing(&app, &viewer, row, live, &method, &headers).await;
    }
    finished(&app, &viewer, row, asked, &method, &headers).await
}

/// The sound of a recording that does not grow any more.
async fn finished(
    app: &Arc<App>,
    viewer: &Viewer,
    row: Row,
    asked: Asked,
    method: &Method,
    headers: &HeaderMap,
) -> Result<Response, ApiError> {
    let (format, part, is_download) = (asked.format, asked.part, asked.is_download);
    let name = file_name(&row, format);
    let tag = etag(&row, format, part);
    let sound = app.run(move |app| open(app, &row, format, part)).await?;
    let length = sound.bytes();
    let range =
        text(headers, header::RANGE).filter(|_| if_range(headers, &tag) && *method == Method::GET);
    let wanted = ranges::wanted(range, length);
    let mut response = Response::new(Body::empty());
    let set = response.headers_mut();
    set.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    set.insert(header::CONTENT_TYPE, HeaderValue::from_static(WAVE));
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        set.insert(header::ETAG, tag);
    }
    if is_download {
        set.insert(header::CONTENT_DISPOSITION, disposition(&name));
    }
    if text(headers, header::IF_NONE_MATCH)
        .is_some_and(|tags| tags.split(',').any(|one| one.trim() == tag))
    {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        return Ok(response);
    }
    let (first, last) = match wanted {
        Wanted::Beyond => {
            set.insert(header::CONTENT_RANGE, value(&format!("bytes */{length}")));
            *response.status_mut() = StatusCode::RANGE_NOT_SATISFIABLE;
            return Ok(response);
        }
        Wanted::Part(first, last) => {
            set.insert(
                header::CONTENT_RANGE,
                value(&format!("bytes {first}-{last}/{length}")),
            );
            *response.status_mut() = StatusCode::PARTIAL_CONTENT;
            (first, last + 1)
        }
        Wanted::Whole => (0, length),
    };
    response
        .headers_mut()
        .insert(header::CONTENT_LENGTH, HeaderValue::from(last - first));
    if *method != Method::HEAD && first < last {
        *response.body_mut() =
            blocking(app, viewer, move |sink| sound.write(first, last - 1, sink));
    }
    Ok(response)
}

fn open(app: &App, row: &Row, format: SoundFormat, part: Option<usize>) -> Result<Sound, ApiError> {
    let document: serde_json::Value = serde_json::from_str(&row.document).unwrap_or_default();
    let place = document["place"].as_str().unwrap_or_default();
    if !["local", "bucket", "peer"].contains(&place) {
        return Err(not_here());
    }
    let mut files = sound_files(app, row)?;
    if let Some(number) = part {
        let numbers = document["files"].as_array().cloned().unwrap_or_default();
        let at = numbers
            .iter()
            .position(|file| file["part"].as_u64() == Some(number as u64));
        let at = at.filter(|at| *at < files.len());
        let at = at.ok_or_else(|| {
            ApiError::new(StatusCode::NOT_FOUND, "not-found", "there is no such part")
        })?;
        files = vec![files.swap_remove(at)];
    }
    let unreadable = |problem: String| ApiError::unavailable("unreadable", problem);
    if format == SoundFormat::Original {
        let [file] = &files[..] else {
            return Err(ApiError::bad(
                "part-needed",
                "part: the recording has several; which one?",
            ));
        };
        return Sound::of_file(file).map_err(|error| unreadable(error.to_string()));
    }
    Sound::of_parts(&files, format).map_err(unreadable)
}

/// Changes with the bytes.
fn etag(row: &Row, format: SoundFormat, part: Option<usize>) -> String {
    let what = format!("{}\n{}\n{}\n{part:?}", row.id, row.document, format.name());
    let sum = Sha256::digest(what);
    let digits: String = sum[..12].iter().map(|byte| format!("{byte:02x}")).collect();
    format!("\"{digits}\"")
}

fn if_range(headers: &HeaderMap, tag: &str) -> bool {
    text(headers, header::IF_RANGE).is_none_or(|given| given == tag)
}

pub(super) fn text(headers: &HeaderMap, name: header::HeaderName) -> Option<&str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

fn value(text: &str) -> HeaderValue {
    HeaderValue::from_str(text).unwrap_or(HeaderValue::from_static(""))
}

/// `Call_2026-01-02_030405_0c383e000001.wav`: names of strangers are not in it.
fn file_name(row: &Row, format: SoundFormat) -> String {
    let document: serde_json::Value = serde_json::from_str(&row.document).unwrap_or_default();
    let call = document["call"].as_str().unwrap_or("Record");
    let plain = |text: &str| -> String {
        text.chars()
            .map(|c| {
                if c.is_ascii_alphanumeric() || "-_".contains(c) {
                    c
                } else {
                    '_'
                }
            })
            .collect()
    };
    let kind = if format == SoundFormat::Original {
        "-original"
    } else {
        ""
    };
    format!("{}_{}{kind}.wav", plain(call), plain(&row.folder))
}

/// RFC 6266; the name has nothing that needs to be quoted.
pub(super) fn disposition(name: &str) -> HeaderValue {
    value(&format!("attachment; filename=\"{name}\""))
}

/// A call that is being recorded: up to the edge, or on to its end.
async fn growing(
    app: &Arc<App>,
    viewer: &Viewer,
    row: Row,
    live: LiveCall,
    method: &Method,
    headers: &HeaderMap,
) -> Result<Response, ApiError> {
    let mut response = Response::new(Body::empty());
    let set = response.headers_mut();
    set.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    set.insert(header::CONTENT_TYPE, HeaderValue::from_static(WAVE));
    if *method == Method::HEAD {
        return Ok(response);
    }
    let range = ranges::parse(text(headers, header::RANGE))
        .filter(|_| text(headers, header::IF_RANGE).is_none());
    let Some((Some(first), last)) = range else {
        let (app_of_body, who) = (app.clone(), viewer.clone());
        *response.body_mut() = blocking(app, viewer, move |sink| {
            follow(&app_of_body, &who, row, live, sink)
        });
        return Ok(response);
    };
    let (live, edge) = wait_at_edge(app, viewer, &row.id, live, first).await?;
    if edge <= first {
        set_beyond(&mut response, &format!("bytes */{edge}"));
        return Ok(response);
    }
    let end = last.map_or(edge, |last| edge.min(last.saturating_add(1)));
    let set = response.headers_mut();
    set.insert(
        header::CONTENT_RANGE,
        value(&format!("bytes {first}-{}/*", end - 1)),
    );
    set.insert(header::CONTENT_LENGTH, HeaderValue::from(end - first));
    *response.status_mut() = StatusCode::PARTIAL_CONTENT;
    *response.body_mut() = blocking(app, viewer, move |sink| {
        let mut at = first;
        while at < end {
            let bytes = live.read(at, end);
            if bytes.is_empty() {
                return Err("the file has become shorter".into());
            }
            at += bytes.len() as u64;
            put(sink, &bytes)?;
        }
        Ok(())
    });
    Ok(response)
}

/// Waits until there is something from a place on, or the call has ended before it.
async fn wait_at_edge(
    app: &Arc<App>,
    viewer: &Viewer,
    id: &str,
    mut live: LiveCall,
    first: u64,
) -> Result<(LiveCall, u64), ApiError> {
    let began = Instant::now();
    loop {
        let edge;
        (live, edge) = app.run(move |_| Ok(with_edge(live))).await?;
        if edge > first {
            return Ok((live, edge));
        }
        let (id, who) = (id.to_owned(), viewer.clone());
        // Asked before the last look at the files: what is written until the end is seen.
        let (now, looked) = app
            .run(move |app| {
                let now = app.recording(&who, &id, Role::Agent)?;
                live.update(app, &now)?;
                Ok((now, live))
            })
            .await?;
        if now.state != "running" {
            return app.run(move |_| Ok(with_edge(looked))).await;
        }
        live = looked;
        if began.elapsed() >= EDGE_WAIT {
            return Err(
                ApiError::unavailable("edge", "nothing more has been recorded yet").retry_after(1),
            );
        }
        tokio::time::sleep(EDGE_LOOK).await;
    }
}

fn with_edge(live: LiveCall) -> (LiveCall, u64) {
    let edge = live.edge();
    (live, edge)
}

fn set_beyond(response: &mut Response, range: &str) {
    response
        .headers_mut()
        .insert(header::CONTENT_RANGE, value(range));
    *response.status_mut() = StatusCode::RANGE_NOT_SATISFIABLE;
}

fn put(sink: &mut super::body::BodySink, bytes: &[u8]) -> Result<(), String> {
    std::io::Write::write_all(sink, bytes).map_err(|error| error.to_string())
}

/// Sends what there is and what comes, to the end of the call.
fn follow(
    app: &Arc<App>,
    viewer: &Viewer,
    mut row: Row,
    mut live: LiveCall,
    sink: &mut super::body::BodySink,
) -> Result<(), String> {
    let mut at = 0;
    let mut seen_at = Instant::now();
    loop {
        // Asked before the last look at the files: what is written until the end is sent.
        match app.recording(viewer, &row.id, Role::Agent) {
            Ok(now) => row = now,
            // Without buckets a call of a peer is forgotten at its end: the peer still has it.
            Err(error) if error.status == StatusCode::NOT_FOUND && app.peers.is_any() => {
                row.state = "ended".into();
            }
            Err(error) => return Err(error.message().to_owned()),
        }
        if !viewer.is_valid(app) {
            return Err("the session has ended".into());
        }
        match live.update(app, &row) {
            Ok(()) => seen_at = Instant::now(),
            // It is just being uploaded, or its host is away for a moment.
            Err(_) if seen_at.elapsed() < EDGE_WAIT => {
                std::thread::sleep(EDGE_LOOK);
                continue;
            }
            Err(error) => return Err(error.message().to_owned()),
        }
        loop {
            let bytes = live.read(at, u64::MAX);
            if bytes.is_empty() {
                break;
            }
            at += bytes.len() as u64;
            put(sink, &bytes)?;
        }
        if row.state != "running" {
            return Ok(());
        }
        std::thread::sleep(EDGE_LOOK);
    }
}

/// A route that exists for some methods only.
pub(super) async fn no_such_page() -> Response {
    ApiError::new(StatusCode::NOT_FOUND, "not-found", "there is no such page").into_response()
}
