//! The server's address that each peer sends to. A host may have several, and a response must come
//! from the same one: otherwise NATs drop it, and clients do not accept it.

use std::collections::HashMap;
use std::net::SocketAddrV4;

use crate::io::udp_server::Origin;

/// Peers of one generation. A flood of forged sources must be twice as long before it displaces a
/// phone, and then only until the phone's next keep-alive.
const GENERATION: usize = 65_536;

/// The addresses for the peers that were active last, in two generations.
#[derive(Default)]
pub(super) struct Origins {
    young: HashMap<SocketAddrV4, Origin>,
    old: HashMap<SocketAddrV4, Origin>,
}

impl Origins {
    /// A datagram of a peer has been received.
    pub(super) fn note(&mut self, peer: SocketAddrV4, origin: Origin) {
        if self.young.len() >= GENERATION {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(peer, origin);
    }

    /// Where responses to a peer must come from.
    pub(super) fn of(&self, peer: SocketAddrV4) -> Option<&Origin> {
        self.young.get(&peer).or_else(|| self.old.get(&peer))
    }
}
