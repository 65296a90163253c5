//! Opening a door. A door unit acts on `open_door` of its call, from the answer on; the program that
//! has subscribed opens it and says what came of it. Elsewhere the result is awaited: old doors send
//! none.

use crate::base::limits::endpoint::{OPENER_TIMEOUT, OPEN_TIMEOUT};
use crate::base::time::Instant;
use crate::proto::intercom::endpoint::call::Opening;
use crate::proto::intercom::endpoint::output::{Direction, DoorState, Event};
use crate::proto::intercom::endpoint::settings::Role;
use crate::proto::intercom::endpoint::Endpoint;
use crate::proto::recorder::reason::{reason, Reason as Refusal};
use crate::wire::intercom::{text, Id, Message, Reason};

impl Endpoint {
    /// Before the answer.
    pub(super) fn handle_early_opening(&mut self, now: Instant, door: u8, ack: bool) {
        if self.settings.open_early {
            return self.handle_opening(now, door, ack);
        }
        self.ignore();
        if ack && self.settings.role == Role::Door {
            self.send_result(door, false, text("unauthorised"));
        }
    }

    /// The peer wants this device's door to be opened.
    pub(super) fn handle_opening(&mut self, now: Instant, door: u8, ack: bool) {
        let is_door = self.settings.role == Role::Door;
        let Some(call) = self.call.as_mut().filter(|_| is_door) else {
            return self.ignore();
        };
        // Of a call to this device, it has itself answered.
        let is_called = call.info.direction == Direction::In;
        let by = if is_called || call.by.is_empty() {
            call.info.peer.clone()
        } else {
            call.by.clone()
        };
        let opening = Opening {
            door,
            ack,
            expires_at: now + OPENER_TIMEOUT,
        };
        let sid = call.info.sid.clone();
        // The same door once more: its result answers both.
        let same = call.openings.iter_mut().find(|known| known.door == door);
        let has_room = match same {
            Some(known) => {
                known.ack |= ack;
                known.expires_at = now + OPENER_TIMEOUT;
                true
            }
            None => call.openings.push(opening).is_ok(),
        };
        if !has_room {
            return self.ignore();
        }
        self.event(Event::Door(
            DoorState::Requested,
            sid,
            door,
            by,
            Reason::new(),
        ));
    }

    /// What came of a request to open this device's door.
    pub fn handle_open_result(
        &mut self,
        sid: &[u8],
        door: u8,
        ok: bool,
        why: Reason,
    ) -> Result<(), Refusal> {
        self.find(sid)?;
        let Some(call) = &mut self.call else {
            return Ok(());
        };
        let is_door = self.settings.role == Role::Door;
        let place = call
            .openings
            .iter()
            .position(|opening| opening.door == door);
        let Some(place) = place.filter(|_| is_door) else {
            return Err(reason(
                "bad-state",
                &format_args!("nobody has asked to open door {door}"),
            ));
        };
        let opening = call.openings.remove(place);
        call.opened += u32::from(ok);
        if opening.ack {
            self.send_result(door, ok, why);
        }
        Ok(())
    }

    fn send_result(&mut self, door: u8, ok: bool, reason: Reason) {
        let Some(call) = &self.call else { return };
        let sid = call.wire_sid.clone();
        self.send_to_peer(Message::OpenDoorResult {
            sid,
            door,
            ok,
            reason,
        });
    }

    /// The user wants the peer's door to be opened.
    pub(super) fn send_open(&mut self, now: Instant, door: u8) {
        let Some(call) = &mut self.call else { return };
        let expires_at = now + OPEN_TIMEOUT;
        let sid = call.wire_sid.clone();
        match call.openings.iter_mut().find(|known| known.door == door) {
            Some(known) => known.expires_at = expires_at,
            None => {
                let opening = Opening {
                    door,
                    ack: true,
                    expires_at,
                };
                // `handle_open_door` has checked that there is room.
                let _ = call.openings.push(opening);
            }
        }
        self.send_to_peer(Message::OpenDoor {
            sid,
            door,
            ack: true,
        });
    }

    /// The door has said what came of it.
    pub(super) fn handle_door_result(&mut self, door: u8, ok: bool, why: Reason) {
        let is_door = self.settings.role == Role::Door;
        let Some(call) = self.call.as_mut().filter(|_| !is_door) else {
            return self.ignore();
        };
        let place = call
            .openings
            .iter()
            .position(|opening| opening.door == door);
        let Some(place) = place else {
            return self.ignore();
        };
        call.openings.remove(place);
        call.opened += u32::from(ok);
        let sid = call.info.sid.clone();
        let state = if ok {
            DoorState::Opened
        } else {
            DoorState::Refused
        };
        self.event(Event::Door(state, sid, door, Id::new(), why));
    }

    /// Old doors say nothing: then it is unknown whether they were opened.
    pub(super) fn expire_openings(&mut self, now: Instant) {
        while let Some(call) = &mut self.call {
            let expired = |opening: &Opening| now >= opening.expires_at;
            let Some(place) = call.openings.iter().position(expired) else {
                return;
            };
            let Opening { door, ack, .. } = call.openings.remove(place);
            let sid = call.info.sid.clone();
            if ack && self.settings.role == Role::Door {
                self.send_result(door, false, text("unknown"));
            }
            let state = DoorState::Unknown;
            self.event(Event::Door(state, sid, door, Id::new(), Reason::new()));
        }
    }
}
