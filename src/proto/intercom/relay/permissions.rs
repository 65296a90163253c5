//! Who may publish and play which streams.

use core::net::IpAddr;

/// The ids of the running call, and its parties.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Permissions {
    /// The ids of streams.
    pub ids: Vec<Vec<u8>>,
    /// Addresses, each of one side.
    pub parties: Vec<(&'static str, IpAddr)>,
    /// Those of them that may publish.
    pub publishers: Vec<(&'static str, IpAddr)>,
}

impl Permissions {
    pub(super) fn has(&self, id: &[u8]) -> bool {
        self.ids.iter().any(|known| known == id)
    }

    /// The address belongs to the call, or to its home.
    pub(super) fn knows(&self, side: &str, address: IpAddr) -> bool {
        let mut parties = self.parties.iter();
        parties.any(|party| *party == (side, address.to_canonical()))
    }

    pub(super) fn may_publish(&self, side: &str, address: IpAddr) -> bool {
        let mut publishers = self.publishers.iter();
        publishers.any(|party| *party == (side, address.to_canonical()))
    }
}
