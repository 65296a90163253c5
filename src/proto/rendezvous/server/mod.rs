//! The public rendezvous server: it knows the phones, issues names and keys to callers, and tells
//! both ends where the other one is.
//!
//! | message | handling |
//! | --- | --- |
//! | REG without cid | 201: a cid and its key, neither of which is stored |
//! | REG | 200 and the endpoint's address as seen here; 403: not a phone of the file, or another key; see `registration` |
//! | `keep`, `ip:port` | the endpoint is alive; if its address has changed: NFY nat_change |
//! | CON | FWD to the phone until it responds; then 200 and the phone's addresses; 400 not registered at this address, 403, 404 |
//! | NFY ping_fork, ping_change | passed to the other end of the connection |
//! | NFY rtpp_open | to both ends, with a port of the relay; 404: there is no relay, 408: the phone did not respond |
//! | QRY | 200 without data: there are no further servers to test a NAT with |
//!
//! Everything but the empty REG and QRY must be sealed with the key of its cid. What a stranger can
//! have sent to a forged address is bounded by rates, and what it can fill by tables of fixed size;
//! a phone of the file always finds a place. Nothing is stored over a restart: all endpoints
//! register again.
//!
//! `state` holds the server and its timers; `registration`, `connect` and `notify` handle one kind
//! of message each.

mod challenges;
mod connect;
pub mod devices;
mod guard;
mod notify;
mod pending;
mod registration;
mod registration_table;
pub mod relay;
mod state;

pub use state::{RendezvousLimits, RendezvousServer, ServerCounts, ServerGauges};
