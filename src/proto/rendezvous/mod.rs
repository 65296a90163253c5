//! The rendezvous: how a phone behind NAT is reached. Pure: time and random words are arguments.
//!
//! ```text
//! phone   -> server   REG, REG            here I am; this proves it; then keep-alives, which keep its NAT open
//! caller  -> server   REG, REG, CON       who am I? here I am; take me to that phone, with this invite code
//! server  -> phone    FWD                 a caller wants you, it is there
//! phone  <-> caller   PING, PONG          each opens its own NAT for the other one; then the file service begins
//! ```
//! Sealing hides, but a sealed message can be repeated from anywhere. Our own ends therefore prove who they are:
//! - A phone registers twice. The server's first answer has a sealed `nonce`, made for this phone at this address; the
//!   second registration has a `proof` made of it with the phone's key, and only then the address counts.
//! - The server tells phone and caller of a connection a `secret`, sealed. The phone's PONGs have a `proof` made of it.
//!   A caller that was told one is content with no other PONG, so that the file service's password goes to nobody else.
//!
//! [`endpoint`] is the phone's side, [`ladder`] how it gets to the caller and the caller to it.

use core::net::{Ipv4Addr, SocketAddrV4};

use crate::base::limits::rendezvous::NAME_BYTES;
use crate::wire::control::Text;
use crate::wire::rendezvous::cipher::Key;
use crate::wire::rendezvous::{Class, Kind, Writer};

pub mod agent;
#[cfg(feature = "tools")]
pub mod caller;
pub mod connectivity_check;
mod peers;
#[cfg(feature = "server")]
pub mod server;
mod transaction;

/// A `cid`, a `connid`, a service, an invite code.
pub type Name = Text<NAME_BYTES>;

/// The one service that phones offer.
pub const SERVICE: &[u8] = b"FSP";
/// The object that a service belongs to, when nobody names one.
pub const OBJECT: &[u8] = b"default";
/// What registrations say of the program that sends them: the newest SDK that was seen, and who we are. Only to an end that
/// says so is anything sent that the SDK does not know: `nonce`, `proof`, `secret`.
const VERSION: &[u8] = b"1.1.16-callrec";
/// How the version of our own programs ends.
#[cfg(feature = "server")]
const OURS: &[u8] = b"-callrec";

/// Who an endpoint is for the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Its name: a phone's device id.
    pub cid: Name,
    /// What its messages are sealed with.
    pub key: Key,
}

/// A datagram that is to be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Datagram {
    /// Where to.
    pub to: SocketAddrV4,
    /// Its length in the buffer.
    pub len: usize,
    /// It is to open our own NAT, and better goes no further: the other end has not opened its own yet.
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

/// A value that is there and short enough to be kept.
fn name(value: Option<&[u8]>) -> Option<Name> {
    Name::from_slice(value?).ok()
}

/// What proves that a registration is no repeated one: made with the endpoint's key of the server's nonce.
fn registration_proof(key: &Key, nonce: &[u8]) -> Key {
    Key::of_bits(key.mac(nonce))
}

/// What proves that a PONG comes from whom the server has told the connection's secret, and has answered a PING that came
/// from this address, not from one in between; `None` when there is no secret.
fn pong_proof(secret: &[u8], tagged: &[u8], mid: u32, pinged_from: Ipv4Addr) -> Option<Key> {
    let mut text = heapless::Vec::<u8, { NAME_BYTES + 9 }>::from_slice(&mid.to_be_bytes()).ok()?;
    text.extend_from_slice(&pinged_from.octets()).ok()?;
    text.extend_from_slice(tagged).ok()?;
    Some(Key::of_bits(Key::new(secret)?.mac(&text)))
}

/// A registration; `nonce` is what the server wants a proof for, or empty.
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

/// News for the server about a connection.
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
