//! Of the rendezvous.

use crate::base::time::Duration;

/// The longest rendezvous message: all of the SDK's are under 700 bytes, and one Ethernet frame holds it.
pub const RENDEZVOUS_BYTES: usize = 1200;
/// The longest text that is sealed in a rendezvous message, a multiple of the cipher's block of 16.
pub const SEALED_BYTES: usize = 640;
/// The longest `cid`, `connid`, service or object name, invite code: the SDK's are at most 40 characters.
pub const NAME_BYTES: usize = 64;

/// From one keep-alive to the next, unless the server says otherwise: what the SDK does. NATs forget a mapping after
/// 30 s at the earliest (RFC 4787, REQ-5: 2 minutes).
pub const KEEP_INTERVAL: Duration = Duration::from_millis(20_000);
/// What the server may make of it.
pub const KEEP_LEAST: Duration = Duration::from_millis(5000);
/// What the server may make of it.
pub const KEEP_MOST: Duration = Duration::from_millis(60_000);
/// A step of the server's `keep_alive_change_dec` and `_inc`.
pub const KEEP_STEP: Duration = Duration::from_millis(5000);
/// Each keep-alive of this number is the own address, and registers again: a server that was started anew, or
/// that has moved, is noticed after a minute.
pub const KEEPS_TO_ADDRESS: u8 = 3;
/// A question to the server is asked again after this, then after twice as long, and so on.
pub const ASK_AGAIN: Duration = Duration::from_millis(400);
/// Times that a question is asked: 6 s in all.
pub const ASKS: u8 = 4;
/// A server that does not answer, has no name or refuses us is tried again after this, and up to 8 s more, so that a
/// thousand phones do not come back in the same second.
pub const REGISTER_AGAIN: Duration = Duration::from_millis(30_000);

/// An endpoint has this long at least, and twice as long at the most, to prove that it is where it says: the third
/// keep-alive of an endpoint of another make, which tells, comes within a minute.
pub const PROVE_WITHIN: Duration = Duration::from_millis(75_000);

/// Peers that a phone helps through its NAT at once. A new one finds its place when an old one has been reached,
/// has come through itself, or is given up.
pub const PEERS: usize = 4;
/// How long a connection's id is known: the SDK's.
pub const PEER_KNOWN: Duration = Duration::from_millis(60_000);
/// Pings of a peer that are answered: its ladder has 20, and may be climbed twice.
pub const PONGS: u8 = 48;
/// Times that a peer's ladder is climbed: the server may say that it has moved, or has a relay for it.
pub const LADDERS: u8 = 4;
/// Answers that wait for the socket.
pub const ANSWERS: usize = 8;
/// A phone that the server does not know may be registering just now: a caller asks again after this.
pub const CONNECT_AGAIN: Duration = Duration::from_millis(500);
/// Times that it asks.
pub const CONNECTS: u8 = 5;
