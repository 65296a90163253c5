//! What the tools name of the daemon, which does not run on Windows.

/// Recordings are played on this computer; only Linux sends them.
pub mod one_player {
    use std::io::{self, ErrorKind};
    use std::path::Path;

    use crate::io::own_error;
    use crate::proto::playback::state::{PlayError, PlayRequest};

    /// There is none.
    pub struct OnePlayer(());

    /// The position of the player.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct Position {
        /// Milliseconds from the beginning of the first part.
        pub at: u64,
        /// The duration of all parts in milliseconds.
        pub of: u64,
    }

    /// How the playback ended.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub enum Outcome {
        /// All packets were sent.
        Sent,
        /// The system did not take so many packets.
        Lost(u64),
        /// The receiver's system answered that nobody receives on that port.
        Refused,
    }

    impl OnePlayer {
        /// Refuses.
        pub fn begin(_: &Path, _: PlayRequest, _: bool) -> io::Result<Self> {
            let words =
                "cannot be sent from Windows; without HOST:PORT it is played on this computer";
            Err(own_error::error(ErrorKind::Unsupported, words))
        }

        /// Never called.
        pub fn run(self, _: &mut dyn FnMut(Position)) -> Result<Outcome, PlayError> {
            Err(PlayError::NoWay)
        }
    }
}
