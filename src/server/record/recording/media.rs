//! The way of a recording's packets: from its socket through the stream into the file.

use std::io;
use std::net::SocketAddr;

use super::{FileState, ServerRecording, TurnResult};
use crate::base::limits::server::{DATAGRAMS_AT_ONCE, DATAGRAMS_PER_TURN};
use crate::io::sys::Batch;
use crate::proto::record_server::FramesPending;
use crate::server::record::counters::ServerCounter;
use crate::server::record::workspace::RecordingTurn;

impl ServerRecording {
    /// Reads what the socket contains, up to a limit, and writes the frames that are ready.
    pub(in crate::server::record) fn take_turn(
        &mut self,
        turn: &mut RecordingTurn,
        batch: &mut Batch,
    ) -> TurnResult {
        turn.writing.silence.begin_recording();
        // Once the disk has failed the socket is still emptied, so that the counters show what is
        // lost.
        let was_writable = self.is_writable();
        let has_more = self.read(turn, batch);
        if !was_writable {
            return TurnResult {
                has_more,
                written: Ok(()),
            };
        }
        if !has_more && self.held_back.is_empty() {
            self.stream.handle_drained(turn.now.monotonic);
        }
        self.write(turn);
        turn.writing.silence.end_recording();
        TurnResult {
            has_more,
            written: self.take_error().map_or(Ok(()), Err),
        }
    }

    /// Writes all that is left, however long a pause in it is.
    pub(super) fn write_rest(&mut self, turn: &mut RecordingTurn) {
        turn.writing.silence.lift();
        self.write(turn);
        self.retry_held_back(turn);
        self.stream.handle_end();
        self.write(turn);
    }

    /// Reads datagrams; `true` if the socket may contain more that can be taken at once.
    fn read(&mut self, turn: &mut RecordingTurn, batch: &mut Batch) -> bool {
        self.retry_held_back(turn);
        let mut left = DATAGRAMS_PER_TURN;
        while self.held_back.is_empty() {
            let (read, dropped) = self.socket.read(batch);
            let dropped = u64::from(dropped);
            turn.counters.add(ServerCounter::KernelDrop, dropped);
            for (from, bytes) in batch.datagrams() {
                self.handle_datagram(turn, from, bytes);
            }
            left = left.saturating_sub(read);
            if read < DATAGRAMS_AT_ONCE {
                return false;
            }
            if left == 0 {
                return true;
            }
        }
        false
    }

    fn retry_held_back(&mut self, turn: &mut RecordingTurn) {
        for (from, bytes) in std::mem::take(&mut self.held_back) {
            self.handle_datagram(turn, from, bytes.as_deref());
        }
    }

    /// Passes a datagram to the stream. It is held back, like all that follow it, if frames must be
    /// written first and this turn may not write all of them.
    fn handle_datagram(
        &mut self,
        turn: &mut RecordingTurn,
        from: SocketAddr,
        bytes: Option<&[u8]>,
    ) {
        let now = turn.now.monotonic;
        let mut handled = if self.held_back.is_empty() {
            self.stream.handle_packet(now, from, bytes)
        } else {
            return self.held_back.push((from, bytes.map(<[u8]>::to_vec)));
        };
        if handled == Err(FramesPending) {
            self.write(turn);
            if !self.is_writable() {
                self.discard_output();
            } else if self.stream.has_output() {
                return self.held_back.push((from, bytes.map(<[u8]>::to_vec)));
            }
            handled = self.stream.handle_packet(now, from, bytes);
        }
        if let Ok(outcome) = handled {
            turn.counters.count_packet(outcome);
        }
    }

    /// The disk has failed: frames are not written any more.
    fn discard_output(&mut self) {
        while self.stream.poll_output(u64::MAX, u64::MAX).is_some() {}
    }

    /// Writes what the stream gives out; of a long silence as much as this turn may. An error is
    /// left to `take_error`.
    fn write(&mut self, turn: &mut RecordingTurn) {
        while self.stream.has_output() && self.is_writable() {
            if let Err(error) = self.write_part(turn) {
                self.file = FileState::Failing(error);
            }
            if turn.writing.silence.is_used_up() {
                return;
            }
        }
    }

    /// Writes until the stream has no more output, or the part is full.
    fn write_part(&mut self, turn: &mut RecordingTurn) -> io::Result<()> {
        if self.part.file.is_full() {
            self.roll_over(self.archive.clone(), turn.now)?;
        }
        let file = &mut self.part.file;
        let before = file.bytes();
        let written = file.write(
            &mut self.stream,
            &mut turn.writing.silence.left,
            &mut turn.writing.buffer,
        );
        let added = file.bytes().saturating_sub(before);
        turn.counters.add(ServerCounter::Bytes, added);
        written
    }
}
