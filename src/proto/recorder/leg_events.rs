//! Events about the legs of a recording: what cannot be decoded, and who is silent.

use core::fmt::Write;

use crate::proto::media::leg_monitor::{LegEvent, Unintelligible};
use crate::proto::recorder::outbox::To;
use crate::proto::recorder::Recorder;

/// The words for what is not heard.
pub(super) type Cause = heapless::String<48>;

/// Why a leg is not heard.
pub(super) fn cause(why: Unintelligible) -> Cause {
    let mut cause = Cause::new();
    let _ = match why {
        Unintelligible::PayloadType(number) => {
            write!(cause, "payload type {number} cannot be decoded")
        }
        Unintelligible::Encrypted => write!(cause, "encrypted"),
        Unintelligible::ByteOrder => write!(cause, "byte order"),
    };
    cause
}

impl Recorder {
    /// Tells what has become of the legs of a place's recording.
    pub(super) fn announce_legs(&mut self, place: usize) {
        while let Some(event) = self.slots[place].take_leg_event() {
            let (state, port, why) = match event {
                LegEvent::Unintelligible(port, why) => ("unintelligible", Some(port), Some(why)),
                LegEvent::Intelligible(port) => ("intelligible", Some(port), None),
                LegEvent::NoAudio(port) => ("no-audio", port, None),
                LegEvent::Audio(port) => ("audio", port, None),
            };
            let recording = &self.slots[place];
            let id = recording.setup().id;
            let numbers = recording.ports();
            let number = port.and_then(|port| numbers.get(port)).copied();
            let is_local = port.is_some_and(|port| port + 1 == numbers.len());
            self.send(To::Subscribers, "RecordEvent", |writer| {
                writer.pair("id", id).pair("state", state);
                if is_local {
                    writer.pair("leg", "local");
                } else if let Some(number) = number {
                    writer.pair("leg", number);
                }
                if let Some(why) = why {
                    writer.pair("reason", cause(why));
                }
            });
        }
    }
}
