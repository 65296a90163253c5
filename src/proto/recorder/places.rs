//! The inputs and outputs of each recording slot: datagrams, calls to the stick, the server
//! connection.

use crate::base::stats::{Counter, Stats};
use crate::base::time::Instant;
use crate::proto::record_client::event::{self as server, Input};
use crate::proto::recorder::Recorder;
use crate::proto::recording::audio::{Intake, ReadOrder};
use crate::proto::recording::file_writer::{DiskError, Done, Op};
use crate::proto::recording::Recording;

impl Recorder {
    /// When this datagram is expected by its RTP timestamp, if its source is known.
    pub fn expected_arrival(&self, place: usize, port: usize, datagram: &[u8]) -> Option<Instant> {
        self.places.get(place)?.expected_arrival(port, datagram)
    }

    /// The sources of a port that are not a flood, and the number of packets of each since all
    /// ports were empty.
    pub fn steady_sources(
        &self,
        place: usize,
        port: usize,
    ) -> impl Iterator<Item = (u32, u16)> + '_ {
        let recording = self.places.get(place).into_iter();
        recording.flat_map(move |recording| recording.steady_sources(port))
    }

    /// The ports of the slot are about to be read.
    pub fn handle_read(&mut self, place: usize, now: Instant) -> ReadOrder {
        match self.places.get_mut(place) {
            Some(recording) => recording.handle_read(now),
            None => ReadOrder::ByArrival,
        }
    }

    /// Takes a datagram of a slot whose ports are read `ByArrival`.
    pub fn handle_rtp(
        &mut self,
        place: usize,
        port: usize,
        arrival: Instant,
        datagram: &[u8],
    ) -> Intake {
        let Some(recording) = self.places.get_mut(place) else {
            return Intake::Taken;
        };
        let stats = &mut self.losses[place].stats;
        recording.handle_rtp(port, arrival, datagram, stats)
    }

    /// Takes a datagram of a slot whose ports are read `PortByPort`.
    pub fn handle_prompt_rtp(
        &mut self,
        place: usize,
        port: usize,
        arrival: Option<Instant>,
        datagram: &[u8],
    ) -> Intake {
        let Some(recording) = self.places.get_mut(place) else {
            return Intake::Taken;
        };
        let stats = &mut self.losses[place].stats;
        recording.handle_prompt_rtp(port, arrival, datagram, stats)
    }

    /// All datagrams that arrived before `now` have been passed on. `false`: call again after the
    /// stick has taken frames.
    #[must_use]
    pub fn handle_drained(&mut self, place: usize, now: Instant) -> bool {
        let Some(recording) = self.places.get_mut(place) else {
            return true;
        };
        recording.handle_drained(now, &mut self.losses[place].stats)
    }

    /// The next call to the stick for this slot.
    pub fn disk_op(&mut self, place: usize, now: Instant) -> Option<Op<'_>> {
        self.places.get_mut(place)?.disk_op(now)
    }

    /// Takes the result of that call.
    pub fn handle_disk(&mut self, place: usize, now: Instant, result: Result<Done, DiskError>) {
        let Some(recording) = self.places.get_mut(place) else {
            return;
        };
        let had_file = recording.has_file();
        let change = recording.disk_done(now, result, &mut self.losses[place].stats);
        if had_file && !recording.has_file() {
            self.note(place);
        }
        self.announce(place, change);
    }

    /// The recording in this slot has a server connection: it must be told when time passes.
    pub fn talks(&self, place: usize) -> bool {
        self.places.get(place).is_some_and(Recording::talks)
    }

    /// Handles input from the server of this recording, or the passing of time.
    pub fn handle_server(&mut self, place: usize, now: Instant, input: Input) {
        let Some(recording) = self.places.get_mut(place) else {
            return;
        };
        let change = recording.handle_server(now, input, &mut self.losses[place].stats);
        self.announce(place, change);
    }

    /// The next operation for that server.
    pub fn server_op(&mut self, place: usize, now: Instant) -> Option<server::Op<'_>> {
        self.places.get_mut(place)?.server_op(now)
    }

    /// Takes the outcome of that operation; for frames, see `handle_frame`.
    pub fn handle_server_done(
        &mut self,
        place: usize,
        now: Instant,
        outcome: Result<server::Done, i32>,
    ) {
        let Some(recording) = self.places.get_mut(place) else {
            return;
        };
        let change = recording.server_done(now, outcome, &mut self.losses[place].stats);
        self.announce(place, change);
    }

    /// Takes the outcome of sending a frame: whether the kernel accepted it, and a pending error.
    pub fn handle_frame(&mut self, place: usize, now: Instant, taken: bool, errno: Option<i32>) {
        let Some(recording) = self.places.get_mut(place) else {
            return;
        };
        let change = recording.frame_done(now, taken, errno, &mut self.losses[place].stats);
        self.announce(place, change);
    }

    /// Increments a counter of a recording slot.
    pub fn count(&mut self, place: usize, counter: Counter, amount: u64) {
        match self.losses.get_mut(place) {
            Some(losses) => losses.stats.add(counter, amount),
            None => self.stats.add(counter, amount),
        }
    }

    /// The counters of the phone and of all its recordings.
    pub fn totals(&self) -> Stats {
        let mut totals = self.stats.clone();
        for losses in &self.losses {
            totals.add_all(&losses.stats);
        }
        totals
    }
}
