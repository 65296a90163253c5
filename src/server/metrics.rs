//! A small HTTP endpoint for the servers' keepers: `/metrics` as Prometheus text, `/healthz`.
//!
//! It lives in the server's own loop: a listener and a few places for clients, bounded in number, bytes and
//! time, so that whoever asks can neither slow the server down nor fill its memory. One request each.

use std::io::{ErrorKind, Read, Write};
use std::net::SocketAddr;

use mio::net::{TcpListener, TcpStream};
use mio::{Interest, Registry, Token};

use crate::base::time::{Duration, Instant};

/// Clients at once: a scraper or two, a health check, a person with curl.
const MAX_CLIENTS: usize = 8;
/// The longest request: ours need one line, browsers send some hundred bytes.
const REQUEST_BYTES: usize = 4096;
/// From a connection to the end of its answer.
const PATIENCE: Duration = Duration::from_millis(5000);

/// A page that can be asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Page {
    /// The counters, as Prometheus text.
    Metrics,
    /// Does it do its work? 200 or 503, with a word for a person.
    Health,
}

/// The listener and its clients.
pub(super) struct Metrics {
    listener: TcpListener,
    first_token: usize,
    clients: [Option<Client>; MAX_CLIENTS],
}

struct Client {
    stream: TcpStream,
    request: Vec<u8>,
    /// Once it has been asked for.
    answer: Option<Vec<u8>>,
    written: usize,
    expires_at: Instant,
}

impl Metrics {
    /// Tokens that it needs, from the first one on.
    pub(super) const TOKENS: usize = 1 + MAX_CLIENTS;

    /// Listens there.
    pub(super) fn open(
        address: SocketAddr,
        registry: &Registry,
        first_token: usize,
    ) -> Result<Self, String> {
        let problem = |error: std::io::Error| format!("metrics on {address}: {error}");
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

    /// Where it listens.
    pub(super) fn address(&self) -> Option<SocketAddr> {
        self.listener.local_addr().ok()
    }

    /// Something has come for one of its tokens. `page` writes a page, and says whether all is well.
    pub(super) fn handle(
        &mut self,
        registry: &Registry,
        token: Token,
        now: Instant,
        page: &mut dyn FnMut(Page, &mut String) -> bool,
    ) {
        match token.0.checked_sub(self.first_token) {
            Some(0) => {
                self.accept(registry, now);
                (0..MAX_CLIENTS).for_each(|place| self.serve(place, page));
            }
            Some(place) => self.serve(place - 1, page),
            None => {}
        }
    }

    /// Closes what has taken too long.
    pub(super) fn handle_timeout(&mut self, now: Instant) {
        for place in &mut self.clients {
            place.take_if(|client| now >= client.expires_at);
        }
    }

    /// When `handle_timeout` has something to do.
    pub(super) fn next_deadline(&self) -> Option<Instant> {
        self.clients
            .iter()
            .flatten()
            .map(|client| client.expires_at)
            .min()
    }

    fn accept(&mut self, registry: &Registry, now: Instant) {
        loop {
            let mut stream = match self.listener.accept() {
                Ok((stream, _)) => stream,
                Err(error)
                    if matches!(
                        error.kind(),
                        ErrorKind::Interrupted | ErrorKind::ConnectionAborted
                    ) =>
                {
                    continue
                }
                Err(_) => return,
            };
            // One too many takes the place of the oldest, which has had its time.
            let oldest = || {
                (0..MAX_CLIENTS)
                    .min_by_key(|n| self.clients[*n].as_ref().map(|client| client.expires_at))
            };
            let Some(place) = self
                .clients
                .iter()
                .position(Option::is_none)
                .or_else(oldest)
            else {
                return;
            };
            let token = Token(self.first_token + 1 + place);
            if registry
                .register(&mut stream, token, Interest::READABLE | Interest::WRITABLE)
                .is_ok()
            {
                let expires_at = now + PATIENCE;
                self.clients[place] = Some(Client {
                    stream,
                    request: vec![],
                    answer: None,
                    written: 0,
                    expires_at,
                });
            }
        }
    }

    fn serve(&mut self, place: usize, page: &mut dyn FnMut(Page, &mut String) -> bool) {
        if let Some(client) = self.clients.get_mut(place) {
            client.take_if(|client| !client.goes_on(page));
        }
    }
}

impl Client {
    /// Reads and writes what can be; `false` when it has been served, or is not worth it.
    fn goes_on(&mut self, page: &mut dyn FnMut(Page, &mut String) -> bool) -> bool {
        if self.answer.is_none() {
            let mut buffer = [0; 1024];
            loop {
                match self.stream.read(&mut buffer) {
                    Ok(0) => return false,
                    Ok(read) => self.request.extend_from_slice(&buffer[..read]),
                    Err(error) if error.kind() == ErrorKind::Interrupted => {}
                    Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                    Err(_) => return false,
                }
                if self.request.len() > REQUEST_BYTES {
                    return false;
                }
            }
            self.answer = answer(&self.request, page);
        }
        let Some(answer) = &self.answer else {
            return true;
        };
        while self.written < answer.len() {
            match self.stream.write(&answer[self.written..]) {
                Ok(0) => return false,
                Ok(written) => self.written += written,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return error.kind() == ErrorKind::WouldBlock,
            }
        }
        false
    }
}

/// The answer to a request whose header fields have all come.
fn answer(request: &[u8], page: &mut dyn FnMut(Page, &mut String) -> bool) -> Option<Vec<u8>> {
    let whole = request.windows(4).any(|end| end == b"\r\n\r\n")
        || request.windows(2).any(|end| end == b"\n\n");
    if !whole {
        return None;
    }
    let mut words = request.split(|b| b.is_ascii_whitespace());
    let (method, path) = (
        words.next().unwrap_or_default(),
        words.next().unwrap_or_default(),
    );
    let path = path.split(|b| *b == b'?').next().unwrap_or_default();
    let mut body = String::new();
    let status = match (method, path) {
        (b"GET" | b"HEAD", b"/metrics") => {
            page(Page::Metrics, &mut body);
            "200 OK"
        }
        (b"GET" | b"HEAD", b"/healthz") if page(Page::Health, &mut body) => "200 OK",
        (b"GET" | b"HEAD", b"/healthz") => "503 Service Unavailable",
        (b"GET" | b"HEAD", _) => "404 Not Found",
        _ => "405 Method Not Allowed",
    };
    let kind = if path == b"/metrics" {
        "text/plain; version=0.0.4; charset=utf-8"
    } else {
        "text/plain"
    };
    let length = body.len();
    if method == b"HEAD" {
        body.clear();
    }
    let head =
        format!("HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n");
    Some((head + &body).into_bytes())
}

/// Writes one metric without labels. `kind` is `counter` or `gauge`.
pub(super) fn write_metric(page: &mut String, name: &str, kind: &str, help: &str, value: u64) {
    use core::fmt::Write;
    let _ = writeln!(
        page,
        "# HELP {name} {help}\n# TYPE {name} {kind}\n{name} {value}"
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(request: &str) -> Option<String> {
        let mut page = |page, text: &mut String| {
            match page {
                Page::Metrics => write_metric(text, "calls", "counter", "Calls.", 7),
                Page::Health => text.push_str("the disk is full\n"),
            }
            false
        };
        answer(request.as_bytes(), &mut page).map(|bytes| String::from_utf8(bytes).unwrap())
    }

    #[test]
    fn pages_are_given_when_all_of_the_request_is_there() {
        assert_eq!(asked("GET /metrics HTTP/1.1\r\nHost: x\r\n"), None);
        let metrics = asked("GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
        assert!(metrics.starts_with("HTTP/1.1 200 OK\r\n"), "{metrics}");
        assert!(
            metrics.ends_with("\r\n\r\n# HELP calls Calls.\n# TYPE calls counter\ncalls 7\n"),
            "{metrics}"
        );
        let health = asked("GET /healthz?verbose HTTP/1.0\n\n").unwrap();
        assert!(
            health.starts_with("HTTP/1.1 503 ") && health.contains("Content-Length: 17\r\n"),
            "{health}"
        );
        assert!(asked("HEAD /healthz HTTP/1.0\r\n\r\n")
            .unwrap()
            .ends_with("\r\n\r\n"));
        assert!(asked("GET / HTTP/1.0\r\n\r\n")
            .unwrap()
            .starts_with("HTTP/1.1 404 "));
        assert!(asked("\r\n\r\n").unwrap().starts_with("HTTP/1.1 405 "));
    }

    #[test]
    fn real_clients_are_served_and_slow_ones_forgotten() {
        let mut poll = mio::Poll::new().unwrap();
        let mut metrics =
            Metrics::open("127.0.0.1:0".parse().unwrap(), poll.registry(), 5).unwrap();
        let address = metrics.address().unwrap();
        let mut events = mio::Events::with_capacity(32);
        let start = Instant::from_nanos(1);
        let silent: Vec<_> = (0..20)
            .map(|_| std::net::TcpStream::connect(address).unwrap())
            .collect();
        let mut client = std::net::TcpStream::connect(address).unwrap();
        client.write_all(b"GET /metrics HTTP/1.1\r\n\r\n").unwrap();
        client.set_nonblocking(true).unwrap();
        let mut got = vec![];
        while client.read_to_end(&mut got).is_err() {
            poll.poll(&mut events, None).unwrap();
            for event in &events {
                metrics.handle(poll.registry(), event.token(), start, &mut |_, text| {
                    *text += &"x".repeat(10_000);
                    true
                });
            }
        }
        assert_eq!(
            got.len() - got.windows(4).position(|end| end == b"\r\n\r\n").unwrap() - 4,
            10_000
        );
        assert_eq!(metrics.next_deadline(), Some(start + PATIENCE));
        metrics.handle_timeout(start + PATIENCE);
        assert_eq!(metrics.next_deadline(), None);
        drop(silent);
    }
}
