//! One call.

use serde_json::{json, Value};
use tokio::time::Instant;

/// Where a call is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::server::calls) enum CallState {
    /// The callee's phone is being woken.
    Waking,
    /// The callee was told.
    Sent,
    /// A callee rings.
    Ringing,
    /// A callee has accepted.
    Talking,
    /// It is over.
    Ended,
}

impl CallState {
    pub(in crate::server::calls) fn word(self) -> &'static str {
        match self {
            Self::Waking => "waking",
            Self::Sent => "sent",
            Self::Ringing => "ringing",
            Self::Talking => "talking",
            Self::Ended => "ended",
        }
    }

    /// Nobody has accepted yet, and nobody has ended it.
    pub(in crate::server::calls) fn is_before_talking(self) -> bool {
        matches!(self, Self::Waking | Self::Sent | Self::Ringing)
    }
}

/// A callee of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::server::calls) struct Callee {
    pub(in crate::server::calls) cid: u32,
    /// It was told of the call.
    pub(in crate::server::calls) is_told: bool,
    /// It has declined, is busy, or another one was first.
    pub(in crate::server::calls) is_out: bool,
}

/// A call.
#[derive(Clone, Debug)]
pub(in crate::server::calls) struct Call {
    pub(in crate::server::calls) sid: String,
    pub(in crate::server::calls) from: u32,
    /// As it was asked for.
    pub(in crate::server::calls) to: Vec<u32>,
    pub(in crate::server::calls) to_is_list: bool,
    pub(in crate::server::calls) callees: Vec<Callee>,
    pub(in crate::server::calls) state: CallState,
    pub(in crate::server::calls) reason: Option<String>,
    /// Without the digest of its token.
    pub(in crate::server::calls) shown_url: String,
    /// Unix seconds.
    pub(in crate::server::calls) created: u64,
    pub(in crate::server::calls) ringing: Option<u64>,
    pub(in crate::server::calls) talking: Option<u64>,
    pub(in crate::server::calls) ended: Option<u64>,
    pub(in crate::server::calls) delivered: Option<u64>,
    /// The cloud has not taken the call message yet.
    pub(in crate::server::calls) is_placing: bool,
    /// When its state times out, or, after its end, when it is forgotten.
    pub(in crate::server::calls) until: Instant,
}

impl Call {
    /// The callees that are not out.
    pub(in crate::server::calls) fn active(&self) -> impl Iterator<Item = u32> + '_ {
        let active = self.callees.iter().filter(|callee| !callee.is_out);
        active.map(|callee| callee.cid)
    }

    /// The callees that know of the call and are not out.
    pub(in crate::server::calls) fn alerted(&self) -> Vec<u32> {
        let alerted = self
            .callees
            .iter()
            .filter(|callee| callee.is_told && !callee.is_out);
        alerted.map(|callee| callee.cid).collect()
    }

    /// The caller, or a callee, whether out or not.
    pub(in crate::server::calls) fn is_party(&self, cid: u32) -> bool {
        self.from == cid || self.callees.iter().any(|callee| callee.cid == cid)
    }

    /// Somebody who is in the call now.
    pub(in crate::server::calls) fn occupies(&self, cid: u32) -> bool {
        self.state != CallState::Ended && (self.from == cid || self.active().any(|it| it == cid))
    }

    pub(in crate::server::calls) fn callee_mut(&mut self, cid: u32) -> Option<&mut Callee> {
        self.callees.iter_mut().find(|callee| callee.cid == cid)
    }

    /// As programs and phones see it.
    pub(in crate::server::calls) fn view(&self) -> Value {
        let to = match self.to[..] {
            [one] if !self.to_is_list => json!(one),
            _ => json!(self.to),
        };
        json!({
            "sid": self.sid, "from": self.from, "to": to, "state": self.state.word(),
            "reason": self.reason, "url": self.shown_url, "created": self.created,
            "ringing": self.ringing, "talking": self.talking, "ended": self.ended,
            "delivered": self.delivered,
        })
    }
}
