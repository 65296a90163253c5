//! A health check of a media host, on a connection of its own.

use std::net::SocketAddr;

use mio::{Interest, Registry, Token};

use crate::base::limits::server::{MEDIA_ANSWER, MEDIA_CHECK_BYTES};
use crate::base::time::Instant;
use crate::io::stream::Connection;
use crate::wire::control::Message;
use crate::wire::proxy_protocol;

/// The response is sent by the host's event loop. A mere connection would prove little: the kernel
/// accepts it even if the process hangs.
const REQUEST: &str = "cmd=HealthRequest&id=0\n";

/// A request that waits for its response.
pub(super) struct HealthCheck {
    connection: Connection,
    unsent: Vec<u8>,
    response: Vec<u8>,
    pub(super) until: Instant,
}

impl HealthCheck {
    /// Opens the connection.
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
        let unsent = [proxy_protocol::UNKNOWN, REQUEST].concat().into_bytes();
        Ok(Self {
            connection,
            unsent,
            response: vec![],
            until: now + MEDIA_ANSWER,
        })
    }

    /// Handles an event of its connection. Returns the result once there is one; an error says why
    /// the host is unusable.
    pub(super) fn handle(&mut self) -> Option<Result<(), String>> {
        match self.exchange() {
            Ok(false) => None,
            Ok(true) => Some(read(&self.response)),
            Err(problem) => Some(Err(problem.to_string())),
        }
    }

    /// Writes and reads what the socket allows; `true` once the whole response has been received.
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
                        "closes the connection without a response (missing --trust?)",
                    ))
                }
                Some(read) => self.response.extend_from_slice(&buffer[..read]),
            }
            if is_whole(&self.response) {
                return Ok(true);
            }
            if self.response.len() > MEDIA_CHECK_BYTES {
                return Err(std::io::Error::other("sends an invalid response"));
            }
        }
    }
}

/// `result` is the last key. A host's `--message-end` is not known here.
fn is_whole(response: &[u8]) -> bool {
    let result = Message::parse(response)
        .ok()
        .and_then(|message| message.raw("result"));
    matches!(result, Some(b"success" | b"failed"))
}

fn read(response: &[u8]) -> Result<(), String> {
    let Ok(message) = Message::parse(response) else {
        return Err("sends an invalid response".into());
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
    fn a_response_is_read_once_its_result_has_been_received() {
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
