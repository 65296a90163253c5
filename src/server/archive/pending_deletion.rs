//! A deletion that has begun and is not known to have ended.

use serde_json::{json, Value};

use crate::server::archive::audit::Actor;

/// A deletion that has begun: who deletes what, when and why. It is kept in accounts.db from before the
/// line in the audit log until the tombstone is there.
#[derive(Clone, Debug)]
pub(super) struct PendingDeletion {
    pub(super) id: String,
    pub(super) actor: Actor,
    pub(super) reason: String,
    /// Seconds since 1970.
    pub(super) time: i64,
}

impl PendingDeletion {
    pub(super) fn to_json(&self) -> Value {
        let Actor {
            who,
            role,
            tenant,
            from,
        } = &self.actor;
        json!({"who": who, "role": role, "tenant": tenant, "from": from, "reason": self.reason, "time": self.time})
    }

    pub(super) fn parse(id: &str, text: &str) -> Self {
        let value: Value = serde_json::from_str(text).unwrap_or_default();
        let text = |key: &str| value[key].as_str().unwrap_or_default().to_owned();
        Self {
            id: id.to_owned(),
            actor: Actor {
                who: text("who"),
                role: text("role"),
                tenant: text("tenant"),
                from: text("from"),
            },
            reason: text("reason"),
            time: value["time"].as_i64().unwrap_or_default(),
        }
    }
}
