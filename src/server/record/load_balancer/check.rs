//! One question to a media host for its health: a connection of its own, on which we speak for ourselves.

use std::net::SocketAddr;

use mio::{Interest, Registry, Token};

use crate::base::limits::server::{MEDIA_ANSWER, MEDIA_CHECK_BYTES};
use crate::base::time::Instant;
use crate::io::stream::Connection;
use crate::wire::control::Message;
use crate::wire::proxy_protocol;

/// What is said. The answer to it comes from the host's own loop: a process that hangs accepts connections (its kernel
/// does), and does not answer.
const QUESTION: &str = "cmd=HealthRequest&id=0\n";

/// A question that waits for its answer.
pub(super) struct Check {
    connection: Connection,
    unsent: Vec<u8>,
    answer: Vec<u8>,
    pub(super) until: Instant,
}

impl Check {
    /// Begins to ask.
    pub(super) fn begin(
        now: Instant,
        host: SocketAddr,
        registry: &Registry,
        token: Token,
    ) -> std::io::Result<Self> {
        let mut connection = Connection::open(host)?;
        registry.register(
            connection.source(),
            token,
            Interest::READABLE | Interest::WRITABLE,
        )?;
        let unsent = [proxy_protocol::UNKNOWN, QUESTION].concat().into_bytes();
        Ok(Self {
            connection,
            unsent,
            answer: vec![],
            until: now + MEDIA_ANSWER,
        })
    }

    /// Something has come for its connection: the result, once there is one; an error says why the host is no use.
    pub(super) fn handle(&mut self) -> Option<Result<(), String>> {
        match self.exchange() {
            Ok(false) => None,
            Ok(true) => Some(read(&self.answer)),
            Err(problem) => Some(Err(problem.to_string())),
        }
    }

    /// Writes and reads what can be; `true` when the whole answer has come.
    fn exchange(&mut self) -> std::io::Result<bool> {
        if self.connection.peer()?.is_none() {
            return Ok(false);
        }
        while !self.unsent.is_empty() {
            match self.connection.write(&self.unsent)? {
                Some(sent) => drop(self.unsent.drain(..sent)),
                None => return Ok(false),
            }
        }
        let mut buffer = [0; MEDIA_CHECK_BYTES];
        loop {
            match self.connection.read(&mut buffer)? {
                None => return Ok(false),
                Some(0) => {
                    return Err(std::io::Error::other(
                        "closes the connection without an answer (--trust?)",
                    ))
                }
                Some(read) => self.answer.extend_from_slice(&buffer[..read]),
            }
            if is_whole(&self.answer) {
                return Ok(true);
            }
            if self.answer.len() > MEDIA_CHECK_BYTES {
                return Err(std::io::Error::other("answers with something else"));
            }
        }
    }
}

/// The result comes last; a host may be told to end its messages with anything.
fn is_whole(answer: &[u8]) -> bool {
    let result = Message::parse(answer)
        .ok()
        .and_then(|message| message.raw("result"));
    matches!(result, Some(b"success" | b"failed"))
}

fn read(answer: &[u8]) -> Result<(), String> {
    let Ok(message) = Message::parse(answer) else {
        return Err("answers with something else".into());
    };
    if message.raw("result") == Some(b"success") {
        return Ok(());
    }
    let reason = message.text_cut::<MEDIA_CHECK_BYTES>("reason");
    Err(format!("says {}", String::from_utf8_lossy(&reason)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_read_when_its_result_has_come() {
        let answer = "cmd=HealthResponse&id=0&reason=disk-full: no room&result=failed";
        for end in ["", "\n", "\r\n", "\0"] {
            let bytes = [answer.as_bytes(), end.as_bytes()].concat();
            assert_eq!(read(&bytes), Err("says disk-full: no room".into()));
        }
        for cut in 0..answer.len() {
            assert!(!is_whole(&answer.as_bytes()[..cut]), "{cut}");
        }
        assert!(is_whole(answer.as_bytes()));
        assert_eq!(
            read(b"cmd=HealthResponse&id=0&reason=&result=success"),
            Ok(())
        );
    }
}
