//! Requests to the cloud: the states of devices, messages to them.

use std::fmt::{self, Display};
use std::time::Duration;

use axum::http::Method;
use base64::prelude::{Engine as _, BASE64_STANDARD};
use serde_json::{json, Value};

use crate::server::calls::book::message::Notice;
use crate::server::https_client::{HttpClient, NoReply, Reply, LIMITS};
use crate::server::web::base_url::BaseUrl;
use crate::server::web::json::cid;
use crate::wire::cloud::message::{parse_sid, CallMessage, Reason, Url};

/// One question for states; it may be asked twice.
const STATE_TIME: Duration = Duration::from_secs(3);
/// One push.
const PUSH_TIME: Duration = Duration::from_secs(3);
/// Until a cloud of ours gives up to wait for an acknowledgement.
const DELIVERY_TIME: Duration = Duration::from_secs(20);
/// Ours: acknowledgements can be asked for.
const TRACKED: &str = "x-message-tracked";
/// Devices that one question names.
pub(super) const MAX_DEVICES: usize = 100;

/// The cloud.
pub(super) struct CloudClient {
    client: HttpClient,
    base: BaseUrl,
    app_id: String,
}

/// What a device is to the cloud.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct DeviceView {
    pub(super) cid: u32,
    pub(super) state: u64,
    /// `None`: it has none.
    pub(super) tracker: Option<(String, u16)>,
}

/// Why the cloud has not done it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum CloudProblem {
    TimedOut,
    Failed(String),
}

impl Display for CloudProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TimedOut => f.write_str("the cloud has not answered in time"),
            Self::Failed(words) => write!(f, "the cloud: {words}"),
        }
    }
}

impl DeviceView {
    /// States 1 to 5 can be reached; others are a fault, or offline.
    pub(super) fn is_online(&self) -> bool {
        (1..=5).contains(&self.state)
    }
}

impl CloudClient {
    pub(super) fn new(base: BaseUrl, app_id: String) -> Self {
        Self {
            client: HttpClient::new(LIMITS),
            base,
            app_id,
        }
    }

    /// The devices that the cloud lists. Asked once more after a time-out or 5xx.
    pub(super) async fn states(
        &self,
        key: &str,
        cids: &[u32],
    ) -> Result<Vec<DeviceView>, CloudProblem> {
        let path = "/v2/devices/state?page=1&size=100";
        let body = json!({ "cids": cids }).to_string();
        let once = || self.send(key, Method::POST, path, &body, STATE_TIME, &[]);
        let reply = match once().await {
            Err(CloudProblem::TimedOut) => once().await?,
            Ok(reply) if reply.status >= 500 => once().await?,
            first => first?,
        };
        check(&reply)?;
        let devices = parse_devices(&reply.body);
        devices
            .ok_or_else(|| CloudProblem::Failed("its answer is not that of devices/state".into()))
    }

    /// Messages to devices; the id of the request if their acknowledgement can be asked for.
    pub(super) async fn push(
        &self,
        key: &str,
        messages: &[Pushed],
    ) -> Result<Option<String>, CloudProblem> {
        let payload: Vec<Value> = messages.iter().map(Pushed::json).collect();
        let body = json!({ "proxy": 1, "payload": payload }).to_string();
        let path = "/v2/message/server/push";
        let extra = [(TRACKED, "1")];
        let reply = self
            .send(key, Method::POST, path, &body, PUSH_TIME, &extra)
            .await?;
        check(&reply)?;
        let id = reply
            .headers
            .get("x-request-id")
            .and_then(|id| id.to_str().ok());
        let is_tracked = reply.headers.contains_key(TRACKED);
        Ok(id.filter(|_| is_tracked).map(str::to_owned))
    }

    /// When a pushed message was acknowledged, in Unix seconds.
    pub(super) async fn delivered(&self, key: &str, request_id: &str) -> Option<u64> {
        let is_id = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        if !request_id.bytes().all(is_id) {
            return None;
        }
        let path = format!("/v2/messages/{request_id}");
        let reply = self
            .send(key, Method::GET, &path, "", DELIVERY_TIME, &[])
            .await
            .ok()?;
        let answer: Value = serde_json::from_slice(&reply.body).ok()?;
        answer.get("delivered")?.as_u64()
    }

    async fn send(
        &self,
        key: &str,
        method: Method,
        path: &str,
        body: &str,
        within: Duration,
        extra: &[(&str, &str)],
    ) -> Result<Reply, CloudProblem> {
        let mut headers = vec![
            ("X-APP-ID", self.app_id.as_str()),
            ("X-APP-Key", key),
            ("Content-Type", "application/json; charset=utf-8"),
        ];
        headers.extend(extra);
        let url = self.base.join(path);
        let sent = self
            .client
            .send(method, &url, &headers, body.into(), within)
            .await;
        sent.map_err(|problem| match problem {
            NoReply::TimedOut => CloudProblem::TimedOut,
            NoReply::Failed(words) => {
                CloudProblem::Failed(format!("{}: {words}", self.base.host_port()))
            }
        })
    }
}

/// Only 200 is success.
fn check(reply: &Reply) -> Result<(), CloudProblem> {
    match reply.status {
        200 => Ok(()),
        status => Err(CloudProblem::Failed(format!(
            "it answers with status {status}"
        ))),
    }
}

fn parse_devices(body: &[u8]) -> Option<Vec<DeviceView>> {
    let answer: Value = serde_json::from_slice(body).ok()?;
    let devices = answer.get("devices")?.as_array()?;
    devices.iter().map(parse_device).collect()
}

fn parse_device(device: &Value) -> Option<DeviceView> {
    let ip = device
        .get("tracker_ip")
        .and_then(Value::as_str)
        .unwrap_or_default();
    let port = device
        .get("tracker_port")
        .and_then(Value::as_u64)
        .unwrap_or(0);
    let port = u16::try_from(port).ok().filter(|port| *port > 0);
    let is_host = |byte: u8| byte.is_ascii_alphanumeric() || b".-_:[]".contains(&byte);
    let has_host = !ip.is_empty() && ip != "0.0.0.0" && ip.bytes().all(is_host);
    Some(DeviceView {
        cid: cid(device.get("cid")?)?,
        state: device.get("state")?.as_u64()?,
        tracker: port.filter(|_| has_host).map(|port| (ip.to_owned(), port)),
    })
}

/// A message to a device in the name of another one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Pushed {
    from: u32,
    to: u32,
    message: Vec<u8>,
}

impl Pushed {
    /// A call; `None`: the URL is too long.
    pub(super) fn call(message: &CallMessage, to: u32) -> Option<Self> {
        Some(Self {
            from: message.from,
            to,
            message: message.emit()?.to_vec(),
        })
    }

    /// What a party has done.
    pub(super) fn notice(notice: &Notice) -> Option<Self> {
        let sid = parse_sid(notice.sid.as_bytes())?;
        let mut message = CallMessage::new(notice.kind, sid, notice.from);
        message.reason = Reason::from_slice(notice.reason.as_bytes()).unwrap_or_default();
        Self::call(&message, notice.to)
    }

    fn json(&self) -> Value {
        let message = BASE64_STANDARD.encode(&self.message);
        json!({ "from": self.from, "to": self.to, "flag": 2, "msg": message })
    }
}

/// The URL of a call in its message; `None`: it is too long.
pub(super) fn url_text(url: &str) -> Option<Url> {
    Url::from_slice(url.as_bytes()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_are_read_as_the_vendor_writes_them() {
        let body = br#"{"init_string":"x","devices":[{"cid":1003538,"state":4,"tracker_ip":"203.195.157.248","tracker_port":80,"conn_key":1243},{"cid":"7","state":0}],"total":145}"#;
        let devices = parse_devices(body).unwrap();
        assert_eq!(devices[0].tracker, Some(("203.195.157.248".into(), 80)));
        assert!(devices[0].is_online() && !devices[1].is_online());
        assert_eq!((devices[1].cid, &devices[1].tracker), (7, &None));
        for body in [
            "",
            "{}",
            "[]",
            r#"{"devices":{}}"#,
            r#"{"devices":[{"cid":1}]}"#,
            r#"{"devices":[5]}"#,
        ] {
            assert_eq!(parse_devices(body.as_bytes()), None, "{body}");
        }
        let evil = br#"{"devices":[{"cid":1,"state":1,"tracker_ip":"a/b?c","tracker_port":80}]}"#;
        assert_eq!(parse_devices(evil).unwrap()[0].tracker, None);
    }
}
