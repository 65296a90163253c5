//! What the recordings share in a turn of the loop: room to work in, and how much silence may be written.

use crate::base::limits::server::{SHARED_SILENCE_FRAMES_PER_TURN, SILENCE_FRAMES_PER_TURN};
use crate::io::clock::Now;
use crate::io::sys::Batch;
use crate::server::record::counters::Counters;

/// Room to work in, for one recording after the other.
#[derive(Default)]
pub(super) struct Bench {
    pub(super) batch: Batch,
    pub(super) room: Room,
}

/// What writing needs.
#[derive(Default)]
pub(super) struct Room {
    pub(super) buffer: Vec<u8>,
    /// Frames of silence that the recording may still write in this turn, and that all may beyond their own.
    pub(super) silence: u64,
    shared_silence: u64,
}

/// One recording's turn.
pub(super) struct Turn<'a> {
    pub(super) now: &'a Now,
    pub(super) room: &'a mut Room,
    pub(super) counters: &'a mut Counters,
}

impl Room {
    /// A turn of all recordings begins.
    pub(super) fn begin_turn(&mut self) {
        self.shared_silence = SHARED_SILENCE_FRAMES_PER_TURN;
    }

    /// A turn of one recording begins.
    pub(super) fn grant_silence(&mut self) {
        self.silence = SILENCE_FRAMES_PER_TURN + self.shared_silence;
    }

    /// It ends: what it has used beyond its own is taken from what all may use.
    pub(super) fn settle_silence(&mut self) {
        self.shared_silence = self.shared_silence.min(self.silence);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_recording_has_silence_of_its_own_besides_what_all_share() {
        let mut room = Room::default();
        room.begin_turn();
        for (used, left) in [
            (SILENCE_FRAMES_PER_TURN, SHARED_SILENCE_FRAMES_PER_TURN),
            (
                SILENCE_FRAMES_PER_TURN + 7,
                SHARED_SILENCE_FRAMES_PER_TURN - 7,
            ),
            (
                SILENCE_FRAMES_PER_TURN + SHARED_SILENCE_FRAMES_PER_TURN - 7,
                0,
            ),
            (SILENCE_FRAMES_PER_TURN, 0),
        ] {
            room.grant_silence();
            room.silence -= used;
            room.settle_silence();
            assert_eq!(room.shared_silence, left);
        }
    }
}
