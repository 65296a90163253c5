//! A connection that carries one request and its response.

use mio::event::Event;
use mio::{Interest, Registry, Token};

use crate::base::limits::cloud::{CHANNEL_BYTES, HANDSHAKE_TIMEOUT, REQUEST_BYTES};
use crate::base::time::{Duration, Instant};
use crate::outgoing::transport::{ServerAddress, Transport};
use crate::proto::cloud::exchange::{Answered, ResponseReader};

const READ_BYTES: usize = 2048;

/// A request as it is sent.
pub type Request = heapless::String<REQUEST_BYTES>;

/// What has happened on the connection.
pub enum Step<'a> {
    /// Nothing, for now.
    Wait,
    /// The head of the response is there.
    Answered(Answered),
    /// A piece of its body.
    Content(&'a [u8]),
    /// The response is whole. The connection is closed.
    Complete,
    /// The connection could not be made, has ended, or does not speak HTTP.
    Failed,
    /// The time is over.
    TimedOut,
}

/// The connection.
pub struct HttpConnection {
    token: Token,
    state: State,
    request: Request,
    sent: usize,
    /// What follows the request, up to its end.
    more: Vec<u8>,
    reader: ResponseReader,
    is_answered: bool,
    /// Bytes that were read and not used yet: this part of the buffer.
    input: [u8; READ_BYTES],
    used: usize,
    read: usize,
    readable: bool,
    writable: bool,
}

enum State {
    Idle,
    /// The attempt is given up at the first of the two times.
    Connecting {
        connection: Transport,
        patient_until: Instant,
        until: Instant,
    },
    /// With the time when it is over.
    Open(Transport, Instant),
}

impl HttpConnection {
    /// No connection yet; its events have this token.
    pub fn new(token: Token) -> Self {
        Self {
            token,
            state: State::Idle,
            request: Request::new(),
            sent: 0,
            more: vec![],
            reader: ResponseReader::default(),
            is_answered: false,
            input: [0; READ_BYTES],
            used: 0,
            read: 0,
            readable: false,
            writable: false,
        }
    }

    /// Begins to connect, and to send the request. It has so much time, if there is a limit.
    /// `false`: it could not even begin.
    #[must_use]
    pub fn begin(
        &mut self,
        now: Instant,
        registry: &Registry,
        server: &ServerAddress,
        request: Request,
        limit: Option<Duration>,
    ) -> bool {
        let interest = Interest::READABLE | Interest::WRITABLE;
        let opened = Transport::open(server).and_then(|mut connection| {
            registry.register(connection.source(), self.token, interest)?;
            Ok(connection)
        });
        let Ok(connection) = opened else {
            return false;
        };
        *self = Self::new(self.token);
        self.request = request;
        let until = limit.map_or(Instant::NEVER, |limit| now + limit);
        let patience = server.tls.as_ref().map(|_| now + HANDSHAKE_TIMEOUT);
        self.state = State::Connecting {
            connection,
            patient_until: patience.map_or(until, |at| at.min(until)),
            until,
        };
        true
    }

    /// Goes on with the request's body, whose head has said so. Sent with the next step.
    pub fn send_more(&mut self, bytes: &[u8]) {
        self.more.extend_from_slice(bytes);
    }

    /// Bytes that wait to be sent.
    pub fn unsent(&self) -> usize {
        self.request.len() + self.more.len() - self.sent
    }

    /// Closes it at once. Dropping a socket deregisters it.
    pub fn close(&mut self) {
        self.state = State::Idle;
        self.request.clear();
        self.more.clear();
        self.sent = 0;
    }

    /// There is no connection, nor is one being made.
    pub fn is_idle(&self) -> bool {
        matches!(self.state, State::Idle)
    }

    /// The poll has reported it.
    pub fn set_ready(&mut self, event: &Event) {
        self.readable |= event.is_readable() || event.is_read_closed() || event.is_error();
        self.writable |= event.is_writable() || event.is_error();
    }

    /// When the time is over.
    pub fn next_deadline(&self) -> Instant {
        match self.state {
            State::Idle => Instant::NEVER,
            State::Connecting {
                patient_until: until,
                ..
            }
            | State::Open(_, until) => until,
        }
    }

    /// More can be read at once.
    pub fn has_more(&self) -> bool {
        matches!(self.state, State::Open(..)) && (self.readable || self.used < self.read)
    }

    /// Does what can be done now, up to the next thing to tell.
    pub fn step(&mut self, now: Instant) -> Step<'_> {
        match std::mem::replace(&mut self.state, State::Idle) {
            State::Idle => Step::Wait,
            State::Open(_, until) if now >= until => Step::TimedOut,
            State::Connecting {
                connection,
                patient_until,
                ..
            } if now >= patient_until => {
                connection.handle_timeout();
                Step::TimedOut
            }
            State::Connecting {
                mut connection,
                patient_until,
                until,
            } => match self.writable.then(|| connection.establish()) {
                Some(Ok(true)) => {
                    self.readable = true;
                    self.exchange(connection, until)
                }
                Some(Err(_)) => Step::Failed,
                Some(Ok(false)) | None => {
                    self.state = State::Connecting {
                        connection,
                        patient_until,
                        until,
                    };
                    Step::Wait
                }
            },
            State::Open(connection, until) => self.exchange(connection, until),
        }
    }

    fn exchange(&mut self, mut connection: Transport, until: Instant) -> Step<'_> {
        if !self.send(&mut connection) {
            return Step::Failed;
        }
        loop {
            if self.reader.is_over() {
                return Step::Complete;
            }
            if self.used == self.read && !self.readable {
                self.state = State::Open(connection, until);
                return Step::Wait;
            }
            if self.used == self.read {
                match self.fill(&mut connection) {
                    Ok(true) => {}
                    Ok(false) if self.reader.handle_end() => return Step::Complete,
                    Ok(false) | Err(_) => return Step::Failed,
                }
                continue;
            }
            let end = self.read.min(self.used + CHANNEL_BYTES);
            let Ok((content, used)) = self.reader.next(&self.input[self.used..end]) else {
                return Step::Failed;
            };
            let content = content.len();
            self.used += used;
            if let Some(answered) = self.reader.answered().filter(|_| !self.is_answered) {
                self.is_answered = true;
                self.state = State::Open(connection, until);
                return Step::Answered(answered);
            }
            if content > 0 {
                self.state = State::Open(connection, until);
                return Step::Content(&self.input[self.used - content..self.used]);
            }
        }
    }

    /// `false`: the connection is broken.
    fn send(&mut self, connection: &mut Transport) -> bool {
        let head = self.request.len();
        if connection.flush().is_err() {
            return false;
        }
        while self.writable && self.unsent() > 0 {
            let rest = match self.sent.checked_sub(head) {
                Some(sent) => &self.more[sent..],
                None => &self.request.as_bytes()[self.sent..],
            };
            match connection.write(rest) {
                Ok(Some(count)) => self.sent += count,
                Ok(None) => self.writable = false,
                Err(_) => return false,
            }
        }
        if self.sent > head && self.unsent() == 0 {
            self.more.clear();
            self.sent = head;
        }
        true
    }

    /// Reads what there is; `false` at the end.
    fn fill(&mut self, connection: &mut Transport) -> std::io::Result<bool> {
        (self.used, self.read) = (0, 0);
        match connection.read(&mut self.input)? {
            Some(0) => return Ok(false),
            Some(count) => self.read = count,
            None => self.readable = false,
        }
        Ok(true)
    }
}
