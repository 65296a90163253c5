//! Limits of an intercom device: `proto::intercom::endpoint` and its service.

use crate::base::time::Duration;

/// To connect to a called device, or to the box (spec, section 7: CONNECT).
pub const CONNECT_TIMEOUT: Duration = Duration::from_millis(10_000);
/// From the connection to the box's answer to `join_family` (JOIN). A caller gets as long to send
/// its `call_req`.
pub const JOIN_TIMEOUT: Duration = Duration::from_millis(5000);
/// After a refusal by the box: what it refuses is changed by people, not by the next attempt.
pub const REFUSED_PAUSE: Duration = Duration::from_millis(30_000);
/// The longest pause between two attempts to connect to the box.
pub const LONGEST_PAUSE: Duration = Duration::from_millis(30_000);
/// While a call runs, a caller that has sent nothing for this long is told that the line is busy:
/// its `call_req` would have had the sid for the refusal.
pub const BUSY_PATIENCE: Duration = Duration::from_millis(1000);
/// How long after an answer another screen may still turn out to have been the first.
pub const ANSWER_CONFIRMED: Duration = Duration::from_millis(1000);
/// The notice before the end of a call that is limited.
pub const END_NOTICE: Duration = Duration::from_millis(10_000);
/// From `open_door` to its result; old doors send none.
pub const OPEN_TIMEOUT: Duration = Duration::from_millis(2000);
/// An alarm without an id of its own counts as a new one after this long without a repetition: boxes
/// repeat each 10 s.
pub const ALARM_MEMORY: Duration = Duration::from_millis(180_000);

/// Connections that have not sent `call_req` yet, and how many of them may be from one address.
pub const MAX_CALLERS: usize = 8;
/// See `MAX_CALLERS`.
pub const MAX_CALLERS_PER_ADDRESS: usize = 4;
/// Requests to open a door that wait for their result: a device has a door or two.
pub const MAX_OPENINGS: usize = 4;
/// Alarms that are remembered: two for each of the eight ports.
pub const MAX_ALARMS: usize = 16;
/// Outputs of one input: a closing call with all openings unknown, all alarms of a port, all waiting
/// callers refused and closed.
pub const MAX_OUTPUTS: usize = 32;

/// A closed connection is read for this long, so that the peer gets the last message: closing a
/// socket with unread bytes would reset the connection.
pub const LINGER: Duration = Duration::from_millis(1000);
/// Bytes that are read from a connection in one turn.
pub const BYTES_PER_TURN: usize = 16 * 1024;
/// Bytes that wait to be written to a connection: a peer that reads nothing for a minute of
/// `call_keep` is still not cut off.
pub const OUT_BYTES: usize = 8 * 1024;

/// Streams of a call on the device's own server: sound and picture of both parties.
pub const MAX_OWN_STREAMS: usize = 4;
/// Players of one of them: the other device, this one's screen, the recording.
pub const MAX_OWN_PLAYERS: usize = 8;
/// Connections of that server.
pub const MAX_STREAM_CONNECTIONS: usize = 32;

/// Calls of the log.
pub const LOGGED_CALLS: usize = 200;
/// The longest line of the log: two ids and reasons of 64 bytes, escaped.
pub const LOG_LINE_BYTES: usize = 832;
/// The log is written at most once in this time: strangers who call again and again must not wear
/// the phone's flash memory out.
pub const LOG_PACE: Duration = Duration::from_millis(5000);
/// Calls that a `CallLogRequest` gets without a `limit`.
pub const LISTED_CALLS: usize = 50;
/// How long the program that opens a door may take to say what came of it; the one who asked has
/// been told `unknown` before. Later its place is needed for the next request.
pub const OPENER_TIMEOUT: Duration = Duration::from_millis(10_000);
