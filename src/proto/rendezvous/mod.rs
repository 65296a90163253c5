//! The rendezvous: how a phone behind NAT is reached. Pure: time and random words are arguments.
//!
//! ```text
//! phone   -> server   REG, REG            registers its address and proves it; then keep-alives, which keep its NAT open
//! caller  -> server   REG, REG, CON       gets a name and a key, registers, asks for a phone with its invite code
//! server  -> phone    FWD                 names the caller and its address
//! phone  <-> caller   PING, PONG          each opens its own NAT for the other one; then FSP begins
//! ```
//! Encryption hides a message, but a sealed message can be replayed from anywhere. Our own programs
//! therefore prove their identity:
//! - A phone registers twice. The server's first response has a sealed `nonce`, made for this phone
//!   at this address; the second registration has a `proof`, made of the nonce with the phone's
//!   key. Only then the address counts.
//! - The server tells phone and caller a `secret` of their connection, sealed. The phone's PONGs
//!   have a `proof` made of it. A caller that has a secret accepts no other PONG, so that no other
//!   host gets the FSP password.
//!
//! [`agent`] is the phone's side, `caller` the other one, [`connectivity_check`] how they reach
//! each other, and `server` brings them together.

use core::net::{Ipv4Addr, SocketAddrV4};

use crate::base::limits::rendezvous::NAME_BYTES;
use crate::wire::control::Text;
use crate::wire::rendezvous::cipher::Key;
use crate::wire::rendezvous::{Class, Kind, Writer};

pub mod agent;
#[cfg(feature = "tools")]
pub mod caller;
#[cfg(feature = "tools")]
mod connect_failure;
pub mod connectivity_check;
mod peers;
#[cfg(feature = "server")]
pub mod server;
mod status;
mod transaction;

/// A `cid`, a `connid`, a service, an invite code.
pub type Name = Text<NAME_BYTES>;

/// The one service that phones offer.
pub const SERVICE: &[u8] = b"FSP";
/// The object that a service belongs to if no other is named.
pub const OBJECT: &[u8] = b"default";
/// The version in registrations: the newest SDK that was seen, and our suffix. `nonce`, `proof` and
/// `secret`, which the SDK does not know, are only sent to agents with this suffix.
const VERSION: &[u8] = b"1.1.16-callrec";
/// The suffix of our own programs' versions.
#[cfg(feature = "server")]
const OURS: &[u8] = b"-callrec";

/// The identity of an agent for the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Its name; a phone's is its device id.
    pub cid: Name,
    /// The key that seals its messages.
    pub key: Key,
}

/// A datagram that is to be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Datagram {
    /// The destination.
    pub to: SocketAddrV4,
    /// The length in the buffer.
    pub len: usize,
    /// It only opens our own NAT and must not reach the peer's, which is not open yet.
    pub opens: bool,
}

impl Datagram {
    fn new(to: SocketAddrV4, len: usize) -> Self {
        Self {
            to,
            len,
            opens: false,
        }
    }
}

/// A value as a name, if it is not too long.
fn name(value: Option<&[u8]>) -> Option<Name> {
    Name::from_slice(value?).ok()
}

/// The proof that a registration is not a replay: made of the server's nonce with the agent's key.
fn registration_proof(key: &Key, nonce: &[u8]) -> Key {
    Key::of_bits(key.mac(nonce))
}

/// The proof that a PONG comes from a host that has the connection's secret, and that received the
/// PING from this address, not from a host in between; `None` if there is no secret.
fn pong_proof(secret: &[u8], tagged: &[u8], mid: u32, pinged_from: Ipv4Addr) -> Option<Key> {
    let mut text = heapless::Vec::<u8, { NAME_BYTES + 9 }>::from_slice(&mid.to_be_bytes()).ok()?;
    text.extend_from_slice(&pinged_from.octets()).ok()?;
    text.extend_from_slice(tagged).ok()?;
    Some(Key::of_bits(Key::new(secret)?.mac(&text)))
}

/// Writes a registration; `nonce` is the server's, or empty.
fn write_registration(
    buffer: &mut [u8],
    identity: &Identity,
    mid: u32,
    inside: SocketAddrV4,
    invite: &[u8],
    nonce: &[u8],
) -> Option<usize> {
    let mut writer = Writer::new(buffer, Class::Request, Kind::Register);
    let mark = writer.text("cid", &identity.cid).mid(mid).mark();
    writer
        .text("service", SERVICE)
        .address("ed", inside)
        .text("oid", OBJECT)
        .text("ic", invite);
    writer.text("version", VERSION);
    if !nonce.is_empty() {
        writer.text("proof", registration_proof(&identity.key, nonce).text());
    }
    writer.seal(mark, &identity.key).finish()
}

/// Writes a notification about a connection.
fn write_notice(
    buffer: &mut [u8],
    identity: &Identity,
    mid: u32,
    connid: &[u8],
    event: &[u8],
) -> Option<usize> {
    let mut writer = Writer::new(buffer, Class::Request, Kind::Notify);
    let mark = writer
        .text("cid", &identity.cid)
        .mid(mid)
        .text("connid", connid)
        .mark();
    writer
        .text("service", SERVICE)
        .text("oid", OBJECT)
        .text("event", event)
        .seal(mark, &identity.key)
        .finish()
}
