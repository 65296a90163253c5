//! The effect of each request of a control client.

use crate::base::limits::{MAX_LEG_PORTS, PLAYOUT_DELAY};
use crate::base::stats::Counter;
use crate::base::time::Instant;
use crate::proto::recorder::format_keys::{no_such_leg, Declared};
use crate::proto::recorder::outbox::{ClientId, To};
use crate::proto::recorder::reason::{reason, Reason};
use crate::proto::recorder::request::{RecordRequest, Request, Sink, StickRequest};
use crate::proto::recorder::{FollowUp, Recorder};
use crate::proto::recording::setup::{device, Call, Device, ServerSettings, Setup};
use crate::proto::recording::state::RecordingState;
use crate::proto::recording::Recording;

impl Recorder {
    pub(super) fn handle_request(
        &mut self,
        now: Instant,
        client: ClientId,
        request: Request,
        random: [u32; 3],
    ) -> Result<FollowUp, Reason> {
        match request {
            Request::Start(start) => self.start(client, start, random),
            Request::Pause(id, paused, at) => {
                self.pause(client, id, paused, self.requested_at(now, at))
            }
            Request::Formats(id, declared) => self.set_formats(client, id, &declared),
            Request::Stop(id, call, at) => {
                self.stop(now, client, id, call, self.requested_at(now, at))
            }
            Request::Status(id) => {
                if let Some(id) = id.filter(|id| !self.players.has(*id)) {
                    self.find(id)?;
                }
                Ok(FollowUp::Status(id))
            }
            Request::StopAll(why, at) => {
                let at = self.requested_at(now, at);
                self.stop_all(now, client, &why, at)
            }
            Request::Stick(request @ StickRequest::Status) => Ok(FollowUp::Stick(request)),
            Request::Stick(_) if self.stick.is_none() => Err(self.no_stick()),
            Request::Stick(request) => Ok(FollowUp::Stick(request)),
            Request::Stats => Ok(FollowUp::Stats),
            Request::Subscribe => {
                self.answer_subscribed(client);
                Ok(FollowUp::Events)
            }
            Request::List if self.stick.is_none() => Err(self.no_stick()),
            Request::List => Ok(FollowUp::List),
            Request::Play(play) => self.play(client, play, random),
        }
    }

    fn pause(
        &mut self,
        client: ClientId,
        id: u32,
        paused: bool,
        at: Instant,
    ) -> Result<FollowUp, Reason> {
        let slot = self.find(id)?;
        let changed = self.slots[slot].pause(at, paused);
        let too_many = |_| reason("busy", &"too many pauses in half a second");
        let (state, response) = if paused {
            ("paused", "RecordPauseResponse")
        } else {
            ("resumed", "RecordResumeResponse")
        };
        if changed.map_err(too_many)? {
            self.record_event(slot, state, None);
        }
        self.answer_plain(client, response, id);
        Ok(FollowUp::Nothing)
    }

    fn set_formats(
        &mut self,
        client: ClientId,
        id: u32,
        declared: &Declared,
    ) -> Result<FollowUp, Reason> {
        let slot = self.find(id)?;
        let recording = &mut self.slots[slot];
        let mut formats = declared.formats.clone();
        let legs = recording.ports().len().saturating_sub(1);
        if let Some(leg) = formats.own_port(legs, MAX_LEG_PORTS) {
            return Err(no_such_leg(leg, legs));
        }
        // The local stream is the last port, after as many legs as there are.
        if let Some(local) = recording.ports().len().checked_sub(1) {
            formats.move_port(MAX_LEG_PORTS as u8, local as u8);
        }
        recording.set_formats(formats);
        self.answer_formats(client, id, declared);
        Ok(FollowUp::Nothing)
    }

    pub(super) fn stop(
        &mut self,
        now: Instant,
        client: ClientId,
        id: u32,
        call: Call,
        at: Instant,
    ) -> Result<FollowUp, Reason> {
        if let Some(kept) = self.kept_responses.find(id) {
            // It has ended already, without this client's doing.
            if !self.outbox.push(To::Client(client), kept) {
                self.stats.count(Counter::Bug);
            }
            return Ok(FollowUp::Nothing);
        }
        let slot = self.find(id)?;
        self.slots[slot].call_mut().update(call);
        self.slots[slot].stop(now, at, Some(client));
        Ok(FollowUp::Later)
    }

    /// The time to which a request applies. A stalled stick may have delayed the turn in which it
    /// was read, so the time that the client names is used if it lies within the delay. If it is
    /// earlier, the audio has already been mixed, or the time is wrong.
    fn requested_at(&self, now: Instant, at: Option<Instant>) -> Instant {
        let [previous_turn, _] = self.turns;
        let believable = previous_turn - PLAYOUT_DELAY..=now;
        at.filter(|at| believable.contains(at)).unwrap_or(now)
    }

    pub(super) fn start(
        &mut self,
        client: ClientId,
        start: RecordRequest,
        random: [u32; 3],
    ) -> Result<FollowUp, Reason> {
        let settings = &self.settings;
        if self.ending {
            return Err(reason("busy", &"the recorder is ending"));
        }
        if !settings.enabled {
            return Err(reason(
                "disabled",
                &"recording is switched off (enabled = 0)",
            ));
        }
        let server = match start.sink.unwrap_or(settings.sink) {
            Sink::Server => Some(self.server_for()?),
            Sink::Local if self.stick.is_none() || self.ejected => return Err(self.no_stick()),
            Sink::Local => None,
        };
        let Some(slot) = self
            .slots
            .iter()
            .position(|recording| recording.state() == RecordingState::Free)
        else {
            let most = self.slots.len();
            return Err(reason(
                "busy",
                &format_args!("{most} recordings are running (maxRecordings)"),
            ));
        };
        let device = self.device_for(&start)?;
        let [wanted, ssrc, rest] = random;
        let setup = Setup {
            device,
            id: self.unused_id(wanted),
            law: start.law.unwrap_or(settings.law),
            seed: [ssrc, rest],
            rtp_header: settings.rtp_header,
            pause_is_silence: settings.pause_is_silence,
            limit: settings.limit,
            max_frames: settings.max_frames,
            idle_frames: settings.idle_frames,
            reserve: settings.reserve,
            cover: settings.cover,
            call: start.call,
            formats: start.declared.formats,
            understood: start.declared.understood,
            undecodable: start.declared.undecodable,
            server,
        };
        setup.law.prepare_pairs();
        self.slots[slot].begin(client, start.legs, setup);
        self.losses[slot].begin();
        Ok(FollowUp::Later)
    }

    fn server_for(&self) -> Result<ServerSettings, Reason> {
        let none = || {
            reason(
                "no-server",
                &"no recording server is configured (serverAddr)",
            )
        };
        self.settings.server.clone().ok_or_else(none)
    }

    fn device_for(&self, start: &RecordRequest) -> Result<Device, Reason> {
        if start.device.is_empty() {
            return Ok(self.settings.device.clone());
        }
        let words = "device must be 12 hex digits, a hardware address";
        device(&start.device).ok_or_else(|| reason("bad-request", &words))
    }

    /// An unused id from 1 to 2^31 - 1 (spec, rule 15).
    pub(super) fn unused_id(&self, random: u32) -> u32 {
        let mut id = (random & 0x7FFF_FFFF).max(1);
        let is_known = |id: u32| {
            let is_kept = self.kept_responses.find(id).is_some();
            is_kept || self.records(id) || self.players.has(id)
        };
        while is_known(id) {
            id = (id % 0x7FFF_FFFF) + 1;
        }
        id
    }

    /// Why nothing can be done on the stick.
    pub fn no_stick(&self) -> Reason {
        let words = if self.ejected {
            "ejected; unplug the stick and plug it in again"
        } else {
            "no writable USB stick is mounted (usbMount)"
        };
        reason("no-stick", &words)
    }

    /// Finds a running recording; one that is being started or stopped cannot be addressed.
    fn find(&self, id: u32) -> Result<usize, Reason> {
        let mine = |recording: &Recording| {
            recording.state() == RecordingState::Running && recording.setup().id == id
        };
        let slot = self.slots.iter().position(mine);
        slot.ok_or_else(|| reason("unknown-id", &format_args!("no recording {id} is running")))
    }
}
