//! `/stream/ID`: who may publish and play, and the list of streams for the app.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{header, HeaderValue};
use axum::response::Response;
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use serde_json::{json, Value};
use tokio::time::{sleep, timeout};

use crate::server::cloud::api::devices::check_own;
use crate::server::cloud::apps::Device;
use crate::server::cloud::devices::Opened;
use crate::server::cloud::state::{Cloud, Storage};
use crate::server::cloud::streams::player::PlayerBody;
use crate::server::cloud::streams::stream_id::cid_of;
use crate::server::cloud::streams::{Key, Publisher, Refusal, PUBLISHER_WAIT};
use crate::server::cloud::views;
use crate::server::web::answer::Answer;
use crate::server::web::asked::Asked;
use crate::wire::flv::tag_reader::TagReader;
use crate::wire::flv::Error;

/// A publisher that sends nothing for so long is closed.
const SILENCE: Duration = Duration::from_secs(5);

/// The device of a request, and the stream that it names.
async fn judge(cloud: &Cloud, asked: &Asked, id: &str) -> Result<(Device, u32, Key), Answer> {
    let device = match asked.query("token") {
        Some(token) => cloud
            .accept(&token)
            .await?
            .ok_or_else(|| Answer::unauthorised("the token is not valid")),
        None => cloud.device_of(&asked.headers, &asked.uri).await,
    }?;
    let id = id.strip_suffix(".flv").unwrap_or(id);
    let cid = cid_of(id).filter(|cid| cloud.apps.has(device.app, *cid));
    let forbidden =
        || forbidden("the id of a stream is SID-CID, 16 hexadecimal digits and a cid of this app");
    let cid = cid.ok_or_else(forbidden)?;
    Ok((device, cid, (device.app, id.to_owned())))
}

fn forbidden(message: &str) -> Answer {
    Answer::refusal(403, "forbidden", message)
}

fn refused(refusal: Refusal) -> Answer {
    match refusal {
        Refusal::Ended => forbidden("the app has ended this stream"),
        Refusal::Full => Answer::overloaded("there are too many streams, or players of this one"),
    }
}

/// A stream that comes in. When it is dropped, its publisher is gone.
struct Publication {
    opened: Opened,
    key: Key,
    number: u64,
}

impl Drop for Publication {
    fn drop(&mut self) {
        let cloud = &self.opened.cloud;
        if cloud.streams.unpublish(&self.key, self.number) {
            let (cloud, key) = (cloud.clone(), self.key.clone());
            tokio::spawn(async move {
                sleep(PUBLISHER_WAIT).await;
                cloud.streams.give_up(&key);
            });
        }
    }
}

pub(super) async fn publish(
    State(cloud): State<Arc<Cloud>>,
    Path(id): Path<String>,
    asked: Asked,
) -> Result<Answer, Response> {
    let (device, cid, key) = judge(&cloud, &asked, &id).await?;
    if device.cid != cid {
        return Err(forbidden("only the device at the end of the id publishes a stream").into());
    }
    let Some(body) = asked.body.take() else {
        return Err(Answer::bad_request("there is no stream").into());
    };
    let opened = cloud.begin_publication(device, asked.peer).await?;
    let publisher = cloud.streams.publish(&key, device).map_err(refused)?;
    let publication = Publication {
        opened,
        key,
        number: publisher.number,
    };
    Ok(receive(&publication, publisher, body).await)
}

/// Reads a stream to its end; the answer is for then.
async fn receive(publication: &Publication, publisher: Publisher, mut body: Incoming) -> Answer {
    let Publisher {
        number,
        mut stopped,
    } = publisher;
    let mut input = TagReader::default();
    loop {
        let frame = tokio::select! {
            reason = &mut stopped => {
                let words = reason.unwrap_or("the stream was ended");
                return Answer::ok(json!({ "message": words })).and_close();
            }
            frame = timeout(SILENCE, body.frame()) => frame,
        };
        let data = match frame {
            Err(_) => {
                return Answer::refusal(408, "silent", "nothing has come for 5 s").and_close()
            }
            Ok(None) => return Answer::ok(json!({ "message": "published" })).and_close(),
            Ok(Some(Err(_))) => return Answer::bad_request("the body is malformed").and_close(),
            Ok(Some(Ok(frame))) => frame.into_data().unwrap_or_default(),
        };
        input.push(&data);
        let mut pieces = vec![];
        loop {
            match input.next_piece() {
                Ok(Some(piece)) => pieces.push(piece),
                Ok(None) => break,
                Err(Error::NoFlv) => {
                    return Answer::bad_request("the body is no FLV stream").and_close()
                }
                Err(Error::TooLong) => {
                    return Answer::refusal(413, "too-long", "a tag is longer than 1 MiB")
                        .and_close()
                }
            }
        }
        let streams = &publication.opened.cloud.streams;
        // If it is not the publisher any more, it is told why in the next turn.
        streams.deliver(&publication.key, number, pieces, data.len());
    }
}

pub(super) async fn play(
    State(cloud): State<Arc<Cloud>>,
    Path(id): Path<String>,
    asked: Asked,
) -> Result<Response, Response> {
    let (_, _, key) = judge(&cloud, &asked, &id).await?;
    match cloud.streams.play(&key).await {
        Err(refusal) => Err(refused(refusal).into()),
        Ok(None) => Err(nobody().into()),
        Ok(Some(player)) => Ok(flv(Body::new(PlayerBody(player)))),
    }
}

fn nobody() -> Answer {
    Answer::refusal(404, "not-found", "nobody publishes this stream")
}

fn flv(body: Body) -> Response {
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    for (name, value) in [
        (header::CONTENT_TYPE, "video/x-flv"),
        (header::CACHE_CONTROL, "no-store"),
        (header::ACCESS_CONTROL_ALLOW_ORIGIN, "*"),
        (header::CONNECTION, "close"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}

pub(super) async fn describe(
    State(cloud): State<Arc<Cloud>>,
    Path(id): Path<String>,
    asked: Asked,
) -> Result<Response, Response> {
    let (_, _, key) = judge(&cloud, &asked, &id).await?;
    match cloud.streams.is_published(&key) {
        true => Ok(flv(Body::empty())),
        false => Err(nobody().into()),
    }
}

pub(super) async fn list(
    State(cloud): State<Arc<Cloud>>,
    asked: Asked,
) -> Result<Answer, Response> {
    let app = cloud.app_of(&asked.headers)?;
    let mut rows: Vec<Value> = cloud.streams.list(app).iter().map(views::stream).collect();
    if let Storage::Shared(cluster) = &cloud.storage {
        let others = cluster.streams_of_others().await.map_err(Answer::from)?;
        rows.extend(of_others(&others, cloud.apps.id(app)));
        rows.sort_by(|a, b| a["id"].as_str().cmp(&b["id"].as_str()));
    }
    Ok(Answer::ok(json!({ "streams": rows })))
}

/// Streams of an app at other processes.
fn of_others(lists: &[String], app: &str) -> Vec<Value> {
    let lists = lists
        .iter()
        .filter_map(|list| serde_json::from_str(list).ok());
    let mut rows: Vec<Value> = lists.flat_map(|list: Vec<Value>| list).collect();
    rows.retain(|row| row["app"] == app);
    for row in &mut rows {
        row.as_object_mut().map(|members| members.remove("app"));
    }
    rows
}

pub(super) async fn end(
    State(cloud): State<Arc<Cloud>>,
    Path(id): Path<String>,
    asked: Asked,
) -> Result<Answer, Response> {
    let app = cloud.app_of(&asked.headers)?;
    let id = id.strip_suffix(".flv").unwrap_or(&id);
    let cid =
        cid_of(id).ok_or_else(|| Answer::refusal(404, "unknown-id", "there is no such stream"))?;
    check_own(&cloud, app, &[cid])?;
    if let Storage::Shared(cluster) = &cloud.storage {
        let ended = cluster.end_stream(cloud.apps.id(app), id).await;
        ended.map_err(Answer::from)?;
    }
    cloud.streams.end(&(app, id.to_owned()));
    Ok(Answer::ok(json!({})))
}
