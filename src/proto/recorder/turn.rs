//! One recording's share of a turn: the order in which its sockets, its server and the stick are
//! served. The daemon, the tests in virtual time and the fuzz targets all use this function, so
//! that the order is the same everywhere.

use crate::base::time::Instant;
use crate::proto::recorder::reason::Reason;
use crate::proto::recorder::Recorder;
use crate::proto::recording::setup::Ports;

/// The devices that a recording uses.
pub trait Devices {
    /// Binds `legs` ports for legs, and one more for the local stream.
    fn bind(&mut self, place: usize, legs: usize, now: Instant) -> Result<Ports, Reason>;
    /// Passes the datagrams of a slot to the recorder; `true` when no datagram that it accepts is
    /// left.
    fn drain(&mut self, place: usize, now: Instant, recorder: &mut Recorder) -> bool;
    /// Passes the server's messages to the recorder, and executes its operations.
    fn serve(&mut self, place: usize, now: Instant, recorder: &mut Recorder);
    /// Makes the recorder's calls to the stick, up to the limit of a turn; `true` when some are
    /// left.
    fn store(&mut self, place: usize, now: Instant, recorder: &mut Recorder) -> bool;
}

/// Serves one slot; its packets only if they are `due`. `true` when something is left for the next
/// turn.
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
