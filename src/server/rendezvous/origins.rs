//! Which of our addresses each peer speaks to: what a server with several of them sends must come from the same one, or
//! NATs do not let it in, and clients do not take it.

use std::collections::HashMap;
use std::net::SocketAddrV4;

use crate::io::udp_server::Origin;

/// Peers of one generation: a flood of made-up ones must bring twice as many before a phone is forgotten, which is until
/// its next keep-alive.
const MOST: usize = 65_536;

/// Of the peers that have spoken last.
#[derive(Default)]
pub(super) struct Origins {
    young: HashMap<SocketAddrV4, Origin>,
    old: HashMap<SocketAddrV4, Origin>,
}

impl Origins {
    /// A peer has spoken.
    pub(super) fn note(&mut self, peer: SocketAddrV4, origin: Origin) {
        if self.young.len() >= MOST {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(peer, origin);
    }

    /// The way back to a peer.
    pub(super) fn of(&self, peer: SocketAddrV4) -> Option<&Origin> {
        self.young.get(&peer).or_else(|| self.old.get(&peer))
    }
}
