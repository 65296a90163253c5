//! Resolves a host name with `/etc/hosts`, or by querying the name servers of `/etc/resolv.conf`
//! one after the other. Nothing blocks: the owner polls until there is an answer, or gives up.

use std::net::{IpAddr, SocketAddr};

use mio::unix::SourceFd;
use mio::{Interest, Registry, Token};

use crate::base::limits::{LOOKUP_STEP, LOOKUP_TRIES, NAMES_FILE_BYTES};
use crate::base::time::Instant;
use crate::io::file::read_small;
use crate::io::random::Random;
use crate::io::stream::Datagrams;
use crate::wire::dns::{
    emit_query, in_hosts, name_servers, parse_answer, Answer, QUERY_BYTES, SERVERS,
};

/// The port of DNS servers.
const DNS_PORT: u16 = 53;

/// One name that is being resolved.
pub struct Resolver {
    query: heapless::Vec<u8, QUERY_BYTES>,
    servers: heapless::Vec<IpAddr, SERVERS>,
    /// The number of queries sent so far, and the time of the next one.
    asked: usize,
    ask_at: Instant,
    socket: Option<Datagrams>,
    found: Option<Option<IpAddr>>,
}

impl Resolver {
    /// Begins to resolve a name; an address needs no resolution.
    pub fn new(name: &str, random: &mut Random) -> Self {
        let mut buffer = [0; NAMES_FILE_BYTES];
        let address = name.parse().ok();
        let known = address.or_else(|| in_hosts(read_small("/etc/hosts", &mut buffer), name));
        let mut query = [0; QUERY_BYTES];
        // A random id, so that forged answers can be recognized.
        let id = random.words()[0] as u16;
        let len = emit_query(name, id, &mut query);
        Self {
            query: heapless::Vec::from_slice(&query[..len.unwrap_or(0)]).unwrap_or_default(),
            servers: name_servers(read_small("/etc/resolv.conf", &mut buffer)),
            asked: 0,
            ask_at: Instant::default(),
            socket: None,
            found: known.map(Some).or(len.is_none().then_some(None)),
        }
    }

    /// Receives answers and queries the next server. `Some(None)`: the name does not exist, or no
    /// server knows it. Call it again on an event with `token`, and at `next_deadline`.
    pub fn poll(
        &mut self,
        now: Instant,
        registry: &Registry,
        token: Token,
    ) -> Option<Option<IpAddr>> {
        let mut buffer = [0; 512]; // the longest answer by UDP (RFC 1035)
        while let Some(socket) = &self.socket {
            let Some(len) = socket.receive(&mut buffer) else {
                break;
            };
            match parse_answer(&buffer[..len], &self.query) {
                Some(Answer::Address(address)) => self.found = Some(Some(address.into())),
                Some(Answer::NoAddress) => self.found = Some(None),
                Some(Answer::Failed) => self.ask_at = now,
                None => {}
            }
        }
        if self.found.is_none() && now >= self.ask_at {
            if self.asked < LOOKUP_TRIES {
                self.ask(registry, token);
            } else {
                self.found = Some(None);
            }
            self.ask_at = now + LOOKUP_STEP;
        }
        self.found
    }

    /// When the next server must be queried.
    pub fn next_deadline(&self) -> Instant {
        self.ask_at
    }

    fn ask(&mut self, registry: &Registry, token: Token) {
        let Some(server) = self.servers.get(self.asked % self.servers.len().max(1)) else {
            return;
        };
        self.asked += 1;
        // Each query has a socket of its own, and so an unpredictable source port.
        self.socket = Datagrams::open(SocketAddr::new(*server, DNS_PORT)).ok();
        let Some(socket) = &self.socket else { return };
        let _ = registry.register(&mut SourceFd(&socket.fd()), token, Interest::READABLE);
        socket.send(&self.query);
    }
}
