//! A device's link to the cloud: its channel, its acknowledgements, and its requests to the
//! application server. What it decides is the device's machine (`proto::cloud::device`).

use log::warn;
use mio::event::Event;
use mio::{Registry, Token};

use crate::base::limits::cloud::{MAX_ACKS, MAX_RELAYS};
use crate::base::time::Instant;
use crate::config::CloudConfig;
use crate::io::atomic_file;
use crate::io::random::Random;
use crate::outgoing::hosts::{Host, Lookup};
use crate::outgoing::http_connection::HttpConnection;
use crate::outgoing::tls::Tls;
use crate::proto::cloud::device::CloudDevice;
use crate::proto::cloud::exchange::BODY_BYTES;
use crate::proto::cloud::phone::settings::Authority;
use crate::wire::ascii;
use crate::wire::cloud::token::{Token as DeviceToken, TOKEN_BYTES};
use crate::wire::control::Text;

mod exchanges;

const CHANNEL: usize = 0;
const POSTING: usize = 1;
const ACKNOWLEDGING: usize = 2;
const FIRST_HOST: usize = 3;
/// Event sources: the connections, and name resolution.
pub const SOURCES: usize = FIRST_HOST + 2 + MAX_RELAYS;
/// The cloud's own host, and the first relay's after it; the application server is the last one.
pub const CLOUD: usize = 0;
/// Steps of the channel in one turn.
const STEPS_PER_TURN: usize = 64;

/// The link.
pub struct CloudLink {
    config: CloudConfig,
    token: Text<TOKEN_BYTES>,
    /// The token could not be read, or is none, and this was logged.
    token_missed: bool,
    hosts: Vec<Host>,
    channel: HttpConnection,
    /// The channel is to be opened once its host is known.
    opens_channel: bool,
    posting: HttpConnection,
    /// What the request on its way was answered.
    status: u16,
    body: heapless::Vec<u8, BODY_BYTES>,
    acknowledging: HttpConnection,
    acks: heapless::Deque<u64, MAX_ACKS>,
}

impl CloudLink {
    /// A link that does nothing yet. `relays`: the cloud, and where streams may be besides; `token`
    /// is asked for the poll's token of each source, from 0 to `SOURCES`.
    pub fn new(
        config: CloudConfig,
        relays: &[Authority],
        calls: &Authority,
        token: impl Fn(usize) -> Token,
    ) -> Result<Self, String> {
        let tls = Tls::of(&config)?;
        let mut hosts = Vec::with_capacity(relays.len() + 1);
        for authority in relays.iter().chain([calls]) {
            let token = token(FIRST_HOST + hosts.len());
            hosts.push(Host::new(authority.clone(), tls.as_ref(), token));
        }
        let mut this = Self {
            token: Text::new(),
            token_missed: false,
            hosts,
            channel: HttpConnection::new(token(CHANNEL)),
            opens_channel: false,
            posting: HttpConnection::new(token(POSTING)),
            status: 0,
            body: heapless::Vec::new(),
            acknowledging: HttpConnection::new(token(ACKNOWLEDGING)),
            acks: heapless::Deque::new(),
            config,
        };
        this.read_token();
        Ok(this)
    }

    /// The configuration.
    pub fn config(&self) -> &CloudConfig {
        &self.config
    }

    /// The device's token; empty if there is none.
    pub fn token(&self) -> &[u8] {
        &self.token
    }

    /// An event of a source.
    pub fn handle_event(&mut self, source: usize, event: &Event) {
        match source {
            CHANNEL => self.channel.set_ready(event),
            POSTING => self.posting.set_ready(event),
            ACKNOWLEDGING => self.acknowledging.set_ready(event),
            // Of a name server: the host is asked in each turn.
            _ => {}
        }
    }

    /// The channel is to be opened, with the token as it is now.
    pub fn want_channel(&mut self) {
        self.read_token();
        self.opens_channel = true;
    }

    /// The channel is to be closed.
    pub fn close_channel(&mut self) {
        self.opens_channel = false;
        self.channel.close();
    }

    /// A message has come; the cloud is told with the next turn.
    pub fn want_acknowledged(&mut self, id: u64) {
        if self.acks.is_full() {
            // The cloud sends that message again.
            self.acks.pop_front();
        }
        let _ = self.acks.push_back(id);
    }

    /// Opens and reads the channel. The machine's outputs are to be taken before `tell`.
    pub fn listen(
        &mut self,
        now: Instant,
        machine: &mut dyn CloudDevice,
        registry: &Registry,
        random: &mut Random,
    ) {
        self.open_channel(now, machine, registry, random);
        self.read_channel(now, machine);
    }

    /// Sends acknowledgements and requests.
    pub fn tell(
        &mut self,
        now: Instant,
        machine: &mut dyn CloudDevice,
        registry: &Registry,
        random: &mut Random,
    ) {
        self.acknowledge(now, registry, random);
        self.post(now, machine, registry, random);
    }

    /// Something can be done at once.
    pub fn has_more(&self) -> bool {
        self.channel.has_more() || self.posting.has_more()
    }

    /// A request is on its way.
    pub fn is_posting(&self) -> bool {
        !self.posting.is_idle()
    }

    /// When a turn has something to do without an event.
    pub fn next_deadline(&self) -> Instant {
        let mut first = Instant::NEVER;
        for connection in [&self.channel, &self.posting, &self.acknowledging] {
            first = first.min(connection.next_deadline());
        }
        for host in &self.hosts {
            first = first.min(host.next_deadline());
        }
        first
    }

    /// The address of the cloud (`CLOUD`) or of a relay.
    pub fn address(
        &mut self,
        host: usize,
        now: Instant,
        registry: &Registry,
        random: &mut Random,
    ) -> Lookup {
        self.hosts[host].address(now, registry, random)
    }

    /// The name of the cloud or of a relay.
    pub fn authority(&self, host: usize) -> &Authority {
        &self.hosts[host].authority
    }

    /// The token may have been replaced.
    fn read_token(&mut self) {
        let path = self.config.token_file.as_deref().unwrap_or_default();
        let mut buffer = [0; 1024];
        let text = atomic_file::read(path, &mut buffer).unwrap_or_default();
        let text = ascii::trim(text);
        let token = DeviceToken::parse(text)
            .ok()
            .filter(|token| token.cid == self.config.cid);
        if token.is_none() && !self.token_missed {
            let cid = self.config.cid;
            warn!("cloud: {path} has no token of {cid} (cloudTokenFile): the cloud will refuse this device");
        }
        self.token_missed = token.is_none();
        self.token = token.map_or(Text::new(), |_| Text::from_slice(text).unwrap_or_default());
    }
}
