//! The phone in the cloud: its channel, its requests to the application server, and the helper with
//! the vendor's transport. What it decides is `proto::cloud::phone`.

use log::{info, warn};
use mio::event::Event;

use crate::base::limits::cloud::{REFUSED_LOG_PACE, STREAM_GRACE};
use crate::base::time::Instant;
use crate::config::CloudConfig;
use crate::daemon::context::Context;
use crate::daemon::services::calls::cloud::helper::Helper;
use crate::daemon::services::calls::line::Line;
use crate::daemon::services::calls::media::Sound;
use crate::daemon::turn::{Tokens, Work};
use crate::io::clock::Now;
use crate::outgoing::cloud::CloudLink;
use crate::outgoing::cloud_requests::with_token;
use crate::outgoing::hosts::Lookup;
use crate::outgoing::transport::ServerAddress;
use crate::proto::cloud::phone::{CloudPhone, Output};
use crate::proto::intercom::endpoint::output::CallInfo;
use crate::proto::intercom::endpoint::urls::Urls;

mod helper;
mod helper_start;
mod requests;

/// The link's sources, and the helper.
const HELPER: usize = crate::outgoing::cloud::SOURCES;
pub(super) const SOURCES: usize = HELPER + 1;
/// The most of `cloudInitFile` that is passed on.
const INIT_BYTES: usize = 16 * 1024;

/// The phone in the cloud.
pub(super) struct Cloud {
    pub(super) machine: CloudPhone,
    link: CloudLink,
    /// Streams whose host is not known yet.
    wanted: Option<(CallInfo, Urls, usize)>,
    /// When the peer's stream, which has ended, is not awaited any more.
    peer_gone_at: Instant,
    /// Calls with a URL that is not opened, as they were logged, and when they may be again.
    refused_logged: u64,
    log_refused_at: Instant,
    helper: Option<Helper>,
    helper_token: mio::Token,
}

impl Cloud {
    /// `None`: no cloud is configured.
    pub(super) fn open(
        context: &mut Context,
        tokens: Tokens,
        first_source: usize,
    ) -> Result<Option<Box<Self>>, String> {
        let config = context.config.cloud.clone();
        let (Some(settings), Some(calls)) = (config.settings(), &config.calls) else {
            return Ok(None);
        };
        let token = |source| tokens.token(first_source + source);
        let link = CloudLink::new(config.clone(), &settings.relays, &calls.authority, token)?;
        let now = context.clock.read().monotonic;
        let seed = context.random.seed();
        let seed = seed.map_err(|error| format!("cloud: no random numbers: {error}"))?;
        info!(
            "cloud: the phone is {} at {}",
            config.cid,
            hosts_of(&config)
        );
        Ok(Some(Box::new(Self {
            machine: CloudPhone::new(now, settings, seed),
            link,
            wanted: None,
            peer_gone_at: Instant::NEVER,
            refused_logged: 0,
            log_refused_at: Instant::default(),
            helper: None,
            helper_token: token(HELPER),
        })))
    }

    /// `source`: counted from its first one.
    pub(super) fn handle_event(&mut self, source: usize, event: &Event) {
        match source {
            HELPER => self.helper.iter_mut().for_each(Helper::set_ready),
            source => self.link.handle_event(source, event),
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
        let (link, machine) = (&mut self.link, &mut self.machine);
        link.listen(at, machine, context.poll.registry(), &mut context.random);
        self.execute(now, line, context);
        let (link, machine) = (&mut self.link, &mut self.machine);
        link.tell(at, machine, context.poll.registry(), &mut context.random);
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
        self.log_refused(at);
        let has_more =
            self.link.has_more() || at >= self.machine.next_deadline() && !self.link.is_posting();
        if has_more {
            Work::Left
        } else {
            Work::Done
        }
    }

    pub(super) fn next_deadline(&self) -> Instant {
        let helper = self.helper.as_ref().map(Helper::next_deadline);
        let first = self.link.next_deadline().min(self.peer_gone_at);
        let first = first.min(self.machine.next_deadline());
        first.min(helper.unwrap_or(Instant::NEVER))
    }

    /// Says how many calls did not ring because of their URL, once a minute at most: anybody may
    /// send some.
    fn log_refused(&mut self, now: Instant) {
        let refused = self.machine.counts().refused_urls;
        if refused > self.refused_logged && now >= self.log_refused_at {
            info!("cloud: {refused} calls so far did not ring: their stream is not at cloudServer or a cloudRelay, or their token is not the caller's");
            self.refused_logged = refused;
            self.log_refused_at = now + REFUSED_LOG_PACE;
        }
    }

    /// Does what the machine wants done.
    pub(super) fn execute(&mut self, now: &Now, line: &mut Line, context: &mut Context) {
        let at = now.monotonic;
        while let Some(output) = self.machine.poll_output() {
            match output {
                Output::OpenChannel => self.link.want_channel(),
                Output::CloseChannel => self.link.close_channel(),
                Output::Acknowledge(id) => self.link.want_acknowledged(id),
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
        match self.link.address(relay, now, registry, &mut context.random) {
            Lookup::Pending => self.wanted = Some((info, urls, relay)),
            Lookup::Found(server) => self.begin_sound(now, &info, &urls, server, line),
            Lookup::Unknown => {
                let host = &self.link.authority(relay).host;
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
        server: ServerAddress,
        line: &mut Line,
    ) {
        let urls = Urls {
            play_audio: with_token(&urls.play_audio, self.link.token()),
            publish_audio: with_token(&urls.publish_audio, self.link.token()),
            ..Urls::default()
        };
        let sound = Sound::Streams(urls, Some(server));
        line.media.handle_talking(now, info, sound);
    }
}

fn hosts_of(config: &CloudConfig) -> String {
    let server = config.server.as_ref().map(ToString::to_string);
    server.unwrap_or_default()
}
