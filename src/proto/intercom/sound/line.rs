//! The peer's sound for the media engine: packets in as they come, a frame each 20 ms out. Jitter, loss
//! and drift are the business of the recording's own jitter buffer; the delay is shorter than a
//! recording's, since people talk.

use crate::base::limits::sound::TALK_DELAY;
use crate::base::limits::{FRAME, PLAYOUT_DELAY, RTP_FRAME_BYTES};
use crate::base::stats::Stats;
use crate::base::time::{Duration, Instant};
use crate::proto::recording::audio::RecordingAudio;
use crate::proto::recording::setup::Setup;
use crate::wire::g711::Law;

/// The difference to a recording's delay.
const LEAD: Duration = Duration::from_nanos(PLAYOUT_DELAY.nanos() - TALK_DELAY.nanos());

/// A line.
pub struct SoundLine {
    audio: RecordingAudio,
    setup: Setup,
    stats: Stats,
}

/// A frame: an RTP packet.
pub type SoundFrame = [u8; RTP_FRAME_BYTES];

impl SoundLine {
    /// A line that is not used yet. This is the only allocation.
    pub fn new() -> Self {
        Self {
            audio: RecordingAudio::new(),
            setup: Setup::default(),
            stats: Stats::default(),
        }
    }

    /// The line begins; `seed` is random.
    pub fn begin(&mut self, now: Instant, law: Law, seed: [u32; 2]) {
        law.prepare();
        self.setup = Setup {
            law,
            seed,
            ..Setup::default()
        };
        self.audio.clear(&mut self.stats);
        self.audio.stream = self.setup.stream();
        self.audio.set_law(law);
        self.audio.begin(now);
    }

    /// Takes a packet.
    pub fn handle_rtp(&mut self, arrival: Instant, datagram: &[u8]) {
        let taken = self
            .audio
            .handle_rtp(0, Some(arrival), datagram, &mut self.stats);
        debug_assert_eq!(taken, crate::proto::recording::audio::Intake::Taken);
    }

    /// All packets that arrived before `now` were passed.
    pub fn handle_read(&mut self, now: Instant) {
        let _ = self.audio.handle_read(now);
        self.audio.handle_drained(now);
    }

    /// The next frame that is due.
    pub fn poll_frame(&mut self, now: Instant) -> Option<SoundFrame> {
        if !self.audio.clock.due(now + LEAD) {
            return None;
        }
        let mut packet = [0; RTP_FRAME_BYTES];
        let _ = self.audio.mix(&self.setup, &mut packet, &mut self.stats);
        let _ = self.audio.stream.frame(&mut packet);
        Some(packet)
    }

    /// When the next frame is due.
    pub fn next_deadline(&self) -> Instant {
        self.audio.clock.next_frame_at() + FRAME + TALK_DELAY
    }

    /// What became of the packets.
    pub fn stats(&self) -> &Stats {
        &self.stats
    }
}

impl Default for SoundLine {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::rtp;

    fn ms(millis: u64) -> Instant {
        Instant::from_nanos((1000 + millis) * 1_000_000)
    }

    fn packet(law: Law, sequence: u16) -> Vec<u8> {
        let header = rtp::Packet {
            marker: false,
            payload_type: law.payload_type(),
            sequence,
            timestamp: 160 * u32::from(sequence),
            ssrc: 7,
            payload: &[],
        };
        // A sound: evenly distributed codes would be taken for ciphertext.
        let wave = |n: i32| 9000 * ((n % 40 - 20).abs() - 10) / 10 + n % 7 * 50;
        let codes = (0..160).map(|n| law.encode_one(wave(160 * i32::from(sequence) + n)));
        header.emit_header().into_iter().chain(codes).collect()
    }

    #[test]
    fn codes_pass_unchanged_whatever_the_jitter() {
        for law in [Law::Mu, Law::A] {
            let mut line = SoundLine::new();
            line.begin(ms(0), law, [1, 2]);
            let mut frames = vec![];
            for tick in 0..120u64 {
                // Two and two come together, up to 35 ms late.
                for sequence in [2 * tick, 2 * tick + 1] {
                    if tick < 50 {
                        line.handle_rtp(ms(40 * tick + 35), &packet(law, sequence as u16));
                    }
                }
                for now in [40 * tick + 36, 40 * tick + 56] {
                    line.handle_read(ms(now));
                    while let Some(frame) = line.poll_frame(ms(now)) {
                        frames.push(frame[12..].to_vec());
                    }
                }
            }
            let sent: Vec<Vec<u8>> = (0..100).map(|n| packet(law, n)[12..].to_vec()).collect();
            let first = frames.iter().position(|frame| *frame == sent[0]).unwrap();
            assert_eq!(frames[first..first + 100], sent, "{law:?}");
        }
    }

    #[test]
    fn a_line_that_hears_nothing_gives_silence_in_time() {
        let mut line = SoundLine::new();
        line.begin(ms(0), Law::A, [1, 2]);
        assert_eq!(line.next_deadline(), ms(100));
        assert!(line.poll_frame(ms(99)).is_none());
        let frame = line.poll_frame(ms(100)).unwrap();
        assert!(frame[12..].iter().all(|code| *code == Law::A.silence()));
        assert!(line.poll_frame(ms(100)).is_none());
    }
}
