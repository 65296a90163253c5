//! What a box is configured to do.

use core::fmt::{self, Display};
use core::net::{IpAddr, Ipv4Addr, SocketAddr};

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

/// A network, as `11.0.0.0/8`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ipv4Prefix {
    /// Its first address.
    pub network: Ipv4Addr,
    /// 0 to 32
    length: u32,
}

impl Ipv4Prefix {
    /// The network of `address` with a prefix of `length` bits; longer ones count as 32.
    pub const fn new(address: Ipv4Addr, length: u32) -> Self {
        let bits = u32::from_be_bytes(address.octets()) & mask(length);
        Self {
            network: Ipv4Addr::from_bits(bits),
            length: if length > 32 { 32 } else { length },
        }
    }

    /// Whether the address is in this network.
    pub fn contains(&self, address: IpAddr) -> bool {
        let IpAddr::V4(address) = address else {
            return false;
        };
        address.to_bits() & mask(self.length) == self.network.to_bits()
    }
}

const fn mask(length: u32) -> u32 {
    match 32u32.checked_sub(length) {
        Some(rest) => match u32::MAX.checked_shl(rest) {
            Some(mask) => mask,
            None => 0,
        },
        None => u32::MAX,
    }
}

impl Display for Ipv4Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.network, self.length)
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
    pub prefixes: Vec<Ipv4Prefix>,
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
