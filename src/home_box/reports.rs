//! Reports to the property's server: HTTP POST of a form, one at a time, from a short queue. A
//! server that is away delays nothing: what it does not take is dropped, and counted.
//!
//! ```text
//! IDLE --queued--> CONNECTING --connected--> SENDING --sent--> READING --2xx--> IDLE
//! each of them    --failed, or 5 s--> WAITING 1, 2 s --> CONNECTING; after three attempts: dropped
//! ```

use std::collections::VecDeque;
use std::fmt::Write;
use std::net::{Ipv4Addr, SocketAddr};

use log::{info, warn};
use mio::{Interest, Registry, Token};

use crate::base::limits::home_box::{MAX_REPORTS, REPORT_ATTEMPTS, REPORT_TIMEOUT};
use crate::base::time::{Duration, Instant};
use crate::io::stream::Connection;

/// The path of events, and that of the screens.
const EVENT_PATH: &str = "/propserver/api/device/event";
const STATUS_PATH: &str = "/propserver/api/device/status";

/// The queue and the connection.
pub(super) struct Reports {
    registry: Registry,
    token: Token,
    /// The box's address in the community, by which the server knows it.
    from: Ipv4Addr,
    server: Option<SocketAddr>,
    host: String,
    queue: VecDeque<String>,
    state: State,
    attempts: u32,
    /// The server has not taken the last report: that is logged once.
    is_away: bool,
    pub(super) dropped: u64,
}

enum State {
    Idle,
    /// The connection, what is left to send, what was received, and when it is given up.
    Talking {
        connection: Connection,
        sent: usize,
        reply: Vec<u8>,
        until: Instant,
    },
    /// The next attempt.
    Waiting(Instant),
}

/// One form, not yet encoded.
pub(super) struct Form<'a> {
    pub(super) box_id: &'a str,
    pub(super) event: &'a str,
    /// Seconds since 1970.
    pub(super) time: u64,
    /// JSON.
    pub(super) content: &'a str,
}

impl Reports {
    /// `from`: from which address of the box; `server`: where they go; `None`: nowhere. `host` is its name for the request.
    pub(super) fn new(
        registry: Registry,
        token: Token,
        from: Ipv4Addr,
        server: Option<SocketAddr>,
        host: String,
    ) -> Self {
        Self {
            registry,
            token,
            from,
            server,
            host,
            queue: VecDeque::new(),
            state: State::Idle,
            attempts: 0,
            is_away: false,
            dropped: 0,
        }
    }

    /// There is a server.
    pub(super) fn is_wanted(&self) -> bool {
        self.server.is_some()
    }

    /// Queues an event.
    pub(super) fn add_event(&mut self, form: &Form) {
        let body = format!(
            "dev_type=1&dev_id={}&event={}&time={}&content={}&encode=json",
            encoded(form.box_id),
            encoded(form.event),
            form.time,
            encoded(form.content)
        );
        self.add(EVENT_PATH, &body);
    }

    /// Queues the list of joined screens.
    pub(super) fn add_status(&mut self, box_id: &str, time: u64, content: &str) {
        let body = format!(
            "dev_type=1&dev_id={}&time={time}&content={}&encode=json",
            encoded(box_id),
            encoded(content)
        );
        self.add(STATUS_PATH, &body);
    }

    fn add(&mut self, path: &str, body: &str) {
        if self.server.is_none() {
            return;
        }
        if self.queue.len() == MAX_REPORTS {
            // The report on its way stays; the oldest of the others goes.
            self.queue.remove(1);
            self.dropped += 1;
        }
        self.queue.push_back(format!(
            "POST {path} HTTP/1.1\r\nHost: {}\r\nContent-Type: application/x-www-form-urlencoded\r\n\
             Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
            self.host,
            body.len()
        ));
    }

    /// When `turn` has something to do without an event.
    pub(super) fn next_deadline(&self) -> Instant {
        match &self.state {
            State::Idle if self.queue.is_empty() => Instant::NEVER,
            State::Idle => Instant::default(),
            State::Talking { until, .. } | State::Waiting(until) => *until,
        }
    }

    /// Goes on with the report on its way, as far as possible.
    pub(super) fn turn(&mut self, now: Instant) {
        let state = std::mem::replace(&mut self.state, State::Idle);
        self.state = match state {
            State::Waiting(until) if until > now => State::Waiting(until),
            State::Idle | State::Waiting(_) => self.begin(now),
            State::Talking { until, .. } if until <= now => self.fail(now, "no reply in time"),
            State::Talking {
                connection,
                sent,
                reply,
                until,
            } => self.go_on(now, connection, sent, reply, until),
        };
    }

    fn begin(&mut self, now: Instant) -> State {
        let Some(server) = self.server.filter(|_| !self.queue.is_empty()) else {
            return State::Idle;
        };
        self.attempts += 1;
        let mut connection = match Connection::open_from(self.from, server) {
            Ok(connection) => connection,
            Err(problem) => return self.fail(now, &problem.to_string()),
        };
        let interest = Interest::READABLE | Interest::WRITABLE;
        let registered = self
            .registry
            .register(connection.source(), self.token, interest);
        if let Err(problem) = registered {
            return self.fail(now, &problem.to_string());
        }
        State::Talking {
            connection,
            sent: 0,
            reply: vec![],
            until: now + REPORT_TIMEOUT,
        }
    }

    fn go_on(
        &mut self,
        now: Instant,
        mut connection: Connection,
        mut sent: usize,
        mut reply: Vec<u8>,
        until: Instant,
    ) -> State {
        match connection.peer() {
            Err(problem) => return self.fail(now, &problem.to_string()),
            Ok(None) => {}
            Ok(Some(_)) => {
                let request = self.queue.front().map_or(&[][..], |text| text.as_bytes());
                while sent < request.len() {
                    match connection.write(&request[sent..]) {
                        Ok(Some(count)) => sent += count,
                        Ok(None) => break,
                        Err(problem) => return self.fail(now, &problem.to_string()),
                    }
                }
                match read_status(&mut connection, &mut reply) {
                    Status::NotYet => {}
                    Status::Taken => return self.succeed(),
                    Status::Refused(status) => return self.fail(now, &status),
                }
            }
        }
        State::Talking {
            connection,
            sent,
            reply,
            until,
        }
    }

    fn succeed(&mut self) -> State {
        if std::mem::take(&mut self.is_away) {
            info!("property server: it takes reports again");
        }
        self.queue.pop_front();
        self.attempts = 0;
        State::Idle
    }

    fn fail(&mut self, now: Instant, problem: &str) -> State {
        if !std::mem::replace(&mut self.is_away, true) {
            warn!("property server: {problem}; reports are tried three times");
        }
        if self.attempts >= REPORT_ATTEMPTS {
            self.queue.pop_front();
            self.attempts = 0;
            self.dropped += 1;
            return State::Idle;
        }
        State::Waiting(now + Duration::from_millis(500 << self.attempts))
    }
}

enum Status {
    NotYet,
    Taken,
    /// The status line, or why there is none.
    Refused(String),
}

/// Reads up to the status: `HTTP/1.1 200`.
fn read_status(connection: &mut Connection, reply: &mut Vec<u8>) -> Status {
    let mut buffer = [0; 256];
    loop {
        match connection.read(&mut buffer) {
            Ok(None) => return Status::NotYet,
            Ok(Some(0)) => return Status::Refused("it closed the connection".into()),
            Ok(Some(count)) => reply.extend_from_slice(&buffer[..count]),
            Err(problem) => return Status::Refused(problem.to_string()),
        }
        if reply.len() >= "HTTP/1.1 200".len() {
            let line: Vec<u8> = reply.iter().copied().take(40).collect();
            let line = String::from_utf8_lossy(&line);
            let line = line.lines().next().unwrap_or_default();
            let code = line.split(' ').nth(1).unwrap_or_default();
            let is_taken = line.starts_with("HTTP/1.") && code.starts_with('2');
            return if is_taken {
                Status::Taken
            } else {
                Status::Refused(format!("it replied '{line}'"))
            };
        }
    }
}

/// A value of a form (application/x-www-form-urlencoded).
fn encoded(value: &str) -> String {
    let mut text = String::new();
    for byte in value.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            text.push(char::from(byte));
        } else {
            let _ = write!(text, "%{byte:02X}");
        }
    }
    text
}
