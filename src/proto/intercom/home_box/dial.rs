//! Calls that a screen begins, and calls of a door that are passed on.

use core::net::{IpAddr, Ipv4Addr, SocketAddr};

use crate::base::time::Instant;
use crate::proto::intercom::home_box::call::{CallState, Direction};
use crate::proto::intercom::home_box::ending::Farewell;
use crate::proto::intercom::home_box::legs::{Leg, LegId, LegState, Side};
use crate::proto::intercom::home_box::output::{Output, Report};
use crate::proto::intercom::home_box::rewrite::{address_text, passed_on, to_community};
use crate::proto::intercom::home_box::ring::has_equal_audio;
use crate::proto::intercom::home_box::HomeBox;
use crate::wire::intercom::{peer_type, text, Message, Party, Sid};

/// Where homes listen for calls, and where door units and the property's phones do.
const HOME_PORT: u16 = 7892;
const DOOR_PORT: u16 = 7895;

impl HomeBox {
    /// A screen calls.
    pub(super) fn handle_screen_call(
        &mut self,
        now: Instant,
        leg: LegId,
        sid: &Sid,
        src: &Party,
        dest: &Party,
    ) {
        if let Some(call) = &self.call {
            let is_same = call.caller == leg && (sid.is_empty() || *sid == call.sid);
            if is_same {
                self.counts.ignored_messages += 1;
            } else {
                self.counts.busy += 1;
                self.reject_screen(leg, sid, "line_busy");
            }
            return;
        }
        if has_equal_audio(src, dest) {
            self.reject_screen(leg, sid, "bad_request");
            return;
        }
        if self.is_within_home(dest) {
            self.call_within_home(now, leg, sid, src, dest);
            return;
        }
        match self.address_of(dest) {
            Ok(address) => {
                self.counts.calls_out += 1;
                let peer = dest.id.clone();
                self.output(Output::Report(Report::CallOut { peer }));
                self.begin(now, Direction::Out, leg, sid, src, dest);
                self.dial(now, address);
            }
            Err(reason) => self.reject_screen(leg, sid, reason),
        }
    }

    pub(super) fn reject_screen(&mut self, leg: LegId, sid: &Sid, reason: &str) {
        let sid = sid.clone();
        let reason = text(reason);
        self.send(leg, Message::CallReject { sid, reason });
    }

    fn is_within_home(&self, dest: &Party) -> bool {
        let is_device = self.legs.joined().any(|(_, device, _)| dest.id == device);
        !dest.id.is_empty() && (dest.id == self.rules.room_id || is_device)
    }

    /// From room to room: the other screens ring.
    fn call_within_home(&mut self, now: Instant, leg: LegId, sid: &Sid, src: &Party, dest: &Party) {
        let screens = self.legs.joined().map(|(screen, ..)| screen);
        let others: Vec<LegId> = screens.filter(|screen| *screen != leg).collect();
        if others.is_empty() {
            self.reject_screen(leg, sid, "app_offline");
            return;
        }
        self.counts.calls_out += 1;
        self.begin(now, Direction::WithinHome, leg, sid, src, dest);
        self.ring(others);
    }

    /// Where a called device is, if a screen may call there.
    fn address_of(&self, dest: &Party) -> Result<SocketAddr, &'static str> {
        let usual_port = if peer_type::is_home(dest.peer_type) {
            HOME_PORT
        } else {
            DOOR_PORT
        };
        let given_port = Some(dest.port).filter(|port| *port != 0);
        if dest.ip.is_empty() {
            let neighbour = self.rules.neighbour(&dest.id).ok_or("unreachable")?;
            let port = neighbour.port.or(given_port).unwrap_or(usual_port);
            return Ok(SocketAddr::new(neighbour.address, port));
        }
        let address = core::str::from_utf8(&dest.ip).ok();
        let address = address.and_then(|address| address.parse::<Ipv4Addr>().ok());
        let address = address.map(IpAddr::V4).ok_or("bad_request")?;
        let own = &self.rules.addresses;
        let mut neighbours = self.rules.neighbours.iter();
        let is_known = neighbours.any(|neighbour| neighbour.address == address)
            || self
                .rules
                .prefixes
                .iter()
                .any(|prefix| prefix.contains(address));
        if address == own.home || address == own.community || !is_known {
            return Err("unauthorised");
        }
        let port = given_port.unwrap_or(usual_port);
        Ok(SocketAddr::new(address, port))
    }

    /// Somebody else may answer for this caller.
    pub(super) fn may_pass_on(&self, src: &Party) -> bool {
        let to = &self.rules.no_answer_to;
        let is_door = src.peer_type == peer_type::OUTER_BOX;
        is_door && !to.is_empty() && self.rules.neighbour(to).is_some()
    }

    /// Nobody in the home has answered: calls `noAnswerTo`.
    pub(super) fn pass_on(&mut self, now: Instant) {
        let to = self.rules.no_answer_to.clone();
        let Some(neighbour) = self.rules.neighbour(&to) else {
            return;
        };
        let port = neighbour.port.unwrap_or(DOOR_PORT);
        let address = SocketAddr::new(neighbour.address, port);
        let Some(call) = &mut self.call else {
            return;
        };
        call.is_passed_on = true;
        let sid = call.sid.clone();
        let rang = match &mut call.state {
            CallState::Ringing(ringing) => std::mem::take(&mut ringing.legs),
            _ => vec![],
        };
        for leg in rang {
            let sid = sid.clone();
            let reason = text("timeout");
            self.send(leg, Message::CallEnd { sid, reason });
        }
        self.dial(now, address);
    }

    fn dial(&mut self, now: Instant, address: SocketAddr) {
        let callee = self.new_leg();
        let until = now + self.rules.connect_timeout;
        if let Some(call) = &mut self.call {
            call.state = CallState::Dialling { callee, until };
        }
        self.output(Output::Connect {
            leg: callee,
            address,
        });
        self.announce_call("calling", b"");
    }

    /// A connection that was asked for is established; `address` is its other end.
    pub fn handle_connected(&mut self, now: Instant, leg: LegId, address: SocketAddr) {
        let until = now + self.rules.ring_timeout;
        let Some(call) = &mut self.call else {
            self.output(Output::Close(leg));
            return;
        };
        if !matches!(call.state, CallState::Dialling { callee, .. } if callee == leg) {
            self.output(Output::Close(leg));
            return;
        }
        call.state = CallState::RingingOut { callee: leg, until };
        let mut outside = Leg::accepted(leg, Side::Community, address.ip(), now);
        outside.state = LegState::InCall;
        self.legs.add(outside);
        let sid = call.sid.clone();
        let addresses = &self.rules.addresses;
        let (src, dest, left_out) = if call.is_passed_on {
            passed_on(addresses, &call.src, &call.dest, &self.rules.no_answer_to)
        } else {
            to_community(addresses, &call.src, &call.dest)
        };
        let dest = placed(dest, address);
        self.counts.urls_left_out += left_out;
        self.send(leg, Message::CallReq { sid, src, dest });
        self.announce_call("ringing", b"");
    }

    /// A connection that was asked for cannot be made.
    pub fn handle_unreachable(&mut self, now: Instant, leg: LegId) {
        let Some(call) = &self.call else {
            return;
        };
        if !matches!(call.state, CallState::Dialling { callee, .. } if callee == leg) {
            return;
        }
        let reason = if call.is_passed_on {
            "no_answer"
        } else {
            "unreachable"
        };
        let reject = Farewell::Reject(text(reason));
        self.finish_unanswered(now, reject, Farewell::None, reason);
    }

    /// The called device does not answer.
    pub(super) fn handle_ring_out_timeout(&mut self, now: Instant) {
        let reject = Farewell::Reject(text("no_answer"));
        let end = Farewell::End(text("timeout"));
        self.finish_unanswered(now, reject, end, "no_answer");
    }
}

/// The called device with the address that was found for it.
fn placed(dest: Party, address: SocketAddr) -> Party {
    if !dest.ip.is_empty() && dest.port != 0 {
        return dest;
    }
    Party {
        ip: address_text(address.ip()),
        port: address.port(),
        ..dest
    }
}
