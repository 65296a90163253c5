//! The ports of each recording: bound when it starts, read in the order of arrival, closed when it
//! ends.

use std::io::ErrorKind;
use std::net::IpAddr;

use crate::base::limits::MAX_PORTS;
use crate::base::time::Instant;
use crate::base::wall_clock::Stamp;
use crate::io::clock::Clock;
use crate::io::udp::Port;
use crate::proto::media::receiver::{self, Sockets};
use crate::proto::recorder::reason::{reason, Reason};
use crate::proto::recorder::Recorder;
use crate::proto::recording::setup::Ports;
use crate::proto::recording::state::RecordingState;

/// Finds ports that nobody uses.
pub(super) struct FreePorts {
    address: IpAddr,
    range: (u16, u16),
    /// Where the search for a free port continues: ports are not reused immediately.
    next: u16,
}

impl FreePorts {
    pub(super) fn new(address: IpAddr, range: (u16, u16)) -> Self {
        Self {
            address,
            range,
            next: range.0,
        }
    }

    /// Binds the next free port.
    pub(super) fn open(&mut self, now: Instant) -> Result<Port, Reason> {
        let (low, high) = self.range;
        let count = u32::from(high - low) + 1;
        for odd in [0, 1] {
            for step in 0..count {
                let offset = (u32::from(self.next - low) + step) % count;
                let number = low + u16::try_from(offset).unwrap_or(0);
                if number % 2 != odd {
                    continue;
                }
                match Port::open(self.address, number, now) {
                    Ok(port) => {
                        self.next = if number == high { low } else { number + 1 };
                        return Ok(port);
                    }
                    Err(error) if error.kind() == ErrorKind::AddrInUse => {}
                    Err(error) => {
                        let address = self.address;
                        let errno = error.raw_os_error().unwrap_or(0);
                        return Err(reason(
                            "busy",
                            &format_args!("cannot bind {address}:{number} (errno {errno})"),
                        ));
                    }
                }
            }
        }
        Err(reason(
            "busy",
            &format_args!("all ports of mediaPorts {low}-{high} are in use"),
        ))
    }
}

/// All ports, by recording slot.
pub(super) struct MediaPorts {
    free: FreePorts,
    slots: Vec<heapless::Vec<Port, MAX_PORTS>>,
}

impl MediaPorts {
    pub(super) fn new(address: IpAddr, range: (u16, u16), slots: usize) -> Self {
        let slots = (0..slots).map(|_| heapless::Vec::new()).collect();
        let free = FreePorts::new(address, range);
        Self { free, slots }
    }

    pub(super) fn set_range(&mut self, address: IpAddr, range: (u16, u16)) {
        self.free = FreePorts::new(address, range);
    }

    /// Binds the ports of the legs and of the local stream. Even numbers are preferred, since media
    /// engines send RTCP to the next odd port.
    pub(super) fn open(&mut self, slot: usize, legs: usize, now: Instant) -> Result<Ports, Reason> {
        self.slots[slot].clear();
        let mut numbers = Ports::new();
        for _ in 0..=legs {
            match self.free.open(now) {
                Ok(port) => {
                    let _ = numbers.push(port.number());
                    let _ = self.slots[slot].push(port);
                }
                Err(reason) => {
                    self.slots[slot].clear();
                    return Err(reason);
                }
            }
        }
        Ok(numbers)
    }

    /// Passes the datagrams that have arrived to the recorder; `true` when no datagram that it
    /// accepts is left.
    pub(super) fn drain(
        &mut self,
        slot: usize,
        now: Instant,
        clock: &mut Clock,
        recorder: &mut Recorder,
    ) -> bool {
        let mut reading = Reading {
            ports: &mut self.slots[slot],
            now,
            clock,
        };
        receiver::drain(&mut reading, slot, now, recorder)
    }

    /// Closes the ports of a recording that does not need them any more.
    pub(super) fn close_unused(&mut self, slot: usize, recorder: &Recorder) {
        let in_use = matches!(
            recorder.state(slot),
            RecordingState::Opening { .. }
                | RecordingState::Running
                | RecordingState::Draining { .. }
        );
        if !in_use {
            self.slots[slot].clear();
        }
    }
}

/// The ports of one recording in one turn.
struct Reading<'a> {
    ports: &'a mut [Port],
    now: Instant,
    clock: &'a mut Clock,
}

impl Sockets for Reading<'_> {
    fn count(&self) -> usize {
        self.ports.len()
    }

    #[inline]
    fn fill(&mut self, socket: usize, dropped: &mut u32) -> bool {
        self.ports[socket].fill(self.now, dropped)
    }

    #[inline]
    fn held(&self, socket: usize) -> Option<&[u8]> {
        self.ports[socket].held()
    }

    fn stamp(&mut self, socket: usize) -> Stamp {
        self.ports[socket].stamp(self.clock)
    }

    fn settle(&mut self, socket: usize, arrival: Instant) {
        self.ports[socket].settle(arrival);
    }

    fn release(&mut self, socket: usize) {
        self.ports[socket].release();
    }

    fn backlog(&self, socket: usize) -> u32 {
        self.ports[socket].backlog()
    }

    fn forget_backlog(&mut self, socket: usize) {
        self.ports[socket].forget_backlog();
    }

    fn guard(&mut self, socket: usize, sources: &[u32]) {
        self.ports[socket].guard(sources);
    }

    fn guarded(&self, socket: usize) -> &[u32] {
        self.ports[socket].guarded()
    }
}
