//! The sockets of the stream server: one listener on each side, and its connections.

use std::collections::BTreeMap;
use std::io::{self, IoSlice};
use std::net::{IpAddr, SocketAddr};

use log::warn;
use mio::net::TcpListener;
use mio::{Interest, Registry, Token};

use crate::base::limits::home_box::{MAX_PLAYERS, MAX_STREAMS, MAX_STREAM_CONNECTIONS};
use crate::base::time::Instant;
use crate::home_box::settings::BoxSettings;
use crate::io::{listener, stream};
use crate::proto::intercom::home_box::StreamUse;
use crate::proto::intercom::relay::permissions::Permissions;
use crate::proto::intercom::relay::{ConnectionId, Relay, RelayEvent, RelayLimits};

const HOME: &str = "home";
const COMMUNITY: &str = "community";
/// Pieces that one call writes.
const SLICES: usize = 16;
/// Bytes that are read from one connection before the others have their turn.
const READ_BYTES: usize = 64 * 1024;

/// The stream server.
pub(super) struct Streams {
    registry: Registry,
    /// Tokens of the listeners, home and community.
    listener_tokens: [Token; 2],
    /// A connection's token is twice its number and this.
    first_token: usize,
    listeners: [TcpListener; 2],
    own: [IpAddr; 2],
    pub(super) relay: Relay,
    sockets: BTreeMap<ConnectionId, Socket>,
    buffer: Vec<u8>,
}

struct Socket {
    stream: stream::Connection,
    /// Events are edge-triggered: remembered until a call would block.
    is_readable: bool,
    is_writable: bool,
}

impl Streams {
    pub(super) fn open(
        settings: &BoxSettings,
        registry: Registry,
        listener_tokens: [Token; 2],
        first_token: usize,
    ) -> Result<Self, String> {
        let own = [settings.home_addr, settings.community_addr].map(IpAddr::V4);
        let open = |address: IpAddr, token| {
            let address = SocketAddr::new(address, settings.stream_port);
            let failed = |problem: io::Error| format!("streams at {address}: {problem}");
            let mut listener = listener::open(address, false).map_err(failed)?;
            let registered = registry.register(&mut listener, token, Interest::READABLE);
            registered.map_err(failed)?;
            Ok::<_, String>(listener)
        };
        let listeners = [
            open(own[0], listener_tokens[0])?,
            open(own[1], listener_tokens[1])?,
        ];
        Ok(Self {
            registry,
            listener_tokens,
            first_token,
            listeners,
            own,
            relay: Relay::new(RelayLimits {
                streams: MAX_STREAMS,
                players: MAX_PLAYERS,
                connections: MAX_STREAM_CONNECTIONS,
            }),
            sockets: BTreeMap::new(),
            buffer: vec![0; READ_BYTES],
        })
    }

    /// An event of a token that is not a leg's.
    pub(super) fn handle_event(&mut self, now: Instant, token: Token) {
        if let Some(side) = self.listener_tokens.iter().position(|it| *it == token) {
            self.accept(now, side);
            return;
        }
        let number = token.0.checked_sub(self.first_token);
        let id = number.and_then(|number| ConnectionId::try_from(number / 2).ok());
        if let Some(socket) = id.and_then(|id| self.sockets.get_mut(&id)) {
            socket.is_readable = true;
            socket.is_writable = true;
        }
    }

    fn accept(&mut self, now: Instant, side: usize) {
        loop {
            let (stream, address) = match self.listeners[side].accept() {
                Ok(accepted) => accepted,
                Err(problem) if problem.kind() == io::ErrorKind::Interrupted => continue,
                Err(problem) => {
                    if problem.kind() != io::ErrorKind::WouldBlock {
                        warn!("streams: accept: {problem}");
                    }
                    return;
                }
            };
            let name = [HOME, COMMUNITY][side];
            let Some(id) = self.relay.handle_accepted(now, name, address.ip()) else {
                continue;
            };
            let mut stream = stream::Connection::of_device(stream);
            let number = usize::try_from(id).unwrap_or(0);
            let token = Token(self.first_token + 2 * number);
            let interest = Interest::READABLE | Interest::WRITABLE;
            if self
                .registry
                .register(stream.source(), token, interest)
                .is_err()
            {
                self.relay.handle_closed(now, id);
                continue;
            }
            let socket = Socket {
                stream,
                is_readable: true,
                is_writable: true,
            };
            self.sockets.insert(id, socket);
        }
    }

    /// The streams of the running call, from now on.
    pub(super) fn set_use(&mut self, now: Instant, streams: StreamUse) {
        // The box itself plays and publishes, too.
        let mut parties = vec![(HOME, self.own[0]), (COMMUNITY, self.own[1])];
        parties.extend(streams.home.iter().map(|address| (HOME, *address)));
        parties.extend(
            streams
                .community
                .iter()
                .map(|address| (COMMUNITY, *address)),
        );
        // Before the answer each screen may publish, afterwards only who has the call.
        let may_publish = |(_, address): &&(&'static str, IpAddr)| {
            let talks = !streams.is_answered || streams.talking.contains(address);
            talks || self.own.contains(address)
        };
        let publishers = parties.iter().filter(may_publish).copied().collect();
        let permissions = Permissions {
            ids: streams.ids,
            parties,
            publishers,
        };
        self.relay.set_permissions(now, permissions);
    }

    /// Reads, relays and writes; closes what is over.
    pub(super) fn turn(&mut self, now: Instant) {
        let readable = self.sockets.iter().filter(|(_, socket)| socket.is_readable);
        let readable: Vec<ConnectionId> = readable.map(|(id, _)| *id).collect();
        for id in readable {
            self.read(now, id);
        }
        self.relay.handle_timeout(now);
        let ids: Vec<ConnectionId> = self.sockets.keys().copied().collect();
        for id in ids {
            self.write(now, id);
        }
    }

    fn read(&mut self, now: Instant, id: ConnectionId) {
        let Some(socket) = self.sockets.get_mut(&id) else {
            return;
        };
        match socket.stream.read(&mut self.buffer) {
            Ok(None) => socket.is_readable = false,
            Ok(Some(0)) => {
                socket.is_readable = false;
                self.relay.handle_end(now, id);
            }
            Ok(Some(count)) => self.relay.handle_bytes(now, id, &self.buffer[..count]),
            Err(_) => self.close(now, id),
        }
    }

    fn write(&mut self, now: Instant, id: ConnectionId) {
        let Some(socket) = self.sockets.get_mut(&id) else {
            return;
        };
        let Some(outgoing) = self.relay.outgoing(id) else {
            self.close(now, id);
            return;
        };
        while socket.is_writable && !outgoing.is_empty() {
            let slices: Vec<IoSlice> = outgoing.slices().take(SLICES).map(IoSlice::new).collect();
            match socket.stream.write_vectored(&slices) {
                Ok(None) => socket.is_writable = false,
                Ok(Some(count)) => outgoing.consume(count),
                Err(_) => {
                    self.close(now, id);
                    return;
                }
            }
        }
        let is_sent = outgoing.is_empty();
        if is_sent && self.relay.is_over(id) {
            self.close(now, id);
        }
    }

    fn close(&mut self, now: Instant, id: ConnectionId) {
        self.relay.handle_closed(now, id);
        if let Some(mut socket) = self.sockets.remove(&id) {
            let _ = self.registry.deregister(socket.stream.source());
        }
    }

    /// The next event of a stream.
    pub(super) fn poll_event(&mut self) -> Option<RelayEvent> {
        self.relay.poll_event()
    }

    pub(super) fn next_deadline(&self) -> Instant {
        self.relay.next_deadline()
    }

    /// Something can be read at once: the poll must not sleep.
    pub(super) fn has_work(&self) -> bool {
        self.sockets.values().any(|socket| socket.is_readable)
    }
}
