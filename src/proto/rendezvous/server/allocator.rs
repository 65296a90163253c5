//! Who is registered, and where.

use core::net::{Ipv4Addr, SocketAddrV4};
use std::collections::HashMap;

use crate::base::time::Instant;
use crate::proto::rendezvous::Name;

/// A registered endpoint.
#[derive(Clone, Debug)]
pub(super) struct Place {
    /// Where its messages come from.
    pub(super) address: SocketAddrV4,
    /// Where it says that it is in its own network.
    pub(super) inside: SocketAddrV4,
    pub(super) service: Name,
    /// What it wants to hear from callers.
    pub(super) invite: Name,
    /// A known phone, that may be called.
    pub(super) is_device: bool,
    /// It runs our own program: a phone that has proven to be there, or a caller that wants such a proof.
    pub(super) is_ours: bool,
    /// The number of its last registration.
    pub(super) mid: u32,
    pub(super) expires_at: Instant,
    /// Its connections of the last minute, with the number of the question that they came from.
    pub(super) connections: Vec<(u32, Name)>,
}

/// All registered endpoints. Known phones always find their place; callers only so many.
pub(super) struct Places {
    by_cid: HashMap<Name, Place>,
    by_address: HashMap<SocketAddrV4, Name>,
    callers: usize,
    callers_of: HashMap<Ipv4Addr, usize>,
    most_callers: usize,
    most_of_one: usize,
}

impl Places {
    pub(super) fn new(most_callers: usize, most_of_one: usize) -> Self {
        let (by_cid, by_address, callers_of) = Default::default();
        Self {
            by_cid,
            by_address,
            callers: 0,
            callers_of,
            most_callers,
            most_of_one,
        }
    }

    /// Known phones that are registered, and callers.
    pub(super) fn counts(&self) -> (usize, usize) {
        (self.by_cid.len() - self.callers, self.callers)
    }

    pub(super) fn of(&mut self, cid: &Name) -> Option<&mut Place> {
        self.by_cid.get_mut(cid)
    }

    pub(super) fn cid_at(&self, address: SocketAddrV4) -> Option<&Name> {
        self.by_address.get(&address)
    }

    /// Registers an endpoint, or again; `None`: there is no place for one more, else whether it is new.
    pub(super) fn put(&mut self, cid: &Name, mut place: Place) -> Option<bool> {
        let known = self.remove(cid);
        let source = *place.address.ip();
        if !place.is_device {
            let of_one = self.callers_of.get(&source).copied().unwrap_or(0);
            if self.callers >= self.most_callers || of_one >= self.most_of_one {
                return None;
            }
            self.callers += 1;
            self.callers_of.insert(source, of_one + 1);
        }
        let is_new = known.is_none();
        place.connections = known.map(|known| known.connections).unwrap_or_default();
        self.by_address.insert(place.address, cid.clone());
        self.by_cid.insert(cid.clone(), place);
        Some(is_new)
    }

    pub(super) fn remove(&mut self, cid: &Name) -> Option<Place> {
        let place = self.by_cid.remove(cid)?;
        if self
            .by_address
            .get(&place.address)
            .is_some_and(|at| at == cid)
        {
            self.by_address.remove(&place.address);
        }
        if !place.is_device {
            self.callers -= 1;
            let of_one = self.callers_of.get_mut(place.address.ip());
            if of_one.is_some_and(|count| {
                *count -= 1;
                *count == 0
            }) {
                self.callers_of.remove(place.address.ip());
            }
        }
        Some(place)
    }

    /// Removes those who have not been heard of, and those that `stays` does not want.
    pub(super) fn expire(&mut self, now: Instant, stays: impl Fn(&Name, &Place) -> bool) {
        let gone = |(cid, place): (&Name, &Place)| {
            (now >= place.expires_at || !stays(cid, place)).then(|| cid.clone())
        };
        let gone: Vec<Name> = self.by_cid.iter().filter_map(gone).collect();
        gone.iter().for_each(|cid| drop(self.remove(cid)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::time::Duration;

    fn name(text: &str) -> Name {
        Name::from_slice(text.as_bytes()).unwrap()
    }

    fn place(last: u8, port: u16, is_device: bool) -> Place {
        let address = SocketAddrV4::new([203, 0, 113, last].into(), port);
        let expires_at = Instant::default() + Duration::from_millis(75_000);
        let (service, invite) = (name("FSP"), Name::new());
        Place {
            address,
            inside: address,
            service,
            invite,
            is_device,
            is_ours: false,
            mid: 0,
            expires_at,
            connections: vec![],
        }
    }

    #[test]
    fn callers_are_bounded_in_all_and_from_one_address_and_phones_are_not() {
        let mut places = Places::new(3, 2);
        assert_eq!(places.put(&name("a"), place(1, 1, false)), Some(true));
        assert_eq!(places.put(&name("b"), place(1, 2, false)), Some(true));
        assert_eq!(
            places.put(&name("c"), place(1, 3, false)),
            None,
            "the third of one address"
        );
        assert_eq!(
            places.put(&name("b"), place(1, 4, false)),
            Some(false),
            "again, from another port"
        );
        assert_eq!(places.put(&name("c"), place(2, 3, false)), Some(true));
        assert_eq!(places.put(&name("d"), place(3, 3, false)), None);
        for n in 0..50 {
            assert_eq!(
                places.put(&name(&format!("phone{n}")), place(1, 100 + n, true)),
                Some(true)
            );
        }
        assert_eq!(places.counts(), (50, 3));
        assert_eq!(
            (
                places.cid_at(place(1, 2, false).address),
                places.cid_at(place(1, 4, false).address)
            ),
            (None, Some(&name("b")))
        );
        places.expire(Instant::default(), |cid, _| cid != &name("a"));
        assert_eq!(places.put(&name("e"), place(1, 5, false)), Some(true));
        places.expire(
            Instant::default() + Duration::from_millis(75_000),
            |_, _| true,
        );
        assert_eq!(
            (
                places.counts(),
                places.by_address.len(),
                places.callers_of.len()
            ),
            ((0, 0), 0, 0)
        );
    }

    #[test]
    fn an_address_belongs_to_who_was_last_there() {
        let mut places = Places::new(3, 3);
        places.put(&name("a"), place(1, 1, false));
        places.put(&name("b"), place(1, 1, false));
        places.remove(&name("a"));
        assert_eq!(places.cid_at(place(1, 1, false).address), Some(&name("b")));
    }
}
