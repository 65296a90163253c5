//! What a device exchanges with the cloud and the application server: the channel,
//! acknowledgements, and the machine's requests.

use log::info;
use mio::Registry;

use super::{CloudLink, CLOUD, STEPS_PER_TURN};
use crate::base::limits::cloud::{ACTION_TIMEOUT, EXCHANGE_TIMEOUT, PLACE_TIMEOUT};
use crate::base::time::Instant;
use crate::config::CloudConfig;
use crate::io::random::Random;
use crate::outgoing::cloud_requests::{acknowledge, open_channel, post};
use crate::outgoing::hosts::Lookup;
use crate::outgoing::http_connection::{Request, Step};
use crate::proto::cloud::device::CloudDevice;
use crate::proto::cloud::posts::Outcome;
use crate::wire::cloud::message::Kind;

impl CloudLink {
    pub(super) fn open_channel(
        &mut self,
        now: Instant,
        machine: &mut dyn CloudDevice,
        registry: &Registry,
        random: &mut Random,
    ) {
        if !self.opens_channel {
            return;
        }
        let lookup = self.hosts[CLOUD].address(now, registry, random);
        if matches!(lookup, Lookup::Pending) {
            return;
        }
        self.opens_channel = false;
        let is_begun = match (lookup, self.request(open_channel)) {
            (Lookup::Found(server), Some(request)) => {
                self.channel.begin(now, registry, &server, request, None)
            }
            _ => false,
        };
        if !is_begun {
            machine.handle_channel_lost(now);
        }
    }

    pub(super) fn read_channel(&mut self, now: Instant, machine: &mut dyn CloudDevice) {
        for _ in 0..STEPS_PER_TURN {
            if !machine.has_room() {
                return;
            }
            match self.channel.step(now) {
                Step::Wait => return,
                Step::Answered(answered) => {
                    let (status, date) = (answered.status, answered.date);
                    machine.handle_channel_answered(now, status, date);
                    if status != 200 {
                        self.channel.close();
                    }
                }
                Step::Content(bytes) => machine.handle_channel_bytes(now, bytes),
                Step::Complete | Step::Failed | Step::TimedOut => {
                    machine.handle_channel_lost(now);
                }
            }
        }
    }

    pub(super) fn acknowledge(&mut self, now: Instant, registry: &Registry, random: &mut Random) {
        while !self.acknowledging.is_idle() {
            // What is answered does not matter: without success the message comes again.
            if let Step::Wait = self.acknowledging.step(now) {
                return;
            }
        }
        let Some(id) = self.acks.pop_front() else {
            return;
        };
        let lookup = self.hosts[CLOUD].address(now, registry, random);
        let request = self.request(|config, token| acknowledge(config, token, id));
        if let (Lookup::Found(server), Some(request)) = (lookup, request) {
            let limit = Some(EXCHANGE_TIMEOUT);
            let _ = self
                .acknowledging
                .begin(now, registry, &server, request, limit);
        }
    }

    pub(super) fn post(
        &mut self,
        now: Instant,
        machine: &mut dyn CloudDevice,
        registry: &Registry,
        random: &mut Random,
    ) {
        while !self.posting.is_idle() {
            let outcome = match self.posting.step(now) {
                Step::Wait => return,
                Step::Answered(answered) => {
                    self.status = answered.status;
                    continue;
                }
                Step::Content(bytes) => {
                    let room = self.body.capacity() - self.body.len();
                    let _ = self.body.extend_from_slice(&bytes[..bytes.len().min(room)]);
                    continue;
                }
                Step::Complete => Outcome::Answered(self.status),
                Step::Failed => Outcome::Failed,
                Step::TimedOut => Outcome::TimedOut,
            };
            self.finish_post(now, outcome, machine);
        }
        if now < machine.next_post_at() {
            return;
        }
        let calls = self.hosts.len() - 1;
        let lookup = self.hosts[calls].address(now, registry, random);
        if matches!(lookup, Lookup::Pending) {
            return;
        }
        let Some(what) = machine.poll_post(now) else {
            return;
        };
        let limit = match what.kind {
            Kind::Call => PLACE_TIMEOUT,
            _ => ACTION_TIMEOUT,
        };
        let request = self.request(|config, token| post(config, token, &what));
        let is_begun = match (lookup, request) {
            (Lookup::Found(server), Some(request)) => {
                self.posting
                    .begin(now, registry, &server, request, Some(limit))
            }
            _ => false,
        };
        if !is_begun {
            self.finish_post(now, Outcome::Failed, machine);
        }
    }

    fn finish_post(&mut self, now: Instant, outcome: Outcome, machine: &mut dyn CloudDevice) {
        if outcome == Outcome::Answered(401) {
            self.read_token();
        }
        if !matches!(outcome, Outcome::Answered(200..=299)) {
            info!("cloud: the application server (cloudCalls): {outcome}");
        }
        let body = std::mem::take(&mut self.body);
        machine.handle_outcome(now, outcome, &body);
    }

    /// A request with the token; `None`: it is too long.
    fn request(
        &self,
        write: impl FnOnce(&CloudConfig, &str) -> Option<Request>,
    ) -> Option<Request> {
        let token = core::str::from_utf8(&self.token).unwrap_or_default();
        write(&self.config, token)
    }
}
