//! A small HTTP server for monitoring pages. It runs in a server's own event loop.
//!
//! The number of clients, the length of a request and the time for it are bounded, so that clients
//! can neither slow the server down nor fill its memory. It reads the request line only, and closes
//! each connection after one response.

use std::io::{ErrorKind, Read, Write};
use std::net::SocketAddr;

use mio::net::{TcpListener, TcpStream};
use mio::{Interest, Registry, Token};

use crate::base::time::{Duration, Instant};

/// Clients at once: a scraper or two, a health check, a person with curl.
const MAX_CLIENTS: usize = 8;
/// The longest request: a scraper sends a few lines, browsers some hundred bytes.
const REQUEST_BYTES: usize = 4096;
/// From accepting a connection to the end of the response.
const PATIENCE: Duration = Duration::from_millis(5000);

/// A page.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Response {
    pub(super) status: HttpStatus,
    pub(super) content_type: &'static str,
    pub(super) body: String,
}

/// The status of a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum HttpStatus {
    Ok,
    ServiceUnavailable,
}

impl HttpStatus {
    fn line(self) -> &'static str {
        match self {
            Self::Ok => "200 OK",
            Self::ServiceUnavailable => "503 Service Unavailable",
        }
    }
}

/// Makes the page for a path; `None`: there is no such page.
pub(super) type PageSource<'a> = &'a mut dyn FnMut(&str) -> Option<Response>;

/// The listener and its clients.
pub(super) struct HttpServer {
    listener: TcpListener,
    first_token: usize,
    clients: [Option<HttpClient>; MAX_CLIENTS],
}

struct HttpClient {
    stream: TcpStream,
    state: ClientState,
    expires_at: Instant,
}

/// What a client's connection is waiting for.
enum ClientState {
    /// The rest of the request.
    Receiving(Vec<u8>),
    /// Room to send the rest of the response, of which this many bytes have been sent.
    Sending(Vec<u8>, usize),
}

/// What becomes of a connection after its socket has been served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ConnectionProgress {
    /// It waits for its socket.
    Waiting,
    /// The response has been sent, or the connection is of no use.
    Finished,
}

impl HttpServer {
    /// Poll tokens that it uses, from `first_token` on.
    pub(super) const TOKENS: usize = 1 + MAX_CLIENTS;

    /// Listens on an address.
    pub(super) fn open(
        address: SocketAddr,
        registry: &Registry,
        first_token: usize,
    ) -> Result<Self, String> {
        let problem = |error: std::io::Error| format!("--metrics {address}: {error}");
        let mut listener = TcpListener::bind(address).map_err(problem)?;
        registry
            .register(&mut listener, Token(first_token), Interest::READABLE)
            .map_err(problem)?;
        Ok(Self {
            listener,
            first_token,
            clients: Default::default(),
        })
    }

    /// The address that it listens on.
    pub(super) fn address(&self) -> Option<SocketAddr> {
        self.listener.local_addr().ok()
    }

    /// Handles an event of one of its tokens.
    pub(super) fn handle_event(
        &mut self,
        registry: &Registry,
        token: Token,
        now: Instant,
        pages: PageSource,
    ) {
        match token.0.checked_sub(self.first_token) {
            Some(0) => {
                self.accept(registry, now);
                (0..MAX_CLIENTS).for_each(|slot| self.serve(slot, pages));
            }
            Some(number) => self.serve(number - 1, pages),
            None => {}
        }
    }

    /// Closes the connections that have taken too long.
    pub(super) fn handle_timeout(&mut self, now: Instant) {
        for slot in &mut self.clients {
            slot.take_if(|client| now >= client.expires_at);
        }
    }

    /// When `handle_timeout` is due.
    pub(super) fn next_deadline(&self) -> Option<Instant> {
        let clients = self.clients.iter().flatten();
        clients.map(|client| client.expires_at).min()
    }

    fn accept(&mut self, registry: &Registry, now: Instant) {
        loop {
            let mut stream = match self.listener.accept() {
                Ok((stream, _)) => stream,
                Err(error) => match error.kind() {
                    ErrorKind::Interrupted | ErrorKind::ConnectionAborted => continue,
                    _ => return,
                },
            };
            let slot = self.slot_for_new();
            let token = Token(self.first_token + 1 + slot);
            let interest = Interest::READABLE | Interest::WRITABLE;
            if registry.register(&mut stream, token, interest).is_ok() {
                self.clients[slot] = Some(HttpClient {
                    stream,
                    state: ClientState::Receiving(vec![]),
                    expires_at: now + PATIENCE,
                });
            }
        }
    }

    /// A free slot. If there is none, the oldest client's: it has had the most time.
    fn slot_for_new(&self) -> usize {
        let expiry = |slot: &usize| self.clients[*slot].as_ref().map(|client| client.expires_at);
        (0..MAX_CLIENTS).min_by_key(expiry).unwrap_or_default() // `None`, a free slot, is the least
    }

    fn serve(&mut self, slot: usize, pages: PageSource) {
        let Some(client) = self.clients.get_mut(slot) else {
            return;
        };
        client.take_if(|client| client.serve(pages) == ConnectionProgress::Finished);
    }
}

impl HttpClient {
    /// Reads and writes as much as the socket allows.
    fn serve(&mut self, pages: PageSource) -> ConnectionProgress {
        if let ClientState::Receiving(request) = &mut self.state {
            if receive(&mut self.stream, request) == ConnectionProgress::Finished {
                return ConnectionProgress::Finished;
            }
            match respond(request, pages) {
                Some(response) => self.state = ClientState::Sending(response, 0),
                None => return ConnectionProgress::Waiting,
            }
        }
        match &mut self.state {
            ClientState::Receiving(_) => ConnectionProgress::Waiting,
            ClientState::Sending(response, sent) => send(&mut self.stream, response, sent),
        }
    }
}

fn receive(stream: &mut TcpStream, request: &mut Vec<u8>) -> ConnectionProgress {
    let mut buffer = [0; 1024];
    loop {
        match stream.read(&mut buffer) {
            Ok(0) => return ConnectionProgress::Finished,
            Ok(read) => request.extend_from_slice(&buffer[..read]),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                return ConnectionProgress::Waiting
            }
            Err(_) => return ConnectionProgress::Finished,
        }
        if request.len() > REQUEST_BYTES {
            return ConnectionProgress::Finished;
        }
    }
}

fn send(stream: &mut TcpStream, response: &[u8], sent: &mut usize) -> ConnectionProgress {
    while *sent < response.len() {
        match stream.write(&response[*sent..]) {
            Ok(0) => return ConnectionProgress::Finished,
            Ok(written) => *sent += written,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                return ConnectionProgress::Waiting
            }
            Err(_) => return ConnectionProgress::Finished,
        }
    }
    ConnectionProgress::Finished
}

/// The response to a request; `None`: its header fields have not all been received.
fn respond(request: &[u8], pages: PageSource) -> Option<Vec<u8>> {
    let ends_with_blank_line = request.windows(4).any(|end| end == b"\r\n\r\n")
        || request.windows(2).any(|end| end == b"\n\n");
    if !ends_with_blank_line {
        return None;
    }
    let mut words = request.split(|byte| byte.is_ascii_whitespace());
    let method = words.next().unwrap_or_default();
    let target = words.next().unwrap_or_default();
    let path = target.split(|byte| *byte == b'?').next();
    let path = core::str::from_utf8(path.unwrap_or_default()).unwrap_or_default();
    if !matches!(method, b"GET" | b"HEAD") {
        return Some(emit("405 Method Not Allowed", "text/plain", 0, ""));
    }
    let Some(page) = pages(path) else {
        return Some(emit("404 Not Found", "text/plain", 0, ""));
    };
    let shown = if method == b"HEAD" { "" } else { &page.body };
    let status = page.status.line();
    Some(emit(status, page.content_type, page.body.len(), shown))
}

fn emit(status: &str, content_type: &str, length: usize, body: &str) -> Vec<u8> {
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: {content_type}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n"
    );
    [head.as_bytes(), body.as_bytes()].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(status: HttpStatus, body: String) -> Option<Response> {
        Some(Response {
            status,
            content_type: "text/plain",
            body,
        })
    }

    fn response_to(request: &str) -> Option<String> {
        let mut pages = |path: &str| match path {
            "/disk" => page(HttpStatus::ServiceUnavailable, "the disk is full\n".into()),
            "/calls" => page(HttpStatus::Ok, "calls 7\n".into()),
            _ => None,
        };
        respond(request.as_bytes(), &mut pages).map(|bytes| String::from_utf8(bytes).unwrap())
    }

    #[test]
    fn a_whole_request_gets_its_page() {
        assert_eq!(response_to("GET /calls HTTP/1.1\r\nHost: x\r\n"), None);
        let calls = response_to("GET /calls HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
        assert!(calls.starts_with("HTTP/1.1 200 OK\r\n"), "{calls}");
        assert!(calls.ends_with("\r\n\r\ncalls 7\n"), "{calls}");
        let disk = response_to("GET /disk?verbose HTTP/1.0\n\n").unwrap();
        assert!(disk.starts_with("HTTP/1.1 503 "), "{disk}");
        assert!(disk.contains("Content-Length: 17\r\n"), "{disk}");
        let head = response_to("HEAD /disk HTTP/1.0\r\n\r\n").unwrap();
        assert!(head.contains("Content-Length: 17\r\n") && head.ends_with("\r\n\r\n"));
        let unknown = response_to("GET / HTTP/1.0\r\n\r\n").unwrap();
        assert!(unknown.starts_with("HTTP/1.1 404 "), "{unknown}");
        let no_method = response_to("\r\n\r\n").unwrap();
        assert!(no_method.starts_with("HTTP/1.1 405 "), "{no_method}");
    }

    #[test]
    fn real_clients_are_served_and_slow_ones_closed() {
        let mut poll = mio::Poll::new().unwrap();
        let any_port = "127.0.0.1:0".parse().unwrap();
        let mut http = HttpServer::open(any_port, poll.registry(), 5).unwrap();
        let address = http.address().unwrap();
        let mut events = mio::Events::with_capacity(32);
        let start = Instant::from_nanos(1);
        let connect = || std::net::TcpStream::connect(address).unwrap();
        let silent: Vec<_> = (0..20).map(|_| connect()).collect();
        let mut client = connect();
        client.write_all(b"GET /x HTTP/1.1\r\n\r\n").unwrap();
        client.set_nonblocking(true).unwrap();
        let mut received = vec![];
        while client.read_to_end(&mut received).is_err() {
            poll.poll(&mut events, None).unwrap();
            for event in &events {
                let mut pages = |_: &str| page(HttpStatus::Ok, "x".repeat(10_000));
                http.handle_event(poll.registry(), event.token(), start, &mut pages);
            }
        }
        let head = received.windows(4).position(|end| end == b"\r\n\r\n");
        assert_eq!(received.len() - (head.unwrap() + 4), 10_000);
        assert_eq!(http.next_deadline(), Some(start + PATIENCE));
        http.handle_timeout(start + PATIENCE);
        assert_eq!(http.next_deadline(), None);
        drop(silent);
    }
}
