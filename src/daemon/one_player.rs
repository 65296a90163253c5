//! One player without a daemon, for `callrec play`: the same state machine on a loop of its own.

use std::io;
use std::path::Path;
use std::time::Duration;

use crate::base::stats::{Counter, Stats};
use crate::daemon::disk::Disk;
use crate::daemon::services::playback::Playback;
use crate::io::clock;
use crate::io::dir::Dir;
use crate::io::random::Random;
use crate::proto::playback::players::Players;
use crate::proto::playback::state::{PlayError, PlayRequest, PlayerEvent};
use crate::proto::recorder::outbox::ClientId;

/// The player, its files and its socket.
pub struct OnePlayer {
    players: Players,
    playback: Playback,
    disk: Disk,
    stats: Stats,
}

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
    /// Begins to play a file of this folder, and `with_parts` those that follow it.
    pub fn begin(folder: &Path, start: PlayRequest, with_parts: bool) -> io::Result<Self> {
        use std::os::unix::ffi::OsStrExt;
        let dir = Dir::open(folder.as_os_str().as_bytes())?;
        let mut players = Players::new();
        let [source, rest, _] = Random::open().words();
        if let Ok(player) = players.free() {
            player.begin(ClientId(0), 1, start, [source, rest]);
        }
        Ok(Self {
            players,
            playback: Playback::alone(with_parts),
            disk: Disk::of(dir),
            stats: Stats::default(),
        })
    }

    /// Plays to the end; `show` is told how far it is, some times a second.
    pub fn run(mut self, show: &mut dyn FnMut(Position)) -> Result<Outcome, PlayError> {
        loop {
            let now = clock::monotonic();
            self.playback
                .play(now, &mut self.disk, (&mut self.players, &mut self.stats));
            if self.playback.is_refused() {
                return Ok(Outcome::Refused);
            }
            let [player, ..] = self.players.all_mut() else {
                return Err(PlayError::NoFile);
            };
            match player.take_change() {
                None | Some(PlayerEvent::Started(_)) => {}
                Some(PlayerEvent::Refused(_, error)) => return Err(error),
                Some(PlayerEvent::Failed(error)) => return Err(PlayError::Stick(error)),
                Some(PlayerEvent::Finished) => {
                    show(Position {
                        at: player.position_ms(),
                        of: player.duration_ms(),
                    });
                    return Ok(match self.stats.of(Counter::PlayDrop) {
                        0 => Outcome::Sent,
                        lost => Outcome::Lost(lost),
                    });
                }
            }
            show(Position {
                at: player.position_ms(),
                of: player.duration_ms(),
            });
            let wait = player.next_deadline().since(clock::monotonic());
            std::thread::sleep(Duration::from_nanos(wait.nanos()));
        }
    }
}
