//! Limits for playing and listing recordings.

use crate::base::time::Duration;

/// Recordings played at once: one for each of a phone's lines in use.
pub const MAX_PLAYERS: usize = 4;
/// The read-ahead buffer of a player: 15 s of G.711, so that a slow stick does not make the audio
/// stutter. An allocation of this size is mapped, not cut from a heap that is cleared by hand, so
/// that an idle player occupies no memory.
pub const PLAY_BUFFER: usize = 128 * 1024;
/// Bytes of one read of a player, a page or a little less: half a second of G.711.
pub const PLAY_READ: usize = 4096;
/// Bytes after a read that the kernel is asked to read ahead in the background: 7 s of G.711.
pub const PLAY_AHEAD: u64 = 64 * 1024;
/// Reads that must be buffered before a player begins: 2.8 s. The first reads wait for the stick,
/// and the listener would wait with them.
pub const PLAY_READY: usize = 6;
/// Once they are buffered, each fourth frame triggers a read. What it reads was requested from the
/// kernel a second ago (`PLAY_AHEAD`), so the loop does not wait for a slow stick.
pub const PLAY_READ_EACH: u64 = 4;
/// A player that is later than this does not catch up: no receiver's buffer is that long, so the
/// following packets are shifted instead of sent in a burst.
pub const MAX_PLAY_LATE: Duration = Duration::from_millis(500);
/// The shortest packet time that is played: 5 ms. With a shorter one, a file could keep the loop
/// busy with nothing else.
pub const MIN_PLAY_INCREMENT: u32 = 40;
/// Files that are checked in a row without finding the next part before the search is given up.
/// They belong to other recordings that began between two parts.
pub const MAX_REJECTED_PARTS: usize = 16;
/// Names of a folder that are read in one turn: 4 KiB of directory entries.
pub const NAMES_PER_TURN: usize = 128;
/// Names of a folder that are sorted at a time.
pub const SORTED_NAMES: usize = 32;
/// Files whose beginning is read in one turn: each may cost a seek on a slow stick.
pub const HEADS_PER_TURN: usize = 4;

/// The longest sidecar line that is written: 512 bytes of names and numbers, all counts, the
/// pauses. A line whose texts consist of control characters only does not fit and is not written.
pub const SIDECAR_LINE_BYTES: usize = 2048;
/// Bytes of sidecar lines that wait to be written: when the daemon ends, all recordings end at
/// once.
pub const SIDECAR_QUEUE_BYTES: usize = 32 * 1024;
/// Pauses of a part that are listed in its sidecar; further ones are only counted.
pub const MAX_PAUSES: usize = 32;
/// Finished parts whose checksums are still to be computed.
pub const SUMS: usize = 32;
/// Bytes that are hashed in one turn: 2 ms of a phone's time, reading included.
pub const SUM_PIECE: usize = 16 * 1024;
/// The pause after such a piece, as a multiple of its duration. An hour of audio takes 40 s, and
/// hashing takes at most a tenth of the time from the recordings, however slow the stick is.
pub const SUM_REST: u64 = 10;

/// Bytes of the page `Listen.html` that are copied to the stick in one turn: no more than a
/// recording writes at once.
pub const PAGE_PIECE: usize = 4096;
/// The pause after such a piece, as a multiple of its duration, like `SUM_REST`.
pub const PAGE_REST: u64 = 10;
