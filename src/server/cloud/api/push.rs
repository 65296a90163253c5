//! Messages to devices: of the app, and of other devices.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Path, State};
use axum::http::{HeaderName, HeaderValue};
use axum::response::Response;
use base64::prelude::{Engine as _, BASE64_STANDARD};
use serde_json::{json, Map, Value};

use crate::server::cloud::api::devices::check_own;
use crate::server::cloud::apps::{AppNumber, Device};
use crate::server::cloud::events::{Event, EventKind};
use crate::server::cloud::outgoing::Outgoing;
use crate::server::cloud::state::{Cloud, Storage};
use crate::server::web::answer::Answer;
use crate::server::web::asked::Asked;
use crate::server::web::ids::unix_now;
use crate::server::web::json::{cid, cids, number, object, text};
use crate::wire::cloud::message::MESSAGE_BYTES;

/// Asks for, and promises, that the acknowledgement can be asked for: ours alone.
const TRACKED: &str = "x-message-tracked";
/// How long an acknowledgement is waited for: longer than a message is sent again.
const DELIVERY_WAIT: Duration = Duration::from_secs(15);

pub(super) async fn by_server(
    State(cloud): State<Arc<Cloud>>,
    asked: Asked,
) -> Result<Answer, Response> {
    let app = cloud.app_of(&asked.headers)?;
    let members = object(&asked.body.read().await?)?;
    let payload = members.get("payload");
    let messages = match (number(&members, "proxy", 0, 1)?, payload) {
        (Some(0), Some(Value::Object(payload))) => to_many(app, payload)?,
        (Some(1), Some(Value::Array(list))) => {
            let each = list.iter().map(|item| one_of_proxy(app, item));
            each.collect::<Result<Vec<Outgoing>, Answer>>()?
        }
        (None, _) => return Err(Answer::bad_request("'proxy' is missing").into()),
        _ => return Err(Answer::bad_request("'payload' is not what 'proxy' announces").into()),
    };
    for message in &messages {
        let both = [message.to.cid, message.from];
        let from_app = message.from == 0;
        check_own(&cloud, app, &both[..2 - usize::from(from_app)])?;
    }
    let mut answer = Answer::ok(json!({}));
    let is_tracked = asked.header(TRACKED).is_some();
    if is_tracked {
        let promise = (
            HeaderName::from_static(TRACKED),
            HeaderValue::from_static("1"),
        );
        answer = answer.with_header(promise);
    }
    let request = is_tracked.then_some(&*asked.id);
    let pushed = cloud.push(app, messages, request).await;
    pushed.map_err(Answer::from)?;
    Ok(answer)
}

/// One message for several devices.
fn to_many(app: AppNumber, payload: &Map<String, Value>) -> Result<Vec<Outgoing>, Answer> {
    let (message, flag) = message_and_flag(payload)?;
    let clients = cids(payload, "clients")?;
    let clients = clients.ok_or_else(|| Answer::bad_request("'clients' is missing"))?;
    let outgoing = |cid| Outgoing {
        to: Device { app, cid },
        from: 0,
        flag,
        message: message.to_owned(),
    };
    Ok(clients.into_iter().map(outgoing).collect())
}

/// A message in the name of a device.
fn one_of_proxy(app: AppNumber, item: &Value) -> Result<Outgoing, Answer> {
    let Value::Object(item) = item else {
        return Err(Answer::bad_request(
            "'payload' has a member that is no object",
        ));
    };
    let (message, flag) = message_and_flag(item)?;
    let named = |key: &str| {
        let found = item.get(key).and_then(cid);
        found.ok_or_else(|| Answer::bad_request(&format!("'{key}' is no cid")))
    };
    let (from, to) = (named("from")?, named("to")?);
    Ok(Outgoing {
        to: Device { app, cid: to },
        from,
        flag,
        message: message.to_owned(),
    })
}

/// `msg` and `flag`, 2 by default.
fn message_and_flag(members: &Map<String, Value>) -> Result<(&str, u8), Answer> {
    let message = text(members, "msg")?.ok_or_else(|| Answer::bad_request("'msg' is missing"))?;
    let decoded = BASE64_STANDARD.decode(message);
    let bytes = decoded.map_err(|_| Answer::bad_request("'msg' is no base64"))?;
    if bytes.len() > MESSAGE_BYTES {
        return Err(Answer::bad_request("'msg' is longer than 256 bytes"));
    }
    match number(members, "flag", 2, 3)? {
        Some(3) => Ok((message, 3)),
        _ => Ok((message, 2)),
    }
}

pub(super) async fn by_device(
    State(cloud): State<Arc<Cloud>>,
    asked: Asked,
) -> Result<Answer, Response> {
    let sender = cloud.device_of(&asked.headers, &asked.uri).await?;
    let members = object(&asked.body.read().await?)?;
    let (message, flag) = message_and_flag(&members)?;
    let has_callback = number(&members, "callback", 0, 1)? == Some(1);
    let receivers = receivers(&cloud, sender, &members).await?;
    let outgoing = receivers.iter().map(|to| Outgoing {
        to: *to,
        from: sender.cid,
        flag,
        message: message.to_owned(),
    });
    let pushed = cloud.push(sender.app, outgoing.collect(), None).await;
    pushed.map_err(Answer::from)?;
    if has_callback {
        let to: Vec<u32> = receivers.iter().map(|device| device.cid).collect();
        let data = json!({
            "msg": message, "from": sender.cid, "to": to, "created": unix_now(),
        });
        cloud
            .webhooks
            .add(Event::new(sender, EventKind::Message, data));
    }
    Ok(Answer::ok(json!({})))
}

/// The devices whose tokens the sender has.
async fn receivers(
    cloud: &Cloud,
    sender: Device,
    members: &Map<String, Value>,
) -> Result<Vec<Device>, Answer> {
    let tokens = match members.get("access_tokens") {
        None | Some(Value::Null) => return Ok(vec![]),
        Some(Value::Array(tokens)) => tokens,
        Some(_) => return Err(Answer::bad_request("'access_tokens' is no list")),
    };
    if !tokens.iter().all(Value::is_string) {
        return Err(Answer::bad_request(
            "'access_tokens' has a member that is no string",
        ));
    }
    let mut devices = vec![];
    for token in tokens {
        let device = cloud.accept(token.as_str().unwrap_or_default()).await?;
        let device = device.filter(|device| device.app == sender.app);
        let invalid = || Answer::unauthorised("one of 'access_tokens' is not valid");
        devices.push(device.ok_or_else(invalid)?);
    }
    Ok(devices)
}

/// When a pushed message was acknowledged; waits until it is, or will not be any more.
pub(super) async fn delivery(
    State(cloud): State<Arc<Cloud>>,
    Path(request_id): Path<String>,
    asked: Asked,
) -> Result<Answer, Response> {
    let app = cloud.app_of(&asked.headers)?;
    let mut receiver = cloud.delivery(app, &request_id);
    if let (Storage::Shared(cluster), None) = (&cloud.storage, &receiver) {
        // It may have been pushed at another process a moment ago.
        cluster.settle().await.map_err(Answer::from)?;
        receiver = cloud.delivery(app, &request_id);
    }
    let Some(mut receiver) = receiver else {
        return Err(Answer::refusal(404, "unknown-id", "no tracked message has this id").into());
    };
    let acknowledged = receiver.wait_for(Option::is_some);
    let waited = tokio::time::timeout(DELIVERY_WAIT, acknowledged).await;
    let time = match waited {
        Ok(Ok(time)) => *time,
        // It was dropped, or nothing has come.
        _ => None,
    };
    Ok(Answer::ok(json!({ "delivered": time })))
}
