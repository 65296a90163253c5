//! What the owners' phones say.

use crate::base::time::Instant;
use crate::proto::cloud::home::{HomeInCloud, Output, Streams};
use crate::wire::cloud::message::{CallMessage, Kind};
use crate::wire::intercom::{cut, text, Message, Reason};

impl HomeInCloud {
    pub(super) fn handle_message(&mut self, _now: Instant, src: u32, bytes: &[u8]) {
        let Ok(message) = CallMessage::parse(bytes) else {
            return;
        };
        let from = message.from;
        let is_true = src == 0 || src == from;
        // A server that ends a call says so in its own name or in a phone's.
        let is_known = from == 0 || self.owners.contains(&from);
        let Some(call) = &self.call else {
            return;
        };
        let is_here =
            call.sid == message.sid && (call.phone == 0 || from == 0 || from == call.phone);
        if !is_true || !is_known || !is_here {
            return;
        }
        let rings = call.phone == 0;
        let sid = call.home_sid.clone();
        match message.kind {
            Kind::Accept if rings && from > 0 => self.answer(from),
            Kind::Decline if rings => {
                self.call = None;
                let reason = reason(&message, "declined");
                self.say(from, Message::CallReject { sid, reason });
            }
            Kind::Busy | Kind::Cancel | Kind::End if rings => self.lose_ring(),
            Kind::Cancel | Kind::End => {
                let call = self.call.take();
                let reason = reason(&message, "hangup");
                self.say(from, Message::CallEnd { sid, reason });
                if let Some(call) = call {
                    self.close_streams(&call);
                }
            }
            Kind::Keep => self.say(from, Message::CallKeep { sid }),
            Kind::OpenDoor => {
                let (door, ack) = (0, true);
                self.say(from, Message::OpenDoor { sid, door, ack });
            }
            _ => {}
        }
    }

    /// The first phone has accepted; the application server has told the others.
    fn answer(&mut self, phone: u32) {
        let Some(call) = &mut self.call else {
            return;
        };
        call.phone = phone;
        let streams = Streams {
            sid: call.sid,
            own: self.cid,
            phone,
            door: call.door.clone(),
            heard: call.heard.clone(),
        };
        let (sid, by) = (call.home_sid.clone(), text(""));
        self.say(phone, Message::CallAccept { sid, by });
        self.outputs.push_back(Output::OpenStreams(streams));
    }

    fn say(&mut self, phone: u32, message: Message) {
        self.outputs.push_back(Output::Message(phone, message));
    }
}

fn reason(message: &CallMessage, usual: &str) -> Reason {
    if message.reason.is_empty() {
        text(usual)
    } else {
        cut(&message.reason)
    }
}
