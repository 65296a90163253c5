//! Limits of the FSP service.

use crate::base::time::Duration;

/// Clients that are remembered. A client that is forgotten must prove its address again, and
/// nothing else.
pub const SESSIONS: usize = 64;
/// A resend is answered this long after the request: less than the shortest interval of any client
/// (1.34 s), so that a lost reply costs one interval.
pub const RETRY: Duration = Duration::from_millis(1000);
/// A session ends when its client is silent for this time, which is the protocol text's.
pub const TIMEOUT: Duration = Duration::from_millis(60_000);
/// The longest payload for an address that may be forged: it amplifies the shortest request that
/// gets one (24 bytes) by 22, and a request with a wrong password by less than 3.
pub const UNPROVEN_PAYLOAD: usize = 512;
/// The longest payload for an address in another network, such as that of a client of the
/// rendezvous: with its headers it is one Ethernet frame.
pub const FAR_PAYLOAD: usize = 1460;
/// The smallest directory block. The longest entry fits into it.
pub const SMALLEST_BLOCK: usize = 64;
/// Budgets of strangers in each of two rows: 32 KiB, of which only the used pages are touched. 5000
/// forged addresses a second that try a password each spend 61 % of what one row refills, so that a
/// client rarely finds both of its budgets spent by others.
pub const BUDGETS: usize = 8192;
/// The unit of a budget. 16 bits count 35 minutes; a value further ahead than a budget can be is
/// old.
pub const BUDGET_TICK: Duration = Duration::from_millis(32);
/// How far a budget may be overdrawn: the burst that a stranger may have.
pub const BURST: Duration = Duration::from_millis(4000);
/// What an unproven reply costs its source: 31 a second, 16 kB.
pub const STRANGER: Duration = Duration::from_millis(32);
/// What it costs all strangers together: 250 a second. Clients that know the password have a budget
/// of their own, of the same size.
pub const STRANGERS: Duration = Duration::from_millis(4);
/// What a wrong password costs an address that may be forged: one a second, so that forged requests
/// delay its owner only briefly.
pub const WRONG: Duration = Duration::from_millis(1000);
/// What it costs an address that has been proven: one in two seconds.
pub const WRONG_PROVEN: Duration = Duration::from_millis(2000);
/// The longest password in bytes.
pub const PASSWORD_BYTES: usize = 64;
/// Folders that are listed at once. With more clients, a listing needs another snapshot.
pub const LISTINGS: usize = 4;
/// Entries of one folder. A FAT32 folder has at most 65 536 entries of 32 bytes, of which each of
/// our names needs three.
pub const LISTING_ENTRIES: usize = 32_768;
/// The longest request: its data are a path and two passwords. Rendezvous messages are shorter,
/// too.
pub const REQUEST_BYTES: usize = 2048;
/// The work of one turn, in units of one name of a folder. A client waits for each reply before its
/// next request, so that a turn rarely has more than one request.
pub const WORK_PER_TURN: u32 = 64;
/// The work of opening, reading or describing a file, each of which may need a seek on a slow
/// stick.
pub const FILE_WORK: u32 = 16;
/// Files that stay open between requests: one for each client that fetches at once.
pub const OPEN_FILES: usize = 4;
/// They are closed this long after the last request, so that an idle phone does not prevent the
/// stick from being unmounted.
pub const FILES_IDLE: Duration = Duration::from_millis(3000);
/// At most one wrong password is logged in this time.
pub const LOG_INTERVAL: Duration = Duration::from_millis(10_000);
