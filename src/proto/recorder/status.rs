//! The lines about what is now: of a status response, and for a new subscriber.

use crate::base::limits::MESSAGE_BYTES;
use crate::proto::recorder::leg_events::cause;
use crate::proto::recorder::responses::{target, write_target, Target};
use crate::proto::recorder::Recorder;
use crate::proto::recording::state::RecordingState;
use crate::proto::recording::Recording;
use crate::wire::control::Writer;

impl Recorder {
    /// The first slot from `slot` on whose recording or player a status response describes;
    /// players have the slots after those of the recordings. With an id, only the one with this id.
    pub fn next_status(&self, slot: usize, id: Option<u32>) -> Option<usize> {
        let recordings = self.slots.len();
        let described = |slot: &usize| {
            let own_id = match self.slots.get(*slot) {
                Some(recording) if recording.state() == RecordingState::Running => {
                    recording.setup().id
                }
                Some(_) => return false,
                None => match self.players.all().get(slot - recordings) {
                    Some(player) if player.is_active() => player.id(),
                    _ => return false,
                },
            };
            id.is_none_or(|id| id == own_id)
        };
        (slot..recordings + self.players.all().len()).find(described)
    }

    /// The status line of the recording or player in this slot.
    pub fn status_line<'a>(
        &self,
        slot: usize,
        buffer: &'a mut [u8; MESSAGE_BYTES],
    ) -> Option<&'a [u8]> {
        let len = match self.slots.get(slot) {
            Some(recording) => status(recording, buffer)?,
            None => self.play_status(slot - self.slots.len(), buffer)?,
        };
        Some(&buffer[..len])
    }

    /// What is now of the recording or player in this slot, as an event for a new subscriber.
    pub fn event_line<'a>(
        &self,
        slot: usize,
        buffer: &'a mut [u8; MESSAGE_BYTES],
    ) -> Option<&'a [u8]> {
        let len = match self.slots.get(slot) {
            Some(recording) => write_state(recording, buffer)?,
            None => self.play_state(slot - self.slots.len(), buffer)?,
        };
        Some(&buffer[..len])
    }

    /// What is now of the stick, likewise; `None` if there is none.
    pub fn stick_line<'a>(
        &self,
        free: u64,
        buffer: &'a mut [u8; MESSAGE_BYTES],
    ) -> Option<&'a [u8]> {
        let mut writer = Writer::new(buffer, "StickEvent");
        if self.ejected {
            writer.pair("state", "ejected");
        } else {
            let path = self.stick.as_ref()?;
            writer.pair("state", "mounted").bytes("path", path);
            writer.pair("free_mib", free >> 20);
        }
        let len = writer.pair("now", 1).finish()?;
        Some(&buffer[..len])
    }

    /// The line after all `status_line`s.
    pub fn status_end<'a>(
        &self,
        count: usize,
        buffer: &'a mut [u8; MESSAGE_BYTES],
    ) -> Option<&'a [u8]> {
        let mut writer = Writer::new(buffer, "RecordStatusResponse");
        let players = self.players.all().iter();
        let players = players.filter(|player| player.is_active()).count();
        writer.pair("result", "success").pair("count", count);
        if players > 0 {
            writer.pair("players", players);
        }
        let len = writer.finish()?;
        Some(&buffer[..len])
    }
}

fn write_state(recording: &Recording, buffer: &mut [u8; MESSAGE_BYTES]) -> Option<usize> {
    let mut writer = Writer::new(buffer, "RecordEvent");
    writer
        .pair("id", recording.setup().id)
        .pair("state", state_name(recording))
        .pair("heard", recording.heard().name());
    if let Some(why) = recording.unintelligible() {
        writer.pair("unintelligible", cause(why));
    }
    write_target(&mut writer, &target(recording));
    writer.pair("now", 1).finish()
}

fn state_name(recording: &Recording) -> &'static str {
    if recording.paused() {
        "paused"
    } else {
        "recording"
    }
}

fn status(recording: &Recording, buffer: &mut [u8; MESSAGE_BYTES]) -> Option<usize> {
    let setup = recording.setup();
    let mut writer = Writer::new(buffer, "RecordStatus");
    writer
        .pair("id", setup.id)
        .pair("state", state_name(recording));
    let target = target(recording);
    writer.pair(
        "sink",
        if matches!(target, Target::Server(_)) {
            "server"
        } else {
            "local"
        },
    );
    writer.pair("codec", setup.law.name());
    writer
        .pair("frames", recording.frames())
        .pair("duration_ms", recording.duration_ms());
    writer
        .pair("legs", recording.active_legs())
        .pair("heard", recording.heard().name());
    if let Some(why) = recording.unintelligible() {
        writer.pair("unintelligible", cause(why));
    }
    write_target(&mut writer, &target);
    if recording.names().1 > 0 {
        writer.pair("parts", recording.names().1);
    }
    if let Some(incoming) = setup.call.incoming {
        writer.pair("dir", if incoming { "in" } else { "out" });
    }
    for (key, value, _) in setup.call.parties() {
        if !value.is_empty() {
            writer.bytes(key, value);
        }
    }
    writer.finish()
}
