//! The call that runs, for `CallStatusRequest`.

use crate::base::time::Instant;
use crate::proto::intercom::endpoint::output::{CallInfo, CallState};
use crate::proto::intercom::endpoint::Endpoint;

/// A call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// Which call.
    pub info: CallInfo,
    /// Its state, and for how long, in milliseconds.
    pub state: CallState,
    /// See `state`.
    pub since_ms: u64,
}

impl Endpoint {
    /// The running call, if there is one.
    pub fn status(&self, now: Instant) -> Option<Status> {
        let call = self.call.as_ref()?;
        Some(Status {
            info: call.info.clone(),
            state: call.stage.shown(),
            since_ms: now.since(call.since).millis(),
        })
    }
}
