//! One recording's share of a turn: the order in which its sockets, its server and the stick are served. The daemon, the
//! tests in virtual time and the fuzz targets all go through here, so that they keep the same order.

use crate::base::time::Instant;
use crate::proto::recorder::reason::Reason;
use crate::proto::recorder::Recorder;
use crate::proto::recording::setup::Ports;

/// What a recording is connected to.
pub trait Devices {
    /// Binds ports for so many legs, and one more for the local stream.
    fn bind(&mut self, place: usize, legs: usize, now: Instant) -> Result<Ports, Reason>;
    /// Gives the recorder what has come for a place; `true` when nothing more waits that it wants.
    fn drain(&mut self, place: usize, now: Instant, recorder: &mut Recorder) -> bool;
    /// Gives the recorder what its server has said, and does what it asks for.
    fn serve(&mut self, place: usize, now: Instant, recorder: &mut Recorder);
    /// Makes the recorder's calls to the stick, as many as one turn may; `true` when some are left.
    fn store(&mut self, place: usize, now: Instant, recorder: &mut Recorder) -> bool;
}

/// Serves one place; its packets only if they are `due`. `true` when something is left for the next turn.
pub fn serve_place(
    devices: &mut impl Devices,
    place: usize,
    now: Instant,
    recorder: &mut Recorder,
    due: bool,
) -> bool {
    if let Some(legs) = recorder.wants_ports(place) {
        let bound = devices.bind(place, legs, now);
        recorder.handle_ports(now, place, bound);
    }
    let mut again = false;
    if due && recorder.listens(place) {
        let drained = devices.drain(place, now, recorder);
        again = !(drained && recorder.handle_drained(place, now));
    }
    devices.serve(place, now, recorder);
    again |= devices.store(place, now, recorder);
    recorder.settle(now, place);
    again
}
