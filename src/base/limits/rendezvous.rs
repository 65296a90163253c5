//! Limits of the rendezvous.

use crate::base::time::Duration;

/// The longest rendezvous message. The SDK's are shorter than 700 bytes, and this fits into one
/// Ethernet frame.
pub const RENDEZVOUS_BYTES: usize = 1200;
/// The longest text that is sealed in a message, a multiple of the cipher's block of 16.
pub const SEALED_BYTES: usize = 640;
/// The longest `cid`, `connid`, service or object name, invite code: the SDK's are at most 40
/// characters.
pub const NAME_BYTES: usize = 64;

/// The interval of keep-alives, unless the server changes it; the SDK's. NATs keep a mapping for at
/// least 30 s (RFC 4787, REQ-5, wants 2 minutes).
pub const KEEP_INTERVAL: Duration = Duration::from_millis(20_000);
/// The shortest interval that the server may set.
pub const KEEP_LEAST: Duration = Duration::from_millis(5000);
/// The longest interval that the server may set.
pub const KEEP_MOST: Duration = Duration::from_millis(60_000);
/// A step of the server's `keep_alive_change_dec` and `_inc`.
pub const KEEP_STEP: Duration = Duration::from_millis(5000);
/// Each third keep-alive is the own address and is followed by a registration, so that a server
/// that was restarted or has moved is noticed within a minute.
pub const KEEPS_TO_ADDRESS: u8 = 3;
/// A request to the server is sent again after this time, then after twice as long, and so on.
pub const RETRANSMIT_AFTER: Duration = Duration::from_millis(400);
/// The number of times that a request is sent: it times out after 6 s.
pub const REQUEST_ATTEMPTS: u8 = 4;
/// A server that does not respond, whose name is not found or that refuses the registration is
/// tried again after this time and up to 8 s more, so that a thousand phones do not return in the
/// same second.
pub const REGISTER_AGAIN: Duration = Duration::from_millis(30_000);

/// An agent has at least this long, and at most twice as long, to prove its address. The proof of
/// another vendor's agent is its third keep-alive, which comes within a minute.
pub const PROVE_WITHIN: Duration = Duration::from_millis(75_000);

/// Peers that a phone checks at once. A new one may replace one that was reached, has got through
/// itself, or has failed.
pub const PEERS: usize = 4;
/// How long a connection is remembered; the SDK's.
pub const PEER_KNOWN: Duration = Duration::from_millis(60_000);
/// PINGs of a peer that are answered: its schedule has 20, and may run twice.
pub const PONGS: u8 = 48;
/// The number of times that the PINGs to a peer are sent: the server may say that the peer has
/// moved, or has a relay.
pub const CHECK_RUNS: u8 = 4;
/// Responses that wait for the socket.
pub const ANSWERS: usize = 8;
/// A phone that the server does not know may be registering just now: a caller asks again after
/// this time.
pub const CONNECT_AGAIN: Duration = Duration::from_millis(500);
/// The number of times that a caller asks.
pub const CONNECTS: u8 = 5;
