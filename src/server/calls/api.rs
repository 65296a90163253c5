//! The paths of the application server.

use axum::extract::{Path, State};
use axum::response::Response;
use axum::routing::{get, post};
use axum::Router;
use serde_json::{json, Map, Value};

use crate::server::calls::book::actions::{Action, NoAction};
use crate::server::calls::notify::push;
use crate::server::calls::pages;
use crate::server::calls::place::{cloud_refusal, place, Order};
use crate::server::calls::state::{Asker, CallServer, Shared};
use crate::server::web::answer::Answer;
use crate::server::web::asked::Asked;
use crate::server::web::ids::random_hex;
use crate::server::web::json::{cid, object, text};
use crate::server::web::service::{no_such_method, no_such_path};
use crate::wire::cloud::message::{parse_sid, Kind};

/// Callees of one call.
const MAX_CALLEES: usize = 32;
/// Bytes of a reason that is handed on.
const MAX_REASON: usize = 64;

/// Why calls are refused, as it is counted.
const REFUSALS: [&str; 8] = [
    "busy",
    "callee-offline",
    "caller-offline",
    "cloud-error",
    "cloud-timeout",
    "overloaded",
    "sid-in-use",
    "unknown-device",
];

/// All paths.
pub(super) fn router(server: Shared) -> Router {
    Router::new()
        .route("/calls", get(list).post(create))
        .route("/calls/{sid}", get(show))
        .route("/calls/{sid}/{action}", post(act))
        .route("/metrics", get(pages::metrics))
        .route("/healthz", get(pages::health))
        .route("/try", get(pages::try_page))
        .fallback(no_path)
        .method_not_allowed_fallback(no_method)
        .with_state(server)
}

/// Who is not known does not learn which paths there are.
async fn no_path(State(server): State<Shared>, asked: Asked) -> Result<Answer, Response> {
    asker(&server, &asked)?;
    Ok(no_such_path())
}

async fn no_method(State(server): State<Shared>, asked: Asked) -> Result<Answer, Response> {
    asker(&server, &asked)?;
    Ok(no_such_method())
}

fn asker(server: &CallServer, asked: &Asked) -> Result<Asker, Answer> {
    let asker = server.asker(&asked.headers);
    asker.ok_or_else(|| {
        Answer::unauthorised(
            "there is no valid key (Authorization: Bearer) or device token (X-Client-Token)",
        )
    })
}

fn refusal(status: u16, reason: &str, message: &str) -> Answer {
    Answer::refusal(status, reason, message)
}

fn unknown_id() -> Answer {
    refusal(404, "unknown-id", "there is no such call")
}

fn not_a_party() -> Answer {
    refusal(403, "not-a-party", "that is not this device's to do")
}

/// `from`, which a phone may leave out; it speaks for itself only.
fn actor(asker: Asker, members: &Map<String, Value>) -> Result<u32, Answer> {
    let from = match members.get("from") {
        None | Some(Value::Null) => None,
        Some(value) => Some(cid(value).ok_or_else(|| Answer::bad_request("'from' is no cid"))?),
    };
    match (asker, from) {
        (Asker::Operator, Some(from)) => Ok(from),
        (Asker::Operator, None) => Err(Answer::bad_request("'from' is missing")),
        (Asker::Device(own), None) => Ok(own),
        (Asker::Device(own), Some(from)) if own == from => Ok(own),
        (Asker::Device(_), Some(_)) => Err(not_a_party()),
    }
}

async fn create(State(server): State<Shared>, asked: Asked) -> Result<Answer, Response> {
    let asker = asker(&server, &asked)?;
    let members = object(&asked.body.read().await?)?;
    let order = order(
        asker,
        &members,
        asked.query("force").as_deref() == Some("1"),
    )?;
    let sid = order.sid.clone();
    let placed = place(&server, order).await;
    let status = placed.inspect_err(|answer| count_refusal(&server, answer))?;
    let view = server.book(|book, _| book.get(&sid).map(|call| call.view()));
    let view = view.ok_or_else(unknown_id)?;
    let status = axum::http::StatusCode::from_u16(status).unwrap_or_default();
    Ok(Answer::of(status, view))
}

fn count_refusal(server: &CallServer, answer: &Answer) {
    let reason = answer.members.get("reason").and_then(Value::as_str);
    let known = REFUSALS.into_iter().find(|known| Some(*known) == reason);
    server.count(|counts| *counts.refused.entry(known.unwrap_or("other")).or_default() += 1);
}

fn order(asker: Asker, members: &Map<String, Value>, is_forced: bool) -> Result<Order, Answer> {
    let from = actor(asker, members)?;
    let bad_to = || Answer::bad_request("'to' is neither a cid nor a list of cids");
    let (to, to_is_list) = match members.get("to") {
        Some(Value::Array(list)) => {
            let cids: Option<Vec<u32>> = list.iter().map(cid).collect();
            (cids.ok_or_else(bad_to)?, true)
        }
        Some(value) => (vec![cid(value).ok_or_else(bad_to)?], false),
        None => return Err(Answer::bad_request("'to' is missing")),
    };
    let mut callees: Vec<u32> = vec![];
    for cid in to {
        if !callees.contains(&cid) {
            callees.push(cid);
        }
    }
    if callees.is_empty() || callees.len() > MAX_CALLEES {
        return Err(Answer::bad_request("'to' has no cid, or more than 32"));
    }
    if callees.contains(&from) {
        return Err(Answer::bad_request("nobody calls itself"));
    }
    let sid = match text(members, "sid")? {
        None => random_hex::<8>(),
        Some(sid) if parse_sid(sid.as_bytes()).is_some() => sid.to_owned(),
        Some(_) => {
            return Err(Answer::bad_request(
                "'sid' is not 16 lower-case hexadecimal digits",
            ))
        }
    };
    Ok(Order {
        sid,
        from,
        to: callees,
        to_is_list,
        is_forced,
    })
}

async fn list(State(server): State<Shared>, asked: Asked) -> Result<Answer, Response> {
    let asker = asker(&server, &asked)?;
    let calls: Vec<Value> = server.book(|book, _| {
        let calls = book.newest_first().filter(|call| match asker {
            Asker::Operator => true,
            Asker::Device(cid) => call.is_party(cid),
        });
        calls.map(|call| call.view()).collect()
    });
    Ok(Answer::ok(json!({ "calls": calls })))
}

/// A phone sees its own calls only.
fn sees(server: &CallServer, asker: Asker, sid: &str) -> Result<Value, Answer> {
    let view = server.book(|book, _| {
        let call = book.get(sid)?;
        let sees = match asker {
            Asker::Operator => true,
            Asker::Device(cid) => call.is_party(cid),
        };
        sees.then(|| call.view())
    });
    view.ok_or_else(unknown_id)
}

async fn show(
    State(server): State<Shared>,
    Path(sid): Path<String>,
    asked: Asked,
) -> Result<Answer, Response> {
    let asker = asker(&server, &asked)?;
    Ok(Answer::ok(sees(&server, asker, &sid)?))
}

/// `POST /calls/SID/ACTION`.
async fn act(
    State(server): State<Shared>,
    Path((sid, word)): Path<(String, String)>,
    asked: Asked,
) -> Result<Answer, Response> {
    let asker = asker(&server, &asked)?;
    let kind = Kind::of(word.as_bytes()).filter(|kind| *kind != Kind::Call);
    let kind = kind.ok_or_else(|| refusal(404, "not-found", "there is no such action"))?;
    let members = object(&asked.body.read().await?)?;
    let from = actor(asker, &members)?;
    let reason = text(&members, "reason")?.unwrap_or_default();
    if reason.len() > MAX_REASON {
        return Err(Answer::bad_request("'reason' is longer than 64 bytes").into());
    }
    sees(&server, asker, &sid)?;
    let action = Action { kind, from, reason };
    let notices = server.book(|book, when| book.act(when, &sid, action));
    let notices = notices.map_err(|problem| match problem {
        NoAction::UnknownId => unknown_id(),
        NoAction::NotAParty => not_a_party(),
        NoAction::BadState => refusal(
            409,
            "bad-state",
            "the call is not in a state for that, or it is not this party's to do",
        ),
    })?;
    let pushed = push(&server, &notices).await;
    pushed.map_err(|problem| cloud_refusal(&server, &problem))?;
    Ok(Answer::ok(sees(&server, asker, &sid)?))
}
