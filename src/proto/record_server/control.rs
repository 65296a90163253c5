//! One control connection, and which recordings it carries.
//!
//! ```text
//! connection:  Named -> (PROXY line, from trusted proxies only) -> Speaking -> closed
//!                       (PROXY UNKNOWN: the proxy itself)       -> asks for our health, nothing else
//! recording:   -> Starting -> Recording -> Asked (we want it to stop, until ...) -> Ending -> gone
//!                    |           |  StopRequest: it ends, answered when it has ended      ^
//!                    |           |________________________________________________________|
//!                    gone: refused
//! ```
//! The first stop wins; one that crosses ours is answered as well. A stop for an id we do not know is answered
//! `success`: it has been stopped. A recording is called by its place here; `Event` tells what has come, the
//! server answers with `started`, `refuse` or `stopped`. What is to be sent waits in `unsent`.

use core::fmt::Display;
use core::net::SocketAddr;

use crate::base::limits::server::{
    ANSWER_BYTES, CONTROL_IDLE, DEVICE_BYTES, ID_BYTES, MAX_CALLS, STOP_ANSWER,
};
use crate::base::limits::{MESSAGE_BYTES, MESSAGE_SILENCE};
use crate::base::time::Instant;
use crate::proto::recording::setup::Call;
use crate::wire::control::{Message, Text, Writer};
use crate::wire::g711::Law;
use crate::wire::message_framer::{Reader, TooLong};
use crate::wire::proxy_protocol;

/// What a recording is called by its phone.
pub type Id = Text<ID_BYTES>;

/// `RecordStartRequest`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Start {
    /// Text, as it came.
    pub id: Id,
    /// The phone's MAC address, or whatever it calls itself.
    pub device: Text<DEVICE_BYTES>,
    /// PCMU, when nobody says.
    pub law: Law,
    /// Who calls whom.
    pub call: Call,
}

/// What has come on a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(clippy::large_enum_variant)] // one at a time, on the stack
pub enum Event {
    /// The proxy says whom it speaks for.
    Peer(SocketAddr),
    /// A recording at this place is asked for: say `started` or `refuse`.
    Start(usize, Start),
    /// The recording at this place is to end: say `stopped` when it has. With the reason, and values that
    /// replace those of its start.
    Stop(usize, Call),
    /// The proxy asks whether recordings can be made here: say so with `tell_health`.
    Health(Id),
    /// A message that is none of ours; nothing came of it.
    Ignored,
    /// A start that was refused already, with why.
    Refused(&'static str),
    /// The connection is of no use any more, and why.
    Close(&'static str),
}

/// Who speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Peer {
    /// A phone.
    Phone,
    /// A proxy, which says so in its first line.
    Proxy,
    /// A proxy that has said that it speaks for itself. It may ask for our health.
    Checker,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Starting,
    Recording,
    /// Our stop request waits for its answer.
    Asked(Instant),
    /// It is being finished; the phone wants to hear when it is.
    Ending {
        answer: bool,
    },
}

impl State {
    fn deadline(self) -> Option<Instant> {
        match self {
            Self::Asked(until) => Some(until),
            _ => None,
        }
    }
}

/// A control connection.
#[derive(Debug)]
pub struct Control {
    reader: Reader,
    /// Part of a message may be there; when it counts as whole.
    whole_at: Option<Instant>,
    talk: Talk,
}

/// What has been said, and what is to be.
#[derive(Debug)]
struct Talk {
    peer: Peer,
    /// There is no recording: when the connection is given up.
    idle_at: Instant,
    calls: [Option<(Id, State)>; MAX_CALLS],
    end: &'static str,
    unsent: heapless::Vec<u8, ANSWER_BYTES>,
}

impl Control {
    /// A connection begins. `end` is put behind each message.
    pub fn new(now: Instant, peer: Peer, end: &'static str) -> Self {
        let talk = Talk {
            peer,
            idle_at: now + CONTROL_IDLE,
            calls: [const { None }; MAX_CALLS],
            end,
            unsent: heapless::Vec::new(),
        };
        Self {
            reader: Reader::new(),
            whole_at: None,
            talk,
        }
    }

    /// Takes bytes up to the first message that says something; `None`: all of them are taken.
    pub fn handle_bytes(&mut self, now: Instant, bytes: &mut &[u8]) -> Option<Event> {
        self.whole_at = Some(now + MESSAGE_SILENCE);
        loop {
            if let Some(event) = self.talk.message(self.reader.next(bytes)?) {
                return Some(event);
            }
        }
    }

    /// Something may have waited long enough. Call it until it has nothing to say.
    pub fn handle_timeout(&mut self, now: Instant) -> Option<Event> {
        if self.whole_at.take_if(|at| now >= *at).is_some() {
            let event = self.handle_end();
            if event.is_some() {
                return event;
            }
        }
        self.talk.handle_timeout(now)
    }

    /// The phone will say nothing more: what has come of a message is one.
    pub fn handle_end(&mut self) -> Option<Event> {
        self.reader
            .finish()
            .and_then(|message| self.talk.message(message))
    }

    /// When `handle_timeout` has something to do.
    pub fn next_deadline(&self) -> Instant {
        let whole = self.whole_at.filter(|_| self.reader.is_waiting());
        self.talk
            .deadlines()
            .chain(whole)
            .min()
            .unwrap_or(Instant::from_nanos(u64::MAX))
    }

    /// It carries no recording.
    pub fn is_idle(&self) -> bool {
        self.talk.is_idle()
    }

    /// The recording runs, and its RTP is received there.
    pub fn started(&mut self, place: usize, server: impl Display, port: u16) -> Option<Event> {
        let (id, state) = self.talk.calls.get_mut(place)?.as_mut()?;
        *state = State::Recording;
        let id = id.clone();
        self.talk.send("RecordStartResponse", |writer| {
            writer
                .bytes("id", &id)
                .pair("result", "success")
                .pair("reason", "");
            writer.pair("server", server).pair("port", port);
        })
    }

    /// The recording cannot be made.
    pub fn refuse(&mut self, now: Instant, place: usize, reason: impl Display) -> Option<Event> {
        let (id, _) = self.talk.forget(now, place)?;
        self.talk.send_refusal(&id, reason)
    }

    /// Asks the phone to stop; `Event::Stop` follows, at the latest when it does not answer.
    pub fn stop(&mut self, now: Instant, place: usize, reason: &str) -> Option<Event> {
        let (id, state) = self
            .talk
            .calls
            .get_mut(place)?
            .as_mut()
            .filter(|(_, state)| *state == State::Recording)?;
        *state = State::Asked(now + STOP_ANSWER);
        let id = id.clone();
        self.talk.send("RecordStopRequest", |writer| {
            writer.bytes("id", &id).pair("reason", reason);
        })
    }

    /// The recording has been finished.
    pub fn stopped(&mut self, now: Instant, place: usize) -> Option<Event> {
        let (id, state) = self.talk.forget(now, place)?;
        match state {
            State::Ending { answer: true } => self.talk.answer_stop(&id),
            _ => None,
        }
    }

    /// Says whether recordings can be made here; `problem`: why not. The result comes last, so that who has read it has
    /// read all.
    pub fn tell_health(&mut self, id: &Id, problem: Option<&str>) -> Option<Event> {
        let result = if problem.is_none() {
            "success"
        } else {
            "failed"
        };
        self.talk.send("HealthResponse", |writer| {
            writer
                .bytes("id", id)
                .pair("reason", problem.unwrap_or_default())
                .pair("result", result);
        })
    }

    /// What is to be sent, all of it in one piece if that can be.
    pub fn unsent(&self) -> &[u8] {
        &self.talk.unsent
    }

    /// So much of it has been sent.
    pub fn sent(&mut self, count: usize) {
        let unsent = &mut self.talk.unsent;
        let count = count.min(unsent.len());
        unsent.copy_within(count.., 0);
        unsent.truncate(unsent.len() - count);
    }
}

impl Talk {
    fn handle_timeout(&mut self, now: Instant) -> Option<Event> {
        for (place, call) in self.calls.iter_mut().enumerate() {
            match call {
                Some((_, state @ State::Asked(_)))
                    if state.deadline().is_some_and(|until| now >= until) =>
                {
                    *state = State::Ending { answer: false };
                    return Some(Event::Stop(place, Call::default()));
                }
                _ => {}
            }
        }
        (now >= self.idle_at && self.is_idle()).then_some(Event::Close("idle"))
    }

    fn deadlines(&self) -> impl Iterator<Item = Instant> + '_ {
        let idle = self.is_idle().then_some(self.idle_at);
        self.calls
            .iter()
            .flatten()
            .filter_map(|(_, state)| state.deadline())
            .chain(idle)
    }

    fn is_idle(&self) -> bool {
        self.calls.iter().all(Option::is_none)
    }

    /// A place is free again; the phone has some time to ask for the next recording.
    fn forget(&mut self, now: Instant, place: usize) -> Option<(Id, State)> {
        self.idle_at = now + CONTROL_IDLE;
        self.calls.get_mut(place)?.take()
    }

    fn message(&mut self, message: Result<&[u8], TooLong>) -> Option<Event> {
        let bytes = match message {
            Ok(bytes) => bytes,
            Err(TooLong) => return Some(Event::Close("message-too-long")),
        };
        match self.peer {
            Peer::Proxy if proxy_protocol::is_unknown(bytes) => {
                self.peer = Peer::Checker;
                return None;
            }
            Peer::Proxy => {
                self.peer = Peer::Phone;
                return Some(
                    proxy_protocol::parse(bytes).map_or(Event::Close("no-proxy-line"), Event::Peer),
                );
            }
            Peer::Checker | Peer::Phone => {}
        }
        let Ok(message) = Message::parse(bytes) else {
            return Some(Event::Ignored);
        };
        let id = message
            .text::<ID_BYTES>("id")
            .ok()
            .filter(|id| !id.is_empty());
        let Some(id) = id else {
            return Some(Event::Ignored);
        };
        match message.command() {
            b"HealthRequest" if self.peer == Peer::Checker => Some(Event::Health(id)),
            _ if self.peer == Peer::Checker => Some(Event::Ignored),
            b"RecordStartRequest" => Some(self.start(id, &message)),
            b"RecordStopRequest" => self.stop_request(id, &message),
            b"RecordStopResponse" => self.stop_response(&id),
            _ => Some(Event::Ignored),
        }
    }

    fn start(&mut self, id: Id, message: &Message) -> Event {
        let law = match message.raw("codec") {
            None => Law::Mu,
            Some(name) if name.eq_ignore_ascii_case(b"PCMU") => Law::Mu,
            Some(name) if name.eq_ignore_ascii_case(b"PCMA") => Law::A,
            Some(_) => {
                return self.refused(&id, "codec", "bad-request: codec must be PCMU or PCMA")
            }
        };
        if self.find(&id).is_some() {
            return self.refused(
                &id,
                "same-id",
                "bad-request: this id is being recorded already",
            );
        }
        let Some(place) = self.calls.iter().position(Option::is_none) else {
            return self.refused(&id, "calls", "busy: too many recordings on one connection");
        };
        self.calls[place] = Some((id.clone(), State::Starting));
        Event::Start(
            place,
            Start {
                id,
                device: message.text_cut("device"),
                law,
                call: call(message),
            },
        )
    }

    fn refused(&mut self, id: &Id, why: &'static str, reason: &str) -> Event {
        self.send_refusal(id, reason).unwrap_or(Event::Refused(why))
    }

    fn stop_request(&mut self, id: Id, message: &Message) -> Option<Event> {
        let stop = |place| Some(Event::Stop(place, call(message)));
        match self
            .find(&id)
            .and_then(|place| Some((place, self.calls[place].as_mut()?)))
        {
            Some((place, (_, state @ (State::Recording | State::Asked(_))))) => {
                *state = State::Ending { answer: true };
                stop(place)
            }
            Some((_, (_, State::Ending { answer }))) => {
                *answer = true;
                None
            }
            // A start is answered before the next message is read.
            Some((_, (_, State::Starting))) | None => self.answer_stop(&id),
        }
    }

    fn stop_response(&mut self, id: &Id) -> Option<Event> {
        let place = self.find(id)?;
        let (_, state) = self.calls[place].as_mut()?;
        if !matches!(state, State::Asked(_)) {
            return None;
        }
        *state = State::Ending { answer: false };
        Some(Event::Stop(place, Call::default()))
    }

    fn find(&self, id: &Id) -> Option<usize> {
        self.calls
            .iter()
            .position(|call| call.as_ref().is_some_and(|(known, _)| known == id))
    }

    fn answer_stop(&mut self, id: &Id) -> Option<Event> {
        self.send("RecordStopResponse", |writer| {
            writer.bytes("id", id).pair("result", "success");
        })
    }

    fn send_refusal(&mut self, id: &Id, reason: impl Display) -> Option<Event> {
        self.send("RecordStartResponse", |writer| {
            writer
                .bytes("id", id)
                .pair("result", "failed")
                .pair("reason", reason)
                .pair("server", "")
                .pair("port", "");
        })
    }

    /// Queues a message; an event when the peer does not read what it is sent.
    fn send(&mut self, command: &str, keys: impl FnOnce(&mut Writer)) -> Option<Event> {
        let mut buffer = [0; MESSAGE_BYTES];
        let mut writer = Writer::new(&mut buffer, command);
        keys(&mut writer);
        let message = writer
            .finish()
            .and_then(|len| buffer.get(..len))
            .unwrap_or_default();
        let room = ANSWER_BYTES - self.unsent.len();
        if message.is_empty() || message.len() + self.end.len() > room {
            return Some(Event::Close("slow-reader"));
        }
        let _ = self.unsent.extend_from_slice(message);
        let _ = self.unsent.extend_from_slice(self.end.as_bytes());
        None
    }
}

/// What a message says of the call; what is too long is cut, what makes no sense left out.
fn call(message: &Message) -> Call {
    Call {
        remote_number: message.text_cut("remote_number"),
        remote_name: message.text_cut("remote_name"),
        local_number: message.text_cut("local_number"),
        local_name: message.text_cut("local_name"),
        incoming: match message.raw("dir") {
            Some(b"in") => Some(true),
            Some(b"out") => Some(false),
            _ => None,
        },
        stop_reason: message.text_cut("reason"),
        ..Call::default()
    }
}

#[cfg(test)]
mod tests;
