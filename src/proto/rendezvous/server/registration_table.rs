//! The registered endpoints and their addresses.

use core::net::{Ipv4Addr, SocketAddrV4};
use std::collections::HashMap;

use crate::base::time::Instant;
use crate::proto::rendezvous::Name;

/// A registered endpoint.
#[derive(Clone, Debug)]
pub(super) struct Registration {
    /// The source of its messages.
    pub(super) address: SocketAddrV4,
    /// Its address in its own network, as it says.
    pub(super) inside: SocketAddrV4,
    pub(super) service: Name,
    /// The invite code that it asks of callers.
    pub(super) invite: Name,
    /// A phone of the file: it may be called.
    pub(super) is_phone: bool,
    /// It runs this program: a phone that has proven its address, or a caller that expects such a
    /// proof.
    pub(super) is_ours: bool,
    /// The number of its last registration.
    pub(super) mid: u32,
    pub(super) expires_at: Instant,
    /// Its connections of the last minute, each with the number of its CON.
    pub(super) connections: Vec<(u32, Name)>,
}

/// The result of a registration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Put {
    New,
    /// The endpoint was registered already.
    Renewed,
    /// There are too many callers, in all or from this address; the endpoint is not registered.
    Full,
}

/// All registered endpoints. Known phones always find their entry; callers only so many.
pub(super) struct RegistrationTable {
    by_cid: HashMap<Name, Registration>,
    by_address: HashMap<SocketAddrV4, Name>,
    callers: usize,
    callers_of: HashMap<Ipv4Addr, usize>,
    max_callers: usize,
    max_of_one: usize,
}

impl RegistrationTable {
    pub(super) fn new(max_callers: usize, max_of_one: usize) -> Self {
        Self {
            by_cid: HashMap::new(),
            by_address: HashMap::new(),
            callers: 0,
            callers_of: HashMap::new(),
            max_callers,
            max_of_one,
        }
    }

    /// The numbers of registered phones and callers.
    pub(super) fn counts(&self) -> (usize, usize) {
        (self.by_cid.len() - self.callers, self.callers)
    }

    /// The registration of an endpoint.
    pub(super) fn of(&mut self, cid: &Name) -> Option<&mut Registration> {
        self.by_cid.get_mut(cid)
    }

    /// The endpoint at an address.
    pub(super) fn cid_at(&self, address: SocketAddrV4) -> Option<&Name> {
        self.by_address.get(&address)
    }

    /// Registers an endpoint, or replaces its registration.
    pub(super) fn put(&mut self, cid: &Name, mut entry: Registration) -> Put {
        let known = self.remove(cid);
        let source = *entry.address.ip();
        if !entry.is_phone {
            let of_one = self.callers_of.get(&source).copied().unwrap_or(0);
            if self.callers >= self.max_callers || of_one >= self.max_of_one {
                return Put::Full;
            }
            self.callers += 1;
            self.callers_of.insert(source, of_one + 1);
        }
        let put = if known.is_none() {
            Put::New
        } else {
            Put::Renewed
        };
        entry.connections = known.map(|known| known.connections).unwrap_or_default();
        self.by_address.insert(entry.address, cid.clone());
        self.by_cid.insert(cid.clone(), entry);
        put
    }

    pub(super) fn remove(&mut self, cid: &Name) -> Option<Registration> {
        let entry = self.by_cid.remove(cid)?;
        if self
            .by_address
            .get(&entry.address)
            .is_some_and(|at| at == cid)
        {
            self.by_address.remove(&entry.address);
        }
        if !entry.is_phone {
            self.callers -= 1;
            let of_one = self.callers_of.get_mut(entry.address.ip());
            if let Some(count) = of_one {
                *count -= 1;
                if *count == 0 {
                    self.callers_of.remove(entry.address.ip());
                }
            }
        }
        Some(entry)
    }

    /// Removes the endpoints that have expired, and those for which `stays` is false.
    pub(super) fn expire(&mut self, now: Instant, stays: impl Fn(&Name, &Registration) -> bool) {
        let gone = |(cid, entry): (&Name, &Registration)| {
            (now >= entry.expires_at || !stays(cid, entry)).then(|| cid.clone())
        };
        let gone: Vec<Name> = self.by_cid.iter().filter_map(gone).collect();
        for cid in &gone {
            self.remove(cid);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::time::Duration;

    fn name(text: &str) -> Name {
        Name::from_slice(text.as_bytes()).unwrap()
    }

    fn entry(last: u8, port: u16, is_phone: bool) -> Registration {
        let address = SocketAddrV4::new([203, 0, 113, last].into(), port);
        let expires_at = Instant::default() + Duration::from_millis(75_000);
        let (service, invite) = (name("FSP"), Name::new());
        Registration {
            address,
            inside: address,
            service,
            invite,
            is_phone,
            is_ours: false,
            mid: 0,
            expires_at,
            connections: vec![],
        }
    }

    #[test]
    fn callers_are_bounded_in_all_and_from_one_address_and_phones_are_not() {
        let mut table = RegistrationTable::new(3, 2);
        assert_eq!(table.put(&name("a"), entry(1, 1, false)), Put::New);
        assert_eq!(table.put(&name("b"), entry(1, 2, false)), Put::New);
        assert_eq!(
            table.put(&name("c"), entry(1, 3, false)),
            Put::Full,
            "the third of one address"
        );
        assert_eq!(
            table.put(&name("b"), entry(1, 4, false)),
            Put::Renewed,
            "again, from another port"
        );
        assert_eq!(table.put(&name("c"), entry(2, 3, false)), Put::New);
        assert_eq!(table.put(&name("d"), entry(3, 3, false)), Put::Full);
        for n in 0..50 {
            assert_eq!(
                table.put(&name(&format!("phone{n}")), entry(1, 100 + n, true)),
                Put::New
            );
        }
        assert_eq!(table.counts(), (50, 3));
        assert_eq!(
            (
                table.cid_at(entry(1, 2, false).address),
                table.cid_at(entry(1, 4, false).address)
            ),
            (None, Some(&name("b")))
        );
        table.expire(Instant::default(), |cid, _| cid != &name("a"));
        assert_eq!(table.put(&name("e"), entry(1, 5, false)), Put::New);
        table.expire(
            Instant::default() + Duration::from_millis(75_000),
            |_, _| true,
        );
        assert_eq!(
            (
                table.counts(),
                table.by_address.len(),
                table.callers_of.len()
            ),
            ((0, 0), 0, 0)
        );
    }

    #[test]
    fn an_address_belongs_to_who_was_last_there() {
        let mut table = RegistrationTable::new(3, 3);
        table.put(&name("a"), entry(1, 1, false));
        table.put(&name("b"), entry(1, 1, false));
        table.remove(&name("a"));
        assert_eq!(table.cid_at(entry(1, 1, false).address), Some(&name("b")));
    }
}
