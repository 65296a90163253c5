//! What the phone exchanges with the cloud and the application server: the channel,
//! acknowledgements, and the machine's requests.

use log::info;

use super::{Cloud, CLOUD, STEPS_PER_TURN};
use crate::base::limits::cloud::{EXCHANGE_TIMEOUT, PLACE_TIMEOUT};
use crate::base::time::Instant;
use crate::config::CloudConfig;
use crate::daemon::context::Context;
use crate::daemon::services::calls::cloud::hosts::Lookup;
use crate::daemon::services::calls::cloud::http_connection::{Request, Step};
use crate::daemon::services::calls::cloud::http_requests::{acknowledge, open_channel, post};
use crate::proto::cloud::posts::Outcome;
use crate::wire::cloud::message::Kind;

impl Cloud {
    pub(super) fn open_channel(&mut self, now: Instant, context: &mut Context) {
        if !self.opens_channel {
            return;
        }
        let registry = context.poll.registry();
        let lookup = self.hosts[CLOUD].address(now, registry, &mut context.random);
        if lookup == Lookup::Pending {
            return;
        }
        self.opens_channel = false;
        let is_begun = match (lookup, self.request(open_channel)) {
            (Lookup::Found(server), Some(request)) => {
                self.channel.begin(now, registry, server, request, None)
            }
            _ => false,
        };
        if !is_begun {
            self.machine.handle_channel_lost(now);
        }
    }

    pub(super) fn read_channel(&mut self, now: Instant) {
        for _ in 0..STEPS_PER_TURN {
            match self.channel.step(now) {
                Step::Wait => return,
                Step::Answered(answered) => {
                    let (status, date) = (answered.status, answered.date);
                    self.machine.handle_channel_answered(now, status, date);
                    if status != 200 {
                        self.channel.close();
                    }
                }
                Step::Content(bytes) => self.machine.handle_channel_bytes(now, bytes),
                Step::Complete | Step::Failed | Step::TimedOut => {
                    self.machine.handle_channel_lost(now);
                }
            }
        }
    }

    pub(super) fn acknowledge(&mut self, now: Instant, context: &mut Context) {
        while !self.acknowledging.is_idle() {
            // What is answered does not matter: without success the message comes again.
            if let Step::Wait = self.acknowledging.step(now) {
                return;
            }
        }
        let Some(id) = self.acks.pop_front() else {
            return;
        };
        let registry = context.poll.registry();
        let lookup = self.hosts[CLOUD].address(now, registry, &mut context.random);
        let request = self.request(|config, token| acknowledge(config, token, id));
        if let (Lookup::Found(server), Some(request)) = (lookup, request) {
            let limit = Some(EXCHANGE_TIMEOUT);
            let _ = self
                .acknowledging
                .begin(now, registry, server, request, limit);
        }
    }

    pub(super) fn post(&mut self, now: Instant, context: &mut Context) {
        while !self.posting.is_idle() {
            let outcome = match self.posting.step(now) {
                Step::Wait => return,
                Step::Answered(answered) => {
                    self.status = answered.status;
                    self.body.clear();
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
            self.finish_post(now, outcome);
        }
        if now < self.machine.next_post_at() {
            return;
        }
        let registry = context.poll.registry();
        let calls = self.hosts.len() - 1;
        let lookup = self.hosts[calls].address(now, registry, &mut context.random);
        if lookup == Lookup::Pending {
            return;
        }
        let Some(what) = self.machine.poll_post(now) else {
            return;
        };
        let limit = match what.kind {
            Kind::Call => PLACE_TIMEOUT,
            _ => EXCHANGE_TIMEOUT,
        };
        let request = self.request(|config, token| post(config, token, &what));
        let is_begun = match (lookup, request) {
            (Lookup::Found(server), Some(request)) => {
                self.posting
                    .begin(now, registry, server, request, Some(limit))
            }
            _ => false,
        };
        if !is_begun {
            self.body.clear();
            self.finish_post(now, Outcome::Failed);
        }
    }

    fn finish_post(&mut self, now: Instant, outcome: Outcome) {
        if outcome == Outcome::Answered(401) {
            self.read_token();
        }
        if !matches!(outcome, Outcome::Answered(200..=299)) {
            info!("cloud: the application server (cloudCalls): {outcome:?}");
        }
        let body = std::mem::take(&mut self.body);
        self.machine.handle_outcome(now, outcome, &body);
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
