//! The recording server's event loop.
//!
//! ```text
//! poll(timeout = next tick, or the earliest time-out of a connection; without connections, the next check of the disk)
//! 1  signals, new connections, messages of the phones, responses
//! 2  each tick: each RTP port is read until it is empty, frames are written; a sync is begun, whose result lets the
//!    headers follow; the disk is checked; time-outs
//! 3  a few of the recordings that are over are finished
//! ```
//! RTP ports are not registered with epoll: their packets wait in the socket for the tick, for
//! seconds if the disk stalls. So the work for a packet is a part of one system call.

use std::io::ErrorKind;

use log::{info, warn};
use mio::{Events, Token};

use crate::base::limits::server::{BATCH, EVENTS_PER_TURN, FINISHED_PER_TURN, SERVER_SHUTDOWN};
use crate::io::clock::{self, Now};
use crate::io::process_channel::Received;
use crate::io::signals::SignalAction;
use crate::server::http::HttpServer;
use crate::server::record::end_reason::EndReason;
use crate::server::record::service::{
    Accepting, RecordService, FIRST_CONNECTION, LISTENER, NEVER, PARENT, SIGNALS, SYNCED,
};
use crate::server::record::workspace::{RecordingTurn, Workspace};

impl RecordService {
    /// Runs until a signal ends it.
    pub(super) fn run(mut self) -> Result<(), String> {
        let mut events = Events::with_capacity(EVENTS_PER_TURN);
        loop {
            self.report(clock::monotonic());
            self.wait(&mut events)?;
            let now = clock::now();
            for event in &events {
                self.handle_event(&now, event.token());
            }
            if self.accepting == Accepting::Ready {
                self.accept(&now);
            }
            self.take_turn(&now);
            let length = clock::monotonic().since(now.monotonic);
            self.counters.note_turn(length);
            if let Some(shutdown_at) = self.shutdown_at {
                if self.recordings.is_empty() || now.monotonic >= shutdown_at {
                    return self.close_down(&now);
                }
            }
        }
    }

    fn wait(&mut self, events: &mut Events) -> Result<(), String> {
        let now = clock::monotonic();
        self.tick_at = if self.is_busy() {
            self.tick_at.min(now + BATCH)
        } else {
            now.max(self.disk.check_at())
        };
        let has_more = self.accepting == Accepting::Ready || !self.backlog.is_empty();
        let http = self.http.as_ref().and_then(HttpServer::next_deadline);
        let deadlines = [
            Some(self.tick_at),
            Some(self.next_timeout),
            http,
            self.shutdown_at,
            has_more.then_some(now),
        ];
        let deadline = deadlines.into_iter().flatten().min().unwrap_or(NEVER);
        let timeout = std::time::Duration::from_nanos(deadline.since(now).nanos());
        match self.poll.poll(events, Some(timeout)) {
            Err(error) if error.kind() != ErrorKind::Interrupted => Err(format!("epoll: {error}")),
            _ => Ok(()),
        }
    }

    fn handle_event(&mut self, now: &Now, token: Token) {
        match token {
            SIGNALS => self.handle_signals(now),
            LISTENER if self.accepting == Accepting::Starved => self.accept(now),
            LISTENER => self.accepting = Accepting::Ready,
            SYNCED => self.handle_synced(now),
            PARENT => self.handle_parent(now),
            Token(number) if number >= FIRST_CONNECTION => {
                self.handle_ready(now, number - FIRST_CONNECTION);
            }
            token => self.handle_http(now.monotonic, token),
        }
    }

    fn handle_signals(&mut self, now: &Now) {
        while let Some(order) = self.signals.next_action() {
            match order {
                SignalAction::End => self.begin_shutdown(now),
                SignalAction::Reload => {
                    info!("SIGHUP ignored: restart the server to change its configuration");
                }
            }
        }
    }

    /// The parent sends nothing: its end is the only event. Nobody else would end this worker then.
    fn handle_parent(&mut self, now: &Now) {
        let Some(parent) = &self.parent else { return };
        if parent.receive(&mut [0; 8]) == Received::Closed {
            self.begin_shutdown(now);
        }
    }

    fn take_turn(&mut self, now: &Now) {
        if now.monotonic >= self.tick_at {
            self.tick_at = now.monotonic.next_multiple_of(BATCH);
            self.tick(now);
        } else {
            for index in std::mem::take(&mut self.backlog.flooded) {
                self.record(now, index);
            }
        }
        for index in std::mem::take(&mut self.backlog.unread) {
            self.read_control(now, index);
        }
        for _ in 0..FINISHED_PER_TURN {
            let Some(index) = self.backlog.over.pop_front() else {
                break;
            };
            self.finish(now, index);
        }
        if now.monotonic >= self.next_timeout {
            self.handle_timeouts(now);
        }
        if let Some(http) = &mut self.http {
            http.handle_timeout(now.monotonic);
        }
    }

    fn tick(&mut self, now: &Now) {
        if self.accepting == Accepting::Starved {
            self.accept(now);
        }
        // All recordings are read below, the flooded ones as well.
        self.backlog.flooded.clear();
        // After a failed sync another one is due even if nothing is recorded: the disk may work
        // again.
        self.needs_sync |= !self.recordings.is_empty() || self.disk.sync_fails;
        self.workspace.writing.silence.begin_turn();
        for index in self.recording_indices() {
            self.record(now, index);
        }
        self.check_disk_if_due(now);
        if let Some(problem) = self.disk.problem() {
            if problem.ends_recordings() {
                self.stop_all(now, problem.end_reason());
            }
        }
        self.handle_timeouts(now);
        if self.needs_sync && self.syncer.is_due(now.monotonic) {
            for (_, recording) in &mut self.recordings {
                recording.begin_sync();
            }
            self.syncer.begin(now.monotonic, &self.archive);
            self.needs_sync = false;
        }
    }

    /// Reads the packets of a recording, and writes its frames.
    fn record(&mut self, now: &Now, index: usize) {
        let Some(recording) = self.recordings.get_mut(index) else {
            return;
        };
        let Workspace { batch, writing } = &mut self.workspace;
        let mut turn = RecordingTurn {
            now,
            writing,
            counters: &mut self.counters,
        };
        let done = recording.take_turn(&mut turn, batch);
        if done.has_more {
            self.backlog.flooded.push(index);
        } else if recording.poll_over(now.monotonic) {
            self.backlog.over.push_back(index);
        }
        let length = now.monotonic.since(recording.began_at);
        let max_millis = self.settings.max_minutes * 60_000;
        if let Err(error) = done.written {
            warn!("a recording cannot be written: {error}");
            self.disk.is_suspect = true;
            self.stop(now, index, EndReason::from_disk_error(&error));
        } else if max_millis > 0 && length.millis() >= max_millis {
            self.stop(now, index, EndReason::MaxMinutes);
        }
    }

    /// Handles the time-outs of all connections, and finds the next one.
    fn handle_timeouts(&mut self, now: &Now) {
        let all: Vec<usize> = self.connections.iter().map(|(index, _)| index).collect();
        self.next_timeout = NEVER;
        for index in all {
            while let Some(connection) = self.connections.get_mut(index) {
                let Some(event) = connection.session.handle_timeout(now.monotonic) else {
                    self.next_timeout = self.next_timeout.min(connection.next_deadline());
                    // A message that silence has ended may have been answered without an event.
                    connection.flush();
                    break;
                };
                self.handle_control(now, index, event);
            }
        }
    }

    pub(super) fn begin_shutdown(&mut self, now: &Now) {
        if self.shutdown_at.is_some() {
            return;
        }
        let count = self.recordings.len();
        info!("shutting down: {count} recordings are being finished");
        self.shutdown_at = Some(now.monotonic + SERVER_SHUTDOWN);
        self.listener = None;
        self.accepting = Accepting::Drained;
        self.stop_all(now, EndReason::Shutdown);
    }

    /// Finishes the recordings that are left, and returns when they are on the disk.
    fn close_down(mut self, now: &Now) -> Result<(), String> {
        for index in self.recording_indices() {
            self.finish(now, index);
        }
        self.finish_last();
        let synced = self.archive.root().sync_file_system();
        synced.map_err(|error| format!("{}: cannot be synced: {error}", self.settings.dir))
    }
}
