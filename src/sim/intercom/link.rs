//! One TCP connection to a box or to another device: messages in, messages and keep-alives out.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::time::{Duration, Instant};

use crate::wire::intercom::frames::{FrameReader, TooLong};
use crate::wire::intercom::{emit, parse, Message, Sid, FRAME_BYTES};

/// Between two `call_keep`, as deployed devices send them.
const KEEP_INTERVAL: Duration = Duration::from_secs(3);
/// For a connection to be made, or for a peer that does not read.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long the peer may take to close after our last message.
const LINGER: Duration = Duration::from_secs(1);

/// What `Link::next` has waited for.
#[allow(clippy::large_enum_variant)] // lives on the stack until it has been looked at
pub(super) enum Input {
    Message(Message),
    /// Nothing came until the given time.
    TimeUp,
    /// The connection has ended, for this reason. It stays so.
    Closed(String),
}

/// A connection.
pub(super) struct Link {
    stream: TcpStream,
    frames: FrameReader,
    /// Number of the last message sent.
    serial: u32,
    /// The call that keep-alives are sent for, and when the next one is due.
    keep: Option<(Sid, Instant)>,
    /// Why nothing more can be read.
    closed: Option<String>,
}

impl Link {
    /// Connects to `HOST:PORT`; the error names it.
    pub(super) fn connect(to: &str) -> Result<Self, String> {
        let failed = |error: std::io::Error| format!("cannot connect to {to}: {error}");
        let mut last_error = None;
        let addresses = to.to_socket_addrs().map_err(failed)?;
        for address in addresses.filter(SocketAddr::is_ipv4) {
            match TcpStream::connect_timeout(&address, PATIENCE) {
                Ok(stream) => return Self::new(stream).map_err(failed),
                Err(error) => last_error = Some(error),
            }
        }
        let no_address = || std::io::Error::other("the name has no IPv4 address");
        Err(failed(last_error.unwrap_or_else(no_address)))
    }

    /// A connection that exists already.
    pub(super) fn new(stream: TcpStream) -> std::io::Result<Self> {
        stream.set_nodelay(true)?;
        stream.set_write_timeout(Some(PATIENCE))?;
        Ok(Self {
            stream,
            frames: FrameReader::new(),
            serial: 0,
            keep: None,
            closed: None,
        })
    }

    /// Our own address.
    pub(super) fn local_address(&self) -> Option<SocketAddr> {
        self.stream.local_addr().ok()
    }

    /// The peer's address.
    pub(super) fn peer_address(&self) -> Option<SocketAddr> {
        self.stream.peer_addr().ok()
    }

    /// Sends a message. A failure is reported by `next`, after what the peer has still sent: a busy
    /// box rejects and closes before it has read anything.
    pub(super) fn send(&mut self, message: &Message) {
        let mut buffer = [0; FRAME_BYTES + 1];
        self.serial += 1;
        if let Some(len) = emit(message, self.serial, &mut buffer) {
            let _ = self.stream.write_all(&buffer[..len]);
        }
    }

    /// Sends a `call_keep` each 3 s from now on; without a call, none.
    pub(super) fn keep_alive(&mut self, call: Option<&Sid>) {
        let next_at = Instant::now() + KEEP_INTERVAL;
        self.keep = call.map(|sid| (sid.clone(), next_at));
    }

    /// Waits for the next message. What has arrived already comes before `TimeUp`.
    pub(super) fn next(&mut self, until: Option<Instant>) -> Input {
        loop {
            self.send_due_keep();
            if let Some(message) = self.buffered_message() {
                return Input::Message(message);
            }
            if let Some(reason) = &self.closed {
                return Input::Closed(reason.clone());
            }
            let has_read = self.read(until);
            if !has_read && until.is_some_and(|until| until <= Instant::now()) {
                return Input::TimeUp;
            }
        }
    }

    /// Ends the connection; waits a little, so that our last message arrives.
    pub(super) fn finish(mut self) {
        self.keep = None;
        let _ = self.stream.shutdown(std::net::Shutdown::Write);
        let until = Instant::now() + LINGER;
        while Instant::now() < until {
            if matches!(self.next(Some(until)), Input::Closed(_)) {
                return;
            }
        }
    }

    fn send_due_keep(&mut self) {
        let now = Instant::now();
        let due = self.keep.as_ref().filter(|(_, at)| *at <= now);
        if let Some((sid, _)) = due.cloned() {
            self.send(&Message::CallKeep { sid: sid.clone() });
            self.keep = Some((sid, now + KEEP_INTERVAL));
        }
    }

    /// The next message among the bytes that have been read. What is none is left out.
    fn buffered_message(&mut self) -> Option<Message> {
        loop {
            match self.frames.next_frame() {
                Ok(Some(frame)) => {
                    if let Ok(message) = parse(frame) {
                        return Some(message);
                    }
                }
                Ok(None) => return None,
                Err(TooLong) => {
                    self.closed = Some(format!("a message over {FRAME_BYTES} bytes"));
                    return None;
                }
            }
        }
    }

    /// Reads once; waits until then, or until the next keep-alive is due.
    fn read(&mut self, until: Option<Instant>) -> bool {
        let keep_at = self.keep.as_ref().map(|(_, at)| *at);
        let wait = earliest(until, keep_at).map(|at| {
            // Zero is no valid time-out.
            at.saturating_duration_since(Instant::now())
                .max(Duration::from_millis(1))
        });
        let _ = self.stream.set_read_timeout(wait);
        match self.stream.read(self.frames.space()) {
            Ok(0) => self.closed = Some("the peer closed it".into()),
            Ok(count) => {
                self.frames.advance(count);
                return true;
            }
            Err(error) if is_temporary(error.kind()) => {}
            Err(error) => self.closed = Some(error.to_string()),
        }
        false
    }
}

fn is_temporary(kind: ErrorKind) -> bool {
    matches!(
        kind,
        ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted
    )
}

/// The earlier of two times.
pub(super) fn earliest(one: Option<Instant>, other: Option<Instant>) -> Option<Instant> {
    one.into_iter().chain(other).min()
}
