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
/// Reads that wait before a player begins, 2.8 s: the first ones wait for the stick, and so would those who listen.
pub const PLAY_READY: usize = 6;
/// With these, each fourth frame has a read: what it asks for has had a second to come (`PLAY_AHEAD`), and the loop does
/// not wait for a slow stick.
pub const PLAY_READ_EACH: u64 = 4;
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

/// The longest line beside a recording that we write: 512 bytes of names and numbers, all counts, the pauses. One whose
/// texts are all control characters is not written.
pub const SIDECAR_LINE_BYTES: usize = 2048;
/// Such lines that wait to be written: at the end of the daemon, all recordings end at once.
pub const SIDECAR_QUEUE_BYTES: usize = 32 * 1024;
/// Pauses of a part that are listed; more are only counted.
pub const MAX_PAUSES: usize = 32;
/// Finished parts whose sums wait to be made.
pub const SUMS: usize = 32;
/// Bytes that are summed up in one turn: 2 ms of a phone's time, reading included.
pub const SUM_PIECE: usize = 16 * 1024;
/// The rest behind such a piece, as many times as long as it took: an hour of audio takes 40 s, and no recording waits
/// for more than a tenth of the time, however slow the stick is.
pub const SUM_REST: u64 = 10;
