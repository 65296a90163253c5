//! The phone's side: known to the server, and reached through it.
//!
//! ```text
//!             name resolved            200, twice             20 s: `keep`, `keep`, own ip:port and
//! Resolving -------------> Registering ------> Registered <-- REG again, a phone that is registered stays so
//!     ^  ^                  |        |            |   ^       meanwhile; at once after FWD and NFY nat_change
//!     |  |   no answer, 6 s |        | 400, 403   |   |
//!     |  +--- 30 s ---------+        v            +---+
//!     +----------- 30 s ---------- Refused
//! ```
//! What is believed: from the server's address only; FWD and NFY only when they open with our key; an answer
//! only with the number of our question (its 200 may be in clear, the format allows that). A FWD must name our
//! service and our invite code, whatever the server thinks of it. A PING is answered only when a FWD has told its
//! connection, a bounded number of times; nothing that a stranger sends is answered otherwise.

use core::fmt;
use core::net::SocketAddrV4;

use super::connectivity_check::Ladder;
use super::peers::Peers;
use super::transaction::{Ask, Question};
use super::{name, write_registration, Datagram, Identity, Name, SERVICE};
use crate::base::constant_time::is_equal;
use crate::base::limits::rendezvous::{
    ANSWERS, KEEPS_TO_ADDRESS, KEEP_INTERVAL, KEEP_LEAST, KEEP_MOST, KEEP_STEP, REGISTER_AGAIN,
    SEALED_BYTES,
};
use crate::base::stats::{Counter, Stats};
use crate::base::time::{Duration, Instant};
use crate::wire::rendezvous::{emit_address, Attributes, Class, Kind, Message, Writer, KEEP};

/// Where a phone stands with the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// The server's name is being looked up, or its answer waited for, for the first time.
    Starting,
    /// The server's name was not found.
    NoName,
    /// The server does not answer.
    NoAnswer,
    /// It does not want us: the code of its answer.
    Refused(u16),
    /// It knows us; how it sees us.
    Registered(Option<SocketAddrV4>),
}

impl Status {
    /// It in a word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::NoName => "no-name",
            Self::NoAnswer => "no-answer",
            Self::Refused(_) => "refused",
            Self::Registered(_) => "registered",
        }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())?;
        match self {
            Self::Registered(Some(outside)) => write!(f, ", seen at {outside}"),
            Self::Refused(code) => write!(f, " ({code}): look at p2pCid and p2pKey"),
            _ => Ok(()),
        }
    }
}

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Output {
    /// Send what is in the buffer.
    Send(Datagram),
    /// Look the server's name up, and call `handle_resolved`.
    Resolve,
}

/// A phone's endpoint.
pub struct Endpoint {
    identity: Identity,
    invite: Name,
    /// Where it is in its own network.
    inside: SocketAddrV4,
    server: Option<SocketAddrV4>,
    status: Status,
    /// When the server's name is to be looked up: `None` while it is, or is known.
    resolve_at: Option<Instant>,
    registration: Option<Question>,
    /// What the server wants a proof for, while it is not content; else empty.
    nonce: Name,
    keep_at: Option<Instant>,
    keep_interval: Duration,
    keeps: u8,
    peers: Peers,
    /// Answers to FWDs that wait for the socket: number and code.
    answers: heapless::Deque<(u32, u16), ANSWERS>,
}

impl Endpoint {
    /// A phone with this identity and invite code; `mid` is where it begins to number its messages.
    pub fn new(now: Instant, identity: Identity, invite: Name, mid: u32) -> Self {
        Self {
            identity,
            invite,
            inside: SocketAddrV4::new([0, 0, 0, 0].into(), 0),
            server: None,
            status: Status::Starting,
            resolve_at: Some(now),
            registration: None,
            nonce: Name::new(),
            keep_at: None,
            keep_interval: KEEP_INTERVAL,
            keeps: 0,
            peers: Peers::new(mid),
            answers: heapless::Deque::new(),
        }
    }

    /// Where it stands.
    pub fn status(&self) -> Status {
        self.status
    }

    /// The server's address, and our own one in its direction, or that there is none.
    pub fn handle_resolved(&mut self, now: Instant, found: Option<(SocketAddrV4, SocketAddrV4)>) {
        match found {
            Some((server, inside)) => {
                (self.server, self.inside, self.resolve_at) = (Some(server), inside, None);
                self.register(now);
            }
            None => self.lose(now, Status::NoName),
        }
    }

    /// A datagram that is a message has come.
    pub fn handle_datagram(
        &mut self,
        now: Instant,
        from: SocketAddrV4,
        datagram: &[u8],
        stats: &mut Stats,
    ) {
        let understood =
            Message::parse(datagram).is_ok_and(|message| match (message.class, message.kind) {
                (Class::Request, Kind::Ping) | (Class::Response, Kind::Pong | Kind::Bind) => {
                    self.peers.handle(from, &message)
                }
                _ if Some(from) != self.server => false,
                (Class::Response, Kind::Register) => self.handle_registered(now, &message.clear),
                (Class::Request, Kind::Forward) => {
                    self.handle_forward(now, &message.clear, stats).is_some()
                }
                (Class::Request, Kind::Notify) => self.handle_notice(now, &message.clear).is_some(),
                _ => false,
            });
        if !understood {
            stats.count(Counter::P2pIgnored);
        }
    }

    /// What is to be done now; to be called until there is nothing more.
    pub fn poll_output(&mut self, now: Instant, buffer: &mut [u8]) -> Option<Output> {
        if self.resolve_at.is_some_and(|at| now >= at) {
            self.resolve_at = None;
            return Some(Output::Resolve);
        }
        let server = self.server?;
        // Pings before anything else: they must leave our NAT before those of the other side come to it.
        if let Some(datagram) = self.peers.poll(now, &self.identity, server, buffer) {
            return Some(Output::Send(datagram));
        }
        let len = match self.answers.pop_front() {
            Some((mid, code)) => Writer::new(buffer, Class::Response, Kind::Forward)
                .mid(mid)
                .code(code)
                .finish(),
            None => self
                .poll_registration(now, buffer)
                .or_else(|| self.poll_keep(now, buffer)),
        };
        len.map(|len| Output::Send(Datagram::new(server, len)))
    }

    /// When `poll_output` has something to do.
    pub fn next_deadline(&self) -> Option<Instant> {
        let registration = self.registration.map(|question| question.next_deadline());
        [
            self.resolve_at,
            registration,
            self.keep_at,
            self.peers.next_deadline(),
        ]
        .into_iter()
        .flatten()
        .min()
    }

    /// Begins a registration, unless one is under way.
    fn register(&mut self, now: Instant) {
        if self.registration.is_none() && self.server.is_some() {
            self.registration = Some(Question::new(now, self.peers.next_mid()));
        }
    }

    /// The server is out of reach: its name is looked up again in a while, it may have moved.
    fn lose(&mut self, now: Instant, status: Status) {
        (self.status, self.registration, self.keep_at) = (status, None, None);
        self.nonce = Name::new();
        let spread = Duration::from_millis(u64::from(self.peers.next_mid() % 8192));
        self.resolve_at = Some(now + REGISTER_AGAIN + spread);
    }

    fn poll_registration(&mut self, now: Instant, buffer: &mut [u8]) -> Option<usize> {
        let question = self.registration.as_mut()?;
        match question.poll(now) {
            Ask::Wait => return None,
            Ask::GiveUp => {
                self.lose(now, Status::NoAnswer);
                return None;
            }
            Ask::Now => {}
        }
        write_registration(
            buffer,
            &self.identity,
            question.mid,
            self.inside,
            &self.invite,
            &self.nonce,
        )
    }

    fn poll_keep(&mut self, now: Instant, buffer: &mut [u8]) -> Option<usize> {
        self.keep_at.filter(|at| now >= *at)?;
        self.keep_at = Some(now + self.keep_interval);
        self.keeps = (self.keeps + 1) % KEEPS_TO_ADDRESS;
        if self.keeps == 0 {
            self.register(now);
            if let Status::Registered(Some(outside)) = self.status {
                return emit_address(buffer, outside);
            }
        }
        buffer.get_mut(..KEEP.len())?.copy_from_slice(KEEP);
        Some(KEEP.len())
    }

    fn handle_registered(&mut self, now: Instant, clear: &Attributes<'_>) -> bool {
        let asked = self.registration.map(|question| question.mid);
        let (Some(code), true) = (clear.code(), asked.is_some() && asked == clear.mid()) else {
            return false;
        };
        if code != 200 {
            self.lose(now, Status::Refused(code));
            return true;
        }
        let mut buffer = [0; SEALED_BYTES];
        let (outside, nonce) = match clear.value("data") {
            None => (clear.address("ped"), None),
            Some(_) => match clear.open(&self.identity.key, &mut buffer) {
                Ok(sealed) => (sealed.address("ped"), name(sealed.value("nonce"))),
                Err(_) => return false,
            },
        };
        self.registration = None;
        if let Some(nonce) = nonce.filter(|_| self.nonce.is_empty()) {
            self.nonce = nonce;
            self.register(now);
            return true;
        }
        // A server that is not content with the proof has another one with the next registration.
        self.nonce = Name::new();
        self.status = Status::Registered(outside);
        self.keep_at.get_or_insert(now + self.keep_interval);
        true
    }

    fn handle_forward(
        &mut self,
        now: Instant,
        clear: &Attributes<'_>,
        stats: &mut Stats,
    ) -> Option<()> {
        let mut buffer = [0; SEALED_BYTES];
        let sealed = clear.open(&self.identity.key, &mut buffer).ok()?;
        let mid = clear.mid()?;
        let is_ours = clear
            .value("cid")
            .is_none_or(|cid| cid == self.identity.cid);
        let (connid, outside) = (name(clear.value("connid"))?, sealed.address("ped")?);
        let code = if !is_ours || sealed.value("service") != Some(SERVICE) {
            404
        } else if !is_equal(sealed.value("ic").unwrap_or_default(), &self.invite) {
            403
        } else if !self.follow(now, connid, outside, &sealed) {
            503
        } else {
            200
        };
        stats.count(if code == 200 {
            Counter::P2pFollowed
        } else {
            Counter::P2pRefused
        });
        let _ = self.answers.push_back((mid, code));
        self.register(now);
        Some(())
    }

    fn follow(
        &mut self,
        now: Instant,
        connid: Name,
        outside: SocketAddrV4,
        sealed: &Attributes<'_>,
    ) -> bool {
        let mut ladder = Ladder::new(now, connid, sealed.address("ed"), outside);
        ladder.secret = name(sealed.value("secret")).unwrap_or_default();
        self.peers.follow(ladder)
    }

    fn handle_notice(&mut self, now: Instant, clear: &Attributes<'_>) -> Option<()> {
        let mut buffer = [0; SEALED_BYTES];
        let sealed = clear.open(&self.identity.key, &mut buffer).ok()?;
        match sealed.value("event")? {
            b"nat_change" => self.register(now),
            b"nat_check" => {
                if let Status::Registered(outside) = &mut self.status {
                    *outside = sealed.address("ped").or(*outside);
                }
            }
            b"keep_alive_change_dec" => {
                self.set_keep(now, self.keep_interval.saturating_sub(KEEP_STEP))
            }
            b"keep_alive_change_inc" => {
                self.set_keep(now, self.keep_interval.saturating_add(KEEP_STEP))
            }
            _ => {
                return self
                    .peers
                    .handle_notice(now, clear.value("connid")?, &sealed)
            }
        }
        Some(())
    }

    fn set_keep(&mut self, now: Instant, interval: Duration) {
        self.keep_interval = interval.clamp(KEEP_LEAST, KEEP_MOST);
        self.keep_at = self.keep_at.map(|at| at.min(now + self.keep_interval));
    }
}
