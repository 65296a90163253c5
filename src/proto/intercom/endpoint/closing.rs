//! The end of a call: the last message, the connection, the event.

use crate::base::time::Instant;
use crate::proto::intercom::endpoint::input::{Farewell, Input};
use crate::proto::intercom::endpoint::output::{Closed, DoorState, Event, Link, Outcome, Output};
use crate::proto::intercom::endpoint::settings::Role;
use crate::proto::intercom::endpoint::Endpoint;
use crate::wire::intercom::{text, Id, Message, Reason};

impl Endpoint {
    pub(super) fn close(&mut self, now: Instant, reason: &str, farewell: Farewell) {
        self.close_for(now, text(reason), farewell);
    }

    pub(super) fn close_for(&mut self, now: Instant, reason: Reason, farewell: Farewell) {
        let Some(call) = &self.call else { return };
        let outcome = call.outcome(&reason);
        self.close_as(now, outcome, reason, farewell);
    }

    /// Ends the call. Its link is closed, unless it is the one to the box.
    pub(super) fn close_as(
        &mut self,
        now: Instant,
        outcome: Outcome,
        reason: Reason,
        farewell: Farewell,
    ) {
        let Some(call) = &self.call else { return };
        let link = call.link;
        let sid = call.wire_sid.clone();
        match farewell {
            Farewell::None => {}
            Farewell::Reject(reason) => self.send_to_peer(Message::CallReject { sid, reason }),
            Farewell::End(reason) => self.send_to_peer(Message::CallEnd { sid, reason }),
        }
        if let Some(link) = link.filter(|link| !self.is_box(*link)) {
            self.output(Output::Close(link));
        }
        let Some(call) = self.call.take() else { return };
        if self.settings.role != Role::Door {
            for opening in &call.openings {
                let sid = call.info.sid.clone();
                let state = DoorState::Unknown;
                self.event(Event::Door(
                    state,
                    sid,
                    opening.door,
                    Id::new(),
                    Reason::new(),
                ));
            }
        }
        let duration_ms = call.duration_ms(now);
        self.event(Event::Closed(Closed {
            info: call.info,
            outcome,
            reason,
            began_at: call.began_at,
            duration_ms,
            by: call.by,
            opened: call.opened,
        }));
    }

    /// This device gives the link up: a call over it is lost.
    pub(super) fn handle_link_gone(&mut self, now: Instant, link: Link) {
        if self.has_call_on(link) {
            if let Some(call) = &mut self.call {
                call.link = None;
            }
            self.step(now, Input::Lost);
        }
    }
}
