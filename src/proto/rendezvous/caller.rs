//! The side of who wants a phone: gets a name and a key for the while, registers, asks for the phone, gets through.
//!
//! ```text
//! Asking --201--> Registering --200--> Connecting --200--> Climbing --PONG--> Done(address)
//!                                       |      ^             | in vain           ^
//!                                       +-404--+             v                   | PONG through it
//!                                        5 times          Relaying --rtpp_open---+
//! ```
//! From everywhere 400, 403, 404 or no answer lead to Done(failure). After it pings are still answered, so that the
//! phone too knows that it has been reached.

use core::fmt;
use core::net::SocketAddrV4;

use super::connectivity_check::{Ladder, Progress};
use super::peers::Peers;
use super::transaction::{Ask, Question};
use super::{
    name, pong_proof, write_notice, write_registration, Datagram, Identity, Name, OBJECT, SERVICE,
};
use crate::base::constant_time::is_equal;
use crate::base::limits::rendezvous::{CONNECTS, CONNECT_AGAIN, SEALED_BYTES};
use crate::base::time::Instant;
use crate::wire::rendezvous::cipher::Key;
use crate::wire::rendezvous::{Attributes, Class, Kind, Message, Writer};

/// Why a phone was not reached. The codes are the protocol's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// 408: the server does not answer.
    NoServer,
    /// Another code than 200 of the server: 400, 403, 404, 503.
    Refused(u16),
    /// 408: no ping came through.
    NoPath,
    /// 408: no ping came through, and the server has no relay, or it did not help.
    NoRelay,
    /// 408: the phone has registered, but does not answer the server.
    NoPhone,
    /// 408: something has answered the pings that cannot prove that it is the phone.
    NoProof,
}

impl Failure {
    /// The protocol's code.
    pub fn code(self) -> u16 {
        match self {
            Self::Refused(code) => code,
            _ => 408,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words = match self {
            Self::NoServer => "the rendezvous server does not answer",
            Self::Refused(400) => "the rendezvous server does not take our registration",
            Self::Refused(403) => "wrong invite code",
            Self::Refused(404) => "no phone of this id is registered with the rendezvous server",
            Self::Refused(503) => "too many callers at once, of this phone or from this address; try again in a minute",
            Self::Refused(_) => "the rendezvous server refuses",
            Self::NoPhone => "the phone is registered, but does not answer the rendezvous server",
            Self::NoProof => "what answers there does not prove that it is the phone",
            Self::NoPath => "no packet gets through the NATs between here and the phone",
            Self::NoRelay => {
                "no packet gets through the NATs between here and the phone, and the server does not relay"
            }
        };
        write!(f, "{} {words}", self.code())
    }
}

enum State {
    Asking(Question),
    Registering(Question),
    Connecting {
        question: Question,
        asked: u8,
    },
    Climbing(Name),
    Relaying {
        connid: Name,
        question: Question,
        opened: bool,
    },
    Done(Result<SocketAddrV4, Failure>),
}

/// One attempt to reach a phone, from one socket.
pub struct Caller {
    phone: Name,
    invite: Name,
    server: SocketAddrV4,
    inside: SocketAddrV4,
    /// Where the server has seen it.
    outside: Option<SocketAddrV4>,
    identity: Option<Identity>,
    state: State,
    /// The server has told a secret: the phone is one that proves who it is.
    is_proven: bool,
    /// A PONG without such a proof has come.
    is_doubtful: bool,
    peers: Peers,
}

impl Caller {
    /// Wants the phone of this id, with this invite code. `inside` is the own socket's address in the direction of
    /// the server, `mid` where messages begin to be numbered.
    pub fn new(
        now: Instant,
        phone: Name,
        invite: Name,
        server: SocketAddrV4,
        inside: SocketAddrV4,
        mid: u32,
    ) -> Self {
        let mut peers = Peers::new(mid);
        let state = State::Asking(Question::new(now, peers.next_mid()));
        let (outside, identity) = (None, None);
        Self {
            phone,
            invite,
            server,
            inside,
            outside,
            identity,
            state,
            is_proven: false,
            is_doubtful: false,
            peers,
        }
    }

    /// Where the phone answers, or why it does not; `None` while that is open.
    pub fn outcome(&self) -> Option<Result<SocketAddrV4, Failure>> {
        match self.state {
            State::Done(outcome) => Some(outcome),
            _ => None,
        }
    }

    /// Whoever was reached has proven to be the phone. Phones of other makes cannot.
    pub fn is_proven(&self) -> bool {
        self.is_proven
    }

    /// A message has come; what is none of ours is ignored.
    pub fn handle_datagram(&mut self, now: Instant, from: SocketAddrV4, datagram: &[u8]) {
        let Ok(message) = Message::parse(datagram) else {
            return;
        };
        if (message.class, message.kind) == (Class::Response, Kind::Pong)
            && !self.is_good(from, &message.clear)
        {
            self.is_doubtful = self.is_proven;
            return;
        }
        if self.peers.handle(from, &message) {
            self.look_for_outcome(now);
        } else if from == self.server {
            self.handle_server(now, &message);
        }
    }

    /// Writes what is to be sent now. To be called until there is nothing more.
    pub fn poll_output(&mut self, now: Instant, buffer: &mut [u8]) -> Option<Datagram> {
        if let Some(len) = self.poll_question(now, buffer) {
            return Some(Datagram::new(self.server, len));
        }
        let sent = self
            .peers
            .poll(now, self.identity.as_ref()?, self.server, buffer);
        self.look_for_outcome(now);
        sent.or_else(|| Some(Datagram::new(self.server, self.poll_question(now, buffer)?)))
    }

    /// When `poll_output` has something to do.
    pub fn next_deadline(&self) -> Option<Instant> {
        let question = match &self.state {
            State::Asking(question) | State::Registering(question) => Some(question),
            State::Connecting { question, .. } | State::Relaying { question, .. } => Some(question),
            State::Climbing(_) | State::Done(_) => None,
        };
        let question = question.map(Question::next_deadline);
        [question, self.peers.next_deadline()]
            .into_iter()
            .flatten()
            .min()
    }

    /// A PONG may be believed. Its proof names the address from which the phone has seen our PING: where the server sees us,
    /// our own in a network that we share, or the relay. Another one would be of somebody who passes on what we send.
    fn is_good(&mut self, from: SocketAddrV4, clear: &Attributes<'_>) -> bool {
        let (Some(tagged), Some(mid)) = (clear.value("connid"), clear.mid()) else {
            return false;
        };
        let connid = tagged.split_last().map_or(&[][..], |(_, connid)| connid);
        let Some(ladder) = self.peers.find(connid) else {
            return false;
        };
        if !self.is_proven {
            return true;
        }
        let is_near =
            from.ip().is_private() || from.ip().is_link_local() || from.ip().is_loopback();
        let inside = Some(self.inside).filter(|_| is_near);
        let relay = ladder.relay().filter(|relay| *relay == from);
        [self.outside, inside, relay]
            .into_iter()
            .flatten()
            .any(|own| {
                let proof = pong_proof(&ladder.secret, tagged, mid, *own.ip());
                proof.is_some_and(|proof| {
                    is_equal(clear.value("proof").unwrap_or_default(), proof.text())
                })
            })
    }

    fn poll_question(&mut self, now: Instant, buffer: &mut [u8]) -> Option<usize> {
        let (question, hopeless) = match &mut self.state {
            State::Asking(question)
            | State::Registering(question)
            | State::Connecting { question, .. } => (question, Failure::NoServer),
            State::Relaying {
                question,
                opened: true,
                ..
            } => (question, Failure::NoRelay),
            State::Relaying { question, .. } => (question, Failure::NoPath),
            _ => return None,
        };
        match question.poll(now) {
            Ask::Now => {}
            Ask::Wait => return None,
            Ask::GiveUp => {
                self.state = State::Done(Err(if self.is_doubtful {
                    Failure::NoProof
                } else {
                    hopeless
                }));
                return None;
            }
        }
        let (mid, me) = (question.mid, self.identity.as_ref());
        match &self.state {
            State::Asking(_) => Writer::new(buffer, Class::Request, Kind::Register)
                .mid(mid)
                .finish(),
            State::Registering(_) => write_registration(buffer, me?, mid, self.inside, b"", b""),
            State::Connecting { .. } => self.write_connect(buffer, me?, mid),
            State::Relaying { connid, .. } => write_notice(buffer, me?, mid, connid, b"rtpp_open"),
            _ => None,
        }
    }

    fn write_connect(&self, buffer: &mut [u8], me: &Identity, mid: u32) -> Option<usize> {
        let mut writer = Writer::new(buffer, Class::Request, Kind::Connect);
        let mark = writer.text("cid", &me.cid).mid(mid).mark();
        writer
            .text("service", SERVICE)
            .text("tid", &self.phone)
            .text("oid", OBJECT)
            .text("toid", OBJECT);
        writer.text("ic", &self.invite).seal(mark, &me.key).finish()
    }

    fn handle_server(&mut self, now: Instant, message: &Message<'_>) -> Option<()> {
        let (clear, mid) = (message.clear, message.clear.mid());
        let code = clear.code();
        match (&mut self.state, message.class, message.kind) {
            (State::Asking(asked), Class::Response, Kind::Register) if mid == Some(asked.mid) => {
                if code? != 201 {
                    self.state = State::Done(Err(Failure::Refused(code?)));
                    return None;
                }
                let key = Key::new(clear.value("key")?)?.swapped();
                self.identity = Some(Identity {
                    cid: name(clear.value("cid"))?,
                    key,
                });
                self.state = State::Registering(Question::new(now, self.peers.next_mid()));
            }
            (State::Registering(asked), Class::Response, Kind::Register)
                if mid == Some(asked.mid) =>
            {
                let question = Question::new(now, self.peers.next_mid());
                let mut buffer = [0; SEALED_BYTES];
                let sealed = clear
                    .open(&self.identity.as_ref()?.key, &mut buffer)
                    .unwrap_or(clear);
                self.outside = sealed.address("ped");
                self.state = match code? {
                    200 => State::Connecting { question, asked: 1 },
                    code => State::Done(Err(Failure::Refused(code))),
                };
            }
            (State::Connecting { question, asked }, Class::Response, Kind::Connect)
                if mid == Some(question.mid) =>
            {
                let asked = *asked;
                self.handle_connect(now, &clear, asked)?;
            }
            (State::Relaying { question, .. }, Class::Response, Kind::Notify)
                if mid == Some(question.mid) =>
            {
                self.state = State::Done(Err(match code? {
                    _ if self.is_doubtful => Failure::NoProof,
                    403 => Failure::Refused(403),
                    408 => Failure::NoPhone,
                    _ => Failure::NoRelay,
                }));
            }
            (State::Climbing(_) | State::Relaying { .. }, Class::Request, Kind::Notify) => {
                let mut buffer = [0; SEALED_BYTES];
                let news = clear.open(&self.identity.as_ref()?.key, &mut buffer).ok()?;
                self.peers
                    .handle_notice(now, clear.value("connid")?, &news)?;
                if let State::Relaying { opened, .. } = &mut self.state {
                    *opened = true;
                }
            }
            _ => {}
        }
        Some(())
    }

    fn handle_connect(&mut self, now: Instant, clear: &Attributes<'_>, asked: u8) -> Option<()> {
        match clear.code()? {
            200 => {}
            404 if asked < CONNECTS => {
                let question = Question::new(now + CONNECT_AGAIN, self.peers.next_mid());
                self.state = State::Connecting {
                    question,
                    asked: asked + 1,
                };
                return Some(());
            }
            code => {
                self.state = State::Done(Err(Failure::Refused(code)));
                return Some(());
            }
        }
        let mut buffer = [0; SEALED_BYTES];
        // Other servers may answer in clear.
        let sealed = match clear.value("data") {
            Some(_) => clear.open(&self.identity.as_ref()?.key, &mut buffer).ok()?,
            None => *clear,
        };
        let (connid, outside) = (name(clear.value("connid"))?, sealed.address("ped")?);
        let mut ladder = Ladder::new(now, connid.clone(), sealed.address("ed"), outside);
        ladder.secret = name(sealed.value("secret")).unwrap_or_default();
        self.is_proven = !ladder.secret.is_empty();
        self.peers.follow(ladder);
        self.state = State::Climbing(connid);
        Some(())
    }

    /// Has the phone been reached, or all been in vain?
    fn look_for_outcome(&mut self, now: Instant) {
        let (connid, climbs) = match &self.state {
            State::Climbing(connid) => (connid, true),
            // Here the question gives up, not the pings: the phone may have missed the news that there is a relay.
            State::Relaying { connid, .. } => (connid, false),
            _ => return,
        };
        match self
            .peers
            .find(connid)
            .map_or(Progress::Failed, |ladder| ladder.progress())
        {
            Progress::Reached(address) => self.state = State::Done(Ok(address)),
            Progress::Failed if climbs => {
                let (connid, question) =
                    (connid.clone(), Question::new(now, self.peers.next_mid()));
                self.state = State::Relaying {
                    connid,
                    question,
                    opened: false,
                };
            }
            _ => {}
        }
    }
}
