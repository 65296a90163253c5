//! Messages of the other devices, by the link on which they come.
//!
//! A call belongs to its link and its sid. A message without a sid belongs to the link's call; one
//! with another sid is ignored, and does not show that the peer is there.

use core::net::{IpAddr, Ipv4Addr};

use crate::base::time::Instant;
use crate::proto::intercom::endpoint::box_link::BoxInput;
use crate::proto::intercom::endpoint::input::Input;
use crate::proto::intercom::endpoint::output::{Alarm, Link};
use crate::proto::intercom::endpoint::Endpoint;
use crate::wire::intercom::{Message, Sid};

impl Endpoint {
    /// A message has come.
    pub fn handle_message(&mut self, now: Instant, link: Link, message: Message) {
        if self.is_box(link) {
            self.handle_box_message(now, link, message);
        } else if self.has_call_on(link) {
            self.handle_peer_message(now, link, message);
        } else {
            self.handle_caller_message(now, link, message);
        }
    }

    /// Of a connection that has no call yet. Deployed callers send `call_keep` before `call_req`.
    fn handle_caller_message(&mut self, now: Instant, link: Link, message: Message) {
        let is_call = matches!(
            message,
            Message::CallReq { .. } | Message::BadCallReq { .. }
        );
        let Some(caller) = is_call.then(|| self.callers.take(link)).flatten() else {
            return self.ignore();
        };
        match message {
            Message::CallReq { sid, src, dest } => {
                self.handle_call_req(now, link, caller.from, sid, [src, dest])
            }
            Message::BadCallReq { sid } => self.refuse_bad(link, sid),
            _ => {}
        }
    }

    fn handle_box_message(&mut self, now: Instant, link: Link, message: Message) {
        match message {
            Message::JoinAccept { room_id } => {
                return self.step_box(now, BoxInput::Accepted(room_id))
            }
            Message::JoinReject { reason } => return self.step_box(now, BoxInput::Refused(reason)),
            // Before it has joined, nothing else counts.
            _ if self.box_link.joined().is_none() => return self.ignore(),
            _ => {}
        }
        match message {
            Message::Emergency {
                alarm,
                port,
                name,
                message,
            } => {
                let alarm = Alarm {
                    id: alarm,
                    port,
                    name,
                    message,
                };
                self.handle_alarm(now, alarm)
            }
            Message::SeczoneClear {
                alarm,
                port,
                reason,
            } => self.handle_alarm_cleared(&alarm, port, &reason),
            Message::CallReq { sid, src, dest } if !self.is_of_call(link, &sid) => {
                let address = self.settings.box_addr.map(|address| address.ip());
                let from = address.unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST));
                self.handle_call_req(now, link, from, sid, [src, dest])
            }
            Message::BadCallReq { sid } if !self.is_of_call(link, &sid) => {
                self.refuse_bad(link, sid)
            }
            message => self.handle_peer_message(now, link, message),
        }
    }

    /// Of a link that has the call.
    fn handle_peer_message(&mut self, now: Instant, link: Link, message: Message) {
        let is_mine = message.sid().is_some_and(|sid| self.is_of_call(link, sid));
        match message {
            Message::CallReq { sid, src, dest } if !is_mine => {
                let from = IpAddr::V4(Ipv4Addr::LOCALHOST);
                self.handle_call_req(now, link, from, sid, [src, dest])
            }
            message if is_mine => {
                self.refresh(now, matches!(message, Message::CallKeep { .. }));
                match input_of(message) {
                    Some(input) => self.step(now, input),
                    None => self.ignore(),
                }
            }
            _ => self.ignore(),
        }
    }

    /// A message with this sid on this link belongs to the call.
    fn is_of_call(&self, link: Link, sid: &Sid) -> bool {
        let call = self.call.as_ref().filter(|call| call.link == Some(link));
        call.is_some_and(|call| sid.is_empty() || *sid == call.info.sid)
    }

    /// The peer is there. Its time-out runs from its first `call_keep` on: deployed screens send
    /// none.
    fn refresh(&mut self, now: Instant, is_keep: bool) {
        let timeout = self.settings.keep_timeout;
        if let Some(call) = &mut self.call {
            if is_keep || call.silent_at.is_some() {
                call.silent_at = Some(now + timeout);
            }
        }
    }
}

fn input_of(message: Message) -> Option<Input> {
    match message {
        Message::CallReq { .. } => Some(Input::Repeated),
        Message::CallAccept { by, .. } => Some(Input::Accepted(by)),
        Message::CallReject { reason, .. } => Some(Input::Rejected(reason)),
        Message::CallEnd { reason, .. } => Some(Input::Ended(reason)),
        Message::CallKeep { .. } => Some(Input::Keep),
        Message::OpenDoor { door, ack, .. } => Some(Input::OpenDoor { door, ack }),
        Message::OpenDoorResult {
            door, ok, reason, ..
        } => Some(Input::DoorResult { door, ok, reason }),
        _ => None,
    }
}
