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
    fn bind(&mut self, slot: usize, legs: usize, now: Instant) -> Result<Ports, Reason>;
    /// Passes the datagrams of a slot to the recorder; `true` when no datagram that it accepts is
    /// left.
    fn drain(&mut self, slot: usize, now: Instant, recorder: &mut Recorder) -> bool;
    /// Up to when the packets of a slot are there. An intercom's recording waits for its streams.
    fn media_time(&self, _slot: usize, now: Instant) -> Instant {
        now
    }
    /// Passes the server's messages to the recorder, and executes its operations.
    fn serve(&mut self, slot: usize, now: Instant, recorder: &mut Recorder);
    /// Makes the recorder's calls to the stick, up to the limit of a turn; `true` when some are
    /// left.
    fn store(&mut self, slot: usize, now: Instant, recorder: &mut Recorder) -> bool;
}

/// Serves one slot; its packets only if they are `due`. `true` when something is left for the next
/// turn.
pub fn serve_slot(
    devices: &mut impl Devices,
    slot: usize,
    now: Instant,
    recorder: &mut Recorder,
    due: bool,
) -> bool {
    if let Some(legs) = recorder.wants_ports(slot) {
        let bound = devices.bind(slot, legs, now);
        recorder.handle_ports(now, slot, bound);
    }
    let mut again = false;
    if due && recorder.accepts_packets(slot) {
        let until = devices.media_time(slot, now);
        let drained = devices.drain(slot, until, recorder);
        // A recording that ends waits until all packets of its time are there.
        let is_early = recorder.ends_at(slot).is_some_and(|end| until < end);
        again = !(drained && (is_early || recorder.handle_drained(slot, until)));
    }
    devices.serve(slot, now, recorder);
    again |= devices.store(slot, now, recorder);
    recorder.settle(now, slot);
    again
}
