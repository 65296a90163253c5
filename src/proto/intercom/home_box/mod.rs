//! The router of a home's box: one call at a time, between the community (door units, other homes,
//! the property) and the screens of the home.
//!
//! ```text
//! community leg   WAITING --call_req--> the call's caller, or refused (busy, nobody there, DND)
//! home leg        JOINING --join_family, good token--> JOINED
//!
//! call from outside   RINGING all screens --first call_accept--> TALKING
//!                             |--time-out, noAnswerTo--> DIALLING
//! call from a screen  DIALLING --connected--> RINGING OUT --call_accept--> TALKING
//! ```
//! Each state's timers are in its variant of `CallState`; `phases` is the table of (state, leg,
//! message). A leg that speaks out of turn is ignored and counted: nothing that a stranger sends
//! ends a call that is not his.
//!
//! Input: `handle_*`, one at a time, then `poll_output` until `None`. Connections have numbers here;
//! sockets, the token's cryptography and the log are the event loop's.

use core::net::IpAddr;
use std::collections::VecDeque;

use crate::base::time::Instant;
use crate::proto::intercom::home_box::alarm_list::Alarms;
use crate::proto::intercom::home_box::call::{Call, CallState};
use crate::proto::intercom::home_box::legs::{CloudLeg, Leg, LegState, Legs};
use crate::proto::intercom::home_box::output::{BoxCounts, Output};
use crate::proto::intercom::home_box::rules::Rules;
use crate::proto::intercom::home_box::sids::Sids;
use crate::wire::intercom::{Message, Party};

pub use crate::proto::intercom::home_box::legs::{LegId, Side};
pub use crate::proto::intercom::home_box::stream_use::StreamUse;

mod alarm_list;
mod alarms;
mod answer;
mod call;
mod cloud;
mod dial;
mod ending;
mod join;
mod keep_alive;
mod legs;
pub mod output;
mod phases;
mod present;
mod rewrite;
mod ring;
pub mod rules;
mod sids;
mod stream_use;
mod streams;
mod talk;
mod timers;

/// The box.
pub struct HomeBox {
    rules: Rules,
    legs: Legs,
    last_leg: LegId,
    /// The owners' phones, which ring through the cloud.
    cloud: Option<CloudLeg>,
    call: Option<Call>,
    alarms: Alarms,
    /// Calls of doors are refused until then.
    do_not_disturb_until: Option<Instant>,
    sids: Sids,
    counts: BoxCounts,
    outputs: VecDeque<Output>,
}

impl HomeBox {
    /// A box without connections; `seed` is random.
    pub fn new(rules: Rules, seed: [u8; 32]) -> Self {
        Self {
            rules,
            legs: Legs::default(),
            last_leg: 0,
            cloud: None,
            call: None,
            alarms: Alarms::default(),
            do_not_disturb_until: None,
            sids: Sids::new(seed),
            counts: BoxCounts::default(),
            outputs: VecDeque::new(),
        }
    }

    /// What is to be done, in this order; `None` when there is nothing left.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// What was counted since the start.
    pub fn counts(&self) -> &BoxCounts {
        &self.counts
    }

    /// A connection was accepted: its number, `None` if it must be closed at once.
    pub fn handle_accepted(&mut self, now: Instant, side: Side, address: IpAddr) -> Option<LegId> {
        let has_room = match side {
            Side::Community => self.make_room(address),
            Side::Home => self.make_room_at_home(),
        };
        if !has_room {
            self.counts.refused_connections += 1;
            return None;
        }
        let id = self.new_leg();
        self.legs.add(Leg::accepted(id, side, address, now));
        Some(id)
    }

    fn new_leg(&mut self) -> LegId {
        self.last_leg += 1;
        self.last_leg
    }

    /// Room for one more connection that has not called yet: at most four of one address, and the
    /// oldest that has never said anything gives way.
    fn make_room(&mut self, address: IpAddr) -> bool {
        let waiting = || self.legs.waiting();
        let of_address = waiting().filter(|leg| leg.address == address);
        if of_address.count() >= self.rules.max_waiting_of_address {
            return false;
        }
        if waiting().count() < self.rules.max_waiting {
            return true;
        }
        let silent = waiting().filter(|leg| !leg.has_spoken);
        let Some(oldest) = silent.min_by_key(|leg| leg.since).map(|leg| leg.id) else {
            return false;
        };
        self.close(oldest);
        true
    }

    /// A connection has brought a message other than `join_family`, which is for `handle_join`.
    pub fn handle_message(&mut self, now: Instant, id: LegId, message: &Message) {
        let Some(leg) = self.legs.find_mut(id) else {
            return;
        };
        leg.has_spoken = true;
        match (&leg.state, message) {
            (LegState::Waiting, Message::CallReq { sid, src, dest }) => {
                self.handle_call_req(now, id, sid, src, dest);
            }
            (LegState::Waiting, Message::BadCallReq { sid }) => {
                let nobody = Party::default();
                self.refuse(now, id, sid, &nobody, "bad_request", "rejected");
            }
            (LegState::Joined { .. }, Message::BadCallReq { sid }) => {
                self.reject_screen(id, sid, "bad_request");
            }
            (LegState::Waiting, Message::CallKeep { .. }) => {}
            (LegState::Joined { .. }, Message::CallReq { sid, src, dest }) => {
                self.handle_screen_call(now, id, sid, src, dest);
            }
            (LegState::Joined { .. }, Message::SeczoneAck { alarm, by }) => {
                self.handle_alarm_ack(alarm, by);
            }
            (LegState::Joined { .. } | LegState::Cloud { .. } | LegState::InCall, message) => {
                self.handle_call_message(now, id, message);
            }
            _ => self.counts.ignored_messages += 1,
        }
    }

    /// Somebody at the page for trying opens the door with the token of a device: as if its screen
    /// had. `false`: that device has not the call.
    #[must_use]
    pub fn handle_page_open(&mut self, now: Instant, device: &[u8]) -> bool {
        let leg = self.legs.of_device(device);
        let Some((leg, sid)) = leg.and_then(|leg| Some((leg, self.talking_sid(leg)?))) else {
            return false;
        };
        let message = Message::OpenDoor {
            sid,
            door: 0,
            ack: false,
        };
        self.handle_message(now, leg, &message);
        true
    }

    /// A connection was closed by its peer, or broke.
    pub fn handle_closed(&mut self, now: Instant, id: LegId) {
        let Some(leg) = self.legs.remove(id) else {
            return;
        };
        if let LegState::Joined {
            device,
            device_type,
        } = &leg.state
        {
            self.announce_leaving(&leg, device, *device_type, "left", b"");
        }
        self.handle_lost_leg(now, id);
    }

    /// A frame that was no message.
    pub fn handle_bad_frame(&mut self) {
        self.counts.bad_frames += 1;
    }

    /// A message that the reader does not know.
    pub fn handle_unknown_message(&mut self) {
        self.counts.unknown_messages += 1;
    }

    /// Calls of doors are refused until `until`; `None`: they ring.
    pub fn set_do_not_disturb(&mut self, until: Option<Instant>) {
        self.do_not_disturb_until = until;
    }

    /// Until when calls of doors are refused.
    pub fn do_not_disturb_until(&self, now: Instant) -> Option<Instant> {
        self.do_not_disturb_until.filter(|until| *until > now)
    }

    /// The devices of joined screens.
    pub fn devices(&self) -> impl Iterator<Item = &[u8]> {
        self.legs.joined().map(|(_, device, _)| device)
    }

    /// The state of the call, as `StatusRequest` shows it, and its key.
    pub fn call_status(&self) -> (&'static str, &[u8]) {
        let Some(call) = &self.call else {
            return ("free", b"");
        };
        let state = match call.state {
            CallState::Ringing(_) => "ringing",
            CallState::Dialling { .. } | CallState::RingingOut { .. } => "dialling",
            CallState::Talking(_) => "talking",
        };
        (state, &call.sid)
    }

    fn output(&mut self, output: Output) {
        self.outputs.push_back(output);
    }

    fn send(&mut self, leg: LegId, message: Message) {
        self.output(Output::Send { leg, message });
    }

    /// The same at home: the oldest that has never said anything gives way.
    fn make_room_at_home(&mut self) -> bool {
        if self.legs.joining() < self.rules.max_joining {
            return true;
        }
        let joining = self
            .legs
            .iter()
            .filter(|leg| leg.state == LegState::Joining);
        let silent = joining.filter(|leg| !leg.has_spoken);
        let Some(oldest) = silent.min_by_key(|leg| leg.since).map(|leg| leg.id) else {
            return false;
        };
        self.close(oldest);
        true
    }

    /// Ends a connection after what was sent to it.
    fn close(&mut self, leg: LegId) {
        self.legs.remove(leg);
        self.output(Output::Close(leg));
    }
}
