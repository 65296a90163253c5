//! What the recordings of the phone are connected to.

use callrec::base::limits::DISK_BYTES_PER_TURN;
use callrec::base::time::Instant;
use callrec::proto::media::receiver;
use callrec::proto::recorder::turn::Outside;
use callrec::proto::recorder::Recorder;
use callrec::proto::recording::file_writer::Op;

use super::server::Server;
use super::{Stick, VirtualSockets};

pub struct Devices<'a> {
    pub sockets: &'a mut VirtualSockets,
    pub server: &'a mut Server,
    pub stick: &'a mut Stick,
}

impl Outside for Devices<'_> {
    /// Only place 0 is sent packets here.
    fn drain(&mut self, place: usize, now: Instant, recorder: &mut Recorder) -> bool {
        place != 0 || receiver::drain(self.sockets, place, now, recorder)
    }

    fn serve(&mut self, place: usize, now: Instant, recorder: &mut Recorder) {
        self.server.turn(recorder, place, now);
    }

    fn store(&mut self, place: usize, now: Instant, recorder: &mut Recorder) -> bool {
        let mut written = 0;
        while written < DISK_BYTES_PER_TURN {
            let Some(op) = recorder.disk_op(place, now) else {
                return false;
            };
            if let Op::Write(_, bytes) = &op {
                written += bytes.len();
            }
            if matches!(op, Op::Write(..) | Op::Sync) {
                if let Some((_, length)) = self
                    .stick
                    .stall
                    .take_if(|(from, _)| self.sockets.now >= *from)
                {
                    self.stick.stalled_at = Some(self.sockets.now);
                    self.sockets.now = self.sockets.now + length;
                }
            }
            let result = self.stick.call(place, &op);
            recorder.handle_disk(place, now, result);
        }
        true
    }
}
