//! `/v2/devices/...`: states, ids, tokens, revocations.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use serde_json::{json, Map, Value};

use crate::server::cloud::apps::{AppNumber, Device};
use crate::server::cloud::state::Cloud;
use crate::server::cloud::views;
use crate::server::web::answer::Answer;
use crate::server::web::asked::Asked;
use crate::server::web::ids::unix_now;
use crate::server::web::json::{cids, object};
use crate::wire::cloud::digests::make_token;
use crate::wire::cloud::init_string;
use crate::wire::decimal::parse_decimal;

/// Devices on a page.
const MAX_SIZE: u64 = 100;
const DEFAULT_SIZE: u64 = 20;
/// How long tokens are valid, in seconds.
const DEFAULT_DURATION: u64 = 300;
const MAX_DURATION: u64 = 86_400;
/// The application pushes and views.
const USAGE: u32 = 1;

pub(super) async fn state(
    State(cloud): State<Arc<Cloud>>,
    asked: Asked,
) -> Result<Answer, Response> {
    let app = cloud.app_of(&asked.headers)?;
    let page = page_number(&asked, "page", 1)?;
    let size = page_number(&asked, "size", DEFAULT_SIZE)?;
    if size > MAX_SIZE {
        return Err(Answer::refusal(406, "not-acceptable", "size is more than 100").into());
    }
    let members = object(&asked.body.read().await?)?;
    let named = cids(&members, "cids")?.filter(|cids| !cids.is_empty());
    let own = named.map(|mut cids| {
        cids.retain(|cid| cloud.apps.has(app, *cid));
        cids
    });
    let from = usize::try_from((page - 1).saturating_mul(size)).unwrap_or(usize::MAX);
    let most = MAX_SIZE.min(size) as usize;
    let states = cloud.states(app, own, from, most).await;
    let (shown, total) = states.map_err(Answer::from)?;
    let shown: Vec<Value> = shown
        .iter()
        .map(|state| views::device(state, &cloud.public))
        .collect();
    let mut init = String::new();
    let _ = init_string::emit(&mut init, &cloud.public.0, cloud.public.1);
    Ok(Answer::ok(json!({
        "init_string": init,
        "devices": shown,
        "total": total,
        "page": page,
        "size": size,
    })))
}

fn page_number(asked: &Asked, key: &str, default: u64) -> Result<u64, Answer> {
    let Some(text) = asked.query(key) else {
        return Ok(default);
    };
    let number = parse_decimal(text.as_bytes()).filter(|number| *number > 0);
    number.ok_or_else(|| Answer::bad_request(&format!("'{key}' is no number from 1")))
}

pub(super) async fn ids(State(cloud): State<Arc<Cloud>>, asked: Asked) -> Result<Answer, Response> {
    let app = cloud.app_of(&asked.headers)?;
    let ranges = cloud.apps.ranges(app).iter();
    let ranges: Vec<Value> = ranges
        .map(|(begin, end)| json!({ "begin": begin, "end": end, "usage": USAGE }))
        .collect();
    Ok(Answer::ok(
        json!({ "app_id": cloud.apps.id(app), "cids": ranges }),
    ))
}

pub(super) async fn tokens(
    State(cloud): State<Arc<Cloud>>,
    asked: Asked,
) -> Result<Answer, Response> {
    let app = cloud.app_of(&asked.headers)?;
    let members = object(&asked.body.read().await?)?;
    let devices = own_devices(&cloud, app, &members)?;
    let duration = match members.get("duration") {
        None | Some(Value::Null) => DEFAULT_DURATION,
        Some(Value::Number(number)) => number
            .as_u64()
            .filter(|duration| (1..=MAX_DURATION).contains(duration))
            .unwrap_or(DEFAULT_DURATION),
        Some(_) => return Err(Answer::bad_request("'duration' is no number").into()),
    };
    let expire = u32::try_from(unix_now() + duration).unwrap_or(u32::MAX);
    let key = cloud.apps.signing_key(app);
    let mut made: Vec<Value> = vec![];
    for device in devices {
        let expire = cloud.issue(device, expire).await.map_err(Answer::from)?;
        let token = make_token(key.as_bytes(), device.cid, 0, expire);
        made.push(json!({ "cid": device.cid, "token": token }));
    }
    Ok(Answer::ok(json!({ "tokens": made })))
}

/// `POST /v2/devices/auth/cancellation`: the tokens made so far are refused.
pub(super) async fn cancel(
    State(cloud): State<Arc<Cloud>>,
    asked: Asked,
) -> Result<Answer, Response> {
    let app = cloud.app_of(&asked.headers)?;
    let members = object(&asked.body.read().await?)?;
    for device in own_devices(&cloud, app, &members)? {
        cloud.revoke(device).await.map_err(Answer::from)?;
    }
    Ok(Answer::ok(json!({})))
}

/// The devices that `cids` names, all of the app.
fn own_devices(
    cloud: &Cloud,
    app: AppNumber,
    members: &Map<String, Value>,
) -> Result<Vec<Device>, Answer> {
    let cids = cids(members, "cids")?.ok_or_else(|| Answer::bad_request("'cids' is missing"))?;
    check_own(cloud, app, &cids)?;
    Ok(cids.into_iter().map(|cid| Device { app, cid }).collect())
}

/// 403 if one of the cids is not the app's.
pub(super) fn check_own(cloud: &Cloud, app: AppNumber, cids: &[u32]) -> Result<(), Answer> {
    match cids.iter().find(|cid| !cloud.apps.has(app, **cid)) {
        None => Ok(()),
        Some(cid) => {
            let message = format!("{cid} is not in the ranges of this app");
            Err(Answer::refusal(403, "forbidden", &message))
        }
    }
}
