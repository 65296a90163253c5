//! Control connections: accepting them, reading messages, and handling the events of their
//! sessions.

use std::io::ErrorKind;
use std::net::{IpAddr, SocketAddr};

use log::{debug, warn};
use mio::net::TcpStream;
use mio::{Interest, Token};

use crate::base::limits::server::{ACCEPTS_PER_TURN, CONTROL_BYTES_PER_TURN};
use crate::base::limits::MESSAGE_BYTES;
use crate::io::clock::Now;
use crate::io::stream::Connection;
use crate::proto::record_server::{CloseReason, ControlEvent, ControlSession, Id, PeerKind};
use crate::server::record::connection::{ControlConnection, InputState};
use crate::server::record::counters::ServerCounter;
use crate::server::record::end_reason::EndReason;
use crate::server::record::service::{Accepting, RecordService, FIRST_CONNECTION};
use crate::server::record::start::log_refusal;

impl RecordService {
    /// Accepts the connections that wait, a limited number per turn.
    pub(super) fn accept(&mut self, now: &Now) {
        let was_starved = self.accepting == Accepting::Starved;
        for _ in 0..ACCEPTS_PER_TURN {
            let Some(listener) = &self.listener else {
                self.accepting = Accepting::Drained;
                return;
            };
            let error = match listener.accept() {
                Ok((stream, peer)) => {
                    self.add_connection(now, stream, peer);
                    continue;
                }
                Err(error) => error,
            };
            match error.kind() {
                ErrorKind::Interrupted | ErrorKind::ConnectionAborted => {}
                ErrorKind::WouldBlock => {
                    self.accepting = Accepting::Drained;
                    return;
                }
                _ => {
                    if !was_starved {
                        warn!("accept: {error}");
                    }
                    self.accepting = Accepting::Starved;
                    return;
                }
            }
        }
        self.accepting = Accepting::Ready;
    }

    fn add_connection(&mut self, now: &Now, stream: TcpStream, peer: SocketAddr) {
        let ip = peer.ip().to_canonical();
        let kind = if self.settings.trusts(ip) {
            PeerKind::Proxy
        } else {
            PeerKind::Phone
        };
        if let Some(counter) = self.connection_refusal(ip, kind) {
            debug!("{peer}: connection refused: {counter:?}");
            self.counters.count(counter);
            return;
        }
        let Ok(local) = stream.local_addr() else {
            return;
        };
        let entry = self.connections.vacant_entry();
        let mut stream = Connection::of(stream);
        let interest = Interest::READABLE | Interest::WRITABLE;
        let token = Token(FIRST_CONNECTION + entry.key());
        let registry = self.poll.registry();
        if let Err(error) = registry.register(stream.source(), token, interest) {
            warn!("{peer}: {error}");
            return;
        }
        self.counters.count(ServerCounter::Connections);
        *self.addresses.entry(ip).or_default() += 1;
        let session = ControlSession::new(now.monotonic, kind, self.settings.message_end);
        let local = local.ip().to_canonical();
        entry.insert(ControlConnection::new(stream, session, ip, local));
    }

    fn connection_refusal(&self, ip: IpAddr, kind: PeerKind) -> Option<ServerCounter> {
        if self.connections.len() >= self.settings.max_connections {
            return Some(ServerCounter::TooManyConnections);
        }
        match kind {
            PeerKind::Phone => self.address_refusal(ip),
            // The proxy's phones are checked when it names them.
            PeerKind::Proxy => None,
        }
    }

    /// Why a phone with this address may not have a connection, or not another one.
    fn address_refusal(&self, ip: IpAddr) -> Option<ServerCounter> {
        if !self.settings.allows(ip) {
            return Some(ServerCounter::NotAllowed);
        }
        let count = self.addresses.get(&ip).copied().unwrap_or(0);
        let is_too_many = count >= self.settings.max_per_address;
        is_too_many.then_some(ServerCounter::TooManyOfAddress)
    }

    /// Handles an event of a connection's socket.
    pub(super) fn handle_ready(&mut self, now: &Now, index: usize) {
        if let Some(connection) = self.connections.get_mut(index) {
            connection.input = InputState::Readable;
            connection.flush();
        }
        self.read_control(now, index);
    }

    /// Reads from a connection, and handles its messages, up to a limit per turn.
    pub(super) fn read_control(&mut self, now: &Now, index: usize) {
        let mut buffer = [0; MESSAGE_BYTES];
        let mut left = CONTROL_BYTES_PER_TURN;
        while left > 0 {
            let Some(connection) = self.connections.get_mut(index) else {
                return;
            };
            if connection.input != InputState::Readable {
                break;
            }
            let read = match connection.stream.read(&mut buffer) {
                Ok(Some(0)) => return self.handle_end(now, index),
                Ok(Some(read)) => read,
                Ok(None) => {
                    connection.input = InputState::Drained;
                    break;
                }
                Err(error) => {
                    debug!("{}: {error}", connection.peer);
                    return self.close(now, index);
                }
            };
            left = left.saturating_sub(read);
            self.handle_bytes(now, index, &buffer[..read]);
        }
        if let Some(connection) = self.connections.get(index) {
            if connection.input == InputState::Readable {
                self.backlog.unread.push(index);
            }
            self.next_timeout = self.next_timeout.min(connection.next_deadline());
        }
    }

    fn handle_bytes(&mut self, now: &Now, index: usize, mut bytes: &[u8]) {
        while let Some(connection) = self.connections.get_mut(index) {
            let event = connection.session.handle_bytes(now.monotonic, &mut bytes);
            let Some(event) = event else {
                connection.flush();
                return;
            };
            self.handle_control(now, index, event);
        }
    }

    /// The phone has closed its side. It may still be sent the response to its stop.
    fn handle_end(&mut self, now: &Now, index: usize) {
        let Some(connection) = self.connections.get_mut(index) else {
            return;
        };
        connection.input = InputState::Ended;
        match connection.session.handle_end() {
            Some(event) => self.handle_control(now, index, event),
            None => connection.flush(),
        }
        let Some(connection) = self.connections.get(index) else {
            return;
        };
        let mut recordings = connection.recordings.iter().flatten();
        let is_ending = |index: &usize| {
            let recording = self.recordings.get(*index);
            recording.is_some_and(|recording| recording.end_reason().is_some())
        };
        if !recordings.any(is_ending) {
            self.close(now, index);
        }
    }

    /// Handles an event of a connection's session, and sends the response.
    pub(super) fn handle_control(&mut self, now: &Now, index: usize, event: ControlEvent) {
        let queued = match event {
            ControlEvent::Peer(peer) => self.set_peer(index, peer.ip().to_canonical()),
            ControlEvent::Start(slot, request) => self.start(now, index, slot, request),
            ControlEvent::Stop(slot, stop) => {
                if let Some(recording) = self.recording_in(index, slot) {
                    recording.handle_stop(now.monotonic, stop);
                }
                Ok(())
            }
            ControlEvent::Health(id) => self.report_health(now, index, &id),
            ControlEvent::Ignored => {
                self.counters.count(ServerCounter::Ignored);
                Ok(())
            }
            ControlEvent::Refused(refusal) => {
                self.counters.count(ServerCounter::BadRequest);
                if let Some(connection) = self.connections.get(index) {
                    log_refusal(connection.peer, refusal.reason());
                }
                Ok(())
            }
            ControlEvent::Close(reason) => Err(reason),
        };
        self.flush_or_close(now, index, queued);
    }

    /// Sends what has been queued, or closes the connection if that has failed.
    pub(super) fn flush_or_close(
        &mut self,
        now: &Now,
        index: usize,
        queued: Result<(), CloseReason>,
    ) {
        match queued {
            Ok(()) => {
                if let Some(connection) = self.connections.get_mut(index) {
                    connection.flush();
                }
            }
            Err(reason) => {
                self.counters.count(match reason {
                    CloseReason::Idle => ServerCounter::ClosedIdle,
                    CloseReason::MessageTooLong => ServerCounter::ClosedTooLong,
                    CloseReason::SlowReader => ServerCounter::ClosedSlow,
                    CloseReason::NoProxyLine => ServerCounter::ClosedNoProxyLine,
                });
                self.close(now, index);
            }
        }
    }

    fn report_health(&mut self, now: &Now, index: usize, id: &Id) -> Result<(), CloseReason> {
        let refusal = self.recording_refusal(now);
        let problem = refusal.map(|refusal| refusal.reason);
        match self.connections.get_mut(index) {
            Some(connection) => connection.session.report_health(id, problem.as_deref()),
            None => Ok(()),
        }
    }

    /// The proxy has named its phone: the connection counts for the phone's address from now on.
    fn set_peer(&mut self, index: usize, peer: IpAddr) -> Result<(), CloseReason> {
        if let Some(counter) = self.address_refusal(peer) {
            self.counters.count(counter);
            return Err(CloseReason::NoProxyLine);
        }
        if let Some(connection) = self.connections.get_mut(index) {
            let proxy = std::mem::replace(&mut connection.peer, peer);
            self.forget_address(proxy);
            *self.addresses.entry(peer).or_default() += 1;
        }
        Ok(())
    }

    fn forget_address(&mut self, ip: IpAddr) {
        if let Some(count) = self.addresses.get_mut(&ip) {
            *count -= 1;
            if *count == 0 {
                self.addresses.remove(&ip);
            }
        }
    }

    /// Closes a connection; its recordings end.
    pub(super) fn close(&mut self, now: &Now, index: usize) {
        let Some(connection) = self.connections.try_remove(index) else {
            return;
        };
        self.forget_address(connection.peer);
        for recording in connection.recordings.into_iter().flatten() {
            if let Some(recording) = self.recordings.get_mut(recording) {
                recording.owner = None;
                recording.end(now.monotonic, EndReason::ConnectionLost);
            }
        }
    }
}
