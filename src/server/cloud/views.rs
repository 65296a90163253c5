//! Devices as the Web API shows them.

use serde_json::{json, Map, Value};

use crate::server::cloud::device_entry::{device_state, DeviceState};
use crate::server::cloud::streams::row::StreamRow;

/// What stands where there is no address.
const NO_ADDRESS: &str = "0.0.0.0";

/// A member of `devices[]`.
pub(super) fn device(state: &DeviceState, public: &(String, u16)) -> Value {
    let mut members = Map::new();
    members.insert("cid".into(), state.cid.into());
    add_rest(&mut members, state, public);
    Value::Object(members)
}

/// The data of a `device-state` event.
pub(super) fn state_event(state: &DeviceState, public: &(String, u16)) -> Value {
    let mut members = Map::new();
    members.insert("device".into(), state.cid.into());
    add_rest(&mut members, state, public);
    Value::Object(members)
}

/// A member of `streams[]`.
pub(super) fn stream(row: &StreamRow) -> Value {
    json!({
        "id": row.id, "cid": row.cid, "players": row.players,
        "seconds": row.seconds, "bytes": row.bytes,
    })
}

fn add_rest(members: &mut Map<String, Value>, state: &DeviceState, public: &(String, u16)) {
    let none = (NO_ADDRESS.to_owned(), 0);
    let tracker = if state.is_seen { public } else { &none };
    let is_publishing = state.state == device_state::PUBLISHING;
    let relay = if is_publishing { public } else { &none };
    let peer = state
        .peer
        .map_or(none.clone(), |peer| (peer.ip().to_string(), peer.port()));
    let rest = json!({
        "state": state.state,
        "tracker_ip": tracker.0,
        "tracker_port": tracker.1,
        "public_ip": peer.0,
        "public_port": peer.1,
        "local_ip": NO_ADDRESS,
        "local_port": 0,
        "config_type": 0,
        "conn_key": 0,
        "relay_ip": relay.0,
        "relay_port": relay.1,
        "cover_url": "",
        "rtmp_url": "",
        "hls": "",
    });
    if let Value::Object(rest) = rest {
        members.extend(rest);
    }
}
