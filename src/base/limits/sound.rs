//! Limits of the sound of intercom calls: `proto::intercom::sound` and its service.

use crate::base::time::Duration;

/// How long a recording waits for sound that a stalled connection still holds.
pub const RECORDING_DELAY: Duration = Duration::from_millis(5000);
/// Bytes of a party's packets that wait for the recording: those of `RECORDING_DELAY`, twice.
pub const FEED_BYTES: usize = 128 * 1024;
/// How much of a frame's jitter is awaited before it is played or published: people who talk notice
/// a delay of more than 150 ms (ITU-T G.114), and the network adds its own.
pub const TALK_DELAY: Duration = Duration::from_millis(80);
/// A stream's clock is compared with the phone's once in this time.
pub const CLOCK_WINDOW: Duration = Duration::from_millis(10_000);
/// After a connection is made, a server may repeat sound from the last key frame on.
pub const REPEATED_FOR: Duration = Duration::from_millis(500);
/// Between two attempts to reach a stream.
pub const STREAM_RETRY: Duration = Duration::from_millis(1000);
/// An attempt to connect, or to be answered: a server waits 10 s for a publisher.
pub const STREAM_TIMEOUT: Duration = Duration::from_millis(12_000);
/// After the end of a call, sound that is still on its way is awaited for this long.
pub const SOUND_LINGER: Duration = Duration::from_millis(1000);
/// Bytes of a published stream that wait for the network: 4 s of G.711.
pub const PUBLISH_BYTES: usize = 40 * 1024;
/// The same with a door's picture: two key frames of 200 KiB, and what comes meanwhile.
pub const PUBLISH_PICTURE_BYTES: usize = 512 * 1024;
/// How long a door's sound waits for its picture (contract, section 5).
pub const PICTURE_PATIENCE: Duration = Duration::from_millis(1000);
/// Tags of sound that wait so long: those of a second, and some.
pub const HELD_SOUND_TAGS: usize = 60;
/// Bytes that are read from a stream in one turn.
pub const STREAM_BYTES_PER_TURN: usize = 64 * 1024;
/// While no RTP comes, silence is published in tags of so many milliseconds (contract, section 5).
pub const SILENT_TAG_MS: u32 = 100;
/// Silence is made up once nothing has come for so long: packets may be late.
pub const SILENCE_AFTER_MS: u32 = 200;
/// Packets that wait for one that is missing: 80 ms.
pub const HELD_PACKETS: usize = 4;
