//! Tokens that are refused although they are signed.
//!
//! A token says when it ends, not when it was made. So a revocation refuses the tokens of a cid that
//! end no later than any that was seen or issued before it, but for those that this cloud has issued
//! since.

use std::collections::{HashMap, HashSet};

use crate::server::cloud::apps::Device;

/// All that is known of the tokens' ends, in Unix seconds.
#[derive(Debug, Default)]
pub(super) struct Revocations {
    /// The latest end of a token that was seen or issued.
    latest: HashMap<Device, u32>,
    revoked: HashMap<Device, u32>,
    issued_since: HashSet<(Device, u32)>,
}

/// Cids whose latest token is remembered.
const MAX_LATEST: usize = 100_000;

impl Revocations {
    /// As the database has it.
    pub(super) fn restore(&mut self, device: Device, expire: u32) {
        self.revoked.insert(device, expire);
    }

    /// As the database has it.
    pub(super) fn restore_reissue(&mut self, device: Device, expire: u32) {
        self.issued_since.insert((device, expire));
    }

    /// The tokens of a device up to this end are refused, also those issued since the last time.
    pub(super) fn apply(&mut self, device: Device, until: u32) {
        self.revoked.insert(device, until);
        self.issued_since.retain(|(other, _)| *other != device);
    }

    /// All as a shared database has it now. Devices of which more is refused than before.
    pub(super) fn replace(
        &mut self,
        revoked: HashMap<Device, u32>,
        issued_since: HashSet<(Device, u32)>,
    ) -> HashSet<Device> {
        let is_new = |(device, until): &(&Device, &u32)| {
            self.revoked.get(device).is_none_or(|before| before < until)
        };
        let later = revoked.iter().filter(is_new).map(|(device, _)| *device);
        let gone = self.issued_since.difference(&issued_since);
        let changed = later.chain(gone.map(|(device, _)| *device)).collect();
        self.revoked = revoked;
        self.issued_since = issued_since;
        changed
    }

    /// A signed token is refused, or its end is no news.
    pub(super) fn is_settled(&self, device: Device, expire: u32) -> bool {
        let is_known = |latest: &u32| *latest >= expire;
        self.is_refused(device, expire) || self.latest.get(&device).is_some_and(is_known)
    }

    /// A signed token: whether it is accepted.
    pub(super) fn accepts(&mut self, device: Device, expire: u32) -> bool {
        if self.is_refused(device, expire) {
            return false;
        }
        self.note(device, expire);
        true
    }

    fn is_refused(&self, device: Device, expire: u32) -> bool {
        let until = self.revoked.get(&device);
        until.is_some_and(|until| expire <= *until)
            && !self.issued_since.contains(&(device, expire))
    }

    /// The end of a token that is issued instead of this one: the last one that was revoked would be the same
    /// again if it had the same end.
    pub(super) fn end_to_issue(&self, device: Device, expire: u32) -> u32 {
        match self.revoked.get(&device) {
            Some(until) if *until == expire => expire.saturating_add(1),
            _ => expire,
        }
    }

    /// This cloud issues a token: its end, and whether that has to be remembered in the database.
    pub(super) fn issue(&mut self, device: Device, expire: u32) -> (u32, bool) {
        let until = self.revoked.get(&device).copied();
        let expire = self.end_to_issue(device, expire);
        self.note(device, expire);
        let is_revoked = until.is_some_and(|until| expire <= until);
        (
            expire,
            is_revoked && self.issued_since.insert((device, expire)),
        )
    }

    /// The tokens made so far are refused; up to which end that is.
    pub(super) fn revoke(&mut self, device: Device, now: u32) -> u32 {
        let known = [self.latest.get(&device), self.revoked.get(&device)];
        let until = known.into_iter().flatten().copied().max().unwrap_or(now);
        self.revoked.insert(device, until);
        self.issued_since.retain(|(other, _)| *other != device);
        until
    }

    fn note(&mut self, device: Device, expire: u32) {
        if self.latest.len() >= MAX_LATEST && !self.latest.contains_key(&device) {
            return;
        }
        let latest = self.latest.entry(device).or_default();
        *latest = expire.max(*latest);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_made_so_far_are_refused_and_new_ones_are_not() {
        let device = Device { app: 0, cid: 7 };
        let mut revocations = Revocations::default();
        assert!(revocations.accepts(device, 100) && revocations.accepts(device, 50));
        assert_eq!(revocations.issue(device, 60), (60, false));
        assert_eq!(revocations.revoke(device, 10), 100);
        assert!(!revocations.accepts(device, 100) && !revocations.accepts(device, 60));
        assert!(revocations.accepts(device, 101));
        assert!(revocations.accepts(Device { app: 0, cid: 8 }, 100));
        assert_eq!(revocations.issue(device, 61), (61, true));
        assert_eq!(revocations.issue(device, 100), (101, false));
        assert!(revocations.accepts(device, 61) && !revocations.accepts(device, 60));
        assert_eq!(revocations.revoke(device, 10), 101);
        assert!(!revocations.accepts(device, 61));
    }

    #[test]
    fn what_a_shared_database_refuses_is_refused_and_whom_it_concerns_is_known() {
        let [a, b, c] = [1, 2, 3].map(|cid| Device { app: 0, cid });
        let mut revocations = Revocations::default();
        assert!(!revocations.is_settled(a, 10) && revocations.accepts(a, 10));
        assert!(revocations.is_settled(a, 10) && !revocations.is_settled(a, 11));
        let revoked = HashMap::from([(a, 10), (b, 10)]);
        let reissued = HashSet::from([(b, 5)]);
        let changed = revocations.replace(revoked.clone(), reissued.clone());
        assert_eq!(changed, HashSet::from([a, b]));
        assert!(!revocations.accepts(a, 10) && revocations.is_settled(a, 10));
        assert!(revocations.accepts(b, 5) && !revocations.accepts(b, 6));
        let changed = revocations.replace(revoked.clone(), reissued);
        assert!(changed.is_empty(), "{changed:?}");
        let changed = revocations.replace(revoked, HashSet::new());
        assert_eq!(changed, HashSet::from([b]));
        revocations.restore_reissue(c, 7);
        revocations.apply(c, 7);
        assert!(!revocations.accepts(c, 7));
    }
}
