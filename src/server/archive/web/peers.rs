//! What peers are told: which calls this host records, and the bytes of their files. Nobody else is told
//! anything, and users are of no concern here: the archive that somebody talks to judges what he may hear.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::{ConnectInfo, Query, Request, State};
use axum::http::{header, HeaderValue, StatusCode};
use axum::middleware::{from_fn_with_state, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Extension, Router};
use log::warn;

use super::error::ApiError;
use super::recordings::Pairs;
use crate::server::archive::app::App;
use crate::server::archive::audio_file::AudioFile;
use crate::server::archive::bucket::FIRST_BUCKET;
use crate::server::archive::catalogue::Catalogue;
use crate::server::archive::database::{values, Row};
use crate::server::archive::peer::client::PROOF;
use crate::server::archive::peer::key::PeerRefusal;
use crate::server::archive::peer::listing;
use crate::server::archive::peer::mirror::piece;
use crate::server::archive::scan::now;

/// A call that has just ended is still told of for so many seconds: whoever hears it hears its end.
const ENDED_SECONDS: i64 = 60;

/// The nonce of a peer's request.
#[derive(Clone)]
struct Nonce(String);

/// The routes for peers.
pub(super) fn router(app: &Arc<App>) -> Router {
    let router = Router::new()
        .route("/peer/v1/running", get(running))
        .route("/peer/v1/audio", get(audio))
        .route_layer(from_fn_with_state(app.clone(), prove));
    router.with_state(app.clone())
}

/// Lets peers through.
async fn prove(
    State(app): State<Arc<App>>,
    ConnectInfo(from): ConnectInfo<SocketAddr>,
    mut request: Request,
    next: Next,
) -> Response {
    let header = request.headers().get(header::AUTHORIZATION);
    let header = header.and_then(|header| header.to_str().ok());
    let path = request.uri().path_and_query();
    let path = path.map_or("", |path| path.as_str());
    let admitted = match header {
        Some(header) if request.method() == "GET" => app.peers.admit(header, path),
        _ => Err(PeerRefusal::NotSigned),
    };
    match admitted {
        Ok(nonce) => {
            request.extensions_mut().insert(Nonce(nonce));
            next.run(request).await
        }
        Err(refusal) => {
            let from = from.ip().to_canonical().to_string();
            if app.peers.is_new_refusal(&from, refusal) {
                let words = refusal.words();
                warn!("a request for running calls from {from} is refused: {words}");
            }
            let words = "this is for peers";
            ApiError::new(StatusCode::FORBIDDEN, "peer", words).into_response()
        }
    }
}

/// `GET /peer/v1/running`
async fn running(
    State(app): State<Arc<App>>,
    Extension(nonce): Extension<Nonce>,
) -> Result<Response, ApiError> {
    let listed = app.run(|app| {
        let instance = &app.peers.instance;
        Ok(listing::emit(
            &app.catalogue,
            &app.settings,
            &app.places,
            instance,
        )?)
    });
    Ok(proven(&app, &nonce, listed.await?))
}

/// `GET /peer/v1/audio?folder&stem&from`: a piece of a file.
async fn audio(
    State(app): State<Arc<App>>,
    Extension(nonce): Extension<Nonce>,
    Query(pairs): Query<Pairs>,
) -> Result<Response, ApiError> {
    let value = |key: &str| {
        let found = pairs.iter().find(|(name, _)| name == key);
        found.map(|(_, value)| value.clone())
    };
    let (folder, stem) = (value("folder"), value("stem"));
    let from = value("from").and_then(|from| from.parse::<u64>().ok());
    let (Some(folder), Some(stem), Some(from)) = (folder, stem, from) else {
        return Err(ApiError::bad(
            "bad-value",
            "folder, stem and from are needed",
        ));
    };
    let found = app.run(move |app| {
        // The names only find a row: a path is made of what the catalogue has.
        let part = local_part(&app.catalogue, &folder, &stem)?;
        let (place, folder, stem, is_running) = part.ok_or_else(ApiError::not_found)?;
        let folder = app.places.path(place).join(folder);
        let audio = AudioFile::open(&folder.join(format!("{stem}.wav")));
        let audio = audio.map_err(|_| ApiError::not_found())?;
        if !is_running && now() - audio.changed > ENDED_SECONDS {
            return Err(ApiError::not_found());
        }
        let piece = piece(&audio, from).map_err(|error| ApiError::internal(&error.to_string()))?;
        piece.ok_or_else(|| ApiError::unavailable("unreadable", "the file has no known header"))
    });
    Ok(proven(&app, &nonce, found.await?))
}

type LocalPart = (i64, String, String, bool);

/// Place, folder, stem, and whether it runs.
fn local_part(
    catalogue: &Catalogue,
    folder: &str,
    stem: &str,
) -> Result<Option<LocalPart>, String> {
    catalogue.read(|session| {
        let sql = "SELECT place, folder.name, stem, state = 'running' FROM part JOIN folder ON folder.id = part.folder
            WHERE folder.name = ?1 AND stem = ?2 AND place < ?3 AND gone = 0 ORDER BY place LIMIT 1";
        let of = |row: &Row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?));
        session.first(sql, values![folder, stem, FIRST_BUCKET], of)
    })
}

/// An answer that the asking peer can believe.
fn proven(app: &App, nonce: &Nonce, body: Vec<u8>) -> Response {
    let key = app.peers.key.as_ref();
    let proof = key.map(|key| key.proof(&nonce.0, &body));
    let mut response = Response::new(Body::from(body));
    let headers = response.headers_mut();
    let kind = HeaderValue::from_static("application/octet-stream");
    headers.insert(header::CONTENT_TYPE, kind);
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if let Some(Ok(proof)) = proof.map(|proof| HeaderValue::from_str(&proof)) {
        headers.insert(PROOF, proof);
    }
    response
}
