//! The connection of one stream: made again while the call runs.

use mio::event::Event;
use mio::{Interest, Registry, Token};

use crate::base::limits::sound::{STREAM_BYTES_PER_TURN, STREAM_RETRY, STREAM_TIMEOUT};
use crate::base::time::Instant;
use crate::outgoing::transport::{ServerAddress, Transport};
use crate::proto::intercom::endpoint::urls::Url;
use crate::proto::intercom::sound::stream::{StreamMachine, StreamProblem};
use crate::wire::flv::sound_reader::Piece;
use crate::wire::http::url::StreamUrl;

const BUFFER_BYTES: usize = 4096;

/// What a turn brings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Progress {
    Nothing,
    /// The connection is made, and the request queued.
    Connected,
    /// It is lost; it is made again after a pause.
    Lost(StreamProblem),
}

/// A stream's connection.
pub(super) struct StreamClient {
    token: Token,
    url: Url,
    /// Where the server of a URL with a name is.
    at: Option<ServerAddress>,
    state: State,
    readable: bool,
    writable: bool,
}

enum State {
    /// There is no stream.
    Idle,
    Waiting {
        until: Instant,
    },
    Connecting(Transport, Instant),
    Open(Transport),
}

impl StreamClient {
    pub(super) fn new(token: Token) -> Self {
        Self {
            token,
            url: Url::new(),
            at: None,
            state: State::Idle,
            readable: false,
            writable: false,
        }
    }

    /// The next URL has a name, and its server is there.
    pub(super) fn set_server(&mut self, at: Option<ServerAddress>) {
        self.at = at;
    }

    /// Begins to connect with the next turn.
    pub(super) fn begin(&mut self, now: Instant, url: &Url) {
        self.url = url.clone();
        self.state = State::Waiting { until: now };
    }

    /// Closes it at once. Dropping a socket deregisters it.
    pub(super) fn end(&mut self) {
        self.state = State::Idle;
    }

    pub(super) fn is_idle(&self) -> bool {
        matches!(self.state, State::Idle)
    }

    pub(super) fn is_open(&self) -> bool {
        matches!(self.state, State::Open(_))
    }

    pub(super) fn set_ready(&mut self, event: &Event) {
        self.readable |= event.is_readable() || event.is_read_closed() || event.is_error();
        self.writable |= event.is_writable() || event.is_error();
    }

    /// More can be read at once.
    pub(super) fn has_more(&self) -> bool {
        matches!(self.state, State::Open(_)) && self.readable
    }

    pub(super) fn next_deadline(&self) -> Instant {
        match self.state {
            State::Waiting { until } | State::Connecting(_, until) => until,
            State::Idle | State::Open(_) => Instant::NEVER,
        }
    }

    /// Connects, sends and reads; `take` gets the sound.
    pub(super) fn turn(
        &mut self,
        now: Instant,
        registry: &Registry,
        machine: &mut dyn StreamMachine,
        take: &mut dyn FnMut(Piece),
    ) -> Progress {
        match core::mem::replace(&mut self.state, State::Idle) {
            State::Idle => Progress::Nothing,
            State::Waiting { until } if now < until => {
                self.state = State::Waiting { until };
                Progress::Nothing
            }
            State::Waiting { .. } => self.connect(now, registry),
            State::Connecting(connection, until) => {
                self.handle_attempt(now, connection, until, machine)
            }
            State::Open(connection) => {
                self.state = State::Open(connection);
                match self.exchange(machine, take) {
                    Ok(()) => Progress::Nothing,
                    Err(problem) => self.lose(now, problem),
                }
            }
        }
    }

    fn lose(&mut self, now: Instant, problem: StreamProblem) -> Progress {
        self.state = State::Waiting {
            until: now + STREAM_RETRY,
        };
        Progress::Lost(problem)
    }

    fn connect(&mut self, now: Instant, registry: &Registry) -> Progress {
        let Some(server) = self.server() else {
            // Trying again would not help.
            return Progress::Lost(StreamProblem::Malformed);
        };
        let interest = Interest::READABLE | Interest::WRITABLE;
        let opened = Transport::open(&server).and_then(|mut connection| {
            registry.register(connection.source(), self.token, interest)?;
            Ok(connection)
        });
        match opened {
            Ok(connection) => {
                self.readable = false;
                self.writable = false;
                self.state = State::Connecting(connection, now + STREAM_TIMEOUT);
                Progress::Nothing
            }
            Err(_) => self.lose(now, StreamProblem::Ended),
        }
    }

    fn parsed(&self) -> Option<StreamUrl<'_>> {
        let at = self.at.as_ref().map(|at| at.address);
        StreamUrl::parse_at(&self.url, at)
    }

    /// Where the stream is. It is never read in the clear where its URL asks for TLS.
    fn server(&self) -> Option<ServerAddress> {
        let url = self.parsed()?;
        let tls = self.at.as_ref().and_then(|at| at.tls.clone());
        (url.is_tls == tls.is_some()).then_some(ServerAddress {
            address: url.server,
            tls,
        })
    }

    fn handle_attempt(
        &mut self,
        now: Instant,
        mut connection: Transport,
        until: Instant,
        machine: &mut dyn StreamMachine,
    ) -> Progress {
        let is_over = now >= until;
        let is_made = match self.writable.then(|| connection.establish()) {
            Some(Ok(true)) => true,
            Some(Err(_)) => false,
            Some(Ok(false)) | None if is_over => {
                connection.handle_timeout();
                false
            }
            Some(Ok(false)) | None => {
                self.state = State::Connecting(connection, until);
                return Progress::Nothing;
            }
        };
        let url = self.parsed().filter(|_| is_made);
        if !url.is_some_and(|url| machine.begin(&url)) {
            return self.lose(now, StreamProblem::Ended);
        }
        self.readable = true;
        self.state = State::Open(connection);
        Progress::Connected
    }

    fn exchange(
        &mut self,
        machine: &mut dyn StreamMachine,
        take: &mut dyn FnMut(Piece),
    ) -> Result<(), StreamProblem> {
        let State::Open(connection) = &mut self.state else {
            return Ok(());
        };
        connection.flush().map_err(|_| StreamProblem::Ended)?;
        while self.writable && !machine.front().is_empty() {
            match connection.write(machine.front()) {
                Ok(Some(count)) => machine.consume(count),
                Ok(None) => self.writable = false,
                Err(_) => return Err(StreamProblem::Ended),
            }
        }
        let mut buffer = [0; BUFFER_BYTES];
        let mut left = STREAM_BYTES_PER_TURN;
        while self.readable && left > 0 {
            match connection.read(&mut buffer) {
                Ok(Some(0)) | Err(_) => return Err(StreamProblem::Ended),
                Ok(Some(count)) => {
                    machine.handle_bytes(&buffer[..count], take)?;
                    left = left.saturating_sub(count);
                }
                Ok(None) => self.readable = false,
            }
        }
        Ok(())
    }
}
