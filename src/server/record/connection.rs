//! The control connections: who may connect, what they say, what is answered.

use std::io::ErrorKind;
use std::net::{IpAddr, SocketAddr};

use log::{debug, warn};
use mio::{Interest, Token};

use crate::base::limits::server::{
    ACCEPTS_PER_TURN, CONTROL_BYTES_PER_TURN, MAX_CALLS, PORTS_TRIED,
};
use crate::base::limits::MESSAGE_BYTES;
use crate::io::clock::Now;
use crate::io::stream::Connection as Stream;
use crate::proto::record_server::{Control, Event, Peer, Start};
use crate::server::record::counters::Counter;
use crate::server::record::end_reason::Why;
use crate::server::record::recording::Recording;
use crate::server::record::service::{Service, FIRST_CONNECTION};

/// A control connection.
pub(super) struct Connection {
    stream: Stream,
    pub(super) control: Control,
    /// Where the phone is, and where it has reached us.
    peer: IpAddr,
    local: IpAddr,
    /// The recordings by their places on it.
    pub(super) recordings: [Option<usize>; MAX_CALLS],
    /// There may be more to read.
    readable: bool,
    /// The phone has ended its side.
    ended: bool,
}

impl Service {
    /// Takes the connections that wait.
    pub(super) fn accept(&mut self, now: &Now) {
        for _ in 0..ACCEPTS_PER_TURN {
            let Some(listener) = &self.listener else {
                return;
            };
            match listener.accept() {
                Ok((stream, peer)) => self.take(now, stream, peer),
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    (self.accepting, self.starved) = (false, false);
                    return;
                }
                Err(error)
                    if matches!(
                        error.kind(),
                        ErrorKind::Interrupted | ErrorKind::ConnectionAborted
                    ) => {}
                Err(error) => {
                    // No descriptor is left. The next tick tries again: epoll is edge-triggered, there is no second event.
                    if !std::mem::replace(&mut self.starved, true) {
                        warn!("accept: {error}");
                    }
                    self.accepting = false;
                    return;
                }
            }
        }
    }

    fn take(&mut self, now: &Now, stream: mio::net::TcpStream, peer: SocketAddr) {
        let ip = peer.ip().to_canonical();
        let proxy = self.settings.trusts(ip);
        let refusal = match () {
            () if self.connections.len() >= self.settings.max_connections => {
                Some(Counter::TooManyConnections)
            }
            () if !proxy => self.refuses(ip),
            () => None,
        };
        if let Some(counter) = refusal {
            debug!("{peer}: connection refused: {counter:?}");
            self.counters.count(counter);
            return;
        }
        let Ok(local) = stream.local_addr() else {
            return;
        };
        let entry = self.connections.vacant_entry();
        let mut stream = Stream::of(stream);
        let interest = Interest::READABLE | Interest::WRITABLE;
        let token = Token(FIRST_CONNECTION + entry.key());
        if let Err(error) = self
            .poll
            .registry()
            .register(stream.source(), token, interest)
        {
            warn!("{peer}: {error}");
            return;
        }
        self.counters.count(Counter::Connections);
        *self.addresses.entry(ip).or_default() += 1;
        let kind = if proxy { Peer::Proxy } else { Peer::Phone };
        entry.insert(Connection {
            stream,
            control: Control::new(now.monotonic, kind, self.settings.message_end),
            peer: ip,
            local: local.ip().to_canonical(),
            recordings: [None; MAX_CALLS],
            readable: true,
            ended: false,
        });
    }

    /// Why this address may have no connection, or no more.
    fn refuses(&self, ip: IpAddr) -> Option<Counter> {
        if !self.settings.allows(ip) {
            return Some(Counter::NotAllowed);
        }
        let many = self
            .addresses
            .get(&ip)
            .is_some_and(|count| *count >= self.settings.max_per_address);
        many.then_some(Counter::TooManyOfAddress)
    }

    /// The poll has seen something on this connection.
    pub(super) fn serve(&mut self, now: &Now, index: usize) {
        if let Some(connection) = self.connections.get_mut(index) {
            connection.readable = true;
        }
        self.flush(index);
        self.listen(now, index);
    }

    /// Reads what has come, and does what it says.
    pub(super) fn listen(&mut self, now: &Now, index: usize) {
        let mut buffer = [0; MESSAGE_BYTES];
        let mut left = CONTROL_BYTES_PER_TURN;
        while let Some(connection) = self
            .connections
            .get_mut(index)
            .filter(|c| c.readable && left > 0)
        {
            let read = match connection.stream.read(&mut buffer) {
                Ok(Some(0)) => return self.end(now, index),
                Ok(Some(read)) => read,
                Ok(None) => {
                    connection.readable = false;
                    break;
                }
                Err(error) => {
                    debug!("{}: {error}", connection.peer);
                    return self.close(now, index);
                }
            };
            left = left.saturating_sub(read);
            let mut bytes = &buffer[..read];
            while let Some(connection) = self.connections.get_mut(index) {
                let Some(event) = connection.control.handle_bytes(now.monotonic, &mut bytes) else {
                    break;
                };
                self.react(now, index, event);
            }
            self.flush(index);
        }
        if let Some(connection) = self.connections.get(index) {
            if connection.readable {
                self.left.unread.push(index);
            }
            self.next_timeout = self.next_timeout.min(connection.control.next_deadline());
        }
    }

    /// The phone will say nothing more. It may still hear that a recording it has stopped is finished.
    fn end(&mut self, now: &Now, index: usize) {
        let Some(connection) = self.connections.get_mut(index) else {
            return;
        };
        (connection.readable, connection.ended) = (false, true);
        match connection.control.handle_end() {
            Some(event) => self.react(now, index, event),
            None => self.flush(index),
        }
        let Some(connection) = self.connections.get(index) else {
            return;
        };
        let ending = |index: &usize| {
            self.recordings
                .get(*index)
                .is_some_and(|r| r.ends().is_some())
        };
        if !connection.recordings.iter().flatten().any(ending) {
            self.close(now, index);
        }
    }

    /// Does what an event asks for, and sends what is to be answered.
    pub(super) fn react(&mut self, now: &Now, index: usize, event: Event) {
        let mut next = Some(event);
        while let Some(event) = next {
            next = match event {
                Event::Peer(peer) => self.set_peer(index, peer.ip().to_canonical()),
                Event::Start(place, start) => self.start(now, index, place, start),
                Event::Stop(place, call) => {
                    let connection = self.connections.get(index);
                    let recording = connection.and_then(|connection| connection.recordings[place]);
                    if let Some(recording) =
                        recording.and_then(|index| self.recordings.get_mut(index))
                    {
                        recording.stopped(now.monotonic, call);
                    }
                    None
                }
                Event::Health(id) => {
                    let problem = self.refusal(now).map(|(_, reason)| reason);
                    let connection = self.connections.get_mut(index);
                    connection.and_then(|connection| {
                        connection.control.tell_health(&id, problem.as_deref())
                    })
                }
                Event::Ignored => {
                    self.counters.count(Counter::Ignored);
                    None
                }
                Event::Refused(_) => {
                    self.counters.count(Counter::BadRequest);
                    None
                }
                Event::Close(why) => {
                    self.counters.count(match why {
                        "idle" => Counter::ClosedIdle,
                        "slow-reader" => Counter::ClosedSlow,
                        "no-proxy-line" => Counter::ClosedNoProxyLine,
                        _ => Counter::ClosedTooLong,
                    });
                    return self.close(now, index);
                }
            };
        }
        self.flush(index);
    }

    fn set_peer(&mut self, index: usize, peer: IpAddr) -> Option<Event> {
        if let Some(counter) = self.refuses(peer) {
            self.counters.count(counter);
            return Some(Event::Close("no-proxy-line"));
        }
        let connection = self.connections.get_mut(index)?;
        let proxy = std::mem::replace(&mut connection.peer, peer);
        self.forget_address(proxy);
        *self.addresses.entry(peer).or_default() += 1;
        None
    }

    fn forget_address(&mut self, ip: IpAddr) {
        if let Some(count) = self.addresses.get_mut(&ip) {
            *count -= 1;
            if *count == 0 {
                self.addresses.remove(&ip);
            }
        }
    }

    fn start(&mut self, now: &Now, index: usize, place: usize, start: Start) -> Option<Event> {
        let peer = self.connections.get(index)?.peer;
        let begun = self.begin(now, start, peer);
        let connection = self.connections.get_mut(index)?;
        let mut recording = match begun {
            Ok(recording) => recording,
            Err((counter, reason)) => {
                self.counters.count(counter);
                return connection.control.refuse(now.monotonic, place, reason);
            }
        };
        let port = recording.port;
        (recording.owner, recording.place) = (Some(index), place);
        connection.recordings[place] = Some(self.recordings.insert(recording));
        self.counters.count(Counter::Started);
        let server = self.settings.advertise.unwrap_or(connection.local);
        connection.control.started(place, server, port)
    }

    /// Why no recording can begin now, in words for the phone's user.
    fn refusal(&mut self, now: &Now) -> Option<(Counter, String)> {
        if self.ending.is_some() {
            return Some((Counter::Ending, "busy: the server is ending".into()));
        }
        if self.recordings.len() >= self.settings.max_recordings {
            return Some((
                Counter::TooManyRecordings,
                "busy: too many recordings at once".into(),
            ));
        }
        let why = self.disk_trouble(now)?.why();
        Some((
            counter_of(why),
            format!("{}: the server cannot store recordings now", why.word()),
        ))
    }

    /// Makes a recording, or says why not, in words for the phone's user.
    fn begin(
        &mut self,
        now: &Now,
        start: Start,
        peer: IpAddr,
    ) -> Result<Recording, (Counter, String)> {
        if let Some(refusal) = self.refusal(now) {
            return Err(refusal);
        }
        let port = self.ports.open(PORTS_TRIED);
        let port = port.map_err(|error| {
            (
                Counter::NoPort,
                format!("busy: no RTP port is free: {error}"),
            )
        })?;
        Recording::begin(&self.archive, self.storing, now, start, peer, port).map_err(|error| {
            warn!(
                "{}: a recording cannot be created: {error}",
                self.settings.dir
            );
            if matches!(error.raw_os_error(), Some(libc::EMFILE | libc::ENFILE)) {
                return (
                    Counter::TooManyRecordings,
                    "busy: the server has no file descriptor left (ulimit -n)".into(),
                );
            }
            // A stranger's device name may be at fault, or the disk: the next look finds out.
            self.disk.is_suspect = true;
            let why = Why::of(&error);
            (
                counter_of(why),
                format!("{}: the server cannot create a file", why.word()),
            )
        })
    }

    /// A recording has been finished: its phone is told if it wants to know.
    pub(super) fn tell_finished(&mut self, now: &Now, recording: &Recording) {
        let Some(index) = recording.owner else { return };
        let Some(connection) = self.connections.get_mut(index) else {
            return;
        };
        connection.recordings[recording.place] = None;
        let event = connection.control.stopped(now.monotonic, recording.place);
        let done = connection.ended && connection.control.is_idle();
        match event {
            Some(event) => self.react(now, index, event),
            None => self.flush(index),
        }
        if done {
            self.close(now, index);
        }
    }

    /// Asks the phones of all recordings to stop.
    pub(super) fn stop_all(&mut self, now: &Now, why: Why) {
        let all: Vec<usize> = self.recordings.iter().map(|(index, _)| index).collect();
        all.into_iter().for_each(|index| self.stop(now, index, why));
    }

    /// Asks a recording's phone to stop; without one it ends at once.
    pub(super) fn stop(&mut self, now: &Now, index: usize, why: Why) {
        let Some(recording) = self
            .recordings
            .get_mut(index)
            .filter(|r| r.ends().is_none())
        else {
            return;
        };
        let owner = recording
            .owner
            .and_then(|owner| Some((owner, self.connections.get_mut(owner)?)));
        let Some((owner, connection)) = owner else {
            return recording.end(now.monotonic, why);
        };
        recording.will_end(why);
        match connection
            .control
            .stop(now.monotonic, recording.place, why.word())
        {
            Some(event) => self.react(now, owner, event),
            None => self.flush(owner),
        }
    }

    /// Sends what waits to be sent.
    pub(super) fn flush(&mut self, index: usize) {
        let Some(connection) = self.connections.get_mut(index) else {
            return;
        };
        while !connection.control.unsent().is_empty() {
            match connection.stream.write(connection.control.unsent()) {
                Ok(Some(sent)) => connection.control.sent(sent),
                // A broken connection is told of by the next read.
                Ok(None) | Err(_) => return,
            }
        }
    }

    /// Forgets a connection; what it carried is finished.
    pub(super) fn close(&mut self, now: &Now, index: usize) {
        let Some(connection) = self.connections.try_remove(index) else {
            return;
        };
        self.forget_address(connection.peer);
        for recording in connection.recordings.into_iter().flatten() {
            if let Some(recording) = self.recordings.get_mut(recording) {
                recording.owner = None;
                recording.end(now.monotonic, Why::ConnectionLost);
            }
        }
    }
}

fn counter_of(why: Why) -> Counter {
    if why == Why::DiskFull {
        Counter::NoSpace
    } else {
        Counter::DiskError
    }
}
