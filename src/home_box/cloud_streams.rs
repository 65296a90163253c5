//! The streams of a door's call with an owner's phone: the door's goes from the box's stream server
//! to the cloud, the phone's from there to the box's. Their bytes pass as they came.
//!
//! What is lost is begun anew after a pause: a player that comes anew gets headers and a key frame.

use mio::event::Event;
use mio::{Registry, Token};

use crate::base::limits::cloud::STREAM_GRACE;
use crate::base::limits::sound::STREAM_RETRY;
use crate::base::time::{Duration, Instant};
use crate::outgoing::cloud::CloudLink;
use crate::outgoing::cloud_requests::stream;
use crate::outgoing::http_connection::{HttpConnection, Step};
use crate::outgoing::transport::ServerAddress;
use crate::proto::cloud::home::Streams;
use crate::proto::intercom::relay::ConnectionId;
use crate::streams::StreamServer;
use crate::wire::cloud::message::Sid;
use crate::wire::http::response::ResponseHead;

const TO_CLOUD: usize = 0;
const FROM_CLOUD: usize = 1;
/// Event sources: a connection for each direction.
pub(super) const SOURCES: usize = 2;
/// What may wait for the cloud. What is over waits in the stream server, which leaves out whole
/// groups of pictures for a player that is too slow.
const MAX_WAITING: usize = 64 * 1024;
/// Pieces that are taken from the cloud in one turn.
const STEPS_PER_TURN: usize = 64;
/// Between two looks at a name that is being resolved.
pub(super) const LOOKUP_PAUSE: Duration = Duration::from_millis(100);

/// The streams of one call.
pub(super) struct CloudStreams {
    wanted: Option<Streams>,
    up: Up,
    down: Down,
}

/// The door's stream.
struct Up {
    connection: HttpConnection,
    /// The box plays it.
    input: Option<ConnectionId>,
    head: Vec<u8>,
    /// The stream is there, up to its end.
    has_begun: bool,
    retry_at: Instant,
}

/// The phone's stream.
struct Down {
    connection: HttpConnection,
    /// The box publishes it.
    output: Option<ConnectionId>,
    retry_at: Instant,
    /// It has ended, and may come back.
    gone_at: Option<Instant>,
}

impl CloudStreams {
    pub(super) fn new(tokens: [Token; SOURCES]) -> Self {
        Self {
            wanted: None,
            up: Up {
                connection: HttpConnection::new(tokens[TO_CLOUD]),
                input: None,
                head: vec![],
                has_begun: false,
                retry_at: Instant::NEVER,
            },
            down: Down {
                connection: HttpConnection::new(tokens[FROM_CLOUD]),
                output: None,
                retry_at: Instant::NEVER,
                gone_at: None,
            },
        }
    }

    pub(super) fn begin(&mut self, now: Instant, streams: Streams) {
        let due = |is_there: bool| if is_there { now } else { Instant::NEVER };
        self.up.retry_at = due(!streams.door.is_empty());
        self.down.retry_at = due(!streams.heard.is_empty());
        self.down.gone_at = None;
        self.wanted = Some(streams);
    }

    pub(super) fn end(&mut self, now: Instant, server: &mut StreamServer) {
        self.wanted = None;
        self.up.close(now, server);
        self.down.close(now, server);
        (self.up.retry_at, self.down.retry_at) = (Instant::NEVER, Instant::NEVER);
        self.down.gone_at = None;
    }

    /// A call with a phone runs.
    pub(super) fn is_wanted(&self) -> bool {
        self.wanted.is_some()
    }

    pub(super) fn handle_event(&mut self, source: usize, event: &Event) {
        match source {
            TO_CLOUD => self.up.connection.set_ready(event),
            _ => self.down.connection.set_ready(event),
        }
    }

    /// Makes the connections that are due.
    pub(super) fn connect(
        &mut self,
        now: Instant,
        registry: &Registry,
        cloud: &ServerAddress,
        link: &CloudLink,
        server: &mut StreamServer,
    ) {
        let Some(wanted) = &self.wanted else { return };
        let token = core::str::from_utf8(link.token()).unwrap_or_default();
        let begin = |connection: &mut HttpConnection, method: &str, cid: u32| {
            let id = stream_id(&wanted.sid, cid);
            let request = stream(link.config(), token, method, &id);
            request.is_some_and(|request| connection.begin(now, registry, cloud, request, None))
        };
        let up = &mut self.up;
        if up.input.is_none() && now >= up.retry_at {
            up.retry_at = now + STREAM_RETRY;
            let request = inside("GET", &wanted.door);
            up.input = server.open_inside(now, &request);
        }
        if up.has_begun && up.connection.is_idle() && now >= up.retry_at {
            if begin(&mut up.connection, "POST", wanted.own) {
                send_chunk(&mut up.connection, &up.head);
                up.head.clear();
            } else {
                up.close(now, server);
            }
        }
        let down = &mut self.down;
        if down.connection.is_idle() && now >= down.retry_at {
            down.retry_at = now + STREAM_RETRY;
            let _ = begin(&mut down.connection, "GET", wanted.phone);
        }
    }

    /// The cloud's address is not known yet.
    pub(super) fn postpone(&mut self, now: Instant) {
        for retry_at in [&mut self.up.retry_at, &mut self.down.retry_at] {
            if *retry_at <= now {
                *retry_at = now + LOOKUP_PAUSE;
            }
        }
    }

    /// Passes on what has come of the phone's stream. `true`: it has ended, and is given up.
    pub(super) fn receive(&mut self, now: Instant, server: &mut StreamServer) -> bool {
        let Some(wanted) = &self.wanted else {
            return false;
        };
        self.down.read(now, &wanted.heard, server);
        let gone_at = self.down.gone_at;
        gone_at.is_some_and(|at| now >= at + STREAM_GRACE)
    }

    /// Passes on what has come of the door's stream.
    pub(super) fn send(&mut self, now: Instant, server: &mut StreamServer) {
        if self.wanted.is_some() {
            self.up.turn(now, server);
        }
    }

    /// Something can be done at once.
    pub(super) fn has_more(&self) -> bool {
        self.up.connection.has_more() || self.down.connection.has_more()
    }

    pub(super) fn next_deadline(&self) -> Instant {
        if self.wanted.is_none() {
            return Instant::NEVER;
        }
        let up = match self.up.input {
            None => self.up.retry_at,
            // The stream is there: the cloud's connection is to be made.
            Some(_) if self.up.has_begun && self.up.connection.is_idle() => self.up.retry_at,
            Some(_) => Instant::NEVER,
        };
        let down = match self.down.connection.is_idle() {
            true => self.down.retry_at,
            false => Instant::NEVER,
        };
        let gone = self
            .down
            .gone_at
            .map_or(Instant::NEVER, |at| at + STREAM_GRACE);
        up.min(down).min(gone)
    }
}

impl Up {
    fn turn(&mut self, now: Instant, server: &mut StreamServer) {
        let Some(input) = self.input else { return };
        let is_ready = !self.has_begun || !self.connection.is_idle();
        if is_ready && self.connection.unsent() < MAX_WAITING {
            let (head, has_begun, connection) =
                (&mut self.head, &mut self.has_begun, &mut self.connection);
            let mut is_stream = true;
            let is_open = server.receive_inside(input, |bytes| {
                is_stream &= take(bytes, head, has_begun, connection);
            });
            if !is_open || !is_stream {
                self.close(now, server);
                return;
            }
            if self.has_begun && self.connection.is_idle() {
                self.retry_at = now;
            }
        }
        // The cloud answers when the stream is over, or refused.
        match self.connection.step(now) {
            Step::Wait => {}
            _ => self.close(now, server),
        }
    }

    fn close(&mut self, now: Instant, server: &mut StreamServer) {
        if let Some(input) = self.input.take() {
            server.close_inside(now, input);
        }
        self.connection.close();
        self.head.clear();
        self.has_begun = false;
        self.retry_at = now + STREAM_RETRY;
    }
}

/// `false`: there is no stream.
fn take(
    bytes: &[u8],
    head: &mut Vec<u8>,
    has_begun: &mut bool,
    connection: &mut HttpConnection,
) -> bool {
    if *has_begun && !connection.is_idle() {
        send_chunk(connection, bytes);
        return true;
    }
    // What follows the head waits there until the connection to the cloud is being made.
    head.extend_from_slice(bytes);
    if *has_begun {
        return true;
    }
    match ResponseHead::parse(head) {
        Ok(Some((answer, len))) if answer.status == 200 => {
            head.drain(..len);
            *has_begun = true;
            true
        }
        Ok(None) => true,
        _ => false,
    }
}

fn send_chunk(connection: &mut HttpConnection, bytes: &[u8]) {
    if bytes.is_empty() {
        return;
    }
    connection.send_more(format!("{:x}\r\n", bytes.len()).as_bytes());
    connection.send_more(bytes);
    connection.send_more(b"\r\n");
}

impl Down {
    fn read(&mut self, now: Instant, heard: &[u8], server: &mut StreamServer) {
        for _ in 0..STEPS_PER_TURN {
            if self.connection.is_idle() {
                return;
            }
            match self.connection.step(now) {
                Step::Wait => break,
                Step::Answered(answered) if answered.status == 200 => {
                    self.gone_at = None;
                    self.output = server.open_inside(now, &inside("POST", heard));
                }
                Step::Content(bytes) => {
                    if let Some(output) = self.output {
                        server.send_inside(now, output, bytes);
                    }
                }
                // Nobody publishes it yet, or it has ended.
                Step::Answered(_) | Step::Complete | Step::Failed | Step::TimedOut => {
                    self.lose(now, server);
                    return;
                }
            }
        }
        let Some(output) = self.output else { return };
        if !server.receive_inside(output, |_| {}) {
            // The server does not take it, for now.
            self.close(now, server);
        }
    }

    fn lose(&mut self, now: Instant, server: &mut StreamServer) {
        if self.output.is_some() {
            self.gone_at = Some(now);
        }
        self.close(now, server);
    }

    fn close(&mut self, now: Instant, server: &mut StreamServer) {
        if let Some(output) = self.output.take() {
            server.close_inside(now, output);
        }
        self.connection.close();
        self.retry_at = now + STREAM_RETRY;
    }
}

/// The id of this device's stream in the cloud.
fn stream_id(sid: &Sid, cid: u32) -> String {
    format!("{}-{cid}", String::from_utf8_lossy(sid))
}

fn inside(method: &str, id: &[u8]) -> Vec<u8> {
    [method.as_bytes(), b" /stream/", id, b" HTTP/1.1\r\n\r\n"].concat()
}
