//! The connectivity check between two peers: PINGs, with growing intervals, through both NATs to
//! each address that the other peer may have.
//!
//! Each PING opens a mapping of the sender's NAT for the address that it goes to, so both peers
//! must send. The first one does nothing else and must not reach the other peer's NAT (`opens`):
//! that NAT may not be open yet, and would create a conflicting conntrack entry. A full-cone NAT
//! lets the other peer's first PING in; a port-preserving NAT the one after ours. The source of the
//! other peer's PINGs counts more than the address that the server has named: behind a symmetric
//! NAT it has another port. Between two symmetric NATs no PING arrives; then the server's relay is
//! used.
//!
//! ```text
//! every 200 ms x3   PING connid+"E" to the address in its own network, connid+"P" to the one that the server sees
//! every 200 ms x3   PING connid+"P"
//! then              NFY ping_fork to the server, and every 600 ms x3  PING connid+"P"
//!
//! Checking --PONG----------------> Reached(address)         no more PINGs, but the peer's are still answered
//!    |  ^                             ^
//!    |  | moved, relay, at most       | PONG
//!    v  | CHECK_RUNS times            |
//!  Failed ----------------------------+
//! ```

use core::net::SocketAddrV4;

use super::transaction::{Retransmission, Transaction};
use super::Name;
use crate::base::limits::rendezvous::{CHECK_RUNS, PEER_KNOWN, PONGS};
use crate::base::time::{Duration, Instant};

/// The kinds of addresses of a peer (RFC 8445, section 4, has the terms). A PING names the kind of
/// the address that it was sent to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Candidate {
    /// The address in the peer's own network.
    Host,
    /// The address that the server sees.
    ServerReflexive,
    /// A port of our relay.
    Relayed,
}

impl Candidate {
    /// The character that a PING has after the id of the connection.
    pub fn letter(self) -> u8 {
        match self {
            Self::Host => b'E',
            Self::ServerReflexive => b'P',
            Self::Relayed => b'R',
        }
    }
}

/// A message that is to be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CheckMessage {
    /// A PING; `opens`: only to open our own NAT.
    #[allow(missing_docs)]
    Ping {
        to: SocketAddrV4,
        candidate: Candidate,
        opens: bool,
    },
    /// NFY ping_fork, to the server.
    Fork,
    /// BIND with this number, to the relay.
    Bind(SocketAddrV4, u32),
}

/// A step of the schedule.
#[derive(Clone, Copy)]
enum ScheduleStep {
    /// A PING; the next step is due after this many milliseconds.
    Ping(Candidate, u64),
    Fork,
}

const E: ScheduleStep = ScheduleStep::Ping(Candidate::Host, 0);
const P: ScheduleStep = ScheduleStep::Ping(Candidate::ServerReflexive, 200);
const SLOW: ScheduleStep = ScheduleStep::Ping(Candidate::ServerReflexive, 600);
/// The SDK's schedule.
const SCHEDULE: [ScheduleStep; 13] = [
    E,
    P,
    E,
    P,
    E,
    P,
    P,
    P,
    P,
    ScheduleStep::Fork,
    SLOW,
    SLOW,
    SLOW,
];

/// The step with the first PING to the address that the server sees.
const FIRST_REFLEXIVE: usize = 1;

/// The state of a check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CheckState {
    /// PINGs are being sent.
    Checking {
        /// The next step of the schedule.
        step: usize,
        /// When it is due.
        next_at: Instant,
    },
    /// The peer has answered from this address.
    Reached(SocketAddrV4),
    /// All PINGs were sent in vain. The peer may still get through to us.
    Failed,
}

/// The port of the relay that the server has given the connection.
struct RelayPort {
    address: SocketAddrV4,
    /// Proves to the relay that we are one of the two peers.
    token: Name,
    /// The BIND that is not answered yet.
    bind: Option<Transaction>,
}

/// The check of one connection.
pub struct ConnectivityCheck {
    /// The server's id of the connection.
    pub connid: Name,
    /// The secret that the server has given both peers, for proofs; may be empty.
    pub secret: Name,
    host: Option<SocketAddrV4>,
    /// Where the peer is, as the server sees it, or as its own PINGs show.
    outside: SocketAddrV4,
    relay: Option<RelayPort>,
    state: CheckState,
    /// NFY ping_fork was sent; it is sent once.
    has_forked: bool,
    /// How often the schedule was started, without and with the relay.
    runs: u8,
    relay_runs: u8,
    /// PINGs of the peer that were answered.
    pongs: u8,
    expires_at: Instant,
}

impl ConnectivityCheck {
    /// A check of a peer that the server sees at `outside`, and that says it is at `host` in its
    /// own network.
    pub fn new(
        now: Instant,
        connid: Name,
        secret: Name,
        host: Option<SocketAddrV4>,
        outside: SocketAddrV4,
    ) -> Self {
        // Only addresses that can be behind the peer's NAT: nobody may use us to send PINGs to a
        // third host.
        let is_inside = |host: &SocketAddrV4| {
            let ip = host.ip();
            ip.is_private() || ip.is_link_local() || ip == outside.ip()
        };
        Self {
            connid,
            secret,
            host: host.filter(|host| *host != outside && is_inside(host)),
            outside,
            relay: None,
            state: CheckState::Checking {
                step: 0,
                next_at: now,
            },
            has_forked: false,
            runs: 1,
            relay_runs: 0,
            pongs: 0,
            expires_at: now + PEER_KNOWN,
        }
    }

    /// The state of the check.
    pub fn state(&self) -> CheckState {
        self.state
    }

    /// Whether the connection is too old to be remembered.
    pub fn is_expired(&self, now: Instant) -> bool {
        now >= self.expires_at
    }

    /// Whether no more PINGs are sent, so that another connection may take the place of this one.
    pub fn is_finished(&self) -> bool {
        !matches!(self.state, CheckState::Checking { .. })
    }

    /// Whether a PING of the peer was answered. The peer may be satisfied with that and not answer
    /// our own PINGs: a caller that fetches five times in a second must not find all places taken
    /// by itself.
    pub fn has_answered(&self) -> bool {
        self.pongs > 0
    }

    /// When `poll` has something to do.
    pub fn next_deadline(&self) -> Instant {
        let ping_at = match self.state {
            CheckState::Checking { next_at, .. } => next_at,
            CheckState::Reached(_) | CheckState::Failed => self.expires_at,
        };
        let bind = self.relay.as_ref().and_then(|relay| relay.bind);
        let bind_at = bind.map_or(self.expires_at, |bind| bind.next_deadline());
        ping_at.min(bind_at).min(self.expires_at)
    }

    /// The next message that is to be sent now.
    pub fn poll(&mut self, now: Instant) -> Option<CheckMessage> {
        self.poll_bind(now).or_else(|| self.poll_schedule(now))
    }

    fn poll_bind(&mut self, now: Instant) -> Option<CheckMessage> {
        let relay = self.relay.as_mut()?;
        let bind = relay.bind.as_mut()?;
        match bind.poll(now) {
            Retransmission::Send => return Some(CheckMessage::Bind(relay.address, bind.mid)),
            Retransmission::TimedOut => relay.bind = None,
            Retransmission::Wait => {}
        }
        None
    }

    fn poll_schedule(&mut self, now: Instant) -> Option<CheckMessage> {
        while let CheckState::Checking { step, next_at } = self.state {
            if now < next_at {
                return None;
            }
            let Some(scheduled) = SCHEDULE.get(step) else {
                self.state = CheckState::Failed;
                return None;
            };
            let wait = match scheduled {
                ScheduleStep::Ping(_, wait) => Duration::from_millis(*wait),
                ScheduleStep::Fork => Duration::ZERO,
            };
            self.state = CheckState::Checking {
                step: step + 1,
                next_at: next_at.max(now + wait),
            };
            let message = self.message(*scheduled, step);
            if message.is_some() {
                return message;
            }
        }
        None
    }

    /// The message of a step; `None` if the step does not apply to this connection.
    fn message(&mut self, scheduled: ScheduleStep, step: usize) -> Option<CheckMessage> {
        match scheduled {
            ScheduleStep::Fork if self.relay.is_some() || self.has_forked => None,
            ScheduleStep::Fork => {
                self.has_forked = true;
                Some(CheckMessage::Fork)
            }
            ScheduleStep::Ping(Candidate::Host, _) => Some(CheckMessage::Ping {
                to: self.host?,
                candidate: Candidate::Host,
                opens: false,
            }),
            ScheduleStep::Ping(..) => {
                let candidate = if self.relay.is_some() {
                    Candidate::Relayed
                } else {
                    Candidate::ServerReflexive
                };
                Some(CheckMessage::Ping {
                    to: self.outside,
                    candidate,
                    opens: step == FIRST_REFLEXIVE && candidate == Candidate::ServerReflexive,
                })
            }
        }
    }

    /// Handles a PING of this connection; returns whether it is to be answered.
    pub fn handle_ping(&mut self, from: SocketAddrV4) -> bool {
        if Some(from) != self.host {
            self.outside = from;
        }
        self.pongs = self.pongs.saturating_add(1);
        self.pongs <= PONGS
    }

    /// Handles a PONG of this connection.
    pub fn handle_pong(&mut self, from: SocketAddrV4) {
        // The first PONG came over the shortest path.
        if !matches!(self.state, CheckState::Reached(_)) {
            self.state = CheckState::Reached(from);
        }
    }

    /// The server says that the peer's PINGs come from another address.
    pub fn handle_moved(&mut self, now: Instant, outside: Option<SocketAddrV4>) {
        self.outside = outside.unwrap_or(self.outside);
        if self.runs < CHECK_RUNS {
            self.runs += 1;
            self.restart(now);
        }
    }

    /// The address of the relay's port, if the connection has one.
    #[cfg(feature = "tools")]
    pub(super) fn relay(&self) -> Option<SocketAddrV4> {
        self.relay.as_ref().map(|relay| relay.address)
    }

    /// The token for the relay; empty if the connection has no relay.
    pub(super) fn token(&self) -> &[u8] {
        self.relay.as_ref().map_or(&[], |relay| &relay.token)
    }

    /// The server has given the connection a port of the relay, or repeats that. `mid` is for the
    /// BIND.
    ///
    /// Each time all PINGs are sent again: the peer may have heard of the relay only now.
    pub fn handle_relay(&mut self, now: Instant, address: SocketAddrV4, token: Name, mid: u32) {
        self.host = None;
        self.outside = address;
        self.relay = Some(RelayPort {
            address,
            token,
            bind: Some(Transaction::new(now, mid)),
        });
        if self.relay_runs < CHECK_RUNS {
            self.relay_runs += 1;
            self.restart(now);
        }
    }

    /// Handles the response to a BIND; `false`: it is not the response to ours.
    pub fn handle_bound(&mut self, from: SocketAddrV4, mid: u32) -> bool {
        let Some(relay) = self.relay.as_mut().filter(|relay| relay.address == from) else {
            return false;
        };
        let is_ours = relay.bind.is_some_and(|bind| bind.mid == mid);
        if is_ours {
            relay.bind = None;
        }
        is_ours
    }

    /// Starts the schedule from its beginning, unless the peer was reached.
    fn restart(&mut self, now: Instant) {
        if !matches!(self.state, CheckState::Reached(_)) {
            self.state = CheckState::Checking {
                step: 0,
                next_at: now,
            };
        }
    }
}

#[cfg(test)]
mod tests;
