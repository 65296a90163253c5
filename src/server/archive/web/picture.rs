//! The picture of a recording, as `callrec export --picture` draws it, and its peaks for zooming.

use std::sync::Arc;

use axum::extract::{Path, Query, State};
use axum::http::{header, HeaderValue};
use axum::response::{IntoResponse, Response};
use axum::Extension;
use serde_json::json;
use sha2::{Digest, Sha256};

use super::error::ApiError;
use super::recordings::{json_response, Pairs};
use super::sound_files::{not_here, sound_files};
use super::viewer::Viewer;
use crate::cli::failure::Failure;
use crate::cli::ffmpeg::with_decoder;
use crate::cli::picture;
use crate::recordings::joined::JoinedRecording;
use crate::recordings::linear::LinearBlock;
use crate::server::archive::accounts::users::Role;
use crate::server::archive::app::App;
use crate::server::archive::search::Row;
use crate::wire::rendezvous::cipher::encode;

/// The most pairs of peaks.
const MAX_POINTS: usize = 20_000;
const DEFAULT_POINTS: usize = 1200;

/// `GET .../waveform.svg`
pub(super) async fn waveform(
    State(app): State<Arc<App>>,
    Extension(viewer): Extension<Viewer>,
    Path(id): Path<String>,
) -> Result<Response, ApiError> {
    let svg = app.run(move |app| {
        let row = heard(app, &viewer, &id)?;
        let joined = joined(app, &row)?;
        let drawn = with_decoder(&joined, |decoded| picture::svg(&joined, 0, decoded));
        drawn.map_err(unreadable)
    });
    let svg = svg.await?;
    let policy = policy(&svg);
    let mut response = ([(header::CONTENT_TYPE, "image/svg+xml")], svg).into_response();
    if let Ok(policy) = HeaderValue::from_str(&policy) {
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    }
    Ok(response)
}

/// A picture has its own style, and nothing in it may do more: strangers' text is its title.
fn policy(svg: &str) -> String {
    let style = svg
        .split_once("<style>")
        .and_then(|(_, rest)| rest.split_once("</style>"));
    let sum = Sha256::digest(style.map_or("", |(style, _)| style));
    let mut text = [0; 44];
    encode(&sum, &mut text);
    let sum = String::from_utf8_lossy(&text);
    format!("default-src 'none'; style-src 'sha256-{sum}'; sandbox")
}

/// `GET .../peaks?points=N`
pub(super) async fn peaks(
    State(app): State<Arc<App>>,
    Extension(viewer): Extension<Viewer>,
    Path(id): Path<String>,
    Query(pairs): Query<Pairs>,
) -> Result<Response, ApiError> {
    let body = app.run(move |app| {
        let row = heard(app, &viewer, &id)?;
        let points = points(&pairs)?;
        let joined = joined(app, &row)?;
        let (min, max) = peaks_of(&joined, points).map_err(unreadable)?;
        Ok(json!({"points": min.len(), "min": min, "max": max}))
    });
    Ok(json_response(&body.await?))
}

fn points(pairs: &Pairs) -> Result<usize, ApiError> {
    let mut points = None;
    for (key, value) in pairs {
        if key != "points" {
            return Err(ApiError::bad(
                "unknown",
                format!("{key}: there is no such parameter"),
            ));
        }
        if points.is_some() {
            return Err(ApiError::bad("double", "points: is given twice"));
        }
        let number = value
            .parse()
            .ok()
            .filter(|number| (1..=MAX_POINTS).contains(number));
        points = Some(
            number.ok_or_else(|| ApiError::bad("bad-value", "points: must be from 1 to 20000"))?,
        );
    }
    Ok(points.unwrap_or(DEFAULT_POINTS))
}

fn heard(app: &App, viewer: &Viewer, id: &str) -> Result<Row, ApiError> {
    let row = app.recording(viewer, id, Role::Agent)?;
    if row.state == "deleted" {
        return Err(ApiError::not_found());
    }
    Ok(row)
}

fn joined(app: &App, row: &Row) -> Result<JoinedRecording, ApiError> {
    let files = sound_files(app, row)?;
    if files.iter().any(|file| !file.exists()) {
        return Err(not_here());
    }
    JoinedRecording::open(&files).map_err(|error| ApiError::unavailable("unreadable", error.reason))
}

fn unreadable(failure: Failure) -> ApiError {
    ApiError::unavailable("unreadable", failure.into_message().0)
}

/// The least and the greatest sample of each point, of 8 bits.
fn peaks_of(joined: &JoinedRecording, points: usize) -> Result<(Vec<i8>, Vec<i8>), Failure> {
    let whole = joined.plan.samples();
    let count = points.min(usize::try_from(whole).unwrap_or(points));
    let mut min = vec![0_i8; count];
    let mut max = vec![0_i8; count];
    let mut at = 0_u64;
    with_decoder(joined, |decoded| {
        joined.play_linear(0..u64::MAX, decoded, &mut |block| -> Result<(), Failure> {
            match block {
                LinearBlock::Missing(samples) => at += samples,
                LinearBlock::Samples(samples) => {
                    for sample in samples {
                        let point =
                            (u128::from(at) * count as u128 / u128::from(whole.max(1))) as usize;
                        let value = (sample >> 8) as i8;
                        if let (Some(least), Some(most)) = (min.get_mut(point), max.get_mut(point))
                        {
                            *least = value.min(*least);
                            *most = value.max(*most);
                        }
                        at += 1;
                    }
                }
            }
            Ok(())
        })
    })?;
    Ok((min, max))
}
