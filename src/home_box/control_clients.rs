//! The clients of the control socket.

use std::collections::VecDeque;
use std::io::{self, ErrorKind};

use mio::net::UnixListener;
use mio::{Interest, Registry, Token};

use crate::base::limits::MAX_CLIENTS;
use crate::io::control::{listen, Client, ClientLine};

/// Lines that wait for a client that has subscribed: the call log, what is now, and the events since.
const MAX_WAITING_LINES: usize = 1024;

/// The listener and the places for clients.
pub(super) struct ControlClients {
    registry: Registry,
    first_token: usize,
    listener: UnixListener,
    clients: Vec<ControlClient>,
}

struct ControlClient {
    client: Client,
    is_subscribed: bool,
    /// Lines of a response that is longer than the client's buffer.
    waiting: VecDeque<String>,
}

impl ControlClients {
    /// Tokens from `first_token` on: the listener's, then those of the clients.
    pub(super) fn open(path: &str, registry: Registry, first_token: usize) -> io::Result<Self> {
        let mut listener = listen(path)?;
        registry.register(&mut listener, Token(first_token), Interest::READABLE)?;
        let client = || ControlClient {
            client: Client::new(),
            is_subscribed: false,
            waiting: VecDeque::new(),
        };
        Ok(Self {
            registry,
            first_token,
            listener,
            clients: std::iter::repeat_with(client).take(MAX_CLIENTS).collect(),
        })
    }

    /// The number of tokens.
    pub(super) const TOKENS: usize = 1 + MAX_CLIENTS;

    pub(super) fn handle_event(&mut self, token: Token) {
        match token.0.checked_sub(self.first_token + 1) {
            None => self.accept(),
            Some(number) => {
                if let Some(client) = self.clients.get_mut(number) {
                    client.client.set_readable();
                }
            }
        }
    }

    fn accept(&mut self) {
        loop {
            let mut stream = match self.listener.accept() {
                Ok((stream, _)) => stream,
                Err(problem) if problem.kind() == ErrorKind::Interrupted => continue,
                Err(_) => return,
            };
            let mut places = self.clients.iter().enumerate();
            let free = places.find(|(_, client)| !client.client.is_open());
            let Some((number, _)) = free else {
                let refusal =
                    b"cmd=ErrorResponse&result=failed&reason=busy: too many control clients\n";
                let _ = io::Write::write(&mut stream, refusal);
                continue;
            };
            let token = Token(self.first_token + 1 + number);
            let interest = Interest::READABLE | Interest::WRITABLE;
            if self
                .registry
                .register(&mut stream, token, interest)
                .is_err()
            {
                continue;
            }
            let client = &mut self.clients[number];
            client.client.open(stream);
            client.is_subscribed = false;
            client.waiting.clear();
        }
    }

    /// The next line of any client: the client's number, and the line unless it was too long.
    pub(super) fn next_line(&mut self) -> Option<(usize, Option<Vec<u8>>)> {
        for (number, client) in self.clients.iter_mut().enumerate() {
            if !client.client.is_open() || !client.waiting.is_empty() {
                continue;
            }
            match client.client.next_line() {
                ClientLine::Text(line) => return Some((number, Some(line.to_vec()))),
                ClientLine::Broken => return Some((number, None)),
                ClientLine::Nothing | ClientLine::End => {}
            }
        }
        None
    }

    pub(super) fn subscribe(&mut self, number: usize) {
        self.clients[number].is_subscribed = true;
    }

    /// Queues a line for a client.
    pub(super) fn respond(&mut self, number: usize, line: String) {
        self.clients[number].waiting.push_back(line);
    }

    /// Queues a line for all who have subscribed. Who does not read is disconnected.
    pub(super) fn tell(&mut self, line: &str) {
        for number in 0..self.clients.len() {
            let client = &mut self.clients[number];
            if !client.is_subscribed || !client.client.is_open() {
                continue;
            }
            // What it was to hear before comes before.
            let is_queued = if client.waiting.is_empty() {
                client.client.push_line(line.as_bytes())
            } else {
                client.waiting.push_back(line.to_owned());
                client.waiting.len() <= MAX_WAITING_LINES
            };
            if !is_queued {
                self.close(number);
            }
        }
    }

    /// Writes what can be written, and closes connections that have ended.
    pub(super) fn flush(&mut self) {
        for number in 0..self.clients.len() {
            let client = &mut self.clients[number];
            while let Some(line) = client.waiting.front() {
                if !client.client.push_line(line.as_bytes()) {
                    break;
                }
                client.waiting.pop_front();
            }
            let works = client.client.flush();
            let is_done = client.waiting.is_empty() && client.client.is_done();
            if client.client.is_open() && (!works || is_done) {
                self.close(number);
            }
        }
    }

    /// A client has lines that fit now, or has sent more: the poll must not sleep.
    pub(super) fn has_work(&self) -> bool {
        let mut clients = self.clients.iter().filter(|it| it.client.is_open());
        clients.any(|client| match client.waiting.front() {
            Some(line) => client.client.room() > line.len(),
            None => client.client.has_more(),
        })
    }

    fn close(&mut self, number: usize) {
        if let Some(mut stream) = self.clients[number].client.close() {
            let _ = self.registry.deregister(&mut stream);
        }
    }
}
