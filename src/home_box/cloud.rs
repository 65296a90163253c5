//! The owners' phones in the cloud: the sockets of `proto::cloud::home`. Nothing here is waited for
//! by the home's screens.

use std::collections::VecDeque;

use log::{info, warn};
use mio::event::Event;
use mio::{Registry, Token};

use crate::base::limits::MESSAGE_BYTES;
use crate::base::time::Instant;
use crate::home_box::cloud_streams::{self, CloudStreams, LOOKUP_PAUSE};
use crate::home_box::opening::random_seed;
use crate::home_box::settings::BoxSettings;
use crate::io::clock;
use crate::io::random::Random;
use crate::outgoing::cloud::{CloudLink, CLOUD, SOURCES as LINK_SOURCES};
use crate::outgoing::hosts::Lookup;
use crate::proto::cloud::device::CloudDevice;
use crate::proto::cloud::home::{HomeInCloud, Output};
use crate::proto::intercom::endpoint::lines::cloud_word;
use crate::proto::intercom::endpoint::output::CloudState;
use crate::proto::intercom::home_box::{HomeBox, LegId};
use crate::streams::StreamServer;
use crate::wire::control::Writer;
use crate::wire::intercom::Message;

/// Event sources: the link's, and those of the call's streams.
pub(super) const SOURCES: usize = LINK_SOURCES + cloud_streams::SOURCES;

/// The owners' phones; none without `cloudServer`.
pub(super) struct HomeCloud {
    open: Option<Open>,
    events: VecDeque<String>,
}

struct Open {
    machine: HomeInCloud,
    link: CloudLink,
    leg: LegId,
    registry: Registry,
    random: Random,
    first: usize,
    streams: CloudStreams,
    /// No request is sent before.
    post_at: Instant,
}

impl HomeCloud {
    /// `first`: the token of its first source.
    pub(super) fn open(
        settings: &BoxSettings,
        registry: Registry,
        first: usize,
        router: &mut HomeBox,
    ) -> Result<Self, String> {
        let events = VecDeque::new();
        let config = settings.cloud.clone();
        let (Some(settings_in_cloud), Some(calls)) = (config.settings(), &config.calls) else {
            return Ok(Self { open: None, events });
        };
        let now = clock::monotonic();
        let token = |source| Token(first + source);
        let relays = &settings_in_cloud.relays[..1];
        let link = CloudLink::new(config.clone(), relays, &calls.authority, token)?;
        let owners = &settings.cloud_for;
        let named: Vec<String> = owners.iter().map(u32::to_string).collect();
        info!(
            "cloud: the box is {} and rings {}",
            config.cid,
            named.join(", ")
        );
        let streams = [LINK_SOURCES, LINK_SOURCES + 1].map(token);
        let open = Open {
            machine: HomeInCloud::new(now, config.cid, owners, random_seed()?),
            link,
            leg: router.open_cloud(now),
            registry,
            random: Random::open(),
            first,
            streams: CloudStreams::new(streams),
            post_at: Instant::default(),
        };
        let open = Some(open);
        Ok(Self { open, events })
    }

    /// What the router sends to this leg is for the phones.
    pub(super) fn is_leg(&self, leg: LegId) -> bool {
        self.open.as_ref().is_some_and(|open| open.leg == leg)
    }

    pub(super) fn handle_event(&mut self, event: &Event) {
        let Some(open) = &mut self.open else { return };
        let source = event.token().0.saturating_sub(open.first);
        match source.checked_sub(LINK_SOURCES) {
            Some(stream) => open.streams.handle_event(stream, event),
            None => open.link.handle_event(source, event),
        }
    }

    /// The router sends this to the phones.
    pub(super) fn handle_router(&mut self, now: Instant, message: &Message) {
        if let Some(open) = &mut self.open {
            open.machine.handle_router(now, message);
        }
    }

    /// Hears and tells the cloud; the phone's sound goes to the box's stream server.
    pub(super) fn turn(&mut self, now: Instant, router: &mut HomeBox, server: &mut StreamServer) {
        let Some(open) = &mut self.open else { return };
        if now >= open.machine.next_deadline() {
            open.machine.handle_timeout(now);
        }
        open.follow(now, router, server, &mut self.events);
        let (machine, link) = (&mut open.machine, &mut open.link);
        link.listen(now, machine, &open.registry, &mut open.random);
        open.follow(now, router, server, &mut self.events);
        let (machine, link) = (&mut open.machine, &mut open.link);
        link.tell(now, machine, &open.registry, &mut open.random);
        // A request that was not sent waits for the address of its host.
        open.post_at = match open.machine.next_post_at() {
            at if at <= now => now + LOOKUP_PAUSE,
            _ => Instant::default(),
        };
        open.receive_streams(now, server);
        open.follow(now, router, server, &mut self.events);
    }

    /// The door's stream goes to the cloud, as far as it was relayed.
    pub(super) fn send_streams(&mut self, now: Instant, server: &mut StreamServer) {
        if let Some(open) = &mut self.open {
            open.streams.send(now, server);
        }
    }

    /// The next line for those who have subscribed.
    pub(super) fn poll_event(&mut self) -> Option<String> {
        self.events.pop_front()
    }

    /// What was told last.
    pub(super) fn present(&self) -> Option<String> {
        let state = self.open.as_ref()?.machine.told()?;
        Some(cloud_line(state))
    }

    /// The application server is still to be told something.
    pub(super) fn has_farewells(&self) -> bool {
        let open = self.open.as_ref();
        open.is_some_and(|open| !open.machine.has_told_all())
    }

    pub(super) fn has_work(&self) -> bool {
        let open = self.open.as_ref();
        open.is_some_and(|open| open.link.has_more() || open.streams.has_more())
    }

    pub(super) fn next_deadline(&self) -> Instant {
        let Some(open) = &self.open else {
            return Instant::NEVER;
        };
        let link = open.link.next_deadline();
        let streams = open.streams.next_deadline();
        let post = open.machine.next_post_at().max(open.post_at);
        let machine = open.machine.next_deadline();
        link.min(streams).min(post).min(machine)
    }
}

impl Open {
    /// Does what the machine wants done.
    fn follow(
        &mut self,
        now: Instant,
        router: &mut HomeBox,
        server: &mut StreamServer,
        events: &mut VecDeque<String>,
    ) {
        while let Some(output) = self.machine.poll_output() {
            match output {
                Output::OpenChannel => self.link.want_channel(),
                Output::CloseChannel => self.link.close_channel(),
                Output::Acknowledge(id) => self.link.want_acknowledged(id),
                Output::State(state) => {
                    router.set_cloud_online(state == CloudState::Online);
                    events.push_back(cloud_line(state));
                }
                Output::Message(cid, message) => {
                    router.handle_cloud_message(now, cid, &message);
                }
                Output::NobodyRings => {
                    info!("cloud: no phone rings");
                    router.handle_no_phone(now);
                }
                Output::OpenStreams(streams) => self.streams.begin(now, streams),
                Output::CloseStreams => self.streams.end(now, server),
            }
        }
    }

    fn receive_streams(&mut self, now: Instant, server: &mut StreamServer) {
        if !self.streams.is_wanted() {
            return;
        }
        let lookup = self
            .link
            .address(CLOUD, now, &self.registry, &mut self.random);
        match lookup {
            Lookup::Pending => {
                self.streams.postpone(now);
                return;
            }
            Lookup::Unknown => {
                let host = &self.link.authority(CLOUD).host;
                warn!("cloud: no address of {host} (cloudServer): the call has no sound");
                self.machine.handle_stream_ended();
                return;
            }
            Lookup::Found(cloud) => {
                let streams = &mut self.streams;
                streams.connect(now, &self.registry, &cloud, &self.link, server);
            }
        }
        if self.streams.receive(now, server) {
            self.machine.handle_stream_ended();
        }
    }
}

fn cloud_line(state: CloudState) -> String {
    let mut buffer = [0; MESSAGE_BYTES];
    let len = Writer::new(&mut buffer, "CloudEvent")
        .pair("state", cloud_word(state))
        .finish();
    String::from_utf8_lossy(&buffer[..len.unwrap_or(0)]).into_owned()
}
