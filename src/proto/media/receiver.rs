//! Reads the sockets of one recording: which datagram is next, and when it arrived.
//!
//! If the sockets are read in time, each one is emptied before the next one is read, and few
//! arrivals are measured. After a stall of the stick, the datagrams of all sockets are passed to
//! the recorder in the order of their arrival, so that they are mixed as if they had been read in
//! time. Where a stamp is ambiguous because the wall clock was set, the arrival that the source
//! expects decides.

use crate::base::limits::{
    DATAGRAMS_PER_TURN, FLOOD_DATAGRAMS, FLOOD_OVER, MAX_PORTS, MAX_SOURCES,
};
use crate::base::stats::Counter;
use crate::base::time::Instant;
use crate::base::wall_clock::Stamp;
use crate::proto::recorder::Recorder;
use crate::proto::recording::audio::{Intake, ReadOrder};
use crate::proto::recording::state::State;

/// The sockets of one recording. Each holds the datagram that it has read last.
pub trait Sockets {
    /// How many there are.
    fn count(&self) -> usize;
    /// Reads a datagram unless one is held; `false` if none is waiting. Adds the number of
    /// datagrams that the kernel has dropped.
    fn fill(&mut self, socket: usize, dropped: &mut u32) -> bool;
    /// The bytes of the held datagram; `None` if it is longer than is accepted.
    fn held(&self, socket: usize) -> Option<&[u8]>;
    /// The kernel's stamp of the held datagram.
    fn stamp(&mut self, socket: usize) -> Stamp;
    /// Sets the arrival of the held datagram; later ones did not arrive before it.
    fn settle(&mut self, socket: usize, arrival: Instant);
    /// Discards the held datagram.
    fn release(&mut self, socket: usize);
    /// Datagrams released since `forget_backlog`.
    fn backlog(&self, socket: usize) -> u32;
    /// Resets the backlog counter.
    fn forget_backlog(&mut self, socket: usize);
    /// Has the kernel drop datagrams of all other sources (SSRC), except for a sample.
    fn guard(&mut self, socket: usize, sources: &[u32]);
    /// The sources that the filter passes; empty if there is no filter.
    fn guarded(&self, socket: usize) -> &[u32];
}

/// Passes the datagrams of a recording slot to the recorder; `true` when no datagram that it
/// accepts is left.
pub fn drain(
    sockets: &mut impl Sockets,
    place: usize,
    now: Instant,
    recorder: &mut Recorder,
) -> bool {
    let drained = match recorder.handle_read(place, now) {
        ReadOrder::PortByPort => drain_each(sockets, place, recorder),
        ReadOrder::ByArrival => drain_in_order(sockets, place, recorder),
    };
    for socket in 0..sockets.count() {
        if sockets.backlog(socket) >= FLOOD_DATAGRAMS {
            keep_flood_out(sockets, socket, place, recorder);
        }
        if drained {
            if !sockets.guarded(socket).is_empty() {
                let_all_in_again(sockets, socket, place, recorder);
            }
            sockets.forget_backlog(socket);
        }
    }
    drained
}

/// A flood takes up the receive buffer that a source's packets need. Once the source is known, the
/// kernel filters everything else.
fn keep_flood_out(sockets: &mut impl Sockets, socket: usize, place: usize, recorder: &Recorder) {
    let mut sources = heapless::Vec::<u32, MAX_SOURCES>::new();
    let mut theirs = 0;
    for (ssrc, packets) in recorder.steady_sources(place, socket) {
        theirs += u32::from(packets);
        let _ = sources.push(ssrc);
    }
    let flood = sockets.backlog(socket).saturating_sub(theirs) >= FLOOD_DATAGRAMS / 2;
    if flood && !sources.is_empty() && sockets.guarded(socket).is_empty() {
        sockets.guard(socket, &sources);
    }
}

fn let_all_in_again(sockets: &mut impl Sockets, socket: usize, place: usize, recorder: &Recorder) {
    let sources = recorder.steady_sources(place, socket);
    let guarded = sources.filter(|(ssrc, _)| sockets.guarded(socket).contains(ssrc));
    let theirs = guarded.map(|(_, packets)| u32::from(packets)).sum();
    if sockets.backlog(socket).saturating_sub(theirs) < FLOOD_OVER {
        sockets.guard(socket, &[]);
    }
}

/// One socket after the other: when few datagrams wait, their order does not matter.
fn drain_each(sockets: &mut impl Sockets, place: usize, recorder: &mut Recorder) -> bool {
    let mut left = DATAGRAMS_PER_TURN;
    for socket in 0..sockets.count() {
        while fill(sockets, socket, place, recorder) {
            if left == 0 {
                return false;
            }
            left -= 1;
            give_promptly(sockets, socket, place, recorder);
            sockets.release(socket);
        }
    }
    true
}

fn give_promptly(sockets: &mut impl Sockets, socket: usize, place: usize, recorder: &mut Recorder) {
    let Some(bytes) = sockets.held(socket) else {
        return recorder.count(place, Counter::Oversize, 1);
    };
    if recorder.handle_prompt_rtp(place, socket, None, bytes) == Intake::Taken {
        return;
    }
    let arrival = arrival(sockets, socket, place, recorder);
    if let Some(bytes) = sockets.held(socket) {
        let intake = recorder.handle_prompt_rtp(place, socket, Some(arrival), bytes);
        debug_assert_eq!(intake, Intake::Taken, "bug: its arrival is known");
    }
}

/// The earliest datagram first.
fn drain_in_order(sockets: &mut impl Sockets, place: usize, recorder: &mut Recorder) -> bool {
    let ends_at = match recorder.state(place) {
        State::Draining { until, .. } => until,
        _ => Instant::NEVER,
    };
    let mut heads = heapless::Vec::<Instant, MAX_PORTS>::new();
    for socket in 0..sockets.count() {
        let _ = heads.push(head(sockets, socket, place, recorder));
    }
    for _ in 0..DATAGRAMS_PER_TURN {
        let earliest = heads
            .iter()
            .enumerate()
            .min_by_key(|(_, arrival)| **arrival);
        // Datagrams that arrive after the stop are not recorded.
        let waits = |arrival: Instant| arrival <= ends_at && arrival < Instant::NEVER;
        let Some((socket, arrival)) = earliest.filter(|(_, arrival)| waits(**arrival)) else {
            return true;
        };
        match sockets.held(socket) {
            Some(bytes) => match recorder.handle_rtp(place, socket, *arrival, bytes) {
                Intake::Taken => {}
                Intake::RingFull => return false,
                Intake::ArrivalNeeded => debug_assert!(false, "bug: its arrival is known"),
            },
            None => recorder.count(place, Counter::Oversize, 1),
        }
        sockets.release(socket);
        heads[socket] = head(sockets, socket, place, recorder);
    }
    false
}

fn fill(sockets: &mut impl Sockets, socket: usize, place: usize, recorder: &mut Recorder) -> bool {
    let mut dropped = 0;
    let filled = sockets.fill(socket, &mut dropped);
    if dropped > 0 {
        recorder.count(place, Counter::KernelDrop, dropped.into());
    }
    filled
}

/// The arrival of the next datagram of this socket; `NEVER` if there is none.
fn head(
    sockets: &mut impl Sockets,
    socket: usize,
    place: usize,
    recorder: &mut Recorder,
) -> Instant {
    if fill(sockets, socket, place, recorder) {
        arrival(sockets, socket, place, recorder)
    } else {
        Instant::NEVER
    }
}

/// The arrival of the held datagram.
fn arrival(
    sockets: &mut impl Sockets,
    socket: usize,
    place: usize,
    recorder: &mut Recorder,
) -> Instant {
    let stamp = sockets.stamp(socket);
    let arrival = stamp.certain().unwrap_or_else(|| {
        let expected = sockets
            .held(socket)
            .and_then(|bytes| recorder.expected_arrival(place, socket, bytes));
        stamp.nearest(expected)
    });
    sockets.settle(socket, arrival);
    arrival
}
