//! Screens join the box.

use crate::base::time::Instant;
use crate::proto::intercom::home_box::legs::{Leg, LegId, LegState};
use crate::proto::intercom::home_box::output::{BoxEvent, Output, Report};
use crate::proto::intercom::home_box::rules::JoinVerdict;
use crate::proto::intercom::home_box::HomeBox;
use crate::wire::intercom::{cut, text, Id, Message, Reason};

impl HomeBox {
    /// A connection has sent `join_family`.
    pub fn handle_join(&mut self, now: Instant, leg: LegId, verdict: JoinVerdict) {
        let Some(joining) = self.legs.find(leg) else {
            return;
        };
        match (&joining.state, verdict) {
            (LegState::Joining, JoinVerdict::Refused(reason)) => {
                self.refuse_join(leg, Id::new(), reason);
            }
            (
                LegState::Joining,
                JoinVerdict::Device {
                    device,
                    device_type,
                },
            ) => self.join(now, leg, device, device_type),
            // A screen that asks again is told again.
            (LegState::Joined { .. }, JoinVerdict::Device { .. }) => self.accept_join(leg),
            _ => self.counts.ignored_messages += 1,
        }
    }

    fn join(&mut self, now: Instant, leg: LegId, device: Id, device_type: u8) {
        let device = if device.is_empty() {
            cut(format!("#{leg}").as_bytes())
        } else {
            device
        };
        let old = self.legs.of_device(&device);
        if old.is_none() && self.legs.joined().count() >= self.rules.max_screens {
            self.refuse_join(leg, device, text("call_denied"));
            return;
        }
        let Some(joining) = self.legs.find_mut(leg) else {
            return;
        };
        joining.state = LegState::Joined {
            device: device.clone(),
            device_type,
        };
        self.counts.joined += 1;
        self.accept_join(leg);
        self.announce_join(leg, "joined", b"");
        self.output(Output::Report(Report::Joined { device }));
        // It rings before its old connection goes: the ring does not end for want of screens.
        if !self.is_passed_on() {
            self.ring_one(leg);
        }
        if let Some(old) = old {
            self.put_out(now, old, "replaced");
        }
        self.send_alarms_to(now, leg);
    }

    fn is_passed_on(&self) -> bool {
        self.call.as_ref().is_some_and(|call| call.is_passed_on)
    }

    fn accept_join(&mut self, leg: LegId) {
        let room_id = self.rules.room_id.clone();
        self.send(leg, Message::JoinAccept { room_id });
    }

    fn refuse_join(&mut self, leg: LegId, device: Id, reason: Reason) {
        self.counts.refused_joins += 1;
        if let Some(refused) = self.legs.find(leg) {
            let event = BoxEvent::Join {
                state: "refused",
                device,
                device_type: 0,
                address: refused.address,
                reason: reason.clone(),
            };
            self.output(Output::Event(event));
        }
        self.send(leg, Message::JoinReject { reason });
        self.close(leg);
    }

    /// Ends the membership of a device, whose token was revoked.
    pub fn put_out_device(&mut self, now: Instant, device: &[u8], reason: &'static str) {
        if let Some(leg) = self.legs.of_device(device) {
            self.put_out(now, leg, reason);
        }
    }

    fn put_out(&mut self, now: Instant, leg: LegId, reason: &'static str) {
        let state = if reason == "replaced" {
            "replaced"
        } else {
            "left"
        };
        self.announce_join(leg, state, reason.as_bytes());
        let reason = text(reason);
        self.send(leg, Message::JoinReject { reason });
        self.close(leg);
        self.handle_lost_leg(now, leg);
    }

    fn announce_join(&mut self, leg: LegId, state: &'static str, reason: &[u8]) {
        let Some(found) = self.legs.find(leg).cloned() else {
            return;
        };
        if let LegState::Joined {
            device,
            device_type,
        } = &found.state
        {
            self.announce_leaving(&found, device, *device_type, state, reason);
        }
    }

    /// Tells subscribers about a screen that may be gone already.
    pub(super) fn announce_leaving(
        &mut self,
        leg: &Leg,
        device: &Id,
        device_type: u8,
        state: &'static str,
        reason: &[u8],
    ) {
        self.output(Output::Event(BoxEvent::Join {
            state,
            device: device.clone(),
            device_type,
            address: leg.address,
            reason: cut(reason),
        }));
    }
}
