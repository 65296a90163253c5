//! Who may publish and play which streams.

use core::net::IpAddr;

/// The ids of the running call, and its parties.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Permissions {
    /// The ids of streams.
    pub ids: Vec<Vec<u8>>,
    /// Addresses, each of one side.
    pub parties: Vec<(&'static str, IpAddr)>,
}

impl Permissions {
    pub(super) fn has(&self, id: &[u8]) -> bool {
        self.ids.iter().any(|known| known == id)
    }

    pub(super) fn permits(&self, side: &str, address: IpAddr, id: &[u8]) -> bool {
        let mut parties = self.parties.iter();
        self.has(id) && parties.any(|party| *party == (side, address.to_canonical()))
    }
}
