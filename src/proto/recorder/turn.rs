//! One recording's share of a turn: the order in which its sockets, its server and the stick are served. The daemon, the
//! tests in virtual time and the fuzz targets all go through here, so that they keep the same order.

use crate::base::time::Instant;
use crate::proto::recorder::Recorder;

/// What a recording is connected to.
pub trait Outside {
    /// Gives the recorder what has come for a place; `true` when nothing more waits that it wants.
    fn drain(&mut self, place: usize, now: Instant, recorder: &mut Recorder) -> bool;
    /// Gives the recorder what its server has said, and does what it asks for.
    fn serve(&mut self, place: usize, now: Instant, recorder: &mut Recorder);
    /// Makes the recorder's calls to the stick, as many as one turn may; `true` when some are left.
    fn store(&mut self, place: usize, now: Instant, recorder: &mut Recorder) -> bool;
}

/// Serves one place; its packets only if they are `due`. `true` when something is left for the next turn.
pub fn serve_place(
    outside: &mut impl Outside,
    place: usize,
    now: Instant,
    recorder: &mut Recorder,
    due: bool,
) -> bool {
    let mut again = false;
    if due && recorder.listens(place) {
        let drained = outside.drain(place, now, recorder);
        again = !(drained && recorder.handle_drained(place, now));
    }
    outside.serve(place, now, recorder);
    again |= outside.store(place, now, recorder);
    recorder.settle(now, place);
    again
}
