//! Every capacity, time-out and rate in one place, each with its reason.

use super::time::Duration;

#[cfg(feature = "tools")]
pub mod fetch;
#[cfg(feature = "fsp")]
pub mod fsp;
pub mod play;
#[cfg(feature = "fsp")]
pub mod rendezvous;
#[cfg(feature = "server")]
pub mod server;

/// Samples a second of every codec we mix (G.722 is decoded at half its band, see `wire::g722`).
pub const SAMPLE_RATE: u32 = 8000;
/// Samples in one stored frame: 20 ms, what the phone family writes.
pub const FRAME_SAMPLES: usize = 160;
/// One stored frame's length of time.
pub const FRAME: Duration = Duration::from_millis(20);
/// Nanoseconds of one sample at 8 kHz.
pub const SAMPLE_NANOS: u64 = 125_000;
/// Bytes of a stored frame with its RTP header.
pub const RTP_FRAME_BYTES: usize = 12 + FRAME_SAMPLES;

/// How long a packet may be on its way: a frame is mixed this long after its time.
/// A recording has no listener to wait for, so it can afford what a phone's jitter buffer cannot; but
/// delay + wake-up + sync interval must stay under the 2 s that may be lost with the power.
pub const PLAYOUT_DELAY: Duration = Duration::from_millis(300);
/// While recording to a file the loop wakes this often and reads all that has come: 1.7 wake-ups a
/// second whatever the number of legs. A wake-up costs 10 000 ARMv7 instructions, reading a packet
/// 2 000; nobody waits for a frame of a file, and what a sync covers does not depend on it.
///
/// A file is synced with every second one: a sync covers what had been mixed when it began, so that with the playout
/// delay and a frame 1.5 s are at risk; 0.5 s are left for the sync.
pub const BATCH: Duration = Duration::from_millis(600);

/// Recordings at once, at the most, that a configuration may ask for. Each costs 500 KiB of address
/// space, of which only what its call uses is ever touched.
pub const MAX_RECORDINGS: usize = 4096;
/// Leg ports of one recording (`legs` in a start request).
pub const MAX_LEG_PORTS: usize = 8;
/// Leg ports and the local stream's own port.
pub const MAX_PORTS: usize = MAX_LEG_PORTS + 1;
/// Sources (SSRCs) kept in one recording: an eight-party conference in which each party has just changed its SSRC. What
/// the old source has sent is mixed up to a second later, beside the new one.
pub const MAX_SOURCES: usize = 16;

/// A leg's ring of codes: 2 s, a power of two. 128 ms of it is history for concealment, 900 ms the
/// playout delay and the time between two wake-ups, the rest is room for packets that come early.
pub const LEG_SAMPLES: usize = 16384;
/// Samples kept behind the read position: a 60 ms gap, two of the longest pitch periods, one frame.
pub const LEG_HISTORY: usize = 1024;
/// The longest payload taken, in samples: 160 ms. The field's longest packet time is 60 ms; a
/// datagram must fit `DATAGRAM_BYTES` besides.
pub const MAX_PAYLOAD: usize = 1280;
/// The longest gap that is concealed: 60 ms (spec, rule 7).
pub const MAX_CONCEALED: usize = 480;
/// Frames that a recording may go on behind its stop, so that what has come is whole: packets of a burst are so far
/// ahead of their time.
pub const MAX_TAIL_FRAMES: u64 = MAX_TIMESTAMP_ERROR as u64 / FRAME_SAMPLES as u64;
/// |timestamp step - arrival step| beyond this is a jump, not jitter: 1 s (spec, rule 7).
pub const MAX_TIMESTAMP_ERROR: i64 = 8000;
/// A packet in sequence whose timestamp ran ahead of its arrival by more than this has a wrong
/// timestamp, since packets cannot arrive early. 120 ms: less is too little beside jitter and DTX.
pub const MAX_EARLY_STEP: i64 = 960;
/// A leg whose place differs from its arrivals by less than this is left alone: 4 ms, well under the
/// 20 ms that two legs may be apart, well over a busy sender's scheduling noise.
pub const SKEW_DEAD_BAND: i64 = 32;
/// Packets in a row whose timestamps disagree with their bytes before one of the two is believed: 200 ms of them are
/// not mixed yet, and can still be laid where they belong.
pub const RATE_PACKETS: usize = 10;
/// Formats that a request may declare for a port.
pub const MAX_FORMATS: usize = 16;
/// Sources that are watched for packets which cannot be decoded.
pub const MAX_MONITORED: usize = 8;
/// Packets in a row after which a leg counts as unintelligible, or as intelligible again: half a second.
pub const MONITOR_PACKETS: u32 = 25;
/// These packets come within 5 s: fewer are no leg.
pub const UNINTELLIGIBLE_WITHIN: i64 = 5 * 8000;
/// A port to which neither audio nor comfort noise has come for 5 s is silent.
pub const NO_AUDIO: i64 = 5 * 8000;
/// At most one event of a port in 10 s.
pub const MONITOR_PAUSE: i64 = 10 * 8000;
/// How long the least delay is watched before a leg is moved: 4 s. At 500 ppm that is 16 samples.
pub const SKEW_WINDOW: i64 = 4 * 8000;
/// Packets a skew window must hold to be believed.
pub const SKEW_PACKETS: u32 = 15;
/// Audio of a leg whose packets follow each other without a gap, before its next packet's arrival is
/// asked for: 160 ms. Asking is a system call; within so little time no clock runs away.
pub const MAX_BELIEVED: i64 = 1280;
/// Ports that were read this little later than a batch were read in time: order and arrival of what
/// came in between then matter only where a leg does not go on as expected.
pub const PROMPT: Duration = Duration::from_millis(BATCH.millis() + 200);
/// A leg that starts this close to a frame's border is put on it (3 ms): then one leg's packets are
/// the file's frames, and legs sent together are mixed sample on sample.
pub const SNAP: i64 = 24;
/// RFC 3550 A.1: a sequence number further ahead is a restart, not loss.
pub const MAX_DROPOUT: i32 = 3000;
/// RFC 3550 A.1: a sequence number further behind is a restart, not reordering.
pub const MAX_MISORDER: i32 = 100;
/// A source whose second packet has not come for so long is a stray packet: 200 ms, more than the longest packet.
pub const SECOND_PACKET: i64 = 1600;
/// A source that has been silent this long gives its place to a new one: 5 s.
pub const SOURCE_IDLE: i64 = 5 * 8000;

/// Mixed frames of a recording that are not where they belong. For the stick it only has to hold what one turn
/// mixes: while a write blocks the packets wait in the sockets. For a server it holds what waits for the
/// server's answer (8 s), and with `serverFallback` also what was sent before its loss was noticed
/// (`USER_TIMEOUT`, a step of the keep-alive, the lookup and margin): 24 s. What is not used is not touched.
pub const RING_BYTES: usize = 24 * 50 * RTP_FRAME_BYTES;
/// Writes end on multiples of this in the file: all there is to gain on FAT is gained at 4 KiB.
pub const WRITE_ALIGN: u64 = 4096;
/// Disk work of one recording in one turn.
pub const DISK_BYTES_PER_TURN: usize = 64 * 1024;
/// File descriptors kept for the recordings: a walk over the folder needs one, and one that goes on here because its
/// server was lost, the folder's and its file's. A next part has that of the one before.
pub const SPARES: usize = 3;
/// Space reserved ahead with `fallocate`, so that a sync has no cluster chain to write.
pub const PREALLOCATE: u64 = 1024 * 1024;
/// Free space below which nothing is reserved ahead: the last megabytes are shared by all.
pub const PREALLOCATE_FLOOR: u64 = 8 * 1024 * 1024;
/// A part never reaches this, whatever its limit: `dataSize` is 32 bits and FAT files end at 4 GiB.
pub const MAX_PART_BYTES: u64 = 2_000_000_000;
/// A limit shorter than one second of audio counts as one second (spec, rule 4).
pub const MIN_PART_FRAMES: u64 = 50;
/// The longest list of parts that a stop's answer names.
pub const MAX_PARTS_NAMED: usize = 128;
/// Pauses and resumes that may wait for their frame (a frame is mixed up to half a second later).
pub const MAX_TOGGLES: usize = 32;

/// The longest message, without its line end (board/README.md).
pub const MESSAGE_BYTES: usize = 4096;
/// A message of the server protocol that has no end of its own ends when nothing came for so long (spec, rule 13).
pub const MESSAGE_SILENCE: Duration = Duration::from_millis(200);
/// The longest id of the server protocol that is taken (spec, rule 15).
pub const ID_BYTES: usize = 64;
/// The longest host name (RFC 1035).
pub const HOST_BYTES: usize = 253;
/// The longest value kept of a name or number.
pub const TEXT_BYTES: usize = 128;
/// The longest sidecar we write: five texts of control characters (6 bytes each), every counter, 32 pauses.
pub const SIDECAR_BYTES: usize = 7 * 1024;
/// Control clients at once: a phone has one or two, a person with `ctl` one more.
pub const MAX_CLIENTS: usize = 16;
/// Control lines of one client in one turn: a stop after a pause and a resume takes effect in the same turn, and a client
/// that never stops talking keeps nobody waiting.
pub const LINES_PER_TURN: usize = 8;
/// Answers and events that wait for a slow client before it is cut off.
pub const CLIENT_BYTES: usize = 16 * 1024;
/// Answers and events of one input, before they are handed to the clients.
pub const OUTBOX_BYTES: usize = 32 * 1024;

/// The longest datagram read whole: an Ethernet frame. Longer ones are no 60 ms of audio.
pub const DATAGRAM_BYTES: usize = 1500;
/// Datagrams of one recording in one turn: 0.6 s of eight legs. A flood waits for the next turn.
pub const DATAGRAMS_PER_TURN: usize = 256;
/// Datagrams that a socket gives without being empty in between before they may be a flood: eight legs send less in
/// a batch, and less than this comes in a turn.
pub const FLOOD_DATAGRAMS: u32 = DATAGRAMS_PER_TURN as u32;
/// Packets of one source in that time that are believed to be audio: twice what the longest stall holds back.
pub const FLOOD_PACKETS: u16 = 500;
/// While the kernel keeps a flood out, one datagram of 64 comes through, so that its end is seen, ...
pub const FLOOD_SAMPLE: u32 = 64;
/// ... which is when fewer than so many came in a batch: 200 a second harm nobody.
pub const FLOOD_OVER: u32 = 2;
/// What is asked of the kernel for each port: the default holds 1.6 s of a leg behind a network
/// driver, and sticks have been seen to stall for 4 s; eight legs may share a port.
pub const RECEIVE_BUFFER: usize = 1024 * 1024;
/// The longest mount table that is looked at.
pub const MOUNT_TABLE_BYTES: usize = 64 * 1024;
/// The longest path of the stick's mount point.
pub const PATH_BYTES: usize = 256;
/// Files looked at in one turn while a stick is being repaired: each may cost a seek on a slow stick.
pub const REPAIRS_PER_TURN: usize = 4;
/// On SIGTERM, how long recordings have to reach the stick (issue of the init script: 2 s in all).
pub const SHUTDOWN: Duration = Duration::from_millis(1800);

/// A connection is asked whether it lives when nothing has come from it for so long, ...
pub const KEEP_ALIVE_IDLE: Duration = Duration::from_millis(5000);
/// ... again and again in steps of this, ...
pub const KEEP_ALIVE_STEP: Duration = Duration::from_millis(2000);
/// ... and is lost when the other end has not answered for so long (spec, rule 18).
pub const USER_TIMEOUT: Duration = Duration::from_millis(15_000);
/// To connect to the recording server, the name's lookup included (spec, rule 16).
pub const CONNECT_TIMEOUT: Duration = Duration::from_millis(3000);
/// From the start request to its answer (spec, rule 16).
pub const ANSWER_TIMEOUT: Duration = Duration::from_millis(5000);
/// From the stop request to its answer (spec, rule 17).
pub const STOP_TIMEOUT: Duration = Duration::from_millis(2000);
/// The same when the daemon is to end: what the server did not confirm must still reach the stick.
pub const SHUTDOWN_STOP_TIMEOUT: Duration = Duration::from_millis(800);
/// Errors of the UDP socket for so long end a recording (spec, rule 18); ...
pub const UDP_TROUBLE: Duration = Duration::from_millis(3000);
/// ... an error that no other one follows for so long is forgotten: routers send one ICMP error a second.
pub const UDP_TROUBLE_GAP: Duration = Duration::from_millis(2000);
/// Frames sent to the server in 20 ms when some have waited: four times the call's own rate. A network with 40 ms of
/// jitter then mixes up a dozen of them at most, and a server that puts 20 in order again loses none.
pub const BURST_FRAMES: u32 = 4;
/// What is to be written to a server: a stop with every value escaped, and answers to two of its own.
pub const SERVER_OUT_BYTES: usize = 2560;
/// Bytes read from a server in `SERVER_PACE`: more than any has to say, and no flood keeps the loop busy ...
pub const SERVER_BYTES: usize = MESSAGE_BYTES;
/// ... which is shorter than `MESSAGE_SILENCE`: what is left unread must not look like silence.
pub const SERVER_PACE: Duration = Duration::from_millis(100);

/// From one name server to the next: three are asked before a connection's time is over.
pub const LOOKUP_STEP: Duration = Duration::from_millis(800);
/// Questions about one name before it counts as unknown: 5 s.
pub const LOOKUP_TRIES: usize = 6;
/// What is read of /etc/hosts and /etc/resolv.conf: a phone's have a few lines.
pub const NAMES_FILE_BYTES: usize = 8 * 1024;
