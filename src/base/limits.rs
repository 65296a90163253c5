//! Every capacity, timeout and rate in one place, each with its reason.

use super::time::Duration;

#[cfg(feature = "cloud")]
pub mod cloud;
#[cfg(feature = "intercom")]
pub mod endpoint;
#[cfg(feature = "tools")]
pub mod fetch;
#[cfg(feature = "fsp")]
pub mod fsp;
#[cfg(feature = "box")]
pub mod home_box;
pub mod play;
#[cfg(feature = "fsp")]
pub mod rendezvous;
#[cfg(feature = "server")]
pub mod server;
#[cfg(any(feature = "intercom", feature = "sim"))]
pub mod sound;

/// Sample rate of everything that is mixed (G.722 is decoded at half its band, see `wire::g722`).
pub const SAMPLE_RATE: u32 = 8000;
/// Samples in one stored frame: 20 ms, the packet time of the phone family.
pub const FRAME_SAMPLES: usize = 160;
/// Duration of one stored frame.
pub const FRAME: Duration = Duration::from_millis(20);
/// Duration of one sample at 8 kHz in nanoseconds.
pub const SAMPLE_NANOS: u64 = 125_000;
/// Bytes of a stored frame including its RTP header.
pub const RTP_FRAME_BYTES: usize = 12 + FRAME_SAMPLES;

/// How long after its end a frame is mixed, so that delayed packets can still arrive. Nobody
/// listens to a recording live, so it can afford a longer delay than a phone's jitter buffer; but
/// playout delay, wake-up interval and sync interval together must stay below the 2 s of audio that
/// a power failure may cost.
pub const PLAYOUT_DELAY: Duration = Duration::from_millis(300);
/// While recording to a file, the loop wakes at this interval and reads everything that has
/// arrived: 1.7 wake-ups a second, whatever the number of legs. A wake-up costs 10 000 ARMv7
/// instructions, reading a packet 2 000. Nobody waits for a frame of a file, and the interval does
/// not change what a sync covers.
///
/// A file is synced at every second wake-up. A sync covers what had been mixed when it began, so
/// that together with the playout delay and a frame 1.5 s of audio are at risk; 0.5 s remain for
/// the sync itself.
pub const BATCH: Duration = Duration::from_millis(600);

/// The highest number of concurrent recordings that a configuration may set. Each costs 500 KiB of
/// address space, of which only the pages that its call uses are ever touched.
pub const MAX_RECORDINGS: usize = 4096;
/// The longest `maxMinutes` and `idleMinutes`: 60 days.
pub const MAX_MINUTES: u32 = 60 * 24 * 60;
/// Leg ports of one recording (`legs` in a start request).
pub const MAX_LEG_PORTS: usize = 8;
/// Leg ports and the local stream's own port.
pub const MAX_PORTS: usize = MAX_LEG_PORTS + 1;
/// Sources (SSRCs) of one recording: an eight-party conference in which each party has just changed
/// its SSRC. The old source's packets are still mixed for up to a second, in parallel with the new
/// source.
pub const MAX_SOURCES: usize = 16;

/// The sample ring of one source: 2 s, a power of two. 128 ms of it is history for concealment, 900
/// ms cover the playout delay and the interval between two wake-ups, the rest is room for packets
/// that arrive early.
pub const LEG_SAMPLES: usize = 16384;
/// Samples kept before the read position: a 60 ms gap, two of the longest pitch periods, one frame.
pub const LEG_HISTORY: usize = 1024;
/// The longest payload that is accepted, in samples: 160 ms. The longest packet time in the field
/// is 60 ms; the datagram must also fit `DATAGRAM_BYTES`.
pub const MAX_PAYLOAD: usize = 1280;
/// The longest gap that is concealed: 60 ms (spec, rule 7).
pub const MAX_CONCEALED: usize = 480;
/// Frames that a recording may continue after its stop, so that packets which have arrived are
/// recorded whole: the packets of a burst may be this far ahead of time.
pub const MAX_TAIL_FRAMES: u64 = MAX_TIMESTAMP_ERROR as u64 / FRAME_SAMPLES as u64;
/// |timestamp step - arrival step| above this is a jump, not jitter: 1 s (spec, rule 7).
pub const MAX_TIMESTAMP_ERROR: i64 = 8000;
/// If the timestamp of a packet in sequence advances this much further than its arrival, the
/// timestamp is wrong, because packets cannot arrive early. 120 ms: less is too little beside
/// jitter and DTX.
pub const MAX_EARLY_STEP: i64 = 960;
/// A source whose position differs from its arrivals by less than this is not corrected: 4 ms, well
/// below the 20 ms by which two legs may be apart, well above the scheduling noise of a busy
/// sender.
pub const DRIFT_DEAD_BAND: i64 = 32;
/// Consecutive packets whose timestamps contradict their lengths before it is decided which of the
/// two is right: 200 ms. These packets are not mixed yet and can still be moved.
pub const RATE_PACKETS: usize = 10;
/// Formats that a request may declare: 16 for each of three ports.
pub const MAX_FORMATS: usize = 48;
/// Codes of which a source's chi-square is computed, to notice ciphertext: 50 packets.
pub const CIPHERTEXT_SAMPLE: u16 = 8000;
/// After its first sample, one packet of a source in so many is looked at.
pub const CIPHERTEXT_PERIOD: u8 = 50;
/// Sources that are watched for packets that cannot be decoded.
pub const MAX_MONITORED: usize = 8;
/// Packets in a row after which a leg counts as unintelligible, or as intelligible again: 500 ms.
pub const MONITOR_PACKETS: u32 = 25;
/// The time within which these packets must arrive: 5 s. Fewer packets are not a leg.
pub const UNINTELLIGIBLE_WITHIN: i64 = 5 * 8000;
/// The time without audio and comfort noise after which a port counts as silent: 5 s.
pub const NO_AUDIO: i64 = 5 * 8000;
/// The least time between two events of a port: 10 s.
pub const MONITOR_PAUSE: i64 = 10 * 8000;
/// How long the minimum delay is observed before the reader is moved: 4 s. At 500 ppm, this is 16
/// samples.
pub const DRIFT_WINDOW: i64 = 4 * 8000;
/// Packets that an observation window must contain to be valid.
pub const DRIFT_PACKETS: u32 = 15;
/// Audio of a source with contiguous packets after which the arrival of its next packet is
/// measured: 160 ms. Measuring is a system call; in so short a time no clock drifts noticeably.
pub const MAX_INFERRED: i64 = 1280;
/// Ports that are read at most this long after the previous read were read in time. Order and
/// arrival of the datagrams in between then matter only where a source does not continue as
/// expected.
pub const PROMPT: Duration = Duration::from_millis(BATCH.millis() + 200);
/// A source that starts this close to a frame boundary is aligned to it (3 ms). Then the packets of
/// a single leg become the frames of the file, and legs that are sent synchronously are mixed
/// sample by sample.
pub const SNAP: i64 = 24;
/// RFC 3550 A.1: a sequence number further ahead is a restart, not loss.
pub const MAX_DROPOUT: i32 = 3000;
/// RFC 3550 A.1: a sequence number further behind is a restart, not reordering.
pub const MAX_MISORDER: i32 = 100;
/// A source that sends no second packet for this long was a stray packet: 200 ms, more than the
/// longest packet.
pub const SECOND_PACKET: i64 = 1600;
/// A source that has been silent this long gives up its slot to a new one: 5 s.
pub const SOURCE_IDLE: i64 = 5 * 8000;

/// Mixed frames of a recording that have not been written or sent. For the stick, the ring must
/// only hold what one turn mixes: while a write blocks, the packets wait in the sockets. For a
/// server it holds what waits for the server's response (8 s), and with `serverFallback` also what
/// was sent before the loss of the server was noticed (`USER_TIMEOUT`, a keep-alive interval, the
/// name lookup and a margin): 24 s. Unused memory is never touched.
pub const RING_BYTES: usize = 24 * 50 * RTP_FRAME_BYTES;
/// Writes end at multiples of this file offset: on FAT, larger writes than 4 KiB gain nothing.
pub const WRITE_ALIGN: u64 = 4096;
/// Bytes written for one recording in one turn.
pub const DISK_BYTES_PER_TURN: usize = 64 * 1024;
/// Spare file descriptors for the recordings: a scan of the folder needs one, and a recording that
/// falls back to the stick because its server was lost needs one each for the folder and the file.
/// A next part takes over the descriptor of the previous one.
pub const SPARES: usize = 3;
/// Space reserved ahead with `fallocate`, so that a sync does not have to write the cluster chain.
pub const PREALLOCATE: u64 = 1024 * 1024;
/// Free space below which nothing is reserved ahead: the last megabytes are shared by all
/// recordings.
pub const PREALLOCATE_FLOOR: u64 = 8 * 1024 * 1024;
/// A part never reaches this size, whatever its limit: `dataSize` has 32 bits, and FAT files end at
/// 4 GiB.
pub const MAX_PART_BYTES: u64 = 2_000_000_000;
/// A limit shorter than one second of audio counts as one second (spec, rule 4).
pub const MIN_PART_FRAMES: u64 = 50;
/// The most parts that the response to a stop request lists.
pub const MAX_PARTS_NAMED: usize = 128;
/// Pauses and resumes that may wait for their frame (a frame is mixed up to a second later).
pub const MAX_TOGGLES: usize = 32;

/// The longest message, without its line end (board/README.md).
pub const MESSAGE_BYTES: usize = 4096;
/// Bytes that an hour of a recording takes: 50 frames a second with their RTP headers.
pub const STORED_BYTES_PER_HOUR: u64 = 3600 * 50 * RTP_FRAME_BYTES as u64;
/// A file name in a request; names of recordings have at most 34 bytes.
pub const NAME_BYTES: usize = 48;
/// Unknown keys of a control line that its response names.
pub const MAX_IGNORED: usize = 8;
/// Bytes that a response adds about its line: 8 unknown keys of 32 bytes, 5 texts.
pub const REMARK_BYTES: usize = 400;
/// The longest response to a stop that is kept for a later stop of the same recording.
pub const KEPT_RESPONSE_BYTES: usize = 512;
/// Recordings that ended by themselves and whose figures are kept for a later stop.
pub const KEPT_RESPONSES: usize = 8;
/// A message of the server protocol without a terminator ends when nothing is received for this
/// long (spec, rule 13).
pub const MESSAGE_SILENCE: Duration = Duration::from_millis(200);
/// The longest id of the server protocol that is accepted (spec, rule 15).
pub const ID_BYTES: usize = 64;
/// The longest host name (RFC 1035).
pub const HOST_BYTES: usize = 253;
/// The longest name or number that is kept.
pub const TEXT_BYTES: usize = 128;
/// The longest sidecar that is written: five texts of control characters (6 bytes each), every
/// counter, 32 pauses.
pub const SIDECAR_BYTES: usize = 7 * 1024;
/// Concurrent control clients: a phone has one or two, a person who uses `ctl` one more.
pub const MAX_CLIENTS: usize = 16;
/// Control lines of one client in one turn. A stop after a pause and a resume takes effect in the
/// same turn, and a client that sends without end does not delay the others.
pub const LINES_PER_TURN: usize = 8;
/// Bytes of responses and events that wait for a slow client before it is disconnected.
pub const CLIENT_BYTES: usize = 16 * 1024;
/// Bytes of responses and events of one input, before they are passed on to the clients.
pub const OUTBOX_BYTES: usize = 32 * 1024;

/// The longest datagram that is read whole: an Ethernet frame. A longer one cannot be 60 ms of
/// audio.
pub const DATAGRAM_BYTES: usize = 1500;
/// Datagrams of one recording that are read in one turn: 0.6 s of eight legs. A flood waits for the
/// next turn.
pub const DATAGRAMS_PER_TURN: usize = 256;
/// Datagrams read from a socket without finding it empty before they may be a flood: eight legs
/// send fewer in one wake-up interval, and less than this is read in one turn.
pub const FLOOD_DATAGRAMS: u32 = DATAGRAMS_PER_TURN as u32;
/// Packets of one source in that time that are accepted as audio: twice what the longest stall
/// holds back.
pub const FLOOD_PACKETS: u16 = 500;
/// While the kernel filters a flood, it lets one datagram of 64 through, so that the end of the
/// flood is noticed, ...
pub const FLOOD_SAMPLE: u32 = 64;
/// ... which is when fewer than this many pass in one wake-up interval: 200 datagrams a second do
/// no harm.
pub const FLOOD_OVER: u32 = 2;
/// The receive buffer that is requested for each port. The kernel's default holds 1.6 s of one leg
/// behind a network driver, but sticks have been seen to stall for 4 s, and eight legs may share a
/// port.
pub const RECEIVE_BUFFER: usize = 1024 * 1024;
/// The longest mount table that is read.
pub const MOUNT_TABLE_BYTES: usize = 64 * 1024;
/// The longest path of the stick's mount point.
pub const PATH_BYTES: usize = 256;
/// Files that are checked in one turn while a stick is repaired: each may cost a seek on a slow
/// stick.
pub const REPAIRS_PER_TURN: usize = 4;
/// How long after SIGTERM recordings may take to reach the stick (the init script allows 2 s in
/// all).
pub const SHUTDOWN: Duration = Duration::from_millis(1800);

/// The first keep-alive probe is sent after a connection has been idle for this long, ...
pub const KEEP_ALIVE_IDLE: Duration = Duration::from_millis(5000);
/// ... further probes follow at this interval, ...
pub const KEEP_ALIVE_STEP: Duration = Duration::from_millis(2000);
/// ... and the connection is lost when the peer has not responded for this long (spec, rule 18).
pub const USER_TIMEOUT: Duration = Duration::from_millis(15_000);
/// To connect to the recording server, including the name lookup (spec, rule 16).
pub const CONNECT_TIMEOUT: Duration = Duration::from_millis(3000);
/// From the start request to its response (spec, rule 16).
pub const ANSWER_TIMEOUT: Duration = Duration::from_millis(5000);
/// From the stop request to its response (spec, rule 17).
pub const STOP_TIMEOUT: Duration = Duration::from_millis(2000);
/// The same while the daemon shuts down: what the server did not confirm must still reach the
/// stick.
pub const SHUTDOWN_STOP_TIMEOUT: Duration = Duration::from_millis(800);
/// Errors of the UDP socket that persist for this long end a recording (spec, rule 18); ...
pub const UDP_TROUBLE: Duration = Duration::from_millis(3000);
/// ... an error that is not followed by another one within this time is forgotten: routers send one
/// ICMP error a second.
pub const UDP_TROUBLE_GAP: Duration = Duration::from_millis(2000);
/// The most frames that are sent to the server in 20 ms when several are waiting: four times the
/// rate of the call. A network with 40 ms of jitter then reorders a dozen of them at most, and a
/// server that sorts 20 frames loses none.
pub const BURST_FRAMES: u32 = 4;
/// Bytes that wait to be written to a server: a stop request with every value escaped, and two
/// responses to requests of the server.
pub const SERVER_OUT_BYTES: usize = 2560;
/// The most bytes that are read from a server in `SERVER_PACE`: more than any server has to send,
/// and a flood cannot keep the loop busy ...
pub const SERVER_BYTES: usize = MESSAGE_BYTES;
/// ... which is shorter than `MESSAGE_SILENCE`: unread data must not look like silence.
pub const SERVER_PACE: Duration = Duration::from_millis(100);

/// The time after which the next name server is queried: three are queried before a connection
/// attempt times out.
pub const LOOKUP_STEP: Duration = Duration::from_millis(800);
/// Queries for one name before it counts as unknown: 5 s.
pub const LOOKUP_TRIES: usize = 6;
/// The most bytes that are read of /etc/hosts and /etc/resolv.conf: a phone's have a few lines.
pub const NAMES_FILE_BYTES: usize = 8 * 1024;
