//! A screen joins its box, and what the box tells that belongs to no call.

use crate::base::limits::endpoint::{CONNECT_TIMEOUT, JOIN_TIMEOUT, REFUSED_PAUSE};
use crate::base::time::Instant;
use crate::proto::intercom::endpoint::box_link::{pause_after, BoxInput, BoxLink};
use crate::proto::intercom::endpoint::output::{Alarm, AlarmState, BoxState, Event, Link, Output};
use crate::proto::intercom::endpoint::Endpoint;
use crate::wire::ascii;
use crate::wire::intercom::{text, Id, Message, Reason};

/// A wall panel, in `join_family`.
const PAD: u8 = 1;

impl Endpoint {
    pub(super) fn step_box(&mut self, now: Instant, input: BoxInput) {
        use BoxLink::{Connecting, Joined, Joining, Pausing};
        match (&self.box_link, input) {
            (Pausing { failures, .. }, BoxInput::Expired) => self.connect_box(now, *failures),
            (Connecting { link, failures, .. }, BoxInput::Connected) => {
                self.send_join(now, *link, *failures)
            }
            (Connecting { failures, .. } | Joining { failures, .. }, BoxInput::Lost) => {
                self.pause(now, *failures)
            }
            (
                Connecting { link, failures, .. } | Joining { link, failures, .. },
                BoxInput::Expired,
            ) => {
                let (link, failures) = (*link, *failures);
                self.output(Output::Close(link));
                self.pause(now, failures);
            }
            (Joining { link, .. }, BoxInput::Accepted(room_id)) => {
                self.box_link = Joined {
                    link: *link,
                    room_id: room_id.clone(),
                };
                self.event(Event::Box(BoxState::Joined, room_id, Reason::new()));
            }
            (Joining { link, .. } | Joined { link, .. }, BoxInput::Refused(reason)) => {
                self.handle_refused(now, *link, reason)
            }
            (Joined { .. }, BoxInput::Lost) => {
                let lost = Event::Box(BoxState::Lost, Id::new(), text("lost"));
                self.event(lost);
                self.pause_for(now, 0);
            }
            _ => self.ignore(),
        }
    }

    fn connect_box(&mut self, now: Instant, failures: u32) {
        let Some(address) = self.settings.box_addr else {
            self.box_link = BoxLink::None;
            return;
        };
        let link = self.next_link();
        self.box_link = BoxLink::Connecting {
            link,
            expires_at: now + CONNECT_TIMEOUT,
            failures,
        };
        self.output(Output::Connect(link, address));
    }

    fn send_join(&mut self, now: Instant, link: Link, failures: u32) {
        self.box_link = BoxLink::Joining {
            link,
            expires_at: now + JOIN_TIMEOUT,
            failures,
        };
        let message = Message::JoinFamily {
            token: self.settings.token.clone(),
            id: self.settings.id.clone(),
            device_type: PAD,
        };
        self.output(Output::Send(link, message));
    }

    fn handle_refused(&mut self, now: Instant, link: Link, reason: Reason) {
        // A call over the link ends with it.
        self.handle_link_gone(now, link);
        let state = match ascii::word(&reason) {
            "replaced" => BoxState::Replaced,
            _ => BoxState::Refused,
        };
        self.event(Event::Box(state, Id::new(), reason));
        self.output(Output::Close(link));
        self.box_link = BoxLink::Pausing {
            until: now + REFUSED_PAUSE,
            failures: 1,
        };
    }

    /// An attempt has failed; the first one is told.
    fn pause(&mut self, now: Instant, failures: u32) {
        if failures == 0 {
            let lost = Event::Box(BoxState::Lost, Id::new(), text("unreachable"));
            self.event(lost);
        }
        self.pause_for(now, failures);
    }

    fn pause_for(&mut self, now: Instant, failures: u32) {
        let random = self.ids.number();
        self.box_link = BoxLink::Pausing {
            until: now + pause_after(failures, random),
            failures: failures + 1,
        };
    }

    pub(super) fn handle_alarm(&mut self, now: Instant, alarm: Alarm) {
        if self.alarms.raise(now, &alarm) {
            self.event(Event::Alarm(AlarmState::Raised, alarm, Id::new()));
        }
    }

    pub(super) fn handle_alarm_cleared(&mut self, id: &Id, port: u8, reason: &Reason) {
        let Some((alarm, was_here)) = self.alarms.clear(id, port) else {
            return self.ignore();
        };
        let state = match ascii::word(reason) {
            "acked" => AlarmState::Acked,
            _ => AlarmState::Cleared,
        };
        // The box does not say which other screen has acknowledged it.
        let by = match state {
            AlarmState::Acked if was_here => self.settings.id.clone(),
            _ => Id::new(),
        };
        self.event(Event::Alarm(state, alarm, by));
    }
}
