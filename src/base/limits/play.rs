//! Of playing and listing recordings.

use crate::base::time::Duration;

/// Recordings played at once: one for each of a phone's lines in use.
pub const MAX_PLAYERS: usize = 4;
/// Frames read ahead of a player: 15 s of G.711, so that a slow stick does not stutter. So large an allocation is
/// mapped, not cut from a heap that is cleared by hand: no player, no memory.
pub const PLAY_BUFFER: usize = 128 * 1024;
/// What one read of a player takes, a page or a little less: half a second of G.711.
pub const PLAY_READ: usize = 4096;
/// What the kernel is asked to have ready behind a read, without waiting for it: 7 s of G.711.
pub const PLAY_AHEAD: u64 = 64 * 1024;
/// A packet this late is not caught up with: no receiver's buffer is that long, so what follows is
/// played later instead of in a burst.
pub const MAX_PLAY_LATE: Duration = Duration::from_millis(500);
/// The shortest packet time that is played: 5 ms. Below, a file could make the loop do nothing else.
pub const MIN_PLAY_INCREMENT: u32 = 40;
/// Files that are no next part, looked at one after the other before the search for one is given up:
/// recordings that began between two parts.
pub const MAX_STRANGERS: usize = 16;
/// Names of a folder looked at in one turn: 4 KiB of it.
pub const NAMES_PER_TURN: usize = 128;
/// Names of a folder that are sorted at a time.
pub const SORTED_NAMES: usize = 32;
/// Files whose beginning is read in one turn: each may cost a seek on a slow stick.
pub const HEADS_PER_TURN: usize = 4;
