//! The recording server's side of the protocol (spec, rules 13 to 20): control connections, received streams.
//! The mirror of the phone's side; it knows neither sockets nor files.

mod control;
mod sequence;
mod stream;

pub use control::{Control, Event, Id, Peer, Start};
pub use stream::{Output, Stream, Verdict, VERDICTS};
