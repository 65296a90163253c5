//! All recordings of one phone: takes requests, returns responses and events. This is the `proto`
//! type that the daemon's recording and control services drive.
//!
//! Each input is passed to one `handle_*` function; then messages are taken from `poll_output` and
//! calls to the stick from `disk_op` until there are none. Recording slots are numbered from 0; the
//! daemon keeps the sockets and the file of a slot under the same number.

use crate::base::limits::MESSAGE_BYTES;
use crate::base::stats::{Counter, Stats};
use crate::base::time::Instant;
use crate::proto::playback::players::Players;
use crate::proto::recorder::line_check::Remarks;
use crate::proto::recorder::outbox::{ClientId, Outbox, To};
use crate::proto::recorder::reason::{reason, Reason};
use crate::proto::recorder::request::{Sink, StickRequest};
use crate::proto::recorder::sidecar_queue::SidecarQueue;
use crate::proto::recorder::stick::Path;
use crate::proto::recording::part_history::Zone;
use crate::proto::recording::setup::Ports;
use crate::proto::recording::setup::{Device, ServerSettings};
use crate::proto::recording::state::RecordingState;
use crate::proto::recording::Recording;
use crate::wire::control::{Error, Message};
use crate::wire::g711::Law;
use kept_responses::KeptResponses;
use losses::Losses;
use stop_alls::StopAlls;

mod events;
pub mod format_keys;
#[cfg(feature = "intercom")]
pub mod intercom;
mod kept_responses;
pub mod keys;
mod leg_events;
pub mod line_check;
pub mod listing;
mod losses;
pub mod outbox;
mod players;
pub mod reason;
pub mod request;
mod requests;
mod responses;
pub mod sidecar_queue;
mod sidecars;
mod slots;
mod status;
pub mod stick;
mod stick_requests;
mod stop_all;
mod stop_alls;
pub mod turn;

/// The part of the configuration that the recorder uses.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Recording is allowed.
    pub enabled: bool,
    /// The default sink of a start request.
    pub sink: Sink,
    /// The default codec of a start request.
    pub law: Law,
    /// Bytes of a part, 0 for no limit.
    pub limit: u64,
    /// Bytes that stay free.
    pub reserve: u64,
    /// Old recordings may be deleted to make room.
    pub cover: bool,
    /// Frames are stored with their RTP header.
    pub rtp_header: bool,
    /// A pause is recorded as silence.
    pub pause_is_silence: bool,
    /// The number of concurrent recordings.
    pub max_recordings: usize,
    /// Frames after which a recording ends, pauses not counted; 0: never.
    pub max_frames: u64,
    /// Frames without audio after which it ends, pauses not counted; 0: never.
    pub idle_frames: u64,
    /// The phone's hardware address, unless a start request names another one.
    pub device: Device,
    /// The recording server, if one is configured.
    pub server: Option<ServerSettings>,
}

/// What must follow a control line, in addition to the responses that are already queued.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FollowUp {
    /// Nothing.
    Nothing,
    /// A response will follow later; until then no further line of this client is read.
    Later,
    /// Send this client all `status_line`s, or the one with this id, then `status_end`.
    Status(Option<u32>),
    /// Send this client a line for each recording on the stick, then the final line.
    List,
    /// Send this client what is now, as events, and then all events.
    Events,
    /// Carry this out, then call `answer_stick_status`, `answer_deleted` or `answer_ejected`.
    Stick(StickRequest),
    /// Send this client `stats_line`, once this turn's packets have been counted.
    Stats,
}

/// The recorder.
pub struct Recorder {
    settings: Settings,
    slots: Vec<Recording>,
    stick: Option<Path>,
    outbox: Outbox,
    players: Players,
    sidecars: SidecarQueue,
    zone: Zone,
    /// The counters of the recordings, by slot.
    losses: Vec<Losses>,
    ending: bool,
    /// The stick is being ejected, or was ejected and is still plugged in.
    ejected: bool,
    /// What the response to the last line adds.
    remarks: Remarks,
    stop_alls: StopAlls,
    kept_responses: KeptResponses,
    /// When the previous turn and the current turn began.
    turns: [Instant; 2],
    /// The counters of the phone that belong to no recording.
    pub stats: Stats,
}

impl Recorder {
    /// Allocates everything that recordings need: nothing is allocated later.
    pub fn new(settings: Settings) -> Self {
        for law in [Law::Mu, Law::A] {
            law.prepare();
        }
        settings.law.prepare_pairs();
        let slots = (0..settings.max_recordings)
            .map(|_| Recording::new())
            .collect();
        let losses = (0..settings.max_recordings)
            .map(|_| Losses::default())
            .collect();
        Self {
            settings,
            slots,
            stick: None,
            outbox: Outbox::new(),
            players: Players::new(),
            sidecars: SidecarQueue::new(),
            zone: Zone::default(),
            losses,
            ending: false,
            ejected: false,
            remarks: Remarks::new(),
            stop_alls: StopAlls::default(),
            kept_responses: KeptResponses::default(),
            turns: [Instant::default(); 2],
            stats: Stats::default(),
        }
    }

    /// Applies a changed configuration; running recordings keep theirs. The number of slots does
    /// not change.
    pub fn set_settings(&mut self, settings: Settings) {
        self.settings = Settings {
            max_recordings: self.slots.len(),
            ..settings
        };
    }

    /// The number of recording slots.
    pub fn slots(&self) -> usize {
        self.slots.len()
    }

    /// The state of the recording in this slot.
    pub fn state(&self, slot: usize) -> RecordingState {
        self.slots
            .get(slot)
            .map_or(RecordingState::Free, Recording::state)
    }

    /// The recording in this slot accepts packets.
    pub fn accepts_packets(&self, slot: usize) -> bool {
        self.slots.get(slot).is_some_and(Recording::accepts_packets)
    }

    /// The recording in this slot ends at this time, and packets of before are still being read.
    pub fn ends_at(&self, slot: usize) -> Option<Instant> {
        match self.state(slot) {
            RecordingState::Draining { until, .. } => Some(until),
            _ => None,
        }
    }

    /// No slot is in use.
    pub fn is_idle(&self) -> bool {
        self.slots
            .iter()
            .all(|recording| recording.state() == RecordingState::Free)
    }

    /// The packets of this slot must be read now.
    pub fn is_due(&self, slot: usize, now: Instant) -> bool {
        self.slots
            .get(slot)
            .is_some_and(|recording| recording.is_due(now))
    }

    /// The next deadline, shared by all recordings as far as possible; `None` if there are no
    /// recordings.
    pub fn next_deadline(&self, now: Instant) -> Option<Instant> {
        self.slots
            .iter()
            .filter_map(|recording| recording.next_deadline(now))
            .min()
    }

    /// A file of this name is being written.
    pub fn in_use(&self, name: &[u8]) -> bool {
        self.slots.iter().any(|recording| recording.writes(name))
    }

    /// If a file of this name is being written, how much of it survives a power failure.
    pub fn durable_bytes(&self, name: &[u8]) -> Option<u64> {
        self.slots
            .iter()
            .find(|recording| recording.writes(name))
            .map(Recording::durable_bytes)
    }

    /// A turn of the loop begins.
    pub fn handle_turn(&mut self, now: Instant) {
        self.turns = [self.turns[1], now];
    }

    /// Handles one line of a control client; `None` if the line was too long or cut off. `random`
    /// is used for the start of a recording.
    pub fn handle_line(
        &mut self,
        now: Instant,
        client: ClientId,
        line: Option<&[u8]>,
        random: [u32; 3],
    ) -> FollowUp {
        self.remarks.clear();
        let message = match line.map(Message::parse) {
            Some(Ok(message)) => message,
            Some(Err(Error::Empty)) => return FollowUp::Nothing,
            Some(Err(Error::NoCommand)) => {
                self.refuse(
                    client,
                    b"Error",
                    &reason("bad-request", &"the line has no command"),
                );
                return FollowUp::Nothing;
            }
            None => {
                let reason = reason(
                    "bad-request",
                    &format_args!("a line is at most {MESSAGE_BYTES} bytes, and ends"),
                );
                self.refuse(client, b"Error", &reason);
                return FollowUp::Nothing;
            }
        };
        let outcome = line_check::check(&message)
            .and_then(|remarks| {
                self.remarks = remarks;
                request::parse(&message)
            })
            .and_then(|request| self.handle_request(now, client, request, random));
        outcome.unwrap_or_else(|reason| {
            self.refuse(client, message.command(), &reason);
            FollowUp::Nothing
        })
    }

    /// What the response to the last line adds to its keys.
    pub fn take_remarks(&mut self) -> Remarks {
        core::mem::take(&mut self.remarks)
    }

    /// The number of leg ports that the slot needs, in addition to the port of the local stream:
    /// `handle_ports` follows.
    pub fn wants_ports(&self, slot: usize) -> Option<usize> {
        match self.state(slot) {
            RecordingState::Binding { legs, .. } => Some(legs),
            _ => None,
        }
    }

    /// The ports of the slot are bound, or could not be bound.
    pub fn handle_ports(&mut self, now: Instant, slot: usize, bound: Result<Ports, Reason>) {
        let Some(recording) = self.slots.get_mut(slot) else {
            return;
        };
        match (recording.state(), bound) {
            (RecordingState::Binding { .. }, Ok(ports)) => recording.handle_bound(now, ports),
            (RecordingState::Binding { client, .. }, Err(reason)) => {
                recording.free();
                self.refuse(client, b"RecordStartRequest", &reason);
            }
            _ => self.stats.count(Counter::Bug),
        }
    }

    /// Sets the stick that is mounted now, and its free bytes for the events.
    pub fn handle_stick(&mut self, now: Instant, stick: Option<Path>, free: u64) {
        if self.stick == stick {
            return;
        }
        if let Some(gone) = std::mem::replace(&mut self.stick, stick.clone()) {
            self.stick_event("removed", &gone, 0);
            for slot in 0..self.slots.len() {
                self.slots[slot].handle_stick_gone();
                self.settle(now, slot);
            }
            self.players.handle_stick_gone();
        }
        if let Some(path) = stick {
            self.stick_event("mounted", &path, free);
        }
    }

    /// Ends every recording like a stop request, and refuses new ones: the daemon shuts down.
    pub fn handle_shutdown(&mut self, now: Instant) {
        self.ending = true;
        self.stop_players();
        for recording in &mut self.slots {
            recording.stop(now, now, None);
            recording.handle_shutdown(now);
        }
    }

    /// Checks whether the recording in this slot has ended without a further call.
    pub fn settle(&mut self, now: Instant, slot: usize) {
        let Some(recording) = self.slots.get_mut(slot) else {
            return;
        };
        if let Some(reason) = recording.reached_limit(now) {
            recording.stop_because(now, now, reason.as_bytes(), None);
        }
        let change = recording.settle(now, &mut self.losses[slot].stats);
        self.announce(slot, change);
        self.announce_legs(slot);
    }

    /// The next response or event.
    pub fn poll_output<'a>(
        &mut self,
        buffer: &'a mut [u8; MESSAGE_BYTES],
    ) -> Option<(To, &'a [u8])> {
        self.outbox.pop(buffer)
    }
}
