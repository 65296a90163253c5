//! What parties of a call are told, and when.

use tokio::time::Instant;

use crate::server::calls::book::call::Call;
use crate::wire::cloud::message::Kind;

/// The time, twice: for deadlines, and for people.
#[derive(Clone, Copy, Debug)]
pub(in crate::server::calls) struct When {
    pub(in crate::server::calls) now: Instant,
    pub(in crate::server::calls) unix: u64,
}

/// A message for a party.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::server::calls) struct Notice {
    pub(in crate::server::calls) sid: String,
    pub(in crate::server::calls) kind: Kind,
    /// Who did it.
    pub(in crate::server::calls) from: u32,
    pub(in crate::server::calls) to: u32,
    /// Empty if there is none.
    pub(in crate::server::calls) reason: String,
}

impl Notice {
    pub(in crate::server::calls) fn new(call: &Call, kind: Kind, from: u32, to: u32) -> Self {
        Self {
            sid: call.sid.clone(),
            kind,
            from,
            to,
            reason: String::new(),
        }
    }

    pub(in crate::server::calls) fn with_reason(mut self, reason: &str) -> Self {
        self.reason = reason.to_owned();
        self
    }
}
