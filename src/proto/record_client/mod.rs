//! One recording's conversation with the recording server (board/README.md).
//!
//! The phone connects (3 s, the name's lookup included) and sends RecordStartRequest. Within 5 s the server
//! answers RecordStartResponse: `success` with the address and port at which it waits for this recording's
//! RTP, or `failed` with a reason. From then on frames go out by UDP and nothing by TCP. Whoever stops first
//! sends RecordStopRequest, the other one answers RecordStopResponse, and the phone closes the connection,
//! without an answer after 2 s. Stops that cross are both answered; a stop before the start's answer cancels.
//! Messages with another id mean nothing, except that a stop is answered whatever its id. A connection that
//! fails ends the recording; a single error of UDP does not, errors for 3 s do. Each ending is told once.
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

// The words with which reasons begin (board/README.md).
const NO_SERVER: &str = "no-server";
const SERVER_REFUSED: &str = "server-refused";
const SERVER_TIMEOUT: &str = "server-timeout";
const SERVER_LOST: &str = "server-lost";

/// The conversation.
pub struct RecordClient {
    state: State,
    /// When the state ends by itself.
    until: Option<Instant>,
    pending: Option<Pending>,
    /// The name to be looked for.
    name: Host,
    peer: Option<SocketAddr>,
    media: Option<SocketAddr>,
    reader: Reader,
    heard_at: Instant,
    out: Ring,
    blocked: bool,
    /// The first and the last of a run of errors of the UDP socket.
    send_errors: Option<(Instant, Instant)>,
    event: Option<ClientEvent>,
    announced: bool,
    why: Reason,
    words: Text<TEXT_BYTES>,
}

impl RecordClient {
    /// No conversation. The only allocation.
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

    /// Begins the conversation for a recording.
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

    /// Takes what came from the server's side.
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

    /// Ends the conversation: no frame is sent from now on.
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

    /// Does not wait longer than until then for anything.
    pub fn set_deadline(&mut self, until: Instant) {
        self.until = self.until.map(|at| at.min(until));
    }

    /// What is to be done next.
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

    /// Takes the outcome of what `op` named.
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

    /// A frame was handed to the UDP socket, which had this error to tell of. One error ends nothing.
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

    /// When to give it `Input::Tick`.
    pub fn next_deadline(&self) -> Option<Instant> {
        self.until.into_iter().chain(self.silence_at()).min()
    }

    /// What the recording must know.
    pub fn take_event(&mut self) -> Option<ClientEvent> {
        self.event.take()
    }

    /// Why it failed.
    pub fn why(&self) -> &Reason {
        &self.why
    }

    /// Why the server stopped it, in its words.
    pub fn stop_reason(&self) -> &Text<TEXT_BYTES> {
        &self.words
    }

    /// Where the frames go.
    pub fn media(&self) -> Option<SocketAddr> {
        self.media
    }

    /// The protocol as it should go.
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

    /// What goes wrong on the way. What a state does not expect changes nothing.
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

    /// When what has come of a message is one, since no more has come.
    fn silence_at(&self) -> Option<Instant> {
        self.reader
            .is_waiting()
            .then(|| self.heard_at + MESSAGE_SILENCE)
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
