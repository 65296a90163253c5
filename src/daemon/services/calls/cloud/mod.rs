//! The phone in the cloud: its channel, its requests to the application server, and the helper with
//! the vendor's transport. What it decides is `proto::cloud::phone`.

use std::net::SocketAddr;

use log::{info, warn};
use mio::event::Event;

use crate::base::limits::cloud::{MAX_ACKS, STREAM_GRACE};
use crate::base::time::Instant;
use crate::config::CloudConfig;
use crate::daemon::context::Context;
use crate::daemon::services::calls::cloud::helper::Helper;
use crate::daemon::services::calls::cloud::hosts::{Host, Lookup};
use crate::daemon::services::calls::cloud::http_connection::HttpConnection;
use crate::daemon::services::calls::line::Line;
use crate::daemon::services::calls::media::Sound;
use crate::daemon::turn::{Tokens, Work};
use crate::io::atomic_file;
use crate::io::clock::Now;
use crate::proto::cloud::exchange::BODY_BYTES;
use crate::proto::cloud::phone::{CloudPhone, Output};
use crate::proto::intercom::endpoint::output::CallInfo;
use crate::proto::intercom::endpoint::urls::Urls;
use crate::wire::cloud::token::{Token, TOKEN_BYTES};
use crate::wire::control::Text;
use http_requests::with_token;

mod exchanges;
mod helper;
mod helper_start;
mod hosts;
mod http_connection;
mod http_requests;
mod requests;

const CHANNEL: usize = 0;
const POSTING: usize = 1;
const ACKNOWLEDGING: usize = 2;
const HELPER: usize = 3;
const FIRST_HOST: usize = 4;
/// Event sources: the connections, the helper, and name resolution.
pub(super) const SOURCES: usize = FIRST_HOST + 2 + crate::base::limits::cloud::MAX_RELAYS;
/// The cloud's own host, and the first relay's after it; the application server is the last one.
const CLOUD: usize = 0;
/// Steps of the channel in one turn.
const STEPS_PER_TURN: usize = 64;
/// The most of `cloudInitFile` that is passed on.
const INIT_BYTES: usize = 16 * 1024;

/// The phone in the cloud.
pub(super) struct Cloud {
    pub(super) machine: CloudPhone,
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
    /// Streams whose host is not known yet.
    wanted: Option<(CallInfo, Urls, usize)>,
    /// When the peer's stream, which has ended, is not awaited any more.
    peer_gone_at: Instant,
    helper: Option<Helper>,
    helper_token: mio::Token,
}

impl Cloud {
    /// `None`: no cloud is configured.
    pub(super) fn open(
        context: &mut Context,
        tokens: Tokens,
        first_source: usize,
    ) -> Result<Option<Self>, String> {
        let config = context.config.cloud.clone();
        let (Some(settings), Some(calls)) = (config.settings(), &config.calls) else {
            return Ok(None);
        };
        let authorities = settings.relays.iter().chain([&calls.authority]).cloned();
        let token = |source| tokens.token(first_source + source);
        let host = |(at, authority)| Host::new(authority, token(FIRST_HOST + at));
        let hosts = authorities.enumerate().map(host).collect();
        let now = context.clock.read().monotonic;
        let seed = context.random.seed();
        let seed = seed.map_err(|error| format!("cloud: no random numbers: {error}"))?;
        info!(
            "cloud: the phone is {} at {}",
            config.cid,
            hosts_of(&config)
        );
        let mut this = Self {
            machine: CloudPhone::new(now, settings, seed),
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
            wanted: None,
            peer_gone_at: Instant::NEVER,
            helper: None,
            helper_token: token(HELPER),
            config,
        };
        this.read_token();
        Ok(Some(this))
    }

    /// `source`: counted from its first one.
    pub(super) fn handle_event(&mut self, source: usize, event: &Event) {
        match source {
            CHANNEL => self.channel.set_ready(event),
            POSTING => self.posting.set_ready(event),
            ACKNOWLEDGING => self.acknowledging.set_ready(event),
            HELPER => self.helper.iter_mut().for_each(Helper::set_ready),
            // Of a name server: the host is asked in each turn.
            _ => {}
        }
    }

    /// The daemon ends: the peer is told, as long as it waits for that (`has_farewells`).
    pub(super) fn handle_end(&mut self, now: &Now, line: &mut Line, context: &mut Context) {
        self.machine.handle_shutdown(now.monotonic);
        self.execute(now, line, context);
    }

    /// The application server is still to be told something.
    pub(super) fn has_farewells(&self) -> bool {
        !self.machine.has_told_all()
    }

    pub(super) fn turn(&mut self, now: &Now, line: &mut Line, context: &mut Context) -> Work {
        let at = now.monotonic;
        if at >= self.machine.next_deadline() {
            self.machine.handle_timeout(at);
            self.execute(now, line, context);
        }
        self.open_channel(at, context);
        self.read_channel(at);
        self.execute(now, line, context);
        self.acknowledge(at, context);
        self.post(at, context);
        self.open_streams(at, line, context);
        let gone_since = line.media.peer_gone_since();
        let gone_since = gone_since.filter(|_| !self.machine.is_idle());
        self.peer_gone_at = gone_since.map_or(Instant::NEVER, |since| since + STREAM_GRACE);
        if at >= self.peer_gone_at {
            self.machine.handle_stream_ended(at);
            self.peer_gone_at = Instant::NEVER;
        }
        self.turn_helper(at);
        self.execute(now, line, context);
        let has_more = self.channel.has_more()
            || self.posting.has_more()
            || at >= self.machine.next_deadline() && self.posting.is_idle();
        if has_more {
            Work::Left
        } else {
            Work::Done
        }
    }

    pub(super) fn next_deadline(&self) -> Instant {
        let hosts = self.hosts.iter().map(Host::next_deadline);
        let connections = [&self.channel, &self.posting, &self.acknowledging];
        let connections = connections.map(HttpConnection::next_deadline);
        let helper = self.helper.as_ref().map(Helper::next_deadline);
        let all = hosts.chain(connections).chain(helper);
        all.chain([self.machine.next_deadline(), self.peer_gone_at])
            .min()
            .unwrap_or(Instant::NEVER)
    }

    /// Does what the machine wants done.
    pub(super) fn execute(&mut self, now: &Now, line: &mut Line, context: &mut Context) {
        let at = now.monotonic;
        while let Some(output) = self.machine.poll_output() {
            match output {
                Output::OpenChannel => {
                    self.read_token();
                    self.opens_channel = true;
                }
                Output::CloseChannel => {
                    self.opens_channel = false;
                    self.channel.close();
                }
                Output::Acknowledge(id) => {
                    if self.acks.is_full() {
                        // The cloud sends that message again.
                        self.acks.pop_front();
                    }
                    let _ = self.acks.push_back(id);
                }
                Output::Event(event) => line.publish(&event, now, context),
                Output::OpenStreams(info, urls, relay) => {
                    self.wanted = Some((info, urls, relay));
                    self.open_streams(at, line, context);
                }
                Output::StartTransport(mode, url) => {
                    self.start_helper(at, mode, &url, line, context);
                }
                Output::StopTransport => {
                    line.media.end_transport();
                    self.helper.iter_mut().for_each(|helper| helper.stop(at));
                }
            }
        }
    }

    /// The call's streams are played and published once the relay's address is known.
    fn open_streams(&mut self, now: Instant, line: &mut Line, context: &mut Context) {
        let Some((info, urls, relay)) = self.wanted.take() else {
            return;
        };
        if !self.machine.has_call(&info.sid) {
            return;
        }
        let registry = context.poll.registry();
        match self.hosts[relay].address(now, registry, &mut context.random) {
            Lookup::Pending => self.wanted = Some((info, urls, relay)),
            Lookup::Found(address) => self.begin_sound(now, &info, &urls, address, line),
            Lookup::Unknown => {
                let host = &self.hosts[relay].authority.host;
                warn!(
                    "cloud: no address of {host} (cloudServer, cloudRelay): the call has no sound"
                );
                self.machine.handle_stream_ended(now);
            }
        }
    }

    fn begin_sound(
        &mut self,
        now: Instant,
        info: &CallInfo,
        urls: &Urls,
        address: SocketAddr,
        line: &mut Line,
    ) {
        let urls = Urls {
            play_audio: with_token(&urls.play_audio, &self.token),
            publish_audio: with_token(&urls.publish_audio, &self.token),
            ..Urls::default()
        };
        let sound = Sound::Streams(urls, Some(address));
        line.media.handle_talking(now, info, sound);
    }

    /// The token may have been replaced.
    fn read_token(&mut self) {
        let path = self.config.token_file.as_deref().unwrap_or_default();
        let mut buffer = [0; 1024];
        let text = atomic_file::read(path, &mut buffer).unwrap_or_default();
        let text = text.trim_ascii();
        let token = Token::parse(text)
            .ok()
            .filter(|token| token.cid == self.config.cid);
        if token.is_none() && !self.token_missed {
            let cid = self.config.cid;
            warn!("cloud: {path} has no token of {cid} (cloudTokenFile): the cloud will refuse the phone");
        }
        self.token_missed = token.is_none();
        self.token = token.map_or(Text::new(), |_| Text::from_slice(text).unwrap_or_default());
    }
}

fn hosts_of(config: &CloudConfig) -> String {
    let server = config.server.as_ref().map(ToString::to_string);
    server.unwrap_or_default()
}
