//! The recorder's state machines: pure. Time is an argument, bytes go out through caller's buffers,
//! nothing here opens, polls, logs or allocates while a call is recorded.

pub mod chronicle;
pub mod conceal;
#[cfg(feature = "fsp")]
pub mod fsp;
pub mod leg;
pub mod listing;
pub mod local_stream;
pub mod mixer;
pub mod notes;
pub mod outbox;
pub mod paced;
pub mod part;
pub mod playback;
pub mod players;
pub mod read_ahead;
pub mod receiver;
#[cfg(feature = "server")]
pub mod record_server;
pub mod recorder;
pub mod recording;
#[cfg(feature = "fsp")]
pub mod rendezvous;
pub mod request;
pub mod setup;
pub mod skew;
pub mod sources;
pub mod stick;
pub mod timeline;
pub mod track;
pub mod turn;
pub mod uplink;
