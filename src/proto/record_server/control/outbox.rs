//! The messages that a control connection sends, queued until the socket takes them.

use core::fmt::Display;

use super::event::{CloseReason, Id};
use crate::base::limits::server::ANSWER_BYTES;
use crate::base::limits::MESSAGE_BYTES;
use crate::wire::control::Writer;

/// Messages waiting to be sent. A message that does not fit fails with `CloseReason::SlowReader`.
#[derive(Debug)]
pub(super) struct ControlOutbox {
    /// Appended to each message.
    terminator: &'static str,
    unsent: heapless::Vec<u8, ANSWER_BYTES>,
}

impl ControlOutbox {
    pub(super) fn new(terminator: &'static str) -> Self {
        Self {
            terminator,
            unsent: heapless::Vec::new(),
        }
    }

    pub(super) fn unsent(&self) -> &[u8] {
        &self.unsent
    }

    pub(super) fn handle_sent(&mut self, count: usize) {
        let count = count.min(self.unsent.len());
        self.unsent.copy_within(count.., 0);
        self.unsent.truncate(self.unsent.len() - count);
    }

    pub(super) fn start_response(
        &mut self,
        id: &Id,
        server: impl Display,
        port: u16,
    ) -> Result<(), CloseReason> {
        self.push("RecordStartResponse", |writer| {
            writer.bytes("id", id).pair("result", "success");
            writer.pair("reason", "");
            writer.pair("server", server).pair("port", port);
        })
    }

    pub(super) fn start_refusal(
        &mut self,
        id: &Id,
        reason: impl Display,
    ) -> Result<(), CloseReason> {
        self.push("RecordStartResponse", |writer| {
            writer.bytes("id", id).pair("result", "failed");
            writer.pair("reason", reason);
            writer.pair("server", "").pair("port", "");
        })
    }

    pub(super) fn stop_request(&mut self, id: &Id, reason: &str) -> Result<(), CloseReason> {
        self.push("RecordStopRequest", |writer| {
            writer.bytes("id", id).pair("reason", reason);
        })
    }

    pub(super) fn stop_response(&mut self, id: &Id) -> Result<(), CloseReason> {
        self.push("RecordStopResponse", |writer| {
            writer.bytes("id", id).pair("result", "success");
        })
    }

    /// `result` is the last key, so that a reader that has seen it has seen the whole message.
    pub(super) fn health_response(
        &mut self,
        id: &Id,
        problem: Option<&str>,
    ) -> Result<(), CloseReason> {
        let result = if problem.is_none() {
            "success"
        } else {
            "failed"
        };
        self.push("HealthResponse", |writer| {
            writer.bytes("id", id);
            writer.pair("reason", problem.unwrap_or_default());
            writer.pair("result", result);
        })
    }

    fn push(
        &mut self,
        command: &str,
        write_keys: impl FnOnce(&mut Writer),
    ) -> Result<(), CloseReason> {
        let mut buffer = [0; MESSAGE_BYTES];
        let mut writer = Writer::new(&mut buffer, command);
        write_keys(&mut writer);
        let written = writer.finish().and_then(|len| buffer.get(..len));
        let message = written.ok_or(CloseReason::SlowReader)?;
        let room = ANSWER_BYTES - self.unsent.len();
        if message.len() + self.terminator.len() > room {
            return Err(CloseReason::SlowReader);
        }
        let _ = self.unsent.extend_from_slice(message);
        let _ = self.unsent.extend_from_slice(self.terminator.as_bytes());
        Ok(())
    }
}
