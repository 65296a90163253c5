//! The stream server of the intercom: FLV over HTTP. `POST` or `PUT` publishes, `GET` plays.
//!
//! ```text
//! HEAD OF A REQUEST --POST--> PUBLISHING --end of its body--> 200, closed
//!                   --GET---> WAITING (10 s for a publisher) --> PLAYING --end of the stream--> closed
//!                   --anything else, or not permitted--> REFUSED: the status, read on for 1 s
//! ```
//! Tags pass byte for byte; one copy of a tag serves all players. A player that reads too slowly
//! loses whole groups of pictures, and nobody waits for it.
//!
//! Which ids exist, and who may use them, is set by `set_permissions`: ids live as long as their
//! call. Input: `handle_*`; output: `outgoing` of each connection, and `poll_event`.

use core::net::IpAddr;
use std::collections::VecDeque;

use crate::base::time::{Duration, Instant};
use crate::proto::intercom::relay::connection::{Connection, State};
use crate::proto::intercom::relay::connections::Connections;
use crate::proto::intercom::relay::outgoing::Outgoing;
use crate::proto::intercom::relay::permissions::Permissions;
use crate::proto::intercom::relay::picture::Picture;
use crate::proto::intercom::relay::stream::Stream;

pub use crate::proto::intercom::relay::events::{
    Asked, AskedFor, ConnectionId, RelayCounts, RelayEvent,
};

mod asked;
mod connection;
mod connections;
mod events;
pub mod outgoing;
pub mod permissions;
mod picture;
mod play;
mod publish;
mod request;
pub(crate) mod stream;
mod wav;

/// Bounds of a relay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RelayLimits {
    /// Streams at once.
    pub streams: usize,
    /// Players of one stream.
    pub players: usize,
    /// Connections at once, whatever they do.
    pub connections: usize,
}

/// How long a request may take to arrive.
const REQUEST_TIMEOUT: Duration = Duration::from_millis(5000);
/// How long a player waits for a publisher, also for one that comes back.
const PUBLISHER_WAIT: Duration = Duration::from_millis(10_000);
/// A publisher that sends nothing for so long is closed.
const PUBLISHER_SILENCE: Duration = Duration::from_millis(5000);
/// How long what a refused client sends is read and discarded, so that it can read why.
const REFUSED_READING: Duration = Duration::from_millis(1000);

/// Connections of addresses that are not part of a call.
const MAX_STRANGERS: usize = 8;

/// The relay.
pub struct Relay {
    limits: RelayLimits,
    permissions: Permissions,
    connections: Connections,
    last_connection: ConnectionId,
    streams: Vec<Stream>,
    /// The last key frame of the call; it outlives its publisher.
    picture: Option<Picture>,
    counts: RelayCounts,
    events: VecDeque<RelayEvent>,
    page_side: Option<&'static str>,
    asked: VecDeque<Asked>,
}

impl Relay {
    /// A relay without connections, in which nothing is permitted.
    pub fn new(limits: RelayLimits) -> Self {
        Self {
            limits,
            permissions: Permissions::default(),
            connections: Connections::default(),
            last_connection: 0,
            streams: vec![],
            picture: None,
            counts: RelayCounts::default(),
            events: VecDeque::new(),
            page_side: None,
            asked: VecDeque::new(),
        }
    }

    /// A connection was accepted: its number, `None` if there are too many.
    pub fn handle_accepted(
        &mut self,
        now: Instant,
        side: &'static str,
        address: IpAddr,
    ) -> Option<ConnectionId> {
        let is_full = self.connections.len() >= self.limits.connections;
        if is_full || !self.has_room_for(side, address) {
            self.counts.refused += 1;
            return None;
        }
        self.last_connection += 1;
        let until = now + REQUEST_TIMEOUT;
        let connection = Connection::new(side, address, until);
        self.connections.push(self.last_connection, connection);
        Some(self.last_connection)
    }

    /// Strangers have few places, and each address of theirs half of them: they cannot take those
    /// of the call's parties.
    fn has_room_for(&self, side: &str, address: IpAddr) -> bool {
        if self.permissions.knows(side, address) {
            return true;
        }
        let strangers = || {
            let connections = self.connections.values();
            connections.filter(|it| !self.permissions.knows(it.side, it.address))
        };
        let of_address = strangers().filter(|it| it.address == address);
        strangers().count() < MAX_STRANGERS && of_address.count() < MAX_STRANGERS / 2
    }

    /// Bytes of a connection.
    pub fn handle_bytes(&mut self, now: Instant, id: ConnectionId, bytes: &[u8]) {
        let Some(connection) = self.connections.get_mut(id) else {
            return;
        };
        match &mut connection.state {
            State::Head { buffer, .. } => {
                buffer.extend_from_slice(bytes);
                self.handle_head(now, id);
            }
            State::Publishing(_) => self.handle_body(now, id, bytes),
            // What players and refused clients send is of no interest.
            State::Waiting { .. }
            | State::Playing { .. }
            | State::Refused { .. }
            | State::Asked
            | State::Over => {}
        }
    }

    /// The peer sends no more. A player may have closed its side only.
    pub fn handle_end(&mut self, now: Instant, id: ConnectionId) {
        let Some(connection) = self.connections.get_mut(id) else {
            return;
        };
        match &connection.state {
            State::Publishing(_) => {
                self.unpublish(now, id);
                self.finish(id);
            }
            State::Head { .. } | State::Refused { .. } => self.finish(id),
            State::Waiting { .. } | State::Playing { .. } | State::Asked | State::Over => {}
        }
    }

    /// The connection is gone.
    pub fn handle_closed(&mut self, now: Instant, id: ConnectionId) {
        self.unpublish(now, id);
        self.connections.remove(id);
    }

    /// What is to be sent on a connection; `None`: it is not known, and must be closed.
    pub fn outgoing(&mut self, id: ConnectionId) -> Option<&mut Outgoing> {
        let connection = self.connections.get_mut(id)?;
        Some(&mut connection.outgoing)
    }

    /// A connection is to be closed once all was sent.
    pub fn is_over(&self, id: ConnectionId) -> bool {
        let connection = self.connections.get(id);
        connection.is_none_or(|connection| matches!(connection.state, State::Over))
    }

    /// The next event.
    pub fn poll_event(&mut self) -> Option<RelayEvent> {
        self.events.pop_front()
    }

    /// What was counted since the start.
    pub fn counts(&self) -> &RelayCounts {
        &self.counts
    }

    /// Streams that somebody publishes.
    pub fn published(&self) -> usize {
        let published = self.streams.iter();
        published
            .filter(|stream| stream.publisher.is_some())
            .count()
    }

    /// The last picture of this stream as an FLV file, once; `None`: there was none, or it is too
    /// long.
    pub fn take_picture(&mut self, stream: &[u8]) -> Option<Vec<u8>> {
        let picture = self.picture.take_if(|picture| picture.id == stream)?;
        picture.file()
    }

    /// The streams that somebody publishes, as events.
    pub fn present(&self) -> impl Iterator<Item = RelayEvent> + '_ {
        let announced = self.streams.iter().filter(|stream| stream.is_announced);
        announced.filter_map(|stream| {
            let publisher = self.connections.get(stream.publisher?)?;
            Some(RelayEvent {
                state: "published",
                id: stream.id.clone(),
                side: publisher.side,
                codec: stream.codec,
            })
        })
    }

    /// From now on only these ids exist, for these addresses. Streams of other ids end.
    pub fn set_permissions(&mut self, now: Instant, permissions: Permissions) {
        if permissions == self.permissions {
            return;
        }
        self.permissions = permissions;
        self.picture
            .take_if(|picture| !self.permissions.has(&picture.id));
        self.end_foreign_publishers(now);
        let is_dead = |stream: &&Stream| !self.permissions.has(&stream.id);
        let dead: Vec<Vec<u8>> = self
            .streams
            .iter()
            .filter(is_dead)
            .map(|it| it.id.clone())
            .collect();
        for id in dead {
            self.end_stream(now, &id);
        }
    }

    /// Who published while it rang, and has not got the call, publishes no more.
    fn end_foreign_publishers(&mut self, now: Instant) {
        let foreign = self.connections.which(&|it| {
            let may = self.permissions.may_publish(it.side, it.address);
            matches!(it.state, State::Publishing(_)) && !may
        });
        for id in foreign {
            self.stop(now, id, 200, "the call is over, or another screen has it");
        }
    }

    /// When `handle_timeout` has something to do.
    pub fn next_deadline(&self) -> Instant {
        let deadlines = self.connections.values().map(Connection::deadline);
        let connections = deadlines.min().unwrap_or(Instant::NEVER);
        let streams = self.streams.iter().map(|stream| stream.given_up_at);
        connections.min(streams.min().unwrap_or(Instant::NEVER))
    }

    /// Does what is due.
    pub fn handle_timeout(&mut self, now: Instant) {
        let due = self.connections.which(&|it| it.deadline() <= now);
        for id in due {
            self.handle_connection_timeout(now, id);
        }
        let given_up = self
            .streams
            .iter()
            .filter(|stream| stream.given_up_at <= now);
        let given_up: Vec<Vec<u8>> = given_up.map(|stream| stream.id.clone()).collect();
        for id in given_up {
            self.end_stream(now, &id);
        }
    }

    fn handle_connection_timeout(&mut self, now: Instant, id: ConnectionId) {
        match self.connections.get(id).map(|connection| &connection.state) {
            Some(State::Waiting { .. }) => {
                self.refuse(now, id, 404, "nobody publishes this stream")
            }
            Some(State::Publishing(_)) => {
                self.unpublish(now, id);
                self.finish(id);
            }
            Some(State::Head { .. } | State::Refused { .. }) => self.finish(id),
            _ => {}
        }
    }

    /// Ends a connection once all was sent.
    fn finish(&mut self, id: ConnectionId) {
        if let Some(connection) = self.connections.get_mut(id) {
            connection.state = State::Over;
        }
    }

    /// A stream is over: its publisher and its players end.
    fn end_stream(&mut self, now: Instant, stream: &[u8]) {
        let users = self
            .connections
            .which(&|it| it.state.stream() == Some(stream));
        for id in users {
            let publishes = self.connections.get(id).map(|it| &it.state);
            if matches!(publishes, Some(State::Publishing(_))) {
                self.stop(now, id, 200, "the call is over");
            } else {
                self.finish(id);
            }
        }
        self.streams.retain(|it| it.id != stream);
    }
}
