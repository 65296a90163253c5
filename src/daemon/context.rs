//! The state that the daemon's services share: recorder, stick, clients, clock, poll.

use std::io;

use log::warn;
use mio::Poll;

use crate::base::limits::{MAX_CLIENTS, MESSAGE_BYTES};
use crate::base::stats::Counter;
use crate::config::Config;
use crate::daemon::clients::Clients;
use crate::daemon::disk::Disk;
use crate::daemon::event_log;
use crate::daemon::stick::{self, Ejected, Stick};
use crate::daemon::turn::Wake;
use crate::io::clock::{Clock, Now};
use crate::io::interface::first_mac;
use crate::io::mounts::{unmount, Table, Unmounted};
use crate::io::random::Random;
#[cfg(feature = "intercom")]
use crate::proto::intercom::endpoint::request::Line as IntercomLine;
#[cfg(feature = "intercom")]
use crate::proto::intercom::sound::feed::Feed;
#[cfg(feature = "intercom")]
use crate::proto::recorder::intercom::{CallAnswer, INTERCOM};
use crate::proto::recorder::outbox::{ClientId, To};
use crate::proto::recorder::request::StickRequest;
#[cfg(feature = "intercom")]
use crate::proto::recorder::FollowUp;
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
    /// Requests about the stick that wait, one for each client at most.
    pub(super) stick_requests: heapless::Deque<(ClientId, StickRequest), MAX_CLIENTS>,
    /// The intercom's requests that wait, one for each client at most.
    #[cfg(feature = "intercom")]
    pub(super) intercom_lines: heapless::Deque<(ClientId, IntercomLine), MAX_CLIENTS>,
    /// The sound of the intercom's call on its way into a recording.
    #[cfg(feature = "intercom")]
    pub(super) feed: Feed,
    /// What the recorder has answered to the intercom.
    #[cfg(feature = "intercom")]
    pub(super) call_answers: heapless::Deque<CallAnswer, 4>,
    /// The stick that was ejected and is still plugged in.
    ejected: Option<Ejected>,
    /// How the stick was searched.
    stick_search: stick::Search,
    /// The stick has changed, and the services have not been told yet.
    stick_changed: bool,
    /// Buffer for a response or event.
    message: [u8; MESSAGE_BYTES],
}

impl Context {
    pub(super) fn open(config: Config, poll: Poll, clients: Clients) -> Result<Self, String> {
        let mounts = Table::open().map_err(|error| format!("/proc/self/mountinfo: {error}"))?;
        let recorder = Recorder::new(settings(&config));
        let slots = recorder.slots();
        Ok(Self {
            stick_search: stick::Search::of(&config),
            config,
            poll,
            clock: Clock::open(),
            random: Random::open(),
            recorder,
            disk: Disk::new(slots),
            clients,
            wake: Wake::Event,
            mounts,
            stick_requests: heapless::Deque::new(),
            #[cfg(feature = "intercom")]
            intercom_lines: heapless::Deque::new(),
            #[cfg(feature = "intercom")]
            feed: Feed::new(),
            #[cfg(feature = "intercom")]
            call_answers: heapless::Deque::new(),
            ejected: None,
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
    pub(super) fn find_stick(&mut self, now: &Now) {
        if self.recorder.is_idle() && !self.stick_search.is_of(&self.config) {
            // A changed usbMount takes effect only when no recording is running.
            self.stick_search = stick::Search::of(&self.config);
        }
        let mut found = stick::find(&self.stick_search, &mut self.mounts);
        if let Some(ejected) = &self.ejected {
            if ejected.has_left(found.as_ref()) {
                self.ejected = None;
                self.recorder.handle_ejected_gone();
            } else {
                found = None;
            }
        }
        if found.as_ref() == self.disk.stick() {
            return;
        }
        // A stick that replaces another one at the same mount point is a change, too: the old one
        // is gone.
        self.recorder.handle_stick(now.monotonic, None, 0);
        let path = found.as_ref().map(|stick| stick.path.clone());
        self.set_stick(found);
        let free = self.disk.free_bytes();
        self.recorder.handle_stick(now.monotonic, path, free);
    }

    /// Has all services close their files on the stick, which is to be ejected; `false`: it is gone.
    #[must_use]
    pub(super) fn detach_stick(&mut self) -> bool {
        self.ejected = self.disk.stick().cloned().map(Ejected::new);
        self.set_stick(None);
        self.ejected.is_some()
    }

    /// Unmounts the detached stick; `Ok(false)`: it may be unplugged, but stays mounted. After an
    /// error it is used again.
    pub(super) fn unmount_stick(&mut self) -> io::Result<bool> {
        let Some(mut ejected) = self.ejected.take() else {
            return Err(io::Error::from_raw_os_error(libc::ENODEV));
        };
        match unmount(&ejected.stick.path) {
            Ok(unmounted) => {
                ejected.unmounted = unmounted == Unmounted::Yes;
                let is_unmounted = ejected.unmounted;
                self.ejected = Some(ejected);
                Ok(is_unmounted)
            }
            Err(error) => {
                self.set_stick(Some(ejected.stick));
                Err(error)
            }
        }
    }

    fn set_stick(&mut self, stick: Option<Stick>) {
        self.disk.set_stick(stick);
        self.stick_changed = true;
    }

    /// Takes the notice that the stick has changed.
    pub(super) fn take_stick_change(&mut self) -> bool {
        std::mem::take(&mut self.stick_changed)
    }

    /// Keeps a request of this client for the intercom; none of its lines is read until then.
    #[cfg(feature = "intercom")]
    pub(super) fn queue_intercom(&mut self, slot: usize, client: ClientId, line: IntercomLine) {
        let remarks = line.remarks.clone();
        self.clients
            .set_follow_up(slot, &FollowUp::Later, remarks, 0);
        let queued = self.intercom_lines.push_back((client, line));
        debug_assert!(queued.is_ok(), "bug: one for each client");
    }

    /// Delivers a response or event of the intercom.
    #[cfg(feature = "intercom")]
    pub(super) fn push(&mut self, to: To, message: &[u8]) {
        let cut_off = self.clients.deliver(self.poll.registry(), to, message);
        self.recorder.stats.add(Counter::SlowClient, cut_off);
    }

    /// Delivers the recorder's responses and events to the clients; `true` when there were any.
    pub(super) fn deliver(&mut self) -> bool {
        self.recorder.announce_players();
        let mut any = false;
        while let Some((to, message)) = self.recorder.poll_output(&mut self.message) {
            if to == To::Subscribers {
                event_log::log(message);
            }
            #[cfg(feature = "intercom")]
            if to == To::Client(INTERCOM) {
                // A start and a stop wait for their answers; nothing else is asked.
                let answer = CallAnswer::parse(message);
                _ = answer.map(|answer| self.call_answers.push_back(answer));
                any = true;
                continue;
            }
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
    if settings.device.is_empty() {
        settings.device = device_of(first_mac().unwrap_or_default());
    }
    settings
}
