//! Messages of the building intercom: JSON texts over TCP, each followed by one NUL byte
//! (spec of the intercom's call control, sections 2 and 3).
//!
//! The reader accepts what deployed peers send: pretty-printed texts, missing values, numbers where
//! strings are expected and strings where numbers are, misspelt keys, and the names of protocol 0.2
//! (`call_in`, `call_out`, `emergency`). The writer emits one form of each message. Neither
//! allocates.

mod emit;
pub mod frames;
mod message;
mod parse;

pub use emit::emit;
pub use message::{
    cut, peer_type, text, Id, Message, Party, Reason, Sid, Stream, Token, Words, FRAME_BYTES,
};
pub use parse::{parse, NoMessage};
