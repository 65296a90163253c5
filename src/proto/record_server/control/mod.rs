//! One control connection: bytes in, events out, and the bytes to be sent.
//!
//! ```text
//! phone:  messages until either side closes
//! proxy:  PROXY line of a phone -> as a phone
//!         PROXY UNKNOWN         -> health requests only
//! ```
//! `handle_bytes`, `handle_timeout` and `handle_end` report a `ControlEvent`; the server responds
//! to it with one of the other functions. `unsent` is what the socket is to send. This file frames
//! messages; `protocol` knows what they mean.

use core::fmt::Display;

use crate::base::limits::MESSAGE_SILENCE;
use crate::base::time::Instant;
use crate::wire::message_framer::Reader;

use protocol::ControlProtocol;

pub use event::{CloseReason, ControlEvent, Id, StartRefusal, StartRequest, StopRequest};
pub use protocol::PeerKind;

mod event;
mod outbox;
mod protocol;

/// A control connection.
#[derive(Debug)]
pub struct ControlSession {
    reader: Reader,
    /// Bytes received without a terminator count as a whole message at this time.
    whole_at: Option<Instant>,
    protocol: ControlProtocol,
}

impl ControlSession {
    /// A new connection. `terminator` is appended to each message sent.
    pub fn new(now: Instant, peer: PeerKind, terminator: &'static str) -> Self {
        Self {
            reader: Reader::new(),
            whole_at: None,
            protocol: ControlProtocol::new(now, peer, terminator),
        }
    }

    /// Takes bytes up to the end of the first message that is an event; `None`: all bytes are
    /// taken.
    pub fn handle_bytes(&mut self, now: Instant, bytes: &mut &[u8]) -> Option<ControlEvent> {
        self.whole_at = Some(now + MESSAGE_SILENCE);
        loop {
            let message = self.reader.next(bytes)?;
            let event = self.protocol.handle_message(message);
            if event.is_some() {
                return event;
            }
        }
    }

    /// Handles one deadline that has passed. To be called until it returns `None`.
    pub fn handle_timeout(&mut self, now: Instant) -> Option<ControlEvent> {
        if self.whole_at.take_if(|at| now >= *at).is_some() {
            let event = self.handle_end();
            if event.is_some() {
                return event;
            }
        }
        self.protocol.handle_timeout(now)
    }

    /// The peer sends nothing more: the bytes received without a terminator are a whole message.
    pub fn handle_end(&mut self) -> Option<ControlEvent> {
        let message = self.reader.finish()?;
        self.protocol.handle_message(message)
    }

    /// When `handle_timeout` is due.
    pub fn next_deadline(&self) -> Instant {
        let whole = self.whole_at.filter(|_| self.reader.is_waiting());
        let deadlines = self.protocol.deadlines().chain(whole);
        deadlines.min().unwrap_or(Instant::from_nanos(u64::MAX))
    }

    /// The connection carries no recording.
    pub fn is_idle(&self) -> bool {
        self.protocol.is_idle()
    }

    /// The recording has started; its RTP is received at this address and port.
    pub fn accept_start(
        &mut self,
        slot: usize,
        server: impl Display,
        port: u16,
    ) -> Result<(), CloseReason> {
        self.protocol.accept_start(slot, server, port)
    }

    /// The recording cannot be started.
    pub fn refuse_start(
        &mut self,
        now: Instant,
        slot: usize,
        reason: impl Display,
    ) -> Result<(), CloseReason> {
        self.protocol.refuse_start(now, slot, reason)
    }

    /// Asks the phone to stop. `ControlEvent::Stop` follows when it responds, or after
    /// `STOP_ANSWER`.
    pub fn request_stop(
        &mut self,
        now: Instant,
        slot: usize,
        reason: &str,
    ) -> Result<(), CloseReason> {
        self.protocol.request_stop(now, slot, reason)
    }

    /// The recording is finished. The phone is told so if it has asked for the stop.
    pub fn complete_stop(&mut self, now: Instant, slot: usize) -> Result<(), CloseReason> {
        self.protocol.complete_stop(now, slot)
    }

    /// Responds to a health request; `problem`: why recordings cannot be started.
    pub fn report_health(&mut self, id: &Id, problem: Option<&str>) -> Result<(), CloseReason> {
        self.protocol.outbox_mut().health_response(id, problem)
    }

    /// The bytes to be sent.
    pub fn unsent(&self) -> &[u8] {
        self.protocol.outbox().unsent()
    }

    /// This many of the unsent bytes have been sent.
    pub fn handle_sent(&mut self, count: usize) {
        self.protocol.outbox_mut().handle_sent(count);
    }
}

#[cfg(test)]
mod tests;
