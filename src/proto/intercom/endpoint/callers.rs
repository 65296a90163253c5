//! Connections to a door unit or to the property's phone that have not said what they want.
//!
//! Anybody may connect and say nothing. Such a connection holds no call; it has a place for a few
//! seconds, each address has few places, and the oldest one makes room for a new one.

use core::net::IpAddr;

use crate::base::limits::endpoint::{
    BUSY_PATIENCE, JOIN_TIMEOUT, MAX_CALLERS, MAX_CALLERS_PER_ADDRESS,
};
use crate::base::time::Instant;
use crate::proto::intercom::endpoint::output::Link;

/// A connection from which `call_req` is expected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Caller {
    pub(super) link: Link,
    pub(super) from: IpAddr,
    since: Instant,
}

/// All of them, oldest first.
#[derive(Default)]
pub(super) struct Callers {
    places: heapless::Vec<Caller, MAX_CALLERS>,
}

/// What became of a new connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Admission {
    /// It has a place.
    Admitted,
    /// It has the place of this one, which is to be closed.
    InPlaceOf(Link),
    /// Its address has too many places.
    Refused,
}

impl Callers {
    /// A connection was accepted.
    pub(super) fn admit(&mut self, now: Instant, link: Link, from: IpAddr) -> Admission {
        let same = self.places.iter().filter(|caller| caller.from == from);
        if same.count() >= MAX_CALLERS_PER_ADDRESS {
            return Admission::Refused;
        }
        let oldest = self.places.is_full().then(|| self.places.remove(0).link);
        let caller = Caller {
            link,
            from,
            since: now,
        };
        // There is room: a full list has just lost its oldest.
        let _ = self.places.push(caller);
        oldest.map_or(Admission::Admitted, Admission::InPlaceOf)
    }

    /// Takes a connection out: it is lost, or has sent `call_req`.
    pub(super) fn take(&mut self, link: Link) -> Option<Caller> {
        let place = self.places.iter().position(|caller| caller.link == link)?;
        Some(self.places.remove(place))
    }

    /// Takes the next one out whose time is over.
    pub(super) fn take_expired(&mut self, now: Instant, is_busy: bool) -> Option<Link> {
        let expired = |caller: &Caller| now >= expires_at(caller, is_busy);
        let place = self.places.iter().position(expired)?;
        Some(self.places.remove(place).link)
    }

    /// When `take_expired` has something; `NEVER` if nobody waits.
    pub(super) fn deadline(&self, is_busy: bool) -> Instant {
        let deadlines = self.places.iter().map(|caller| expires_at(caller, is_busy));
        deadlines.min().unwrap_or(Instant::NEVER)
    }
}

fn expires_at(caller: &Caller, is_busy: bool) -> Instant {
    let patience = if is_busy { BUSY_PATIENCE } else { JOIN_TIMEOUT };
    caller.since + patience
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::net::Ipv4Addr;

    #[test]
    fn one_address_cannot_take_all_places() {
        let mut callers = Callers::default();
        let now = Instant::from_nanos(0);
        let mut admit = |number: u32, host: u8| {
            let from = IpAddr::V4(Ipv4Addr::new(11, 0, 0, host));
            callers.admit(now, Link(number), from)
        };
        let first: Vec<Admission> = (0..5).map(|number| admit(number, 1)).collect();
        assert_eq!(first[3..], [Admission::Admitted, Admission::Refused]);
        for number in 5..9 {
            assert_eq!(admit(number, 2), Admission::Admitted);
        }
        assert_eq!(admit(9, 3), Admission::InPlaceOf(Link(0)));
    }

    #[test]
    fn a_silent_one_has_5_s_and_during_a_call_1_s() {
        let mut callers = Callers::default();
        let local = IpAddr::V4(Ipv4Addr::LOCALHOST);
        let now = Instant::from_nanos(0);
        assert_eq!(callers.deadline(false), Instant::NEVER);
        callers.admit(now, Link(1), local);
        assert_eq!(callers.deadline(false), now + JOIN_TIMEOUT);
        assert_eq!(callers.take_expired(now + BUSY_PATIENCE, false), None);
        let expired = callers.take_expired(now + BUSY_PATIENCE, true);
        assert_eq!(expired, Some(Link(1)));
    }
}
