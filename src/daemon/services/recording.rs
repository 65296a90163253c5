//! The sockets, server connections and files of the recordings, served in the order of
//! `proto::recorder::turn`.

use mio::event::Event;
use mio::Registry;

use crate::base::time::Instant;
use crate::daemon::context::Context;
use crate::daemon::disk::Disk;
use crate::daemon::media_ports::MediaPorts;
use crate::daemon::record_clients::RecordClients;
use crate::daemon::service::Service;
use crate::daemon::turn::{Tokens, Wake, Work};
use crate::io::clock::{Clock, Now};
use crate::io::random::Random;
#[cfg(feature = "intercom")]
use crate::proto::intercom::sound::feed::Feed;
#[cfg(feature = "intercom")]
use crate::proto::media::receiver;
#[cfg(feature = "intercom")]
use crate::proto::recorder::intercom::no_ports;
use crate::proto::recorder::reason::Reason;
use crate::proto::recorder::turn::{self, Devices};
use crate::proto::recorder::Recorder;
use crate::proto::recording::setup::Ports;
#[cfg(feature = "intercom")]
use crate::proto::recording::state::RecordingState;

/// All recordings of the phone.
pub(super) struct Recordings {
    media: MediaPorts,
    clients: RecordClients,
}

impl Recordings {
    pub(super) fn new(context: &Context, tokens: Tokens) -> Self {
        let config = &context.config;
        let slots = context.recorder.slots();
        Self {
            media: MediaPorts::new(config.media_addr, config.media_ports, slots),
            clients: RecordClients::new(tokens, slots),
        }
    }
}

impl Service for Recordings {
    fn handle_event(&mut self, source: usize, event: &Event, _context: &mut Context) {
        self.clients.set_ready(source, event);
    }

    fn handle_config(&mut self, context: &mut Context) {
        let config = &context.config;
        self.media.set_range(config.media_addr, config.media_ports);
    }

    fn turn(&mut self, now: &Now, context: &mut Context) -> Work {
        let mut now = *now;
        let mut work = Work::Done;
        for slot in 0..context.recorder.slots() {
            if slot > 0 && context.recorder.accepts_packets(slot) {
                // The stick may have delayed the previous recording.
                now = context.clock.read();
            }
            let recorder = &mut context.recorder;
            #[cfg(feature = "intercom")]
            if recorder.begins_call(slot) {
                context.feed.set_slot(slot);
            }
            let due = context.wake == Wake::Event || recorder.is_due(slot, now.monotonic);
            let mut devices = PhoneDevices {
                media: &mut self.media,
                clock: &mut context.clock,
                clients: &mut self.clients,
                registry: context.poll.registry(),
                random: &mut context.random,
                disk: &mut context.disk,
                #[cfg(feature = "intercom")]
                feed: &mut context.feed,
                now,
            };
            if turn::serve_slot(&mut devices, slot, now.monotonic, recorder, due) {
                work = Work::Left;
            }
            self.media.close_unused(slot, recorder);
            #[cfg(feature = "intercom")]
            if context.feed.feeds(slot) && !takes_packets(recorder.state(slot)) {
                context.feed.end();
            }
        }
        context.disk.keep_descriptors();
        if context.disk.take_stick_check() {
            context.find_stick(&now);
        }
        work
    }

    fn next_deadline(&self, now: Instant, context: &Context) -> Instant {
        let recordings = context.recorder.next_deadline(now);
        let clients = self.clients.next_deadline();
        let earliest = recordings.into_iter().chain(clients).min();
        earliest.unwrap_or(Instant::NEVER)
    }
}

#[cfg(feature = "intercom")]
fn takes_packets(state: RecordingState) -> bool {
    matches!(
        state,
        RecordingState::Binding { .. }
            | RecordingState::Opening { .. }
            | RecordingState::Running
            | RecordingState::Draining { .. }
    )
}

/// The devices that the recordings of this phone use.
struct PhoneDevices<'a> {
    media: &'a mut MediaPorts,
    clock: &'a mut Clock,
    clients: &'a mut RecordClients,
    registry: &'a Registry,
    random: &'a mut Random,
    disk: &'a mut Disk,
    #[cfg(feature = "intercom")]
    feed: &'a mut Feed,
    now: Now,
}

impl Devices for PhoneDevices<'_> {
    fn bind(&mut self, slot: usize, legs: usize, now: Instant) -> Result<Ports, Reason> {
        #[cfg(feature = "intercom")]
        if self.feed.feeds(slot) {
            return Ok(no_ports());
        }
        self.media.open(slot, legs, now)
    }

    #[cfg(feature = "intercom")]
    fn media_time(&self, slot: usize, now: Instant) -> Instant {
        if self.feed.feeds(slot) {
            self.feed.media_time(now)
        } else {
            now
        }
    }

    fn drain(&mut self, slot: usize, now: Instant, recorder: &mut Recorder) -> bool {
        #[cfg(feature = "intercom")]
        if self.feed.feeds(slot) {
            return receiver::drain(&mut self.feed.reading(now), slot, now, recorder);
        }
        self.media.drain(slot, now, self.clock, recorder)
    }

    fn serve(&mut self, slot: usize, now: Instant, recorder: &mut Recorder) {
        self.clients
            .work(slot, now, self.registry, recorder, self.random);
    }

    fn store(&mut self, slot: usize, _now: Instant, recorder: &mut Recorder) -> bool {
        self.disk.work(slot, &self.now, recorder)
    }
}
