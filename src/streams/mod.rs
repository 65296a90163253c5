//! The sockets of a stream server (`proto::intercom::relay`): those of a home's box, and those of a
//! door unit or the property's phone. Both event loops drive it: events, then a turn.

use std::io::{self, IoSlice};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use log::warn;
use mio::net::TcpListener;
use mio::{Interest, Registry, Token};

use crate::base::time::Instant;
use crate::io::{listener, stream};
use crate::proto::intercom::relay::permissions::Permissions;
use crate::proto::intercom::relay::{ConnectionId, Relay, RelayEvent, RelayLimits};

/// The side of connections of the program itself, whose address is unspecified.
pub const INSIDE: &str = "inside";
/// Pieces that one call writes.
const SLICES: usize = 16;
/// Bytes that are read from one connection before the others have their turn.
const READ_BYTES: usize = 64 * 1024;

/// A stream server.
pub struct StreamServer {
    registry: Registry,
    tokens: StreamTokens,
    listeners: Vec<Listener>,
    relay: Relay,
    /// By slot; a slot has a token.
    sockets: Vec<Option<Socket>>,
    buffer: Vec<u8>,
}

/// The tokens of a server's sources.
#[derive(Clone, Copy, Debug)]
pub struct StreamTokens {
    /// Of the listeners.
    pub listeners: [Token; 2],
    /// Of the first connection, and how far they are apart.
    pub first: usize,
    /// See `first`.
    pub step: usize,
}

/// Where a server listens, and what that side is called in its events.
#[derive(Clone, Copy, Debug)]
pub struct Side {
    /// The address.
    pub address: SocketAddr,
    /// The name.
    pub name: &'static str,
}

struct Listener {
    listener: TcpListener,
    name: &'static str,
}

struct Socket {
    id: ConnectionId,
    stream: stream::Connection,
    /// Events are edge-triggered: remembered until a call would block.
    is_readable: bool,
    is_writable: bool,
}

impl StreamServer {
    /// Listens on all sides; two at most. The error says where.
    pub fn open(
        registry: Registry,
        tokens: StreamTokens,
        sides: &[Side],
        limits: RelayLimits,
    ) -> Result<Self, String> {
        let mut listeners = vec![];
        for (side, token) in sides.iter().zip(tokens.listeners) {
            let Side { address, name } = *side;
            let failed = |problem: io::Error| format!("streams at {address}: {problem}");
            let mut listener = listener::open(address, false).map_err(failed)?;
            let registered = registry.register(&mut listener, token, Interest::READABLE);
            registered.map_err(failed)?;
            listeners.push(Listener { listener, name });
        }
        Ok(Self {
            registry,
            tokens,
            listeners,
            relay: Relay::new(limits),
            sockets: vec![],
            buffer: vec![0; READ_BYTES],
        })
    }

    /// An event of one of the tokens.
    pub fn handle_event(&mut self, now: Instant, token: Token) {
        let listeners = self.tokens.listeners.iter();
        if let Some(side) = listeners
            .take(self.listeners.len())
            .position(|it| *it == token)
        {
            self.accept(now, side);
            return;
        }
        let offset = token.0.checked_sub(self.tokens.first);
        let slot = offset.map_or(usize::MAX, |offset| offset / self.tokens.step);
        if let Some(Some(socket)) = self.sockets.get_mut(slot) {
            socket.is_readable = true;
            socket.is_writable = true;
        }
    }

    fn accept(&mut self, now: Instant, side: usize) {
        loop {
            let Listener { listener, name } = &self.listeners[side];
            let (stream, address) = match listener.accept() {
                Ok(accepted) => accepted,
                Err(problem) if problem.kind() == io::ErrorKind::Interrupted => continue,
                Err(problem) => {
                    if problem.kind() != io::ErrorKind::WouldBlock {
                        warn!("streams: accept: {problem}");
                    }
                    return;
                }
            };
            if let Some(id) = self.relay.handle_accepted(now, name, address.ip()) {
                self.insert(now, id, stream::Connection::of_device(stream));
            }
        }
    }

    fn insert(&mut self, now: Instant, id: ConnectionId, mut stream: stream::Connection) {
        let free = self.sockets.iter().position(Option::is_none);
        let slot = free.unwrap_or(self.sockets.len());
        let token = Token(self.tokens.first + self.tokens.step * slot);
        let interest = Interest::READABLE | Interest::WRITABLE;
        let registered = self.registry.register(stream.source(), token, interest);
        if registered.is_err() {
            self.relay.handle_closed(now, id);
            return;
        }
        let socket = Socket {
            id,
            stream,
            is_readable: true,
            is_writable: true,
        };
        if slot == self.sockets.len() {
            self.sockets.push(Some(socket));
        } else {
            self.sockets[slot] = Some(socket);
        }
    }

    /// From now on only these ids exist, for these addresses.
    pub fn set_permissions(&mut self, now: Instant, permissions: Permissions) {
        self.relay.set_permissions(now, permissions);
    }

    /// Reads, relays and writes; closes what is over.
    pub fn turn(&mut self, now: Instant) {
        for slot in 0..self.sockets.len() {
            self.read(now, slot);
        }
        self.relay.handle_timeout(now);
        for slot in 0..self.sockets.len() {
            self.write(now, slot);
        }
    }

    fn read(&mut self, now: Instant, slot: usize) {
        let Some(socket) = self.sockets[slot].as_mut().filter(|it| it.is_readable) else {
            return;
        };
        match socket.stream.read(&mut self.buffer) {
            Ok(None) => socket.is_readable = false,
            Ok(Some(0)) => {
                socket.is_readable = false;
                self.relay.handle_end(now, socket.id);
            }
            Ok(Some(count)) => {
                let bytes = &self.buffer[..count];
                self.relay.handle_bytes(now, socket.id, bytes);
            }
            Err(_) => self.close(now, slot),
        }
    }

    fn write(&mut self, now: Instant, slot: usize) {
        let Some(socket) = &mut self.sockets[slot] else {
            return;
        };
        let Some(outgoing) = self.relay.outgoing(socket.id) else {
            self.close(now, slot);
            return;
        };
        while socket.is_writable && !outgoing.is_empty() {
            let slices: Vec<IoSlice> = outgoing.slices().take(SLICES).map(IoSlice::new).collect();
            match socket.stream.write_vectored(&slices) {
                Ok(None) => socket.is_writable = false,
                Ok(Some(count)) => outgoing.consume(count),
                Err(_) => {
                    self.close(now, slot);
                    return;
                }
            }
        }
        let is_sent = outgoing.is_empty();
        if is_sent && self.relay.is_over(socket.id) {
            self.close(now, slot);
        }
    }

    /// Dropping a socket deregisters it.
    fn close(&mut self, now: Instant, slot: usize) {
        if let Some(socket) = self.sockets[slot].take() {
            self.relay.handle_closed(now, socket.id);
        }
    }

    /// A connection of the program itself, without a socket, that begins with this request.
    pub fn open_inside(&mut self, now: Instant, request: &[u8]) -> Option<ConnectionId> {
        let nowhere = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
        let id = self.relay.handle_accepted(now, INSIDE, nowhere)?;
        self.relay.handle_bytes(now, id, request);
        Some(id)
    }

    /// Bytes that the program sends on such a connection.
    pub fn send_inside(&mut self, now: Instant, id: ConnectionId, bytes: &[u8]) {
        self.relay.handle_bytes(now, id, bytes);
    }

    /// What it gets; `false`: the connection is over.
    pub fn receive_inside(&mut self, id: ConnectionId, mut take: impl FnMut(&[u8])) -> bool {
        let is_over = self.relay.is_over(id);
        let Some(outgoing) = self.relay.outgoing(id) else {
            return false;
        };
        let mut count = 0;
        for slice in outgoing.slices() {
            take(slice);
            count += slice.len();
        }
        outgoing.consume(count);
        !is_over
    }

    /// Closes it.
    pub fn close_inside(&mut self, now: Instant, id: ConnectionId) {
        self.relay.handle_closed(now, id);
    }

    /// The next event of a stream.
    pub fn poll_event(&mut self) -> Option<RelayEvent> {
        self.relay.poll_event()
    }

    /// The last key frame of a stream, as an FLV of one picture.
    pub fn take_picture(&mut self, stream: &[u8]) -> Option<Vec<u8>> {
        self.relay.take_picture(stream)
    }

    /// What relays the streams.
    pub fn relay(&self) -> &Relay {
        &self.relay
    }

    /// The same, to reply to requests of its page.
    pub fn relay_mut(&mut self) -> &mut Relay {
        &mut self.relay
    }

    /// Streams that somebody publishes.
    pub fn published(&self) -> usize {
        self.relay.published()
    }

    /// When `turn` has something to do without an event.
    pub fn next_deadline(&self) -> Instant {
        self.relay.next_deadline()
    }

    /// Something can be read at once: the poll must not sleep.
    pub fn has_work(&self) -> bool {
        self.sockets
            .iter()
            .flatten()
            .any(|socket| socket.is_readable)
    }
}
