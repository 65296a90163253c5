//! Of the FSP service.

use crate::base::time::Duration;

/// FSP clients that are remembered. One that is forgotten only has to prove its address again.
pub const SESSIONS: usize = 64;
/// A request that comes again this much later is answered again: less than the shortest wait of any client (1.34 s), so
/// that a lost reply costs no more than that.
pub const RETRY: Duration = Duration::from_millis(1000);
/// A client that has been silent this long has gone: the protocol text's time.
pub const TIMEOUT: Duration = Duration::from_millis(60_000);
/// The longest payload for an address that may not be the sender's: with the shortest request that gets one (24 bytes) 22
/// times as much, and a wrong password gets less than 3 times as much.
pub const UNPROVEN_PAYLOAD: usize = 512;
/// The longest payload for an address beyond the own network, as it is when a client comes through the rendezvous: with
/// its headers it is one Ethernet frame.
pub const FAR_PAYLOAD: usize = 1460;
/// The smallest directory block: the longest entry fits.
pub const SMALLEST_BLOCK: usize = 64;
/// Budgets of strangers in each of two rows: 32 KiB, of which only what is used is touched. 5000 forged addresses a second
/// that try a password each fill 61 % of what one row refills, so that it is rare that a client finds both of its budgets
/// spent by others.
pub const BUDGETS: usize = 8192;
/// The unit of a budget. In 16 bits it counts 35 minutes: whatever stands further ahead than a budget can be is old.
pub const BUDGET_TICK: Duration = Duration::from_millis(32);
/// How far a budget may be overdrawn: what a stranger may have at once.
pub const BURST: Duration = Duration::from_millis(4000);
/// What an unproven reply costs its source: 31 a second, 16 kB.
pub const STRANGER: Duration = Duration::from_millis(32);
/// What it costs all of them together: 250 a second. Those who know the password have a budget of their own, of the same
/// size.
pub const STRANGERS: Duration = Duration::from_millis(4);
/// What a wrong password costs an address that may be forged: one a second, so that forging delays nobody for long.
pub const WRONG: Duration = Duration::from_millis(1000);
/// What it costs an address that is really the sender's: one in two seconds.
pub const WRONG_PROVEN: Duration = Duration::from_millis(2000);
/// The longest FSP password.
pub const PASSWORD_BYTES: usize = 64;
/// Folders that are being listed at once; a client beyond begins its listing anew.
pub const LISTINGS: usize = 4;
/// Entries of one folder. A FAT32 folder ends at 65 536 entries of 32 bytes, of which our names take three each.
pub const LISTING_ENTRIES: usize = 32_768;
/// The longest request that is read whole: its data are a path and two passwords; rendezvous messages are shorter, too.
pub const REQUEST_BYTES: usize = 2048;
/// Work of one turn, in the cost of a name that is looked at. A client waits for each reply before it asks again, so that
/// one turn rarely has more than one request.
pub const WORK_PER_TURN: u32 = 64;
/// What opening, reading or describing a file costs: each may cost a seek on a slow stick.
pub const FILE_WORK: u32 = 16;
/// Files kept open between requests: one for each client that fetches at once.
pub const OPEN_FILES: usize = 4;
/// They are closed this long after the last request: an idle phone must not keep a stick from being unmounted.
pub const FILES_IDLE: Duration = Duration::from_millis(3000);
/// At most one wrong password is logged in this time.
pub const LOG_INTERVAL: Duration = Duration::from_millis(10_000);
