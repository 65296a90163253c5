//! Limits of the home's gateway (`callrec-box`).

use crate::base::time::Duration;

/// The longest id of a home, a door unit or a device, in bytes.
pub const ID_BYTES: usize = 64;
/// Tokens that a box keeps: sixteen screens join at once, and the rest are phones that come and go
/// within years. Expired and revoked ones make room for new ones.
pub const MAX_TOKENS: usize = 512;
/// The longest validity of a token in days: a century.
pub const MAX_TOKEN_DAYS: u32 = 36_500;
/// The longest token in bytes before base64url: device, type, two times of 20 digits, a serial of
/// 20 digits, four commas, and an HMAC of 32 bytes.
pub const TOKEN_BYTES: usize = ID_BYTES + 1 + 3 * 20 + 4 + 32;
/// The longest file of tokens that is read: 512 lines of the longest device, with room for a
/// comment.
pub const TOKEN_FILE_BYTES: u64 = 128 * 1024;
/// Screens that have joined: a large home has a panel in each room, and its people's phones.
pub const MAX_SCREENS: usize = 16;
/// Connections of the home that have not joined yet: as many as there may be screens, which all
/// come back at once when the box restarts.
pub const MAX_JOINING: usize = 16;
/// Connections of the community that have not called yet.
pub const MAX_WAITING: usize = 8;
/// The same from one address: half of them, so that one stranger cannot take them all.
pub const MAX_WAITING_OF_ADDRESS: usize = 4;
/// Connections that end: what was sent to them is on its way.
pub const MAX_CLOSING: usize = 32;
/// How long a connection may take to read the last message.
pub const LINGER: Duration = Duration::from_millis(1000);
/// What waits for a peer that does not read: a call's messages of many minutes. Beyond it the
/// connection is closed.
pub const OUTBOX_BYTES: usize = 64 * 1024;
/// How often a box with joined screens looks for revoked tokens.
pub const TOKEN_LOOK: Duration = Duration::from_millis(1000);
/// Calls in the log.
pub const LOGGED_CALLS: usize = 200;
/// The longest file of the call log that is read: 200 lines of the longest ids.
pub const CALL_LOG_BYTES: usize = 256 * 1024;
/// Reports to the property's server that wait.
pub const MAX_REPORTS: usize = 16;
/// How often a report is tried.
pub const REPORT_ATTEMPTS: u32 = 3;
/// How long the property's server may take to connect and reply.
pub const REPORT_TIMEOUT: Duration = Duration::from_millis(5000);
/// How often the property's server is told which screens are joined.
pub const STATUS_INTERVAL: Duration = Duration::from_millis(300_000);
/// Streams at once: a call has four, and those of the call before may not have ended yet.
pub const MAX_STREAMS: usize = 8;
/// Players of one stream: as many as screens.
pub const MAX_PLAYERS: usize = 16;
/// Connections of the stream server: the players of a call's two streams, its publishers, and
/// strangers that have not said what they want.
pub const MAX_STREAM_CONNECTIONS: usize = 64;
