//! The recording server's limits and time-outs. It runs on a PC, so they bound what strangers can
//! make it do rather than what it uses itself.

use crate::base::time::Duration;

/// The longest id (spec, rule 15).
pub const ID_BYTES: usize = 64;
/// The longest device name: a MAC address has 12 digits, other phones write more.
pub const DEVICE_BYTES: usize = 32;
/// Recordings on one control connection: a phone has two or three calls at once, a conference of
/// recorders behind one address has connections of their own.
pub const MAX_CALLS: usize = 8;
/// Messages waiting for a phone that does not read: a few. Beyond that the connection is closed.
pub const ANSWER_BYTES: usize = 2048;
/// A control connection without a recording is closed after this.
pub const CONTROL_IDLE: Duration = Duration::from_millis(10_000);
/// How long the server's stop request waits for its response (spec, rule 17).
pub const STOP_ANSWER: Duration = Duration::from_millis(2000);

/// The reorder window in frames, 400 ms: networks reorder packets within their jitter. A recording
/// also waits this long after its stop for packets that the stop has overtaken.
pub const REORDER_FRAMES: u64 = 20;
/// The same as a length of time.
pub const REORDER_WINDOW: Duration = Duration::from_millis(400);
/// Frames held at once: the window and the longest packet (160 ms) across frame borders. A power of
/// two.
pub const HELD_FRAMES: usize = 32;
/// How far a recording may be ahead of the clock: a second (spec, rule 10) ...
pub const MAX_AHEAD: Duration = Duration::from_millis(1000);
/// ... and this fraction of the time that has passed, for a phone whose clock is fast: 1000 ppm,
/// twice the deviation that the phones' own recorder accepts. After eight hours that is 29 s.
pub const FAST_CLOCK_PART: u64 = 1000;
/// A phone records from its user's request on, and sends what it has once the server has accepted:
/// at most what it records while it connects and waits for the response. All of it arrives at once,
/// ahead of the clock. It is granted only for gaps of at most `REORDER_FRAMES`, so that two packets
/// cannot cause eight seconds of silence.
pub const START_BACKLOG: Duration =
    Duration::from_millis(super::CONNECT_TIMEOUT.millis() + super::ANSWER_TIMEOUT.millis());
/// With `pauses = skip`, the longest gap that counts as loss and is filled: 20 s. No connection
/// lives longer without its peer, so a longer gap is a pause.
pub const MAX_FILL_FRAMES: u64 = 1000;
/// Frames of silence that each recording may write in one turn, 5 s: a gap from loss is always
/// written at once, and a long pause at 25 times the speed of the call ...
pub const SILENCE_FRAMES_PER_TURN: u64 = 250;
/// ... and beyond that all recordings together: what 4096 recordings (the default limit) receive in
/// a turn of 200 ms, 7 MB. So a pause of an hour is written in a second, while the recording's
/// packets wait in their socket.
pub const SHARED_SILENCE_FRAMES_PER_TURN: u64 = 40_960;

/// The interval at which the RTP ports are read and the timers handled. Nobody listens to a
/// recording while it runs, and each turn costs a system call and a write for each of them: so
/// there are fewer turns than packets.
pub const BATCH: Duration = Duration::from_millis(200);
/// Datagrams read by one system call: more than a recording receives in one `BATCH` at 10 ms a
/// packet.
pub const DATAGRAMS_AT_ONCE: usize = 32;
/// Datagrams of one recording in one turn. The rest of a flood waits in its socket, and delays no
/// other recording.
pub const DATAGRAMS_PER_TURN: usize = 256;
/// From the start of one sync of the file system to the next. With the reorder window and the
/// batch, 1.4 s of audio are at risk; of the two seconds that are allowed, 0.6 s are left for the
/// sync itself.
pub const SYNC_INTERVAL: Duration = Duration::from_millis(800);
/// Recordings finished in one turn: each creates, writes and renames a file.
pub const FINISHED_PER_TURN: usize = 32;
/// Connections handled in one turn: each may request a recording, which creates a file.
pub const EVENTS_PER_TURN: usize = 64;
/// Connections accepted in one turn.
pub const ACCEPTS_PER_TURN: usize = 64;
/// The highest `--max-recordings`: one process has no more ports.
pub const MAX_SERVER_RECORDINGS: u32 = 50_000;
/// The highest `--max-connections`.
pub const MAX_CONNECTIONS: u32 = 100_000;
/// Ports tried for one recording: other programs may use some of the range.
pub const PORTS_TRIED: u32 = 64;
/// Frames are written to a file in pieces of this size. A batch of 200 ms has 1720 bytes; filling a
/// gap may take more.
pub const WRITE_BYTES: usize = 64 * 1024;
/// The interval at which the recordings' folder and its free space are checked, and unwritten
/// sidecars tried again.
pub const SPACE_INTERVAL: Duration = Duration::from_millis(1000);
/// Free space below which the disk counts as full even with `--reserve 0`: a recording needs four
/// blocks of 4 KiB, for its folder, the beginning of its file, and its two sidecars.
pub const LEAST_FREE: u64 = 16 * 1024;
/// The size of the file that is written to test whether a disk that has failed works again: the
/// first blocks of a recording and of its sidecar.
pub const PROBE_BYTES: usize = 8 * 1024;
/// Bytes read from one connection in one turn: more than the longest message.
pub const CONTROL_BYTES_PER_TURN: usize = 8 * 1024;
/// Time for a shutdown: the phones' responses, the window for late packets, and a second for the
/// disk.
pub const SERVER_SHUTDOWN: Duration = Duration::from_millis(3500);
/// A worker that has ended is restarted, at the earliest this long after its last start.
pub const RESTART_AFTER: Duration = Duration::from_millis(1000);
/// The interval of a worker's reports to its parent.
pub const REPORT_INTERVAL: Duration = Duration::from_millis(1000);
/// A worker without a report for this long counts as unhealthy: five reports, and more than a disk
/// stalls in a busy hour.
pub const WORKER_SILENCE: Duration = Duration::from_millis(5000);
/// The highest `--workers`.
pub const MAX_WORKERS: u32 = 256;
/// The maximum number of media hosts.
pub const MAX_MEDIA_HOSTS: usize = 64;
/// Time to connect to a media host before the next one is tried: the phone waits five seconds for
/// its response.
pub const MEDIA_CONNECT: Duration = Duration::from_millis(1000);
/// If a media host does not respond to a phone's first request within this time, the request is
/// repeated to another one. A phone waits five seconds (`ANSWER_TIMEOUT`): if three hosts hang, the
/// fourth still responds in time.
pub const MEDIA_ANSWER: Duration = Duration::from_millis(1200);
/// The interval of the health checks. A host is down if it does not respond within `MEDIA_ANSWER`,
/// so a host that hangs is noticed after little more than two seconds. It costs each host one
/// connection a second.
pub const MEDIA_CHECK_INTERVAL: Duration = Duration::from_millis(1000);
/// The longest response to a health check.
pub const MEDIA_CHECK_BYTES: usize = 1024;
/// Bytes relayed from one side to the other in one turn.
pub const RELAY_PER_TURN: usize = 65_536;
/// Bytes that wait to be written to one side before no more are read from the other, and bytes of a
/// phone that are kept until a media host has responded: two messages.
pub const RELAY_BYTES: usize = 8192;
/// Uploads to object storage at once, each on a thread: enough for 2000 phones with calls of three
/// minutes, even if half of the threads are busy with slow requests.
pub const UPLOADS: usize = 8;
/// How many of these may be retries: what has failed before must not delay what has not been tried.
pub const UPLOAD_RETRIES: usize = 4;
/// The interval at which the recordings' folder is searched for uploads, besides after each
/// recording.
pub const UPLOAD_INTERVAL: Duration = Duration::from_millis(10_000);
/// The delay before an upload is retried; it doubles with each failure ...
pub const UPLOAD_RETRY: Duration = Duration::from_millis(1000);
/// ... up to this.
pub const UPLOAD_RETRY_MOST: Duration = Duration::from_millis(60_000);
/// The minimum time between two searches of the folder, however many recordings end.
pub const UPLOAD_PAUSE: Duration = Duration::from_millis(1000);
/// Time for a whole request to object storage, from the connection to the end of the response ...
pub const STORE_PATIENCE: Duration = Duration::from_millis(15_000);
/// ... plus a second for each of these many bytes: a line of half a megabit per second is enough.
pub const STORE_BYTES_PER_SECOND: u64 = 64 * 1024;
