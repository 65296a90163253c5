//! What is now, for a program that subscribes.

use crate::proto::intercom::home_box::call::{Call, CallState};
use crate::proto::intercom::home_box::ending::event_of;
use crate::proto::intercom::home_box::legs::{Leg, LegState};
use crate::proto::intercom::home_box::output::BoxEvent;
use crate::proto::intercom::home_box::HomeBox;
use crate::wire::intercom::{Id, Reason};

impl HomeBox {
    /// The joined screens, the call and the alarms, as the events that told of them.
    pub fn present(&self) -> impl Iterator<Item = BoxEvent> + '_ {
        let screens = self.legs.iter().filter_map(joined);
        let call = self.call.as_ref();
        let call = call.map(|call| event_of(call, state(call), &Reason::new(), None));
        let alarms = self.alarms.alarms.iter();
        let alarms = alarms.map(|alarm| alarm.event("raised", Id::new()));
        screens.chain(call).chain(alarms)
    }
}

fn joined(leg: &Leg) -> Option<BoxEvent> {
    match &leg.state {
        LegState::Joined {
            device,
            device_type,
        } => Some(BoxEvent::Join {
            state: "joined",
            device: device.clone(),
            device_type: *device_type,
            address: leg.address,
            reason: Reason::new(),
        }),
        _ => None,
    }
}

/// The last state that was told.
fn state(call: &Call) -> &'static str {
    match call.state {
        CallState::Dialling { .. } => "calling",
        CallState::Talking(_) if call.answered_at.is_some() => "talking",
        // A door that a ringing screen has opened is not talked with.
        CallState::Ringing(_) | CallState::RingingOut { .. } | CallState::Talking(_) => "ringing",
    }
}
