//! The connection of one recording to the recording server (board/README.md).
//!
//! The phone connects (within 3 s, including the name lookup) and sends RecordStartRequest. Within
//! 5 s the server sends RecordStartResponse: `success` with the address and port for the RTP of
//! this recording, or `failed` with a reason. From then on, frames are sent by UDP, and nothing is
//! sent by TCP. The side that stops first sends RecordStopRequest, the other side responds with
//! RecordStopResponse, and the phone closes the connection; without a response, it does so after 2
//! s. Stop requests that cross are both answered; a stop before the response to the start cancels
//! the start. Messages with another id are ignored, except that a stop request is answered whatever
//! its id. A failed connection ends the recording; a single UDP error does not, UDP errors for 3 s
//! do. Each end is announced once.
//!
//! ```text
//! Idle -> Resolving -> Connecting -> Asked -> Locating -> Opening -> Sending -> Stopping -> Closing -> Idle
//!         server's     connect       answer   name in     UDP                   answer to   last bytes,
//!         name                                the answer  socket                our stop    close
//! ```

use core::net::{IpAddr, SocketAddr};

use crate::base::limits::{
    CONNECT_TIMEOUT, MESSAGE_SILENCE, SERVER_OUT_BYTES, TEXT_BYTES, UDP_TROUBLE, UDP_TROUBLE_GAP,
};
use crate::base::ring::Ring;
use crate::base::stats::{Counter, Stats};
use crate::base::time::Instant;
use crate::proto::recorder::reason::Reason;
use crate::proto::recording::setup::{Host, Setup};
use crate::wire::control::Text;
use crate::wire::message_framer::{Reader, TooLong};
use messages::{Incoming, ServerMessage};

use event::{ClientEvent, Done, Event, Input, Op, Pending, State};

mod actions;
pub mod event;
mod messages;

// The codes with which reasons begin (board/README.md).
const NO_SERVER: &str = "no-server";
const SERVER_REFUSED: &str = "server-refused";
const SERVER_TIMEOUT: &str = "server-timeout";
const SERVER_LOST: &str = "server-lost";

/// The state machine of one connection.
pub struct RecordClient {
    state: State,
    /// When the state times out.
    until: Option<Instant>,
    pending: Option<Pending>,
    /// The name to be resolved.
    name: Host,
    peer: Option<SocketAddr>,
    media: Option<SocketAddr>,
    reader: Reader,
    heard_at: Instant,
    out: Ring,
    blocked: bool,
    /// The times of the first and the latest of consecutive errors of the UDP socket.
    send_errors: Option<(Instant, Instant)>,
    event: Option<ClientEvent>,
    announced: bool,
    why: Reason,
    words: Text<TEXT_BYTES>,
}

impl RecordClient {
    /// No connection. This is the only allocation.
    pub fn new() -> Self {
        Self {
            state: State::Idle,
            until: None,
            pending: None,
            name: Host::new(),
            peer: None,
            media: None,
            reader: Reader::new(),
            heard_at: Instant::default(),
            out: Ring::new(SERVER_OUT_BYTES),
            blocked: false,
            send_errors: None,
            event: None,
            announced: false,
            why: Reason::new(),
            words: Text::new(),
        }
    }

    /// Connects to the server for a recording.
    pub fn start(&mut self, now: Instant, setup: &Setup) {
        let Some(server) = &setup.server else { return };
        self.reset();
        self.announced = false;
        self.media = None;
        self.send_errors = None;
        self.why.clear();
        self.words.clear();
        self.until = Some(now + CONNECT_TIMEOUT);
        match server.host.parse::<IpAddr>() {
            Ok(address) => self.connect(SocketAddr::new(address, server.port)),
            Err(_) => self.resolve(State::Resolving, server.host.clone(), server.port),
        }
    }

    /// Handles input from the server's side.
    pub fn handle(&mut self, now: Instant, input: Input, setup: &Setup, stats: &mut Stats) {
        match input {
            Input::Resolved(address) => self.step(now, Event::Resolved(address), setup),
            Input::Connected(peer) => self.step(now, Event::Connected(peer), setup),
            Input::Writable => self.blocked = false,
            Input::Bytes(mut bytes) => {
                self.heard_at = now;
                while let Some(message) = self.reader.next(&mut bytes) {
                    let message = message.map(|message| messages::understand(message, setup.id));
                    self.handle_message(now, message, setup, stats);
                }
            }
            Input::Lost(errno) => {
                self.finish_message(now, setup, stats);
                self.step(now, Event::Lost(errno), setup);
            }
            Input::Tick => {
                if self.silence_at().is_some_and(|at| now >= at) {
                    self.finish_message(now, setup, stats);
                }
                if self.until.is_some_and(|until| now >= until) {
                    self.step(now, Event::Expired, setup);
                }
            }
        }
    }

    /// Stops the recording: no frame is sent from now on.
    pub fn stop(&mut self, now: Instant, setup: &Setup) {
        match self.state {
            State::Sending => self.explain(SERVER_LOST, "it has not confirmed the stop", 0, setup),
            _ => self.set_reason(
                "busy",
                format_args!("it was stopped before the server had answered"),
            ),
        }
        self.step(now, Event::Stop, setup);
    }

    /// Limits the current deadline to `until`.
    pub fn set_deadline(&mut self, until: Instant) {
        self.until = self.until.map(|at| at.min(until));
    }

    /// The next operation.
    pub fn op(&self) -> Option<Op<'_>> {
        match self.pending {
            Some(Pending::Find(port)) => return Some(Op::Find(&self.name, port)),
            Some(Pending::Connect(to)) => return Some(Op::Connect(to)),
            Some(Pending::Media(to)) => return Some(Op::Media(to)),
            None => {}
        }
        if self.peer.is_some() && !self.out.is_empty() {
            return (!self.blocked).then(|| Op::Write(self.out.front(usize::MAX)));
        }
        (self.state == State::Closing).then_some(Op::Close)
    }

    /// Takes the outcome of the operation that `op` returned.
    pub fn done(&mut self, now: Instant, outcome: Result<Done, i32>, setup: &Setup) {
        match (self.pending.take(), outcome) {
            (Some(Pending::Find(_)), Err(_)) => self.step(now, Event::Resolved(None), setup),
            (Some(Pending::Media(_)), outcome) => {
                self.step(now, Event::Media(outcome.map(|_| ())), setup)
            }
            (_, Err(errno)) => self.step(now, Event::Lost(errno), setup),
            (_, Ok(Done::Blocked)) => self.blocked = true,
            (_, Ok(Done::Wrote(count))) => self.out.consume(count),
            (None, Ok(Done::Yes)) => self.reset(),
            (Some(_), Ok(Done::Yes)) => {}
        }
    }

    /// Takes the outcome of sending a frame, with the pending error of the UDP socket. A single
    /// error does not end the recording.
    pub fn frame_done(&mut self, now: Instant, errno: Option<i32>, setup: &Setup) {
        let Some(errno) = errno else { return };
        let since = self
            .send_errors
            .filter(|(_, last)| now.since(*last) < UDP_TROUBLE_GAP)
            .map_or(now, |(since, _)| since);
        self.send_errors = Some((since, now));
        if now.since(since) >= UDP_TROUBLE {
            self.step(now, Event::SendingFails(errno), setup);
        }
    }

    /// Frames may be sent.
    pub fn is_sending(&self) -> bool {
        self.state == State::Sending
    }

    /// Both sockets are closed.
    pub fn is_idle(&self) -> bool {
        self.state == State::Idle
    }

    /// When `Input::Tick` is due.
    pub fn next_deadline(&self) -> Option<Instant> {
        self.until.into_iter().chain(self.silence_at()).min()
    }

    /// The next event for the recording.
    pub fn take_event(&mut self) -> Option<ClientEvent> {
        self.event.take()
    }

    /// The reason of the failure.
    pub fn why(&self) -> &Reason {
        &self.why
    }

    /// The reason that the server gave for its stop.
    pub fn stop_reason(&self) -> &Text<TEXT_BYTES> {
        &self.words
    }

    /// The destination of the frames.
    pub fn media(&self) -> Option<SocketAddr> {
        self.media
    }

    /// The transitions of the regular protocol.
    fn step(&mut self, now: Instant, event: Event, setup: &Setup) {
        use State::{Asked, Connecting, Locating, Opening, Resolving, Sending, Stopping};
        match (self.state, event) {
            (Resolving, Event::Resolved(Some(to))) => self.connect(to),
            (Connecting, Event::Connected(peer)) => self.send_start(now, peer, setup),
            (Asked, Event::ServerMessage(ServerMessage::Accepted(_, 0))) => {
                self.abandon(now, SERVER_REFUSED, "its answer has no port", 0, setup)
            }
            (Asked, Event::ServerMessage(ServerMessage::Accepted(host, port))) => {
                self.handle_accepted(host, port)
            }
            (Locating(port), Event::Resolved(Some(to))) => self.open(to.ip(), port),
            (Opening, Event::Media(Ok(()))) => self.begin_sending(),

            (Asked | Locating(_) | Opening | Sending, Event::Stop) => self.send_stop(now, setup),
            (
                Asked | Locating(_) | Opening | Sending,
                Event::ServerMessage(ServerMessage::Stop(words)),
            ) => self.handle_server_stop(now, words, setup),
            (Stopping, Event::ServerMessage(ServerMessage::Stop(_))) => {
                self.announce(ClientEvent::Stopped)
            } // crossing; ours is answered, too
            (Stopping, Event::ServerMessage(ServerMessage::Stopped)) => {
                self.end(now, ClientEvent::Stopped)
            }
            (Stopping, Event::Lost(_) | Event::Overlong | Event::Expired) => {
                self.end(now, ClientEvent::Unanswered)
            }
            (Resolving | Connecting, Event::Stop) => self.end(now, ClientEvent::Stopped),
            (_, event) => self.step_to_failure(now, event, setup),
        }
    }

    /// The transitions after failures. An event that a state does not expect is ignored.
    fn step_to_failure(&mut self, now: Instant, event: Event, setup: &Setup) {
        use State::{Asked, Closing, Connecting, Locating, Opening, Resolving, Sending};
        match (self.state, event) {
            (Resolving, Event::Resolved(None)) => {
                self.fail(now, NO_SERVER, "its name is not known", 0, setup)
            }
            (Connecting, Event::Lost(errno)) => {
                self.fail(now, NO_SERVER, "no connection", errno, setup)
            }
            (Resolving | Connecting, Event::Expired) => {
                self.fail(now, SERVER_TIMEOUT, "no connection in time", 0, setup)
            }
            (Asked | Locating(_), Event::Expired) => {
                self.fail(now, SERVER_TIMEOUT, "no answer in time", 0, setup)
            }
            (Asked, Event::ServerMessage(ServerMessage::Refused(words))) => {
                self.refused(now, &words)
            }
            (Asked, Event::ServerMessage(ServerMessage::Unclear)) => {
                self.abandon(now, SERVER_REFUSED, "its answer is not clear", 0, setup)
            }
            (Locating(_), Event::Resolved(None)) => self.abandon(
                now,
                SERVER_REFUSED,
                "the media host cannot be resolved",
                0,
                setup,
            ),
            (Opening, Event::Media(Err(errno))) => {
                self.abandon(now, SERVER_LOST, "cannot open an RTP socket", errno, setup)
            }
            (Sending, Event::SendingFails(errno)) => {
                self.abandon(now, SERVER_LOST, "RTP does not reach it", errno, setup)
            }
            (Asked | Locating(_) | Opening | Sending, Event::Lost(errno)) => {
                self.fail(now, SERVER_LOST, "the connection has ended", errno, setup);
            }
            (Asked | Locating(_) | Opening | Sending, Event::Overlong) => {
                self.fail(now, SERVER_LOST, "it sent a message without end", 0, setup);
            }

            (Closing, Event::Lost(_) | Event::Overlong | Event::Expired) => self.out.clear(),
            _ => {}
        }
    }

    /// When an unterminated message counts as complete because no more bytes have followed.
    fn silence_at(&self) -> Option<Instant> {
        let waits = self.reader.is_waiting();
        waits.then(|| self.heard_at + MESSAGE_SILENCE)
    }

    fn finish_message(&mut self, now: Instant, setup: &Setup, stats: &mut Stats) {
        let message = self
            .reader
            .finish()
            .map(|message| message.map(|message| messages::understand(message, setup.id)));
        if let Some(message) = message {
            self.handle_message(now, message, setup, stats);
        }
    }

    fn handle_message(
        &mut self,
        now: Instant,
        message: Result<Option<Incoming>, TooLong>,
        setup: &Setup,
        stats: &mut Stats,
    ) {
        match message {
            Ok(Some(incoming)) => {
                if let Some(id) = incoming.stops {
                    messages::write_stopped(&mut self.out, &id, setup);
                }
                if let Some(meaning) = incoming.meaning {
                    self.step(now, Event::ServerMessage(meaning), setup);
                }
            }
            Ok(None) => stats.count(Counter::BadMessage),
            Err(TooLong) => {
                stats.count(Counter::BadMessage);
                self.step(now, Event::Overlong, setup);
            }
        }
    }
}

impl Default for RecordClient {
    fn default() -> Self {
        Self::new()
    }
}
