//! Produces the sidecar of each part (`wire::recording::sidecar`), to be written by the caller.

use core::fmt::Write;

use crate::base::limits::play::SIDECAR_LINE_BYTES;
use crate::base::limits::{FRAME, MAX_PORTS};
use crate::base::stats::{Counter, NAMES};
use crate::proto::recorder::leg_events::{cause, Cause};
use crate::proto::recorder::losses::Missing;
use crate::proto::recorder::sidecar_queue::SidecarLine;
use crate::proto::recorder::Recorder;
use crate::proto::recording::file_writer::{FilesEnded, RecordingName};
use crate::proto::recording::part_history::{Zone, MISSING};
use crate::proto::recording::Recording;
use crate::wire::recording::sidecar::{PartAudio, Sidecar};
use crate::wire::recording::{age_key, Codec, LocalTime};

impl Recorder {
    /// Sets the state of the clock for a file that is being created.
    pub fn set_zone(&mut self, zone: Zone) {
        self.zone = zone;
    }

    /// Bytes that stay free on the stick.
    pub fn reserve(&self) -> u64 {
        self.settings.reserve
    }

    /// The next sidecar line to be written.
    pub fn next_sidecar<'a>(&mut self, buffer: &'a mut [u8]) -> Option<SidecarLine<'a>> {
        self.sidecars.pop(buffer)
    }

    /// Sidecar lines wait to be written.
    pub fn has_sidecars(&self) -> bool {
        !self.sidecars.is_empty()
    }

    /// A part has begun.
    pub(super) fn begin_part_sidecar(&mut self, slot: usize) {
        self.slots[slot].history_mut().zone = self.zone;
        self.losses[slot].begin_part();
        self.queue_sidecar(slot);
    }

    /// A recording has failed. If no file was open, the sidecar of its last file claims that
    /// another part follows, and must be corrected.
    pub(super) fn correct_last_sidecar(&mut self, slot: usize) {
        if self.slots[slot].history().followed {
            self.queue_sidecar(slot);
        }
    }

    /// Queues the sidecar of the part that has begun or ended.
    pub(super) fn queue_sidecar(&mut self, slot: usize) {
        let mut buffer = [0; SIDECAR_LINE_BYTES];
        let recording = &mut self.slots[slot];
        let closed = !recording.has_file();
        let followed = recording.parts_ended().is_none();
        recording.history_mut().followed = closed && followed;
        let recording = &self.slots[slot];
        let Some(name) = recording.names().0.last() else {
            return;
        };
        let len = emit(recording, name, self.losses[slot].missing(), &mut buffer);
        if closed {
            self.losses[slot].close_part();
        }
        if !len.is_some_and(|len| {
            self.sidecars
                .push(name, !recording.has_file(), &buffer[..len])
        }) {
            self.stats.count(Counter::SidecarsLost);
        }
    }
}

fn emit(
    recording: &Recording,
    name: &RecordingName,
    missing: Missing,
    buffer: &mut [u8],
) -> Option<usize> {
    let setup = recording.setup();
    let history = recording.history();
    let parts = recording.names().1;
    // Writing is compiled for each length of text; that of `Cause` is there already.
    let mut id = Cause::new();
    let mut start = Cause::new();
    let Zone {
        offset_minutes,
        clock_set,
    } = history.zone;
    let sign = if offset_minutes < 0 { '-' } else { '+' };
    let offset = offset_minutes.unsigned_abs();
    // A file is named after the local time of its first frame.
    let time = LocalTime(age_key(name.as_bytes()).0);
    write!(start, "{time}{sign}{:02}:{:02}", offset / 60, offset % 60).ok()?;
    write!(id, "{}", setup.id).ok()?;
    let frames = recording.part_frames();
    let ended = recording.parts_ended();
    let end: &[u8] = match ended {
        _ if recording.has_file() => b"",
        None => b"rolled",
        Some(FilesEnded::Complete) => b"stopped",
        Some(FilesEnded::Failed(_)) => b"failed",
    };
    let heard = (!recording.has_file()).then(|| heard_of(recording));
    let heard = heard.unwrap_or_default();
    let audio = PartAudio {
        duration_ms: frames * FRAME.millis(),
        frames,
        pauses: history.pauses(frames, ended.is_some()),
        dropped: &named(missing),
    };
    let intercom = setup.call.intercom.as_ref();
    let sidecar = Sidecar {
        id: id.as_bytes(),
        part: parts,
        parts: if ended.is_some() { parts } else { 0 },
        file: name.as_bytes(),
        device: setup.device.as_bytes(),
        codec: Codec::G711(setup.law).name().as_bytes(),
        dir: setup
            .call
            .incoming
            .map_or(b"", |incoming| if incoming { b"in" } else { b"out" }),
        remote_number: &setup.call.remote_number,
        remote_name: &setup.call.remote_name,
        local_number: &setup.call.local_number,
        local_name: &setup.call.local_name,
        kind: intercom.map_or(b"", |call| call.kind().as_bytes()),
        sid: intercom.map_or(b"", |call| &call.sid),
        peer: intercom.map_or(b"", |call| &call.peer),
        start: start.as_bytes(),
        clock_set: Some(clock_set),
        audio: (!recording.has_file()).then_some(audio),
        heard: heard.word.as_bytes(),
        heard_ms: &heard.millis,
        unintelligible: heard.cause.as_bytes(),
        end,
    };
    sidecar.emit(buffer)
}

/// The counts with the names of their counters.
fn named(missing: Missing) -> [(&'static str, u64); MISSING.len()] {
    let mut named = [("", 0); MISSING.len()];
    for (entry, (counter, count)) in named.iter_mut().zip(MISSING.into_iter().zip(missing)) {
        *entry = (NAMES[counter as usize], count);
    }
    named
}

/// What is known of the legs when a part has ended.
#[derive(Default)]
struct HeardOf {
    word: &'static str,
    millis: heapless::Vec<u64, MAX_PORTS>,
    cause: Cause,
}

fn heard_of(recording: &Recording) -> HeardOf {
    let ports = 0..recording.ports().len();
    HeardOf {
        word: recording.heard().name(),
        millis: ports.map(|port| recording.heard_ms(port)).collect(),
        cause: recording.unintelligible().map(cause).unwrap_or_default(),
    }
}
