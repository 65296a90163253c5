//! The helper with the vendor's transport: a program that the phone's maker adds
//! (`cloudTransport`). It opens the vendor's URLs, and has the call's sound as RTP.

use std::ffi::CString;
use std::io;

use log::{info, warn};
use mio::unix::SourceFd;
use mio::{Interest, Registry, Token};

use crate::base::limits::cloud::{HELPER_LAST_PATIENCE, HELPER_PATIENCE};
use crate::base::time::Instant;
use crate::io::helper_process::HelperProcess;
use crate::proto::cloud::phone::{TransportEvent, TransportMode};
use crate::wire::ascii;
use crate::wire::json::Object;

/// The longest line that is looked at; longer ones are ignored.
const LINE_BYTES: usize = 256;

/// A program that was started.
pub(super) struct Helper {
    process: HelperProcess,
    line: heapless::Vec<u8, LINE_BYTES>,
    is_too_long: bool,
    is_readable: bool,
    leaving: Leaving,
    has_told_end: bool,
}

/// ```text
/// Stays -> Asked (disconnect) -> Told (SIGTERM) -> killed when it is dropped
/// ```
enum Leaving {
    Stays,
    Asked(Instant),
    Told(Instant),
}

impl Helper {
    /// Starts the program. `ports`: where it sends the peer's sound to, and where it listens for
    /// this phone's.
    pub(super) fn start(
        program: &str,
        mode: TransportMode,
        ports: [u16; 2],
        input: &[u8],
        registry: &Registry,
        token: Token,
    ) -> io::Result<Self> {
        let variables = [
            CString::new(format!("CALLREC_RTP_IN={}", ports[0]))?,
            CString::new(format!("CALLREC_RTP_OUT={}", ports[1]))?,
        ];
        let argument = match mode {
            TransportMode::Open => "open",
            TransportMode::Wait => "wait",
        };
        let process = HelperProcess::start(program, argument, &variables, input)?;
        let output = process.fd();
        registry.register(&mut SourceFd(&output), token, Interest::READABLE)?;
        info!("cloud: {program} {argument} is started");
        Ok(Self {
            process,
            line: heapless::Vec::new(),
            is_too_long: false,
            is_readable: true,
            leaving: Leaving::Stays,
            has_told_end: false,
        })
    }

    pub(super) fn set_ready(&mut self) {
        self.is_readable = true;
    }

    /// The call is over: it is asked to go.
    pub(super) fn stop(&mut self, now: Instant) {
        if matches!(self.leaving, Leaving::Stays) {
            self.process.say_goodbye(b"disconnect\n");
            self.leaving = Leaving::Asked(now + HELPER_PATIENCE);
        }
    }

    /// What it has said since the last call; `None` when there is nothing more.
    pub(super) fn poll_event(&mut self) -> Option<TransportEvent> {
        let mut byte = [0];
        while self.is_readable {
            match self.process.read(&mut byte) {
                Ok(Some(0)) | Err(_) => {
                    self.is_readable = false;
                    let is_first = !std::mem::replace(&mut self.has_told_end, true);
                    return is_first.then_some(TransportEvent::Ended);
                }
                Ok(None) => self.is_readable = false,
                Ok(Some(_)) if byte == *b"\n" => {
                    let event = self.end_line();
                    if event.is_some() {
                        return event;
                    }
                }
                Ok(Some(_)) => self.is_too_long |= self.line.push(byte[0]).is_err(),
            }
        }
        None
    }

    fn end_line(&mut self) -> Option<TransportEvent> {
        let line = std::mem::take(&mut self.line);
        if std::mem::take(&mut self.is_too_long) {
            return None;
        }
        event_of(ascii::trim(&line))
    }

    /// It is gone, or is given up. Called when its time has come.
    pub(super) fn is_gone(&mut self, now: Instant) -> bool {
        if self.process.has_ended() {
            return true;
        }
        match self.leaving {
            Leaving::Asked(until) if now >= until => {
                self.process.terminate();
                self.leaving = Leaving::Told(now + HELPER_LAST_PATIENCE);
                false
            }
            Leaving::Told(until) if now >= until => {
                warn!("cloud: the helper (cloudTransport) does not end: it is killed");
                true
            }
            _ => false,
        }
    }

    /// It has closed its output.
    pub(super) fn has_told_end(&self) -> bool {
        self.has_told_end
    }

    pub(super) fn next_deadline(&self) -> Instant {
        match self.leaving {
            Leaving::Stays => Instant::NEVER,
            Leaving::Asked(until) | Leaving::Told(until) => until,
        }
    }
}

/// A line is the name of an event, or a JSON object with it; other lines mean nothing.
fn event_of(line: &[u8]) -> Option<TransportEvent> {
    let named = Object::parse(line).ok().map(|object| {
        let key = if object.raw("Name").is_some() {
            "Name"
        } else {
            "name"
        };
        object.text::<64>(key)
    });
    match ascii::word(named.as_deref().unwrap_or(line)) {
        "ConnectionAcceptted" | "ConnectionAccepted" => Some(TransportEvent::Accepted),
        "ConnectionClosed" => Some(TransportEvent::Closed),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_a_name_or_an_object() {
        for (line, event) in [
            ("ConnectionAcceptted", Some(TransportEvent::Accepted)),
            (
                r#"{"Name":"ConnectionAcceptted","Message":""}"#,
                Some(TransportEvent::Accepted),
            ),
            (
                r#"{"name":"ConnectionClosed"}"#,
                Some(TransportEvent::Closed),
            ),
            ("StartPopData", None),
            ("", None),
            ("{", None),
        ] {
            assert_eq!(event_of(line.as_bytes()), event, "{line}");
        }
    }
}
