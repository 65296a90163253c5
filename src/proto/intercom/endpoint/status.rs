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
        let call = self.call.as_ref();
        let call = call.map(|call| {
            let state = call.stage.shown();
            Event::Call(state, call.info.clone(), self.present_urls(call))
        });
        let box_event = self.box_event.clone();
        let alarms = self.alarms.all();
        let alarms = alarms.map(|alarm| Event::Alarm(AlarmState::Raised, alarm.clone(), Id::new()));
        let all = call.into_iter().chain(box_event).chain(alarms);
        all.into_iter().nth(number)
    }
}
