//! The recording server's capacities and time-outs. It runs on a PC: what is bounded here is what strangers
//! can make it do, not what it has.

use crate::base::time::Duration;

/// The longest id (spec, rule 15).
pub const ID_BYTES: usize = 64;
/// The longest device name: a MAC address has 12 digits, other phones write more.
pub const DEVICE_BYTES: usize = 32;
/// Recordings on one control connection: a phone has two or three calls at once, a conference of recorders
/// behind one address has connections of their own.
pub const MAX_CALLS: usize = 8;
/// Answers that wait for a phone which does not read: a few messages; then it is cut off.
pub const ANSWER_BYTES: usize = 2048;
/// A control connection without a recording is closed after this.
pub const CONTROL_IDLE: Duration = Duration::from_millis(10_000);
/// A stop request of ours waits so long for its answer (spec, rule 17).
pub const STOP_ANSWER: Duration = Duration::from_millis(2000);

/// Frames of reordering that find their place, 400 ms: networks that reorder do it within their jitter. Also
/// how long a recording waits, after its stop, for packets that the stop has overtaken.
pub const REORDER_FRAMES: u64 = 20;
/// The same as a length of time.
pub const REORDER_WINDOW: Duration = Duration::from_millis(400);
/// Frames held at once, a power of two: the window, and the longest packet (160 ms) across frame borders.
pub const HELD_FRAMES: usize = 32;
/// How far a recording may run ahead of the clock: a second (spec, rule 10) ...
pub const MAX_AHEAD: Duration = Duration::from_millis(1000);
/// ... and one part in this many of the time that has passed, for a phone whose clock is fast: 1000 ppm,
/// twice what a leg's clock may be off. After eight hours that is 29 s, and nothing of it is lost.
pub const FAST_CLOCK_PART: u64 = 1000;
/// A phone records from its user's request on and sends what it has when the server has said yes: as much as it takes
/// to connect and to wait for the answer, at the most. It comes all at once, ahead of the clock. Only packets that come
/// are granted it, with gaps of at most `REORDER_FRAMES`: two packets alone do not make eight seconds of silence.
pub const START_BACKLOG: Duration =
    Duration::from_millis(super::CONNECT_TIMEOUT.millis() + super::ANSWER_TIMEOUT.millis());
/// With `pauses = skip`, the longest gap of lost packets that is filled: 20 s. A connection does not live
/// longer without its peer; what is longer was a pause.
pub const MAX_FILL_FRAMES: u64 = 1000;
/// Frames of silence that each recording may write in one turn, 5 s: a gap of lost packets never waits, and a long
/// pause is written at 25 times the speed at which it came ...
pub const SILENCE_FRAMES_PER_TURN: u64 = 250;
/// ... and beyond that so many for all recordings together: what 4096 recordings (the default limit) gain in a turn of
/// 200 ms, 7 MB. A pause of an hour is so written in a second, while its recording's packets wait in their socket.
pub const SHARED_SILENCE_FRAMES_PER_TURN: u64 = 40_960;

/// The server reads its RTP ports and looks at its timers this often. Its recordings have no listener; each
/// turn costs a system call and a write for each of them, so it has fewer turns than packets.
pub const BATCH: Duration = Duration::from_millis(200);
/// Datagrams read at once: more than come in one batch of one recording at 10 ms a packet.
pub const DATAGRAMS_AT_ONCE: usize = 32;
/// Datagrams of one recording in one turn. A flood waits in its own socket.
pub const DATAGRAMS_PER_TURN: usize = 256;
/// From the start of one sync of the file system to the next: with window and batch 1.4 s are at risk, and
/// 0.6 s are left for the sync itself.
pub const SYNC_INTERVAL: Duration = Duration::from_millis(800);
/// Recordings finished in one turn: each creates, writes and renames a file.
pub const FINISHED_PER_TURN: usize = 32;
/// Connections served in one turn: each may ask for a file to be created.
pub const EVENTS_PER_TURN: usize = 64;
/// Connections accepted in one turn.
pub const ACCEPTS_PER_TURN: usize = 64;
/// Recordings at once, at the most, that may be asked for: a process with three descriptors each has no more ports.
pub const MAX_SERVER_RECORDINGS: u32 = 50_000;
/// Control connections at once, at the most, that may be asked for.
pub const MAX_CONNECTIONS: u32 = 100_000;
/// Ports tried for one recording, when others than us use some of the range.
pub const PORTS_TRIED: u32 = 64;
/// Frames are written to a file in pieces of this: a batch of 200 ms is 1720 bytes, the fill of a gap may be more.
pub const WRITE_BYTES: usize = 64 * 1024;
/// The recordings' folder and its free space are looked at this often, and sidecars that could not be written are tried
/// again.
pub const SPACE_INTERVAL: Duration = Duration::from_millis(1000);
/// Free space below which the disk is full whatever `--reserve` says: a recording needs four blocks of 4 KiB for its
/// folder, its file's beginning, and its sidecar twice.
pub const LEAST_FREE: u64 = 16 * 1024;
/// Bytes of the file that is written to see whether a disk that has refused a write takes it again: a recording's first
/// file and its sidecar.
pub const PROBE_BYTES: usize = 8 * 1024;
/// Bytes read of one connection in one turn: the longest message and a bit.
pub const CONTROL_BYTES_PER_TURN: usize = 8 * 1024;
/// On SIGTERM: the phones' answers, the window for late packets, and a second for the disk.
pub const SERVER_SHUTDOWN: Duration = Duration::from_millis(3500);
/// A worker that has ended is started again, so long after its last start at the earliest.
pub const RESTART_AFTER: Duration = Duration::from_millis(1000);
/// How often a worker tells what it has counted.
pub const REPORT_INTERVAL: Duration = Duration::from_millis(1000);
/// A worker that tells nothing for so long counts as one that cannot store recordings: five reports, and more than a
/// disk stalls in a busy hour.
pub const WORKER_SILENCE: Duration = Duration::from_millis(5000);
/// Workers, at the most, that may be asked for.
pub const MAX_WORKERS: u32 = 256;
/// Media hosts behind one control address, at the most.
pub const MAX_MEDIA_HOSTS: usize = 64;
/// To connect to a media host before the next one is tried: the phone waits five seconds for its answer.
pub const MEDIA_CONNECT: Duration = Duration::from_millis(1000);
/// A media host that has not answered a phone's first request by then loses it to another one. A phone waits five
/// seconds (`ANSWER_TIMEOUT`): three hosts may hang one after the other, and the fourth still answers in time.
pub const MEDIA_ANSWER: Duration = Duration::from_millis(1200);
/// Each media host is asked for its health this often, and is down when it has not answered in `MEDIA_ANSWER`: one that
/// hangs is known after little more than two seconds. It costs each of them one connection a second.
pub const MEDIA_CHECK_INTERVAL: Duration = Duration::from_millis(1000);
/// The longest answer to such a question.
pub const MEDIA_CHECK_BYTES: usize = 1024;
/// Bytes moved from one end to the other in one turn.
pub const RELAY_PER_TURN: usize = 65_536;
/// Bytes under way from one end to the other before no more are read, and bytes of a phone kept for another media host
/// until the first one has answered: two messages.
pub const RELAY_BYTES: usize = 8192;
/// Uploads to object storage at once, each on a thread: enough for 2000 phones with calls of three minutes, with half of
/// the threads held by requests that are slow.
pub const UPLOADS: usize = 8;
/// Of these, at the most so many for what has failed before: it must not be in the way of what has not.
pub const UPLOAD_RETRIES: usize = 4;
/// The recordings' folder is looked through for what is to be uploaded this often, besides after each recording.
pub const UPLOAD_INTERVAL: Duration = Duration::from_millis(10_000);
/// After a failure an upload is tried again so late, and twice as late each time ...
pub const UPLOAD_RETRY: Duration = Duration::from_millis(1000);
/// ... up to this.
pub const UPLOAD_RETRY_MOST: Duration = Duration::from_millis(60_000);
/// Between two looks through the folder, however many recordings end.
pub const UPLOAD_PAUSE: Duration = Duration::from_millis(1000);
/// A whole request to object storage, from the connection to the end of its answer, may take so long ...
pub const STORE_PATIENCE: Duration = Duration::from_millis(15_000);
/// ... and a second more for each so many bytes: a line of half a megabit still gets everything through.
pub const STORE_BYTES_PER_SECOND: u64 = 64 * 1024;
