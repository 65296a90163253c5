//! What the loop does besides connections and requests: tokens, the cloud, its own end.

use std::time::Duration;

use log::info;
use mio::Events;

use super::EventLoop;
use crate::base::limits::home_box::TOKEN_LOOK;
use crate::base::time::Instant;
use crate::home_box::event_lines::{log_event, present_lines};
use crate::home_box::joining::revoked;
use crate::io::clock::{self, Now};

/// The box ends within this time, also when the cloud does not answer.
const FAREWELL: crate::base::time::Duration = crate::base::time::Duration::from_millis(2000);
/// Between two looks at a cloud that is being told.
const FAREWELL_STEP: Duration = Duration::from_millis(50);

impl EventLoop {
    /// Something can be done at once: the poll must not sleep.
    pub(super) fn has_work(&self) -> bool {
        self.control.has_work() || self.streams.has_work() || self.cloud.has_work()
    }

    /// What is now, for a client that subscribes.
    pub(super) fn present_lines(&self) -> Vec<String> {
        let mut lines = present_lines(&self.parts.router, self.streams.relay());
        let cloud = self.cloud.present().map(|line| format!("{line}&now=1"));
        lines.extend(cloud);
        lines
    }

    /// The owners' phones: what they say, and their sound.
    pub(super) fn turn_cloud(&mut self, now: &Now) {
        let router = &mut self.parts.router;
        self.cloud.turn(now.monotonic, router, &mut self.streams);
        while let Some(line) = self.cloud.poll_event() {
            log_event(&line);
            self.control.tell(&line);
        }
        self.carry_out(now);
    }

    /// Screens whose tokens were revoked by the command are put out.
    pub(super) fn look_at_tokens(&mut self, now: Instant) {
        if self.look_at_tokens_at > now {
            return;
        }
        let router = &mut self.parts.router;
        let devices: Vec<Vec<u8>> = router.devices().map(<[u8]>::to_vec).collect();
        self.look_at_tokens_at = if devices.is_empty() {
            Instant::NEVER
        } else {
            now + TOKEN_LOOK
        };
        for device in revoked(&mut self.parts.tokens, devices) {
            router.put_out_device(now, &device, "unauthorised");
        }
    }

    /// Ends the call, and writes what can be written.
    pub(super) fn end(&mut self, now: &Now) {
        info!("ending");
        self.parts.router.handle_shutdown(now.monotonic);
        self.carry_out(now);
        self.connections.flush(now.monotonic);
        self.control.flush();
        self.tell_cloud(now.monotonic);
    }

    /// The owners' phones hear of the end, if the cloud answers in time.
    fn tell_cloud(&mut self, began_at: Instant) {
        let mut events = Events::with_capacity(16);
        let mut now = began_at;
        while self.cloud.has_farewells() && now.since(began_at) < FAREWELL {
            let router = &mut self.parts.router;
            self.cloud.turn(now, router, &mut self.streams);
            if self.poll.poll(&mut events, Some(FAREWELL_STEP)).is_err() {
                return;
            }
            for event in events.iter().filter(|event| super::is_of_cloud(event)) {
                self.cloud.handle_event(event);
            }
            now = clock::monotonic();
        }
    }
}
