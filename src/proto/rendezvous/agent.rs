//! The phone's side: it registers with the server, and is reached through it.
//!
//! ```text
//!            name found               200, twice
//! Resolving ------------> Registering -----------> Registered --+   20 s: `keep`, `keep`, own ip:port and REG;
//!   ^    |                     |                    |    ^      |   REG at once after FWD and NFY nat_change;
//!   |    | name not found      | 400, 403, no       |    +------+   the agent stays registered meanwhile
//!   |    |                     | response for 6 s   |
//!   |    v                     v                    v
//!   +--- Waiting: 30 s and up to 8 s more; the status is NoName, Refused or NoAnswer
//! ```
//! Messages are accepted as follows: only from the server's address; FWD and NFY only if our key
//! opens them; a response only with the number of our request (its 200 may be in clear, the format
//! allows that). A FWD must name our service and our invite code, whatever the server thinks of it.
//! A PING is answered only if a FWD has named its connection, and a bounded number of times;
//! nothing else that a stranger sends is answered.

use core::net::SocketAddrV4;

use super::connectivity_check::ConnectivityCheck;
use super::peers::Peers;
pub use super::status::Status;
use super::transaction::{Retransmission, Transaction};
use super::{name, write_registration, Datagram, Identity, Name, SERVICE};
use crate::base::constant_time::is_equal;
use crate::base::limits::rendezvous::{
    ANSWERS, KEEPS_TO_ADDRESS, KEEP_INTERVAL, KEEP_LEAST, KEEP_MOST, KEEP_STEP, REGISTER_AGAIN,
    SEALED_BYTES,
};
use crate::base::stats::{Counter, Stats};
use crate::base::time::{Duration, Instant};
use crate::wire::ascii;
use crate::wire::rendezvous::{emit_address, Attributes, Class, Kind, Message, Writer, KEEP};

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AgentOutput {
    /// Send the message in the buffer.
    Send(Datagram),
    /// Resolve the server's name, then call `handle_resolved`.
    Resolve,
}

/// A registration in progress.
#[derive(Clone)]
struct Registration {
    transaction: Transaction,
    /// The server's nonce, which the registration proves to have opened; empty for the first
    /// request.
    nonce: Name,
}

/// The state of the agent, each with its deadlines.
enum AgentState {
    /// The last registration failed; the name is resolved again then, since the server may have
    /// moved.
    Waiting { until: Instant },
    /// The owner resolves the name.
    Resolving,
    /// The agent is not registered.
    Registering(Registration),
    /// The agent is registered.
    Registered {
        keep_at: Instant,
        /// The keep-alives since the last one with the own address.
        keeps: u8,
        /// The registration that is to follow the last one.
        next: Option<Registration>,
    },
}

/// A response of ours to a FWD.
struct ForwardResponse {
    mid: u32,
    code: u16,
}

/// The phone's agent.
pub struct Agent {
    identity: Identity,
    invite: Name,
    /// The address in the phone's own network.
    inside: SocketAddrV4,
    server: Option<SocketAddrV4>,
    status: Status,
    state: AgentState,
    keep_interval: Duration,
    peers: Peers,
    /// Responses that wait for the socket.
    responses: heapless::Deque<ForwardResponse, ANSWERS>,
}

impl Agent {
    /// An agent with this identity and invite code. Its messages are numbered from `mid` on.
    pub fn new(now: Instant, identity: Identity, invite: Name, mid: u32) -> Self {
        Self {
            identity,
            invite,
            inside: SocketAddrV4::new([0, 0, 0, 0].into(), 0),
            server: None,
            status: Status::Starting,
            state: AgentState::Waiting { until: now },
            keep_interval: KEEP_INTERVAL,
            peers: Peers::new(mid),
            responses: heapless::Deque::new(),
        }
    }

    /// The last known status of the registration.
    pub fn status(&self) -> Status {
        self.status
    }

    /// The server's address and our own address towards it; `None`: the name was not found.
    pub fn handle_resolved(&mut self, now: Instant, found: Option<(SocketAddrV4, SocketAddrV4)>) {
        let Some((server, inside)) = found else {
            self.wait(now, Status::NoName);
            return;
        };
        self.server = Some(server);
        self.inside = inside;
        self.state = AgentState::Registering(self.registration(now, Name::new()));
    }

    /// Handles a datagram that is a message.
    pub fn handle_datagram(
        &mut self,
        now: Instant,
        from: SocketAddrV4,
        datagram: &[u8],
        stats: &mut Stats,
    ) {
        let is_understood = Message::parse(datagram)
            .is_ok_and(|message| self.handle_message(now, from, &message, stats));
        if !is_understood {
            stats.count(Counter::P2pIgnored);
        }
    }

    fn handle_message(
        &mut self,
        now: Instant,
        from: SocketAddrV4,
        message: &Message<'_>,
        stats: &mut Stats,
    ) -> bool {
        let clear = &message.clear;
        match (message.class, message.kind) {
            (Class::Request, Kind::Ping) | (Class::Response, Kind::Pong | Kind::Bind) => {
                self.peers.handle_message(from, message)
            }
            _ if Some(from) != self.server => false,
            (Class::Response, Kind::Register) => self.handle_registered(now, clear).is_some(),
            (Class::Request, Kind::Forward) => self.handle_forward(now, clear, stats).is_some(),
            (Class::Request, Kind::Notify) => self.handle_notice(now, clear).is_some(),
            _ => false,
        }
    }

    /// What is to be done now; to be called until there is nothing more.
    pub fn poll_output(&mut self, now: Instant, buffer: &mut [u8]) -> Option<AgentOutput> {
        if let AgentState::Waiting { until } = self.state {
            if now >= until {
                self.state = AgentState::Resolving;
                return Some(AgentOutput::Resolve);
            }
        }
        let server = self.server?;
        // PINGs come first: they must leave our NAT before those of the peer arrive there.
        if let Some(datagram) = self.peers.poll(now, &self.identity, server, buffer) {
            return Some(AgentOutput::Send(datagram));
        }
        let len = match self.responses.pop_front() {
            Some(ForwardResponse { mid, code }) => {
                let mut writer = Writer::new(buffer, Class::Response, Kind::Forward);
                writer.mid(mid).code(code).finish()
            }
            None => self
                .poll_registration(now, buffer)
                .or_else(|| self.poll_keep(now, buffer)),
        };
        len.map(|len| AgentOutput::Send(Datagram::new(server, len)))
    }

    /// When `poll_output` has something to do.
    pub fn next_deadline(&self) -> Option<Instant> {
        let own = match &self.state {
            AgentState::Waiting { until } => Some(*until),
            AgentState::Resolving => None,
            AgentState::Registering(registration) => Some(registration.transaction.next_deadline()),
            AgentState::Registered { keep_at, next, .. } => {
                let next = next.as_ref().map(|next| next.transaction.next_deadline());
                Some(next.map_or(*keep_at, |next| next.min(*keep_at)))
            }
        };
        own.into_iter().chain(self.peers.next_deadline()).min()
    }

    /// Registers again at once, unless a registration is in progress.
    fn register(&mut self, now: Instant) {
        let can_start = match &self.state {
            AgentState::Waiting { .. } => self.server.is_some(),
            AgentState::Registered { next, .. } => next.is_none(),
            AgentState::Resolving | AgentState::Registering(_) => false,
        };
        if !can_start {
            return;
        }
        let registration = self.registration(now, Name::new());
        if let AgentState::Registered { next, .. } = &mut self.state {
            *next = Some(registration);
        } else {
            self.state = AgentState::Registering(registration);
        }
    }

    fn registration(&mut self, now: Instant, nonce: Name) -> Registration {
        Registration {
            transaction: Transaction::new(now, self.peers.next_mid()),
            nonce,
        }
    }

    /// The registration in progress.
    fn current(&mut self) -> Option<&mut Registration> {
        match &mut self.state {
            AgentState::Registering(registration) => Some(registration),
            AgentState::Registered { next, .. } => next.as_mut(),
            AgentState::Waiting { .. } | AgentState::Resolving => None,
        }
    }

    /// The registration has failed and is tried again later. The time is spread, so that a thousand
    /// phones do not return in the same second.
    fn wait(&mut self, now: Instant, status: Status) {
        let spread = Duration::from_millis(u64::from(self.peers.next_mid() % 8192));
        self.status = status;
        self.state = AgentState::Waiting {
            until: now + REGISTER_AGAIN + spread,
        };
    }

    fn poll_registration(&mut self, now: Instant, buffer: &mut [u8]) -> Option<usize> {
        let current = self.current()?;
        match current.transaction.poll(now) {
            Retransmission::Wait => None,
            Retransmission::TimedOut => {
                self.wait(now, Status::NoAnswer);
                None
            }
            Retransmission::Send => {
                let Registration { transaction, nonce } = current.clone();
                let mid = transaction.mid;
                write_registration(
                    buffer,
                    &self.identity,
                    mid,
                    self.inside,
                    &self.invite,
                    &nonce,
                )
            }
        }
    }

    fn poll_keep(&mut self, now: Instant, buffer: &mut [u8]) -> Option<usize> {
        let AgentState::Registered { keep_at, keeps, .. } = &mut self.state else {
            return None;
        };
        if now < *keep_at {
            return None;
        }
        *keep_at = now + self.keep_interval;
        *keeps = (*keeps + 1) % KEEPS_TO_ADDRESS;
        if *keeps == 0 {
            self.register(now);
            if let Status::Registered(Some(outside)) = self.status {
                return emit_address(buffer, outside);
            }
        }
        buffer.get_mut(..KEEP.len())?.copy_from_slice(KEEP);
        Some(KEEP.len())
    }

    /// Handles the response to a registration; `None` if it is not the response to ours.
    fn handle_registered(&mut self, now: Instant, clear: &Attributes<'_>) -> Option<()> {
        let mid = clear.mid()?;
        let code = clear.code()?;
        let current = self
            .current()
            .filter(|current| current.transaction.mid == mid)?;
        let has_proven = !current.nonce.is_empty();
        if code != 200 {
            self.wait(now, Status::Refused(code));
            return Some(());
        }
        let mut buffer = [0; SEALED_BYTES];
        let is_sealed = clear.value("data").is_some();
        let attributes = if is_sealed {
            clear.open(&self.identity.key, &mut buffer).ok()?
        } else {
            *clear
        };
        let nonce = name(attributes.value("nonce")).filter(|_| is_sealed && !has_proven);
        if let Some(nonce) = nonce {
            let registration = self.registration(now, nonce);
            if let Some(current) = self.current() {
                *current = registration;
            }
            return Some(());
        }
        // A server that does not accept the proof has another nonce for the next registration.
        self.status = Status::Registered(attributes.address("ped"));
        if let AgentState::Registered { next, .. } = &mut self.state {
            *next = None;
        } else {
            self.state = AgentState::Registered {
                keep_at: now + self.keep_interval,
                keeps: 0,
                next: None,
            };
        }
        Some(())
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
        let cid = clear.value("cid");
        let is_ours = cid.is_none_or(|cid| cid == self.identity.cid);
        let connid = name(clear.value("connid"))?;
        let outside = sealed.address("ped")?;
        let secret = name(sealed.value("secret")).unwrap_or_default();
        let host = sealed.address("ed");
        let code = if !is_ours || sealed.value("service") != Some(SERVICE) {
            404
        } else if !is_equal(sealed.value("ic").unwrap_or_default(), &self.invite) {
            403
        } else {
            let check = ConnectivityCheck::new(now, connid, secret, host, outside);
            self.peers.start(check).map_or(503, |()| 200)
        };
        stats.count(if code == 200 {
            Counter::P2pFollowed
        } else {
            Counter::P2pRefused
        });
        let _ = self.responses.push_back(ForwardResponse { mid, code });
        self.register(now);
        Some(())
    }

    fn handle_notice(&mut self, now: Instant, clear: &Attributes<'_>) -> Option<()> {
        let mut buffer = [0; SEALED_BYTES];
        let sealed = clear.open(&self.identity.key, &mut buffer).ok()?;
        let interval = self.keep_interval;
        match ascii::word(sealed.value("event")?) {
            "nat_change" => self.register(now),
            "nat_check" => {
                if let Status::Registered(outside) = &mut self.status {
                    *outside = sealed.address("ped").or(*outside);
                }
            }
            "keep_alive_change_dec" => self.set_keep(now, interval.saturating_sub(KEEP_STEP)),
            "keep_alive_change_inc" => self.set_keep(now, interval.saturating_add(KEEP_STEP)),
            _ => {
                let connid = clear.value("connid")?;
                return self.peers.handle_notice(now, connid, &sealed);
            }
        }
        Some(())
    }

    fn set_keep(&mut self, now: Instant, interval: Duration) {
        self.keep_interval = interval.clamp(KEEP_LEAST, KEEP_MOST);
        if let AgentState::Registered { keep_at, .. } = &mut self.state {
            *keep_at = (*keep_at).min(now + self.keep_interval);
        }
    }
}
