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
use crate::proto::recorder::reason::Reason;
use crate::proto::recorder::turn::{self, Devices};
use crate::proto::recorder::Recorder;
use crate::proto::recording::setup::Ports;

/// All recordings of the phone.
pub(super) struct Recordings {
    media: MediaPorts,
    clients: RecordClients,
}

impl Recordings {
    pub(super) fn new(context: &Context, tokens: Tokens) -> Self {
        let config = &context.config;
        let places = context.recorder.places();
        Self {
            media: MediaPorts::new(config.media_addr, config.media_ports, places),
            clients: RecordClients::new(tokens, places),
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
        for place in 0..context.recorder.places() {
            if place > 0 && context.recorder.listens(place) {
                // The stick may have delayed the previous recording.
                now = context.clock.read();
            }
            let recorder = &mut context.recorder;
            let due = context.wake == Wake::Event || recorder.is_due(place, now.monotonic);
            let mut devices = PhoneDevices {
                media: &mut self.media,
                clock: &mut context.clock,
                clients: &mut self.clients,
                registry: context.poll.registry(),
                random: &mut context.random,
                disk: &mut context.disk,
                now,
            };
            if turn::serve_place(&mut devices, place, now.monotonic, recorder, due) {
                work = Work::Left;
            }
            self.media.close_unused(place, recorder);
        }
        context.disk.keep_descriptors();
        if context.disk.take_suspicion() {
            context.look_for_stick(&now);
        }
        work
    }

    fn next_deadline(&self, now: Instant, context: &Context) -> Instant {
        let recordings = context.recorder.next_deadline(now);
        let clients = self.clients.next_deadline();
        recordings
            .into_iter()
            .chain(clients)
            .min()
            .unwrap_or(Instant::NEVER)
    }
}

/// The devices that the recordings of this phone use.
struct PhoneDevices<'a> {
    media: &'a mut MediaPorts,
    clock: &'a mut Clock,
    clients: &'a mut RecordClients,
    registry: &'a Registry,
    random: &'a mut Random,
    disk: &'a mut Disk,
    now: Now,
}

impl Devices for PhoneDevices<'_> {
    fn bind(&mut self, place: usize, legs: usize, now: Instant) -> Result<Ports, Reason> {
        self.media.open(place, legs, now)
    }

    fn drain(&mut self, place: usize, now: Instant, recorder: &mut Recorder) -> bool {
        self.media.drain(place, now, self.clock, recorder)
    }

    fn serve(&mut self, place: usize, now: Instant, recorder: &mut Recorder) {
        self.clients
            .work(place, now, self.registry, recorder, self.random);
    }

    fn store(&mut self, place: usize, _now: Instant, recorder: &mut Recorder) -> bool {
        self.disk.work(place, &self.now, recorder)
    }
}
