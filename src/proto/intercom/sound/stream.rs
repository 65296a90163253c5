//! What players and publishers of streams have in common: a request over a connection of its own.

use std::fmt;

use crate::wire::flv::sound_reader::Piece;
use crate::wire::http::url::StreamUrl;

/// Room for a request.
pub(super) type RequestHead = heapless::String<512>;

/// Why a stream does not go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StreamProblem {
    /// The server has refused with this status.
    Status(u16),
    /// It does not speak HTTP/1.1, or not FLV.
    Malformed,
    /// The stream has ended.
    Ended,
}

impl fmt::Display for StreamProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Status(status) => write!(f, "the server answers with status {status}"),
            Self::Malformed => f.write_str("the server does not speak HTTP/1.1 and FLV"),
            Self::Ended => f.write_str("it has ended"),
        }
    }
}

/// One end of a stream.
pub trait StreamMachine {
    /// A connection is made; `false`: the URL is too long.
    #[must_use]
    fn begin(&mut self, url: &StreamUrl) -> bool;
    /// What is to be sent next.
    fn front(&self) -> &[u8];
    /// So much of it was sent.
    fn consume(&mut self, count: usize);
    /// Takes bytes of the response; `take` gets the sound.
    fn handle_bytes(
        &mut self,
        bytes: &[u8],
        take: &mut dyn FnMut(Piece),
    ) -> Result<(), StreamProblem>;
}
