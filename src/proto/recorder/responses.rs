//! The responses and events of the recorder (board/README.md).

use core::fmt::Display;
use core::net::SocketAddr;

use crate::base::limits::{KEPT_RESPONSE_BYTES, MESSAGE_BYTES};
use crate::base::stats::Counter;
use crate::proto::recorder::format_keys::Declared;
use crate::proto::recorder::outbox::{ClientId, To};
use crate::proto::recorder::reason::Reason;
use crate::proto::recorder::stick::Path;
use crate::proto::recorder::Recorder;
use crate::proto::recording::file_writer::RecordingName;
use crate::proto::recording::state::RecordingState;
use crate::proto::recording::Recording;
use crate::wire::control::Writer;

/// Space that is kept free after a list of files for the keys that follow it.
const TAIL: usize = 64;

impl Recorder {
    /// Queues the response to a refused request: `XRequest` gets `XResponse`.
    pub(super) fn refuse(&mut self, client: ClientId, command: &[u8], reason: &Reason) {
        if reason.starts_with("bad-request") {
            self.stats.count(Counter::BadMessage);
        }
        let stem = command.strip_suffix(b"Request").unwrap_or(command);
        let known = stem.len() <= 32 && stem.iter().all(u8::is_ascii_alphanumeric);
        let stem = core::str::from_utf8(stem)
            .ok()
            .filter(|_| known)
            .unwrap_or("Error");
        let mut name = heapless::String::<48>::new();
        let _ = name.push_str(stem);
        let _ = name.push_str("Response");
        self.send_refusal(To::Client(client), &name, reason);
    }

    fn send_refusal(&mut self, to: To, response: &str, reason: &Reason) {
        self.send(to, response, |writer| {
            writer.pair("result", "failed").pair("reason", reason);
        });
    }

    pub(super) fn answer_plain(&mut self, client: ClientId, command: &str, id: u32) {
        self.send(To::Client(client), command, |writer| {
            writer.pair("result", "success").pair("id", id);
        });
    }

    pub(super) fn answer_formats(&mut self, client: ClientId, id: u32, declared: &Declared) {
        self.send(To::Client(client), "RecordFormatsResponse", |writer| {
            writer.pair("result", "success").pair("id", id);
            write_declared(writer, &declared.understood, &declared.undecodable);
        });
    }

    pub(super) fn answer_subscribed(&mut self, client: ClientId) {
        self.send(To::Client(client), "SubscribeResponse", |writer| {
            writer.pair("result", "success");
        });
    }

    /// All counters.
    pub fn stats_line<'a>(&self, buffer: &'a mut [u8; MESSAGE_BYTES]) -> Option<&'a [u8]> {
        let recordings = self.slots.iter().filter(|slot| slot.accepts_packets());
        let legs: usize = recordings.map(Recording::active_legs).sum();
        let mut writer = Writer::new(buffer, "StatsResponse");
        writer
            .pair("result", "success")
            .pair("recordings", self.active())
            .pair("legs", legs);
        writer
            .pair("longest_turn_us", self.stats.longest_turn.nanos() / 1000)
            .pair("p2p", self.stats.p2p);
        for (name, count) in self.totals().all() {
            writer.pair(name, count);
        }
        let len = writer.finish()?;
        Some(&buffer[..len])
    }

    /// The response lists the bound ports, and names the sink of the recording.
    pub(super) fn answer_started(&mut self, client: ClientId, slot: usize) {
        let id = self.slots[slot].setup().id;
        let ports = self.slots[slot].ports().clone();
        let setup = self.slots[slot].setup();
        let understood = setup.understood.clone();
        let undecodable = setup.undecodable.clone();
        let target = target(&self.slots[slot]);
        self.send(To::Client(client), "RecordStartResponse", |writer| {
            writer.pair("result", "success").pair("id", id);
            if let Some((local, legs)) = ports.split_last() {
                writer
                    .pair("leg_ports", Commas(legs))
                    .pair("local_port", local);
            }
            write_declared(writer, &understood, &undecodable);
            write_target(writer, &target);
        });
    }

    /// A recording has ended that this client has stopped, and not as it should.
    pub(super) fn refuse_stop(&mut self, client: ClientId, reason: &Reason) {
        let to = self.stopped_by(client);
        self.send_refusal(to, "RecordStopResponse", reason);
        self.handle_stopped_by(client);
    }

    /// A recording has ended that this client has stopped.
    pub(super) fn answer_stopped(&mut self, client: ClientId, slot: usize) {
        let to = self.stopped_by(client);
        if matches!(to, To::Before(_)) {
            // The client that has started it may stop it, too.
            self.keep_stopped(slot);
        }
        let mut buffer = [0; MESSAGE_BYTES];
        let len = self.write_stopped(slot, &mut buffer);
        if !len.is_some_and(|len| self.outbox.push(to, &buffer[..len])) {
            self.stats.count(Counter::Bug);
        }
        self.handle_stopped_by(client);
    }

    /// Keeps the figures of a recording that nobody has stopped.
    pub(super) fn keep_stopped(&mut self, slot: usize) {
        let mut buffer = [0; KEPT_RESPONSE_BYTES];
        let len = self.write_stopped(slot, &mut buffer).unwrap_or(0);
        let id = self.slots[slot].setup().id;
        self.kept_responses.keep(id, &buffer[..len]);
    }

    /// The response to a stop; `files` has as many names as fit.
    fn write_stopped(&self, slot: usize, buffer: &mut [u8]) -> Option<usize> {
        let recording = &self.slots[slot];
        let id = recording.setup().id;
        let frames = recording.frames();
        let duration = recording.duration_ms();
        let heard = recording.heard().name();
        let (names, parts) = recording.names();
        let mut writer = Writer::new(buffer, "RecordStopResponse");
        writer.pair("result", "success").pair("id", id);
        writer.pair("frames", frames).pair("duration_ms", duration);
        writer.pair("heard", heard);
        let fits = |len: &mut usize, name: &RecordingName| {
            *len = len.saturating_sub(name.len() + 1);
            Some(*len > TAIL)
        };
        let fitting = names.iter().scan(writer.room(), fits);
        let named = fitting.take_while(|fits| *fits).count();
        writer
            .pair("files", Commas(&names[..named]))
            .pair("parts", parts);
        writer.finish()
    }

    pub(super) fn record_event(&mut self, slot: usize, state: &str, reason: Option<&Reason>) {
        let recording = &self.slots[slot];
        let id = recording.setup().id;
        let stop_reason = recording.setup().call.stop_reason.clone();
        let target = target(recording);
        let has_ended = matches!(state, "stopped" | "failed");
        let figures = has_ended.then(|| (recording.frames(), recording.duration_ms()));
        let heard = recording.heard().name();
        self.send(To::Subscribers, "RecordEvent", |writer| {
            writer.pair("id", id).pair("state", state);
            match reason {
                Some(reason) => _ = writer.pair("reason", reason),
                None if state == "stopped" && !stop_reason.is_empty() => {
                    _ = writer.bytes("reason", &stop_reason)
                }
                None => {}
            }
            if let Some((frames, duration)) = figures {
                writer.pair("frames", frames).pair("duration_ms", duration);
                writer.pair("heard", heard);
            }
            write_target(writer, &target);
        });
    }

    pub(super) fn stick_event(&mut self, state: &str, path: &Path, free: u64) {
        self.send(To::Subscribers, "StickEvent", |writer| {
            writer
                .pair("state", state)
                .bytes("path", path)
                .pair("free_mib", free >> 20);
        });
    }

    /// The number of running recordings.
    fn active(&self) -> usize {
        self.slots
            .iter()
            .filter(|recording| recording.state() == RecordingState::Running)
            .count()
    }

    pub(super) fn send(&mut self, to: To, command: &str, write: impl FnOnce(&mut Writer)) {
        let mut buffer = [0; MESSAGE_BYTES];
        let mut writer = Writer::new(&mut buffer, command);
        write(&mut writer);
        let queued = writer
            .finish()
            .is_some_and(|len| self.outbox.push(to, &buffer[..len]));
        if !queued {
            self.stats.count(Counter::Bug);
        }
    }
}

/// What a request has declared about payload types.
fn write_declared(writer: &mut Writer, understood: &[u8], undecodable: &[u8]) {
    if !understood.is_empty() {
        writer.bytes("formats", understood);
    }
    if !undecodable.is_empty() {
        writer.bytes("undecodable", undecodable);
    }
}

/// Where a recording goes.
pub(super) enum Target {
    File(RecordingName),
    Server(SocketAddr),
    Nowhere,
}

pub(super) fn target(recording: &Recording) -> Target {
    match (recording.server(), recording.names().0.last()) {
        (Some(address), _) => Target::Server(address),
        (None, Some(name)) => Target::File(name.clone()),
        (None, None) => Target::Nowhere,
    }
}

pub(super) fn write_target(writer: &mut Writer, target: &Target) {
    match target {
        Target::File(name) => _ = writer.pair("file", name),
        Target::Server(address) => {
            _ = writer
                .pair("server", address.ip())
                .pair("port", address.port())
        }
        Target::Nowhere => {}
    }
}

struct Commas<'a, T>(&'a [T]);

impl<T: Display> Display for Commas<'_, T> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        for (i, item) in self.0.iter().enumerate() {
            if i > 0 {
                f.write_str(",")?;
            }
            item.fmt(f)?;
        }
        Ok(())
    }
}
