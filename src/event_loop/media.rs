//! The ports of each recording: bound at its start, read in the order of arrival, closed at its end.

use std::io::ErrorKind;
use std::net::IpAddr;

use crate::base::limits::{DATAGRAMS_PER_TURN, MAX_PORTS};
use crate::base::stats::Counter;
use crate::base::time::Instant;
use crate::io::clock::Now;
use crate::io::udp::Port;
use crate::proto::recorder::Recorder;
use crate::proto::recording::{Ports, State};
use crate::proto::request::{reason, Reason};

/// Later than anything.
const NEVER: Instant = Instant::from_nanos(u64::MAX);

/// All ports, by the recorder's places.
pub(super) struct Media {
    address: IpAddr,
    range: (u16, u16),
    /// Where the search for a free port goes on: a port is not used again at once.
    next: u16,
    places: Vec<heapless::Vec<Port, MAX_PORTS>>,
}

impl Media {
    pub(super) fn new(address: IpAddr, range: (u16, u16), places: usize) -> Self {
        let places = (0..places).map(|_| heapless::Vec::new()).collect();
        Self { address, range, next: range.0, places }
    }

    pub(super) fn set_range(&mut self, address: IpAddr, range: (u16, u16)) {
        (self.address, self.range, self.next) = (address, range, range.0);
    }

    /// Binds the leg ports and the local stream's: even numbers as long as there are any, since media
    /// engines send RTCP to the odd one above.
    pub(super) fn open(&mut self, place: usize, legs: usize, now: Instant) -> Result<Ports, Reason> {
        self.places[place].clear();
        let mut numbers = Ports::new();
        for _ in 0..=legs {
            match self.open_one(now) {
                Ok(port) => {
                    let _ = numbers.push(port.number());
                    let _ = self.places[place].push(port);
                }
                Err(reason) => {
                    self.places[place].clear();
                    return Err(reason);
                }
            }
        }
        Ok(numbers)
    }

    fn open_one(&mut self, now: Instant) -> Result<Port, Reason> {
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
                        return Err(reason("busy", format_args!("cannot bind {address}:{number} (errno {errno})")));
                    }
                }
            }
        }
        Err(reason("busy", format_args!("all ports of mediaPorts {low}-{high} are in use")))
    }

    /// Gives the recorder what has come; `true` when nothing more is waiting.
    pub(super) fn read(&mut self, place: usize, now: &Now, recorder: &mut Recorder) -> bool {
        match recorder.reads_promptly(place, now.monotonic) {
            true => self.read_each(place, now, recorder),
            false => self.read_in_order(place, now, recorder),
        }
    }

    /// Port after port: when little has come, its order means nothing, and most arrivals need not be known.
    fn read_each(&mut self, place: usize, now: &Now, recorder: &mut Recorder) -> bool {
        let mut left = DATAGRAMS_PER_TURN;
        for (number, port) in self.places[place].iter_mut().enumerate() {
            while fill(port, now, recorder) {
                if left == 0 {
                    return false;
                }
                left -= 1;
                match port.held() {
                    None => recorder.stats.count(Counter::Oversize),
                    Some(bytes) if recorder.handle_prompt_rtp(place, number, None, bytes) => {}
                    Some(_) => {
                        let arrival = port.arrival(now);
                        if arrival > now.monotonic {
                            // The stick has held this turn up since it began: the next one knows how long.
                            break;
                        }
                        let taken = port
                            .held()
                            .is_none_or(|bytes| recorder.handle_prompt_rtp(place, number, Some(arrival), bytes));
                        debug_assert!(taken, "bug: its arrival is known");
                    }
                }
                port.release();
            }
        }
        true
    }

    /// The earliest first: after a stall, what has come is to be mixed as if it had been read in time.
    fn read_in_order(&mut self, place: usize, now: &Now, recorder: &mut Recorder) -> bool {
        let ports = &mut self.places[place];
        let ends_at = match recorder.state(place) {
            State::Draining(at, _) => at,
            _ => now.monotonic,
        };
        let mut heads = heapless::Vec::<Instant, MAX_PORTS>::new();
        for port in ports.iter_mut() {
            let _ = heads.push(head(port, now, recorder));
        }
        for _ in 0..DATAGRAMS_PER_TURN {
            let earliest = heads.iter().enumerate().min_by_key(|(_, arrival)| **arrival);
            // What came after a stop, or after this turn began, belongs to nobody or to the next turn.
            let Some((number, arrival)) = earliest.filter(|(_, arrival)| **arrival <= ends_at) else { return true };
            match ports[number].held() {
                Some(bytes) if !recorder.handle_rtp(place, number, *arrival, bytes) => return false,
                Some(_) => {}
                None => recorder.stats.count(Counter::Oversize),
            }
            ports[number].release();
            heads[number] = head(&mut ports[number], now, recorder);
        }
        false
    }

    /// Closes the ports of a recording that has ended.
    pub(super) fn close_unused(&mut self, place: usize, recorder: &Recorder) {
        if !matches!(recorder.state(place), State::Ports(_) | State::Opening(_) | State::Running | State::Draining(..))
        {
            self.places[place].clear();
        }
    }
}

/// Reads the port's next datagram; `false` if there is none.
fn fill(port: &mut Port, now: &Now, recorder: &mut Recorder) -> bool {
    let mut dropped = 0;
    let filled = port.fill(now, &mut dropped);
    recorder.stats.add(Counter::KernelDrop, dropped.into());
    filled
}

/// When the next datagram of this port arrived; `NEVER` if there is none.
fn head(port: &mut Port, now: &Now, recorder: &mut Recorder) -> Instant {
    match fill(port, now, recorder) {
        true => port.arrival(now),
        false => NEVER,
    }
}
