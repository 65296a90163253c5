//! What the recordings of the phone are connected to.

use callrec::base::limits::DISK_BYTES_PER_TURN;
use callrec::base::time::Instant;
use callrec::proto::media::receiver;
use callrec::proto::recorder::reason::Reason;
use callrec::proto::recorder::turn::Devices;
use callrec::proto::recorder::Recorder;
use callrec::proto::recording::file_writer::DiskOp;
use callrec::proto::recording::setup::Ports;

use super::server::Server;
use super::{Stick, VirtualSockets};

pub struct VirtualDevices<'a> {
    pub sockets: &'a mut [VirtualSockets],
    pub next_port: &'a mut u16,
    pub server: &'a mut Server,
    pub stick: &'a mut Stick,
}

impl Devices for VirtualDevices<'_> {
    fn bind(&mut self, place: usize, legs: usize, now: Instant) -> Result<Ports, Reason> {
        let first = *self.next_port;
        *self.next_port += 100;
        self.sockets[place].open(now, 1 + legs);
        Ok((0..=legs as u16).map(|leg| first + 2 * leg).collect())
    }

    fn drain(&mut self, place: usize, now: Instant, recorder: &mut Recorder) -> bool {
        receiver::drain(&mut self.sockets[place], place, now, recorder)
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
            if let DiskOp::Write(_, bytes) = &op {
                written += bytes.len();
            }
            if matches!(op, DiskOp::Write(..) | DiskOp::Sync) {
                let sockets = &mut self.sockets[place];
                let stall = &mut self.stick.stall;
                if let Some((_, length)) = stall.take_if(|(from, _)| sockets.now >= *from) {
                    self.stick.stalled_at = Some(sockets.now);
                    sockets.now = sockets.now + length;
                }
            }
            let result = self.stick.call(place, &op);
            recorder.handle_disk(place, now, result);
        }
        true
    }
}
