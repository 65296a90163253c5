//! The state that the daemon's services share: recorder, stick, clients, clock, poll.

use log::{info, warn};
use mio::Poll;

use crate::base::limits::MESSAGE_BYTES;
use crate::base::stats::Counter;
use crate::config::Config;
use crate::daemon::clients::Clients;
use crate::daemon::disk::Disk;
use crate::daemon::stick;
use crate::daemon::turn::Wake;
use crate::io::clock::{Clock, Now};
use crate::io::interface::first_mac;
use crate::io::mounts::Table;
use crate::io::random::Random;
use crate::proto::recorder::{Recorder, Settings};
use crate::proto::recording::setup::device_of;

/// Shared by all services.
pub(super) struct Context {
    pub(super) config: Config,
    pub(super) poll: Poll,
    pub(super) clock: Clock,
    pub(super) random: Random,
    pub(super) recorder: Recorder,
    pub(super) disk: Disk,
    pub(super) clients: Clients,
    /// Why this turn runs.
    pub(super) wake: Wake,
    pub(super) mounts: Table,
    /// The configuration by which the stick was searched.
    stick_config: Config,
    /// The stick has changed, and the services have not been told yet.
    stick_changed: bool,
    /// Buffer for a response or event.
    message: [u8; MESSAGE_BYTES],
}

impl Context {
    pub(super) fn open(config: Config, poll: Poll, clients: Clients) -> Result<Self, String> {
        let mounts = Table::open().map_err(|error| format!("/proc/self/mountinfo: {error}"))?;
        let recorder = Recorder::new(settings(&config));
        let places = recorder.places();
        Ok(Self {
            stick_config: config.clone(),
            config,
            poll,
            clock: Clock::open(),
            random: Random::open(),
            recorder,
            disk: Disk::new(places),
            clients,
            wake: Wake::Event,
            mounts,
            stick_changed: false,
            message: [0; MESSAGE_BYTES],
        })
    }

    /// Applies a new configuration. Running recordings keep theirs; the socket and the number of
    /// slots do not change.
    pub(super) fn set_config(&mut self, config: Config) {
        let socket_changed = config.control_socket != self.config.control_socket;
        if socket_changed || config.max_recordings != self.config.max_recordings {
            warn!("controlSocket and maxRecordings change with a restart only");
        }
        self.recorder.set_settings(settings(&config));
        self.config = config;
    }

    /// Searches the stick, and handles a change.
    pub(super) fn look_for_stick(&mut self, now: &Now) {
        if self.recorder.is_idle() && self.stick_config != self.config {
            // A changed usbMount takes effect only when no recording is running.
            self.stick_config = self.config.clone();
        }
        let found = stick::find(&self.stick_config, &mut self.mounts);
        if found.as_ref() == self.disk.stick() {
            return;
        }
        // A stick that replaces another one at the same mount point is a change, too: the old one
        // is gone.
        self.recorder.handle_stick(now.monotonic, None, 0);
        let path = found.as_ref().map(|stick| stick.path.clone());
        let shown = path.as_ref().map(|path| String::from_utf8_lossy(path));
        info!("stick: {}", shown.as_deref().unwrap_or("none"));
        self.disk.set_stick(found);
        let free = self.disk.free_bytes();
        self.recorder.handle_stick(now.monotonic, path, free);
        self.stick_changed = true;
    }

    /// Takes the notice that the stick has changed.
    pub(super) fn take_stick_change(&mut self) -> bool {
        std::mem::take(&mut self.stick_changed)
    }

    /// Delivers the recorder's responses and events to the clients; `true` when there were any.
    pub(super) fn deliver(&mut self) -> bool {
        self.recorder.announce_players();
        let mut any = false;
        while let Some((to, message)) = self.recorder.poll_output(&mut self.message) {
            let cut_off = self.clients.deliver(self.poll.registry(), to, message);
            self.recorder.stats.add(Counter::SlowClient, cut_off);
            any = true;
        }
        any
    }
}

/// The recorder's settings, with the phone's own hardware address if none is configured.
fn settings(config: &Config) -> Settings {
    let mut settings = config.settings();
    if let Some(server) = &mut settings.server {
        if server.device.is_empty() {
            server.device = device_of(first_mac().unwrap_or_default());
        }
    }
    settings
}
