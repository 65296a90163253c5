//! The conversation on a control connection: who the peer is, and the state of each recording.
//!
//! ```text
//! recording:  Starting --accept_start--> Recording --request_stop--> StopRequested
//!                |                           |                             |
//!          refuse_start             RecordStopRequest       RecordStopResponse, RecordStopRequest,
//!                |                           |              or no response within STOP_ANSWER
//!                v                           v                             |
//!              (free) <--complete_stop-- Stopping <------------------------'
//! ```
//! The first stop takes effect; a `RecordStopRequest` that crosses the server's own is answered as
//! well. A stop for an unknown id is answered with `success`: the recording has already been
//! stopped.

use core::fmt::Display;

use super::event::{
    parse_call, parse_stop, CloseReason, ControlEvent, Id, StartRefusal, StartRequest, StopRequest,
};
use super::outbox::ControlOutbox;
use crate::base::limits::server::{CONTROL_IDLE, ID_BYTES, MAX_CALLS, STOP_ANSWER};
use crate::base::time::Instant;
use crate::wire::control::Message;
use crate::wire::g711::Law;
use crate::wire::message_framer::TooLong;
use crate::wire::proxy_protocol;

/// Who sends on the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PeerKind {
    /// A phone.
    Phone,
    /// A trusted proxy, which begins with a PROXY line.
    Proxy,
}

/// Which messages are understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    /// Only the proxy's first line.
    AwaitingProxyLine,
    /// Those of a phone.
    Recording,
    /// The proxy's line was `PROXY UNKNOWN`, it speaks for itself: only health requests.
    HealthCheck,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum CallState {
    /// `ControlEvent::Start` has been reported; no response yet.
    Starting,
    Recording,
    /// The server's stop request is not yet answered. It is given up at this time.
    StopRequested(Instant),
    /// `ControlEvent::Stop` has been reported; the recording is being finished.
    Stopping {
        /// The phone has asked for the stop itself, so it is told when the recording is finished.
        needs_response: bool,
    },
}

/// All states of a connection above the framing of its messages.
#[derive(Debug)]
pub(super) struct ControlProtocol {
    mode: Mode,
    /// Without a recording, the connection is closed at this time.
    idle_at: Instant,
    calls: [Option<(Id, CallState)>; MAX_CALLS],
    outbox: ControlOutbox,
}

impl ControlProtocol {
    pub(super) fn new(now: Instant, peer: PeerKind, terminator: &'static str) -> Self {
        Self {
            mode: match peer {
                PeerKind::Phone => Mode::Recording,
                PeerKind::Proxy => Mode::AwaitingProxyLine,
            },
            idle_at: now + CONTROL_IDLE,
            calls: [const { None }; MAX_CALLS],
            outbox: ControlOutbox::new(terminator),
        }
    }

    pub(super) fn outbox(&self) -> &ControlOutbox {
        &self.outbox
    }

    pub(super) fn outbox_mut(&mut self) -> &mut ControlOutbox {
        &mut self.outbox
    }

    pub(super) fn is_idle(&self) -> bool {
        self.calls.iter().all(Option::is_none)
    }

    pub(super) fn handle_timeout(&mut self, now: Instant) -> Option<ControlEvent> {
        for (slot, call) in self.calls.iter_mut().enumerate() {
            let Some((_, state)) = call else { continue };
            if matches!(state, CallState::StopRequested(until) if now >= *until) {
                *state = CallState::Stopping {
                    needs_response: false,
                };
                return Some(ControlEvent::Stop(slot, StopRequest::default()));
            }
        }
        let is_over = now >= self.idle_at && self.is_idle();
        is_over.then_some(ControlEvent::Close(CloseReason::Idle))
    }

    pub(super) fn deadlines(&self) -> impl Iterator<Item = Instant> + '_ {
        let idle = self.is_idle().then_some(self.idle_at);
        let stops = self.calls.iter().flatten();
        let stops = stops.filter_map(|(_, state)| match state {
            CallState::StopRequested(until) => Some(*until),
            _ => None,
        });
        stops.chain(idle)
    }

    pub(super) fn accept_start(
        &mut self,
        slot: usize,
        server: impl Display,
        port: u16,
    ) -> Result<(), CloseReason> {
        let Some(Some((id, state))) = self.calls.get_mut(slot) else {
            return Ok(());
        };
        *state = CallState::Recording;
        self.outbox.start_response(id, server, port)
    }

    pub(super) fn refuse_start(
        &mut self,
        now: Instant,
        slot: usize,
        reason: impl Display,
    ) -> Result<(), CloseReason> {
        match self.release(now, slot) {
            Some((id, _)) => self.outbox.start_refusal(&id, reason),
            None => Ok(()),
        }
    }

    pub(super) fn request_stop(
        &mut self,
        now: Instant,
        slot: usize,
        reason: &str,
    ) -> Result<(), CloseReason> {
        match self.calls.get_mut(slot) {
            Some(Some((id, state))) if *state == CallState::Recording => {
                *state = CallState::StopRequested(now + STOP_ANSWER);
                self.outbox.stop_request(id, reason)
            }
            _ => Ok(()),
        }
    }

    pub(super) fn complete_stop(&mut self, now: Instant, slot: usize) -> Result<(), CloseReason> {
        match self.release(now, slot) {
            Some((id, CallState::Stopping { needs_response })) if needs_response => {
                self.outbox.stop_response(&id)
            }
            _ => Ok(()),
        }
    }

    /// Frees a slot. The phone has `CONTROL_IDLE` to start its next recording.
    fn release(&mut self, now: Instant, slot: usize) -> Option<(Id, CallState)> {
        self.idle_at = now + CONTROL_IDLE;
        self.calls.get_mut(slot)?.take()
    }

    /// Handles a whole message.
    pub(super) fn handle_message(
        &mut self,
        message: Result<&[u8], TooLong>,
    ) -> Option<ControlEvent> {
        let Ok(bytes) = message else {
            return Some(ControlEvent::Close(CloseReason::MessageTooLong));
        };
        if self.mode == Mode::AwaitingProxyLine {
            return self.handle_proxy_line(bytes);
        }
        let Ok(message) = Message::parse(bytes) else {
            return Some(ControlEvent::Ignored);
        };
        let id = message.text::<ID_BYTES>("id").unwrap_or_default();
        if id.is_empty() {
            return Some(ControlEvent::Ignored);
        }
        match (self.mode, message.command()) {
            (Mode::HealthCheck, b"HealthRequest") => Some(ControlEvent::Health(id)),
            (Mode::Recording, b"RecordStartRequest") => Some(self.handle_start(id, &message)),
            (Mode::Recording, b"RecordStopRequest") => self.handle_stop_request(id, &message),
            (Mode::Recording, b"RecordStopResponse") => self.handle_stop_response(&id),
            _ => Some(ControlEvent::Ignored),
        }
    }

    fn handle_proxy_line(&mut self, line: &[u8]) -> Option<ControlEvent> {
        if proxy_protocol::is_unknown(line) {
            self.mode = Mode::HealthCheck;
            return None;
        }
        self.mode = Mode::Recording;
        Some(match proxy_protocol::parse(line) {
            Some(peer) => ControlEvent::Peer(peer),
            None => ControlEvent::Close(CloseReason::NoProxyLine),
        })
    }

    fn handle_start(&mut self, id: Id, message: &Message) -> ControlEvent {
        let law = match message.raw("codec") {
            None => Law::Mu,
            Some(name) if name.eq_ignore_ascii_case(b"PCMU") => Law::Mu,
            Some(name) if name.eq_ignore_ascii_case(b"PCMA") => Law::A,
            Some(_) => return self.refuse(&id, StartRefusal::Codec),
        };
        if self.find(&id).is_some() {
            return self.refuse(&id, StartRefusal::DuplicateId);
        }
        let Some(slot) = self.calls.iter().position(Option::is_none) else {
            return self.refuse(&id, StartRefusal::TooManyCalls);
        };
        self.calls[slot] = Some((id.clone(), CallState::Starting));
        let request = StartRequest {
            id,
            device: message.text_cut("device"),
            law,
            call: parse_call(message),
        };
        ControlEvent::Start(slot, request)
    }

    fn refuse(&mut self, id: &Id, refusal: StartRefusal) -> ControlEvent {
        match self.outbox.start_refusal(id, refusal.reason()) {
            Ok(()) => ControlEvent::Refused(refusal),
            Err(reason) => ControlEvent::Close(reason),
        }
    }

    fn handle_stop_request(&mut self, id: Id, message: &Message) -> Option<ControlEvent> {
        let slot = self.find(&id);
        let call = slot.and_then(|slot| Some((slot, self.calls[slot].as_mut()?)));
        match call {
            Some((slot, (_, state @ (CallState::Recording | CallState::StopRequested(_))))) => {
                *state = CallState::Stopping {
                    needs_response: true,
                };
                Some(ControlEvent::Stop(slot, parse_stop(message)))
            }
            Some((_, (_, CallState::Stopping { needs_response }))) => {
                *needs_response = true;
                None
            }
            // `Starting` cannot be seen here: the server responds to a start before it reads the
            // next message.
            Some((_, (_, CallState::Starting))) | None => {
                let sent = self.outbox.stop_response(&id);
                sent.err().map(ControlEvent::Close)
            }
        }
    }

    fn handle_stop_response(&mut self, id: &Id) -> Option<ControlEvent> {
        let slot = self.find(id)?;
        let (_, state) = self.calls[slot].as_mut()?;
        if !matches!(state, CallState::StopRequested(_)) {
            return None;
        }
        *state = CallState::Stopping {
            needs_response: false,
        };
        Some(ControlEvent::Stop(slot, StopRequest::default()))
    }

    fn find(&self, id: &Id) -> Option<usize> {
        let is_it =
            |call: &Option<(Id, CallState)>| call.as_ref().is_some_and(|(own, _)| own == id);
        self.calls.iter().position(is_it)
    }
}
