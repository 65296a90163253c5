//! What the user of the device asks.

use crate::base::time::Instant;
use crate::proto::intercom::endpoint::call::Stage;
use crate::proto::intercom::endpoint::input::Input;
use crate::proto::intercom::endpoint::output::Output;
use crate::proto::intercom::endpoint::settings::Role;
use crate::proto::intercom::endpoint::urls::Urls;
use crate::proto::intercom::endpoint::{or_else, Endpoint};
use crate::proto::recorder::reason::{bad_request, reason, Reason as Refusal};
use crate::wire::intercom::{peer_type, Message, Reason};

impl Endpoint {
    /// Answers the call that rings; returns where its streams are.
    pub fn handle_accept(&mut self, now: Instant, sid: &[u8]) -> Result<Urls, Refusal> {
        self.find_ringing(sid)?;
        self.step(now, Input::Answer);
        let call = self.call.as_ref();
        Ok(call.map_or(Urls::default(), |call| call.urls.clone()))
    }

    /// Rejects the call that rings.
    pub fn handle_reject(&mut self, now: Instant, sid: &[u8], why: Reason) -> Result<(), Refusal> {
        self.find_ringing(sid)?;
        self.step(now, Input::Reject(why));
        Ok(())
    }

    /// Stops the bell; nobody else is told.
    pub fn handle_silence(&mut self, now: Instant, sid: &[u8]) -> Result<(), Refusal> {
        self.find_ringing(sid)?;
        self.step(now, Input::Silence);
        Ok(())
    }

    /// Ends a call that this device has made, or that was answered; returns its length in
    /// milliseconds. Without a reason it is `cancelled` or `hangup`.
    pub fn handle_end(&mut self, now: Instant, sid: &[u8], why: Reason) -> Result<u64, Refusal> {
        let stage = self.find(sid)?;
        if matches!(stage, Stage::Ringing { .. } | Stage::Silenced { .. }) {
            // Who hangs up while it rings does not want the call.
            self.step(now, Input::Reject(or_else(why, "declined")));
            return Ok(0);
        }
        let duration = self.call.as_ref().map_or(0, |call| call.duration_ms(now));
        self.step(now, Input::HangUp(why));
        Ok(duration)
    }

    /// Opens the door of the device that this one talks with. A box may also let a screen open that
    /// still rings.
    pub fn handle_open_door(&mut self, now: Instant, sid: &[u8], door: u8) -> Result<(), Refusal> {
        let stage = self.find(sid)?;
        if self.settings.role == Role::Door {
            let words = "a door unit is asked, and does not ask";
            return Err(reason("bad-state", &words));
        }
        let peer = self.call.as_ref().map_or(0, |call| call.info.peer_type);
        // A device that does not say what it is may be a door.
        if peer_type::is_home(peer) || peer == peer_type::PROPERTY_APP {
            return Err(reason("bad-state", &"the other device is no door unit"));
        }
        let is_called = matches!(stage, Stage::Ringing { .. } | Stage::Silenced { .. });
        let may_ring = is_called && self.settings.role == Role::Screen;
        if !(stage.is_answered() || may_ring) {
            return Err(reason("bad-state", &"the call is not answered"));
        }
        let openings = self.call.as_ref().map(|call| &call.openings);
        let has_room = openings.is_some_and(|openings| {
            !openings.is_full() || openings.iter().any(|opening| opening.door == door)
        });
        if !has_room {
            return Err(reason("busy", &"other doors are being opened"));
        }
        self.step(now, Input::Open(door));
        Ok(())
    }

    /// Acknowledges all alarms of a port.
    pub fn handle_alarm_ack(&mut self, port: u8) -> Result<(), Refusal> {
        let Some(link) = self.box_link.joined() else {
            let words = "the screen has not joined its box (boxAddr)";
            return Err(reason("no-box", &words));
        };
        let alarms = self.alarms.acknowledge(port);
        if alarms.is_empty() {
            return Err(reason(
                "unknown-id",
                &format_args!("there is no alarm on port {port}"),
            ));
        }
        for alarm in alarms {
            let by = self.settings.id.clone();
            self.output(Output::Send(link, Message::SeczoneAck { alarm, by }));
        }
        Ok(())
    }

    /// The device stops working: ends its call.
    pub fn handle_shutdown(&mut self, now: Instant) {
        let stage = self.call.as_ref().map(|call| call.stage);
        match stage {
            // The home has other screens: the call rings on there.
            Some(Stage::Ringing { .. } | Stage::Silenced { .. }) => self.step(now, Input::Lost),
            Some(_) => self.step(now, Input::HangUp(Reason::new())),
            None => {}
        }
    }

    fn find_ringing(&self, sid: &[u8]) -> Result<(), Refusal> {
        match self.find(sid)? {
            Stage::Ringing { .. } | Stage::Silenced { .. } => Ok(()),
            _ => Err(reason("bad-state", &"the call does not ring here")),
        }
    }

    pub(super) fn find(&self, sid: &[u8]) -> Result<Stage, Refusal> {
        if sid.is_empty() {
            return Err(bad_request(&"sid is missing"));
        }
        let call = self.call.as_ref().filter(|call| call.info.sid == sid);
        let stage = call.map(|call| call.stage);
        stage.ok_or_else(|| reason("unknown-id", &"there is no such call"))
    }
}
