//! Limits of calls through the cloud: `proto::cloud` and its service.

use crate::base::time::Duration;

/// To connect and be answered.
pub const EXCHANGE_TIMEOUT: Duration = Duration::from_millis(10_000);
/// The same for what a device tells of a call: others wait meanwhile.
pub const ACTION_TIMEOUT: Duration = Duration::from_millis(4000);
/// The handshake of TLS, connecting included: two round trips and a signature, which a slow server
/// makes in a second. Less than `EXCHANGE_TIMEOUT`, after which nobody could say what was awaited.
pub const HANDSHAKE_TIMEOUT: Duration = Duration::from_millis(6000);
/// `POST /calls` may take 9 s until it is answered, and the connection as long as any.
pub const PLACE_TIMEOUT: Duration = Duration::from_millis(14_000);
/// A channel without a line for so long is lost: the cloud sends a comment each 15 s.
pub const CHANNEL_SILENCE: Duration = Duration::from_millis(40_000);
/// The first pause after a channel was lost; each one after it is twice as long.
pub const FIRST_PAUSE: Duration = Duration::from_millis(1000);
/// The longest pause.
pub const LONGEST_PAUSE: Duration = Duration::from_millis(30_000);
/// After a newer channel of the same cid has replaced this one.
pub const REPLACED_PAUSE: Duration = Duration::from_millis(60_000);
/// A call that was cancelled or has ended does not ring again for so long.
pub const SID_MEMORY: Duration = Duration::from_millis(60_000);
/// A caller waits for so much longer than a callee rings.
pub const CALLER_PATIENCE: Duration = Duration::from_millis(15_000);
/// From the answer until the vendor's transport is open.
pub const TRANSPORT_TIMEOUT: Duration = Duration::from_millis(20_000);
/// A token in a URL is good for at least so many seconds more.
pub const TOKEN_MARGIN_SECONDS: u64 = 30;
/// A peer's stream that has ended may come back within this time: a relay was restarted.
pub const STREAM_GRACE: Duration = Duration::from_millis(3000);
/// From `open_door` to its result.
pub const OPEN_TIMEOUT: Duration = Duration::from_millis(2000);
/// A helper that is asked to go gets so long before it is told (SIGTERM) ...
pub const HELPER_PATIENCE: Duration = Duration::from_millis(3000);
/// ... and so much longer before it is killed.
pub const HELPER_LAST_PATIENCE: Duration = Duration::from_millis(2000);

/// Calls that did not ring because of their URL are logged once in this time.
pub const REFUSED_LOG_PACE: Duration = Duration::from_millis(60_000);

/// Calls that are remembered so that they do not ring again.
pub const REMEMBERED_SIDS: usize = 32;
/// Messages that were taken: the cloud repeats what was not acknowledged in time.
pub const REMEMBERED_MESSAGES: usize = 16;
/// Requests that wait for the application server.
pub const MAX_POSTS: usize = 16;
/// Refusals of second callers that wait: strangers must not fill the queue.
pub const MAX_BUSY_POSTS: usize = 8;
/// Attempts at one request, a second or more apart.
pub const POST_ATTEMPTS: u32 = 5;
/// The longest request: its head has a token, its body a call.
pub const REQUEST_BYTES: usize = 1024;
/// Acknowledgements that wait.
pub const MAX_ACKS: usize = 16;
/// Bytes of the channel that are taken at once: two messages at most end in them.
pub const CHANNEL_BYTES: usize = 128;
/// Outputs that wait: twice those of `CHANNEL_BYTES`, or of one request.
pub const MAX_OUTPUTS: usize = 24;
/// Relays that a configuration names.
pub const MAX_RELAYS: usize = 8;
/// Between two keep-alives of a door's call, which are requests here.
pub const HOME_KEEP: Duration = Duration::from_millis(15_000);
