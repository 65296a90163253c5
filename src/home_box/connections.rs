//! The connections of the box: those of screens, those of the community.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};

use log::warn;
use mio::net::TcpStream;
use mio::{Interest, Registry, Token};

use crate::base::limits::home_box::{LINGER, MAX_CLOSING};
use crate::base::time::Instant;
use crate::home_box::connection::{Connection, Read, Stage};
use crate::io::stream;
use crate::proto::intercom::home_box::LegId;
use crate::wire::intercom::Message;

/// All connections. A connection's token is twice its leg's number and `first_token`: the streams'
/// connections have the tokens between.
pub(super) struct Connections {
    registry: Registry,
    first_token: usize,
    /// The box's address in the community, from which it calls.
    from: Ipv4Addr,
    connections: BTreeMap<LegId, Connection>,
}

/// What became of a connection that was asked for.
pub(super) enum Made {
    Connected(SocketAddr),
    Failed,
    NotYet,
}

impl Connections {
    pub(super) fn new(registry: Registry, first_token: usize, from: Ipv4Addr) -> Self {
        Self {
            registry,
            first_token,
            from,
            connections: BTreeMap::new(),
        }
    }

    /// The leg that an event is for.
    pub(super) fn leg_of(&self, token: Token) -> Option<LegId> {
        let number = token.0.checked_sub(self.first_token)?;
        let is_leg = number % 2 == 0;
        LegId::try_from(number / 2).ok().filter(|_| is_leg)
    }

    /// A connection was accepted; `false`: it cannot be watched.
    pub(super) fn add(&mut self, leg: LegId, stream: TcpStream) -> bool {
        self.watch(
            leg,
            Connection::new(stream::Connection::of_device(stream), Stage::Open),
        )
    }

    /// Begins to connect; `false`: it cannot be.
    pub(super) fn connect(&mut self, leg: LegId, address: SocketAddr) -> bool {
        match stream::Connection::open_from(self.from, address) {
            Ok(stream) => self.watch(leg, Connection::new(stream, Stage::Connecting)),
            Err(problem) => {
                warn!("call to {address}: {problem}");
                false
            }
        }
    }

    fn watch(&mut self, leg: LegId, mut connection: Connection) -> bool {
        let Ok(number) = usize::try_from(leg) else {
            return false;
        };
        let token = Token(self.first_token + 2 * number);
        let interest = Interest::READABLE | Interest::WRITABLE;
        let watched = self.registry.register(connection.source(), token, interest);
        if let Err(problem) = &watched {
            warn!("connection: epoll: {problem}");
            return false;
        }
        self.connections.insert(leg, connection);
        true
    }

    /// The poll has reported this connection.
    pub(super) fn set_ready(&mut self, leg: LegId) {
        if let Some(connection) = self.connections.get_mut(&leg) {
            connection.is_readable = true;
        }
    }

    /// Legs that may have something to read or to end.
    pub(super) fn ready(&self) -> Vec<LegId> {
        let ready = self
            .connections
            .iter()
            .filter(|(_, connection)| connection.is_readable);
        ready.map(|(leg, _)| *leg).collect()
    }

    /// Whether a connection that was asked for is made; it is open from then on.
    pub(super) fn take_made(&mut self, leg: LegId) -> Made {
        let Some(connection) = self.connections.get_mut(&leg) else {
            return Made::NotYet;
        };
        if connection.stage != Stage::Connecting {
            return Made::NotYet;
        }
        match connection.peer() {
            Ok(None) => {
                connection.is_readable = false;
                Made::NotYet
            }
            Ok(Some(address)) => {
                connection.stage = Stage::Open;
                Made::Connected(address)
            }
            Err(_) => {
                self.remove(leg);
                Made::Failed
            }
        }
    }

    /// The next message of a leg.
    pub(super) fn read(&mut self, now: Instant, leg: LegId) -> Read {
        match self.connections.get_mut(&leg) {
            Some(connection) if connection.stage == Stage::Open => connection.read(now),
            _ => Read::Blocked,
        }
    }

    /// Queues a message; `false`: the peer does not read, and the connection is gone.
    #[must_use]
    pub(super) fn send(&mut self, leg: LegId, message: &Message) -> bool {
        let Some(connection) = self.connections.get_mut(&leg) else {
            return true;
        };
        let sent = connection.send(message);
        if !sent {
            self.remove(leg);
        }
        sent
    }

    /// Closes a connection once its peer has read what was sent to it.
    pub(super) fn close(&mut self, now: Instant, leg: LegId) {
        let is_closing = |connection: &&Connection| matches!(connection.stage, Stage::Closing(_));
        let closing = self.connections.values().filter(is_closing).count();
        match self.connections.get_mut(&leg) {
            Some(connection) if connection.stage == Stage::Open && closing < MAX_CLOSING => {
                connection.stage = Stage::Closing(now + LINGER);
            }
            _ => self.remove(leg),
        }
    }

    /// Forgets a connection at once.
    pub(super) fn remove(&mut self, leg: LegId) {
        if let Some(mut connection) = self.connections.remove(&leg) {
            let _ = self.registry.deregister(connection.source());
        }
    }

    /// Writes what can be written; the open legs that broke.
    pub(super) fn flush(&mut self, now: Instant) -> Vec<LegId> {
        let mut broken = vec![];
        let mut over = vec![];
        for (leg, connection) in &mut self.connections {
            let works = connection.flush();
            let stage = connection.stage;
            match stage {
                Stage::Closing(until) if !works || until <= now || !connection.discard() => {
                    over.push(*leg);
                }
                Stage::Open if !works => broken.push(*leg),
                _ => {}
            }
        }
        for leg in over.iter().chain(&broken) {
            self.remove(*leg);
        }
        broken
    }

    /// When the first closing connection is given up.
    pub(super) fn next_deadline(&self) -> Instant {
        let deadlines = self.connections.values().filter_map(|it| match it.stage {
            Stage::Closing(until) => Some(until),
            _ => None,
        });
        deadlines.min().unwrap_or(Instant::NEVER)
    }
}
