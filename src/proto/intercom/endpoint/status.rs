//! What is now, for `CallStatusRequest` and for a program that subscribes.

use crate::base::time::Instant;
use crate::proto::intercom::endpoint::output::{AlarmState, CallInfo, CallState, Event};
use crate::proto::intercom::endpoint::Endpoint;
use crate::wire::intercom::Id;

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

    /// What is now as events: the call, the link to the box, the alarms. `None` after the last one.
    pub fn present(&self, number: usize) -> Option<Event> {
        let mut left = number;
        if let Some(call) = &self.call {
            if left == 0 {
                let urls = self.present_urls(call);
                return Some(Event::Call(call.stage.shown(), call.info.clone(), urls));
            }
            left -= 1;
        }
        if let Some(event) = &self.box_event {
            if left == 0 {
                return Some(event.clone());
            }
            left -= 1;
        }
        let alarm = self.alarms.all().nth(left)?.clone();
        Some(Event::Alarm(AlarmState::Raised, alarm, Id::new()))
    }
}
