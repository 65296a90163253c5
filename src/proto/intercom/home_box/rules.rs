//! What a box is configured to do.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use crate::base::time::Duration;
use crate::wire::intercom::{Id, Reason};

/// Whose reject ends the ring. Under each policy it ends when all that rang have rejected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RejectPolicy {
    /// A wall panel's, or that of a screen of unknown type.
    Panel,
    /// Any screen's.
    Household,
    /// None alone.
    Device,
}

/// Who may open the door.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DoorPolicy {
    /// Only the screen that has answered.
    Talk,
    /// A ringing screen, too: that ends the call.
    Ringing,
}

/// What the token, or the box's policy, says about a screen that wants to join.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum JoinVerdict {
    /// It is this device; empty: a device without a name, which is like no other.
    Device {
        /// Its name.
        device: Id,
        /// 1: a pad, 2: a phone, 0: unknown.
        device_type: u8,
    },
    /// It may not join.
    Refused(Reason),
}

/// Where a device outside of the home is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Neighbour {
    /// Its id.
    pub id: Id,
    /// Its address.
    pub address: IpAddr,
    /// Its port; `None`: that of its type.
    pub port: Option<u16>,
}

/// A network of the community.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Prefix {
    /// Its address.
    pub address: Ipv4Addr,
    /// Its length in bits, at most 32.
    pub bits: u8,
}

impl Prefix {
    /// The address belongs to the network.
    pub fn contains(self, address: IpAddr) -> bool {
        let IpAddr::V4(address) = address else {
            return false;
        };
        let mask = u32::MAX.checked_shl(32 - u32::from(self.bits)).unwrap_or(0);
        (address.to_bits() ^ self.address.to_bits()) & mask == 0
    }
}

/// A port of the home side that leads to a host of the community.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Forward {
    /// The port.
    pub port: u16,
    /// The host.
    pub to: SocketAddr,
}

/// The box's own addresses, and what of other hosts is reached through it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Addresses {
    /// Towards the screens.
    pub home: IpAddr,
    /// Towards the community.
    pub community: IpAddr,
    /// Of the stream server, on both sides.
    pub stream_port: u16,
    /// Where screens join.
    pub family_port: u16,
    /// Where the community calls.
    pub call_port: u16,
    /// The community's stream server for calls between homes.
    pub central_stream: Option<SocketAddr>,
    /// What the firewall forwards from the home.
    pub forwards: Vec<Forward>,
}

/// The rules.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rules {
    /// The home's id.
    pub room_id: Id,
    /// Its addresses.
    pub addresses: Addresses,
    /// Whose reject ends the ring.
    pub reject: RejectPolicy,
    /// Who may open the door.
    pub door: DoorPolicy,
    /// How long after opening the door the call ends; zero: it does not.
    pub open_ends: Duration,
    /// Who is called when nobody answers a door; empty: nobody.
    pub no_answer_to: Id,
    /// From one `call_keep` to the next.
    pub keep: Duration,
    /// A leg that has sent a `call_keep` may be silent for so long.
    pub keep_timeout: Duration,
    /// How long it rings.
    pub ring_timeout: Duration,
    /// How long a connection may take.
    pub connect_timeout: Duration,
    /// How long a new connection may take to say what it wants.
    pub join_timeout: Duration,
    /// The longest call with a door.
    pub max_call: Duration,
    /// Where a screen may call to.
    pub prefixes: Vec<Prefix>,
    /// Devices by their ids.
    pub neighbours: Vec<Neighbour>,
    /// Screens at most.
    pub max_screens: usize,
    /// Connections of the home that have not joined, at most.
    pub max_joining: usize,
    /// Connections of the community that have not called, at most.
    pub max_waiting: usize,
    /// The same from one address.
    pub max_waiting_of_address: usize,
}

impl Rules {
    /// The device with this id.
    pub fn neighbour(&self, id: &[u8]) -> Option<&Neighbour> {
        let mut neighbours = self.neighbours.iter();
        neighbours.find(|neighbour| neighbour.id == id)
    }
}
