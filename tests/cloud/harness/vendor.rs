//! The vendor's cloud, as far as its documents go: states of devices and pushes, nothing else.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use base64::prelude::{Engine as _, BASE64_STANDARD};
use serde_json::{json, Value};

use super::hook::{reply, Hook, Request};
use super::KEY;

/// States of devices by cid; those that are not in it are not listed.
pub type States = Arc<Mutex<BTreeMap<u64, u64>>>;

pub struct Vendor {
    pub hook: Hook,
    pub states: States,
}

impl Vendor {
    pub fn new(states: &[(u64, u64)]) -> Self {
        let states: States = Arc::new(Mutex::new(states.iter().copied().collect()));
        let known = states.clone();
        let hook = Hook::new(move |request| Some(answer(request, &known)));
        Self { hook, states }
    }

    pub fn set(&self, cid: u64, state: u64) {
        self.states.lock().unwrap().insert(cid, state);
    }

    /// The messages that were pushed: sender, receiver, flag and what is in them.
    pub fn pushed(&self) -> Vec<(u64, u64, u64, Value)> {
        let requests = self.hook.requests();
        let pushes = requests
            .iter()
            .filter(|it| it.line.contains("/v2/message/server/push"));
        pushes
            .flat_map(|request| messages(&request.json()))
            .collect()
    }
}

/// The messages of a push with proxy 1.
pub fn messages(body: &Value) -> Vec<(u64, u64, u64, Value)> {
    assert_eq!(body["proxy"], 1);
    let number = |item: &Value, key: &str| item[key].as_u64().unwrap();
    let message = |item: &Value| {
        let bytes = BASE64_STANDARD
            .decode(item["msg"].as_str().unwrap())
            .unwrap();
        assert!(bytes.len() <= 256);
        let inner = serde_json::from_slice(&bytes).unwrap();
        (
            number(item, "from"),
            number(item, "to"),
            number(item, "flag"),
            inner,
        )
    };
    body["payload"]
        .as_array()
        .unwrap()
        .iter()
        .map(message)
        .collect()
}

fn answer(request: &Request, states: &States) -> Vec<u8> {
    if request.header("x-app-id") != "Test" || request.header("x-app-key") != KEY {
        return reply(401, "no");
    }
    let target = request.line.split(' ').nth(1).unwrap();
    let body = match target {
        "/v2/devices/state?page=1&size=100" => devices(&request.json(), states),
        "/v2/message/server/push" => json!({ "request_id": "2279fa57f4d644c1b333f5ff5ff7a2b7" }),
        _ => return reply(404, "no"),
    };
    reply(200, &body.to_string())
}

fn devices(body: &Value, states: &States) -> Value {
    let states = states.lock().unwrap();
    let asked = body["cids"]
        .as_array()
        .unwrap()
        .iter()
        .map(|cid| cid.as_u64().unwrap());
    let known = asked.filter_map(|cid| states.get(&cid).map(|state| (cid, *state)));
    let devices: Vec<Value> = known
        .map(|(cid, state)| {
            json!({
                "cid": cid, "state": state, "tracker_ip": "203.195.157.248", "tracker_port": 80,
                "public_ip": "14.215.177.37", "public_port": 8747, "config_type": 0, "conn_key": 1243,
            })
        })
        .collect();
    json!({ "init_string": "[Config]", "devices": devices, "total": 145, "size": 20, "page": 1, "request_id": "x" })
}
