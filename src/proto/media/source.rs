//! One source of a recording: an SSRC on a port, and its jitter buffer.

use crate::base::limits::{MAX_PAYLOAD, SECOND_PACKET, SOURCE_IDLE};
use crate::base::stats::{Counter, Stats};
use crate::proto::media::byte_order::ByteOrderCheck;
use crate::proto::media::ciphertext::CiphertextCheck;
use crate::proto::media::downsampler::Downsampler;
use crate::proto::media::encryption::{EncryptionCheck, PacketNumbers};
use crate::proto::media::jitter_buffer::packet::{Arrival, Audio, Format};
use crate::proto::media::jitter_buffer::JitterBuffer;
use crate::proto::media::leg_monitor::Unintelligible;
use crate::proto::media::sample_ring::SampleRing;
use crate::wire::g711::Law;

pub(super) struct Source {
    pub(super) port: usize,
    pub(super) ssrc: u32,
    pub(super) confirmed: bool,
    /// Packets since all sockets were empty: audio never arrives as fast as a flood.
    pub(super) recent: u16,
    /// The format of its payloads.
    format: Format,
    encryption: EncryptionCheck,
    ciphertext: CiphertextCheck,
    byte_order: ByteOrderCheck,
    downsampler: Downsampler,
    /// Why nothing of it is to be heard.
    pub(super) unintelligible: Option<Unintelligible>,
    pub(super) buffer: JitterBuffer,
}

impl Source {
    /// A source that begins with this packet, which still has to be checked.
    pub(super) fn new(port: usize, ssrc: u32, format: Format, buffer: JitterBuffer) -> Self {
        Self {
            port,
            ssrc,
            confirmed: false,
            recent: 1,
            format,
            encryption: EncryptionCheck::default(),
            ciphertext: CiphertextCheck::new(),
            byte_order: ByteOrderCheck::new(),
            downsampler: Downsampler::default(),
            unintelligible: None,
            buffer,
        }
    }

    /// Looks whether a packet of this source can be decoded. Most packets of a call are not looked
    /// at: their arrival is inferred, and their codes are not counted.
    #[inline(always)] // for each packet
    pub(super) fn check(&mut self, audio: &Audio, arrival: Arrival) {
        let is_unremarkable = !arrival.measured && !audio.format.is_linear();
        if !(is_unremarkable && self.ciphertext.skips()) {
            self.examine(audio, arrival);
            self.unintelligible = self.verdict();
        }
    }

    #[inline(never)]
    fn examine(&mut self, audio: &Audio, arrival: Arrival) {
        // An arrival is only inferred for a packet that continues the last one byte for byte.
        if arrival.measured {
            let packet = PacketNumbers {
                sequence: audio.sequence,
                timestamp: audio.timestamp,
                len: audio.payload.len(),
            };
            self.encryption
                .handle(packet, audio.format.bytes_per_tick());
        }
        if self.encryption.is_muted() {
            return;
        }
        if audio.format.is_linear() {
            self.check_linear(audio.payload);
        } else {
            self.ciphertext.handle(audio.payload, 1);
        }
    }

    #[inline(never)]
    fn check_linear(&mut self, payload: &[u8]) {
        self.byte_order.handle(payload);
        if !self.byte_order.is_muted() {
            // The low bytes of loud audio are as even as ciphertext; the high ones are not.
            self.ciphertext.handle(payload, 2);
        }
    }

    fn verdict(&self) -> Option<Unintelligible> {
        if self.encryption.is_muted() || self.ciphertext.is_muted() {
            Some(Unintelligible::Encrypted)
        } else if self.byte_order.is_muted() {
            Some(Unintelligible::ByteOrder)
        } else {
            None
        }
    }

    /// Stores the audio of a packet, linear samples as codes of `law`; returns the counter that
    /// applies to it.
    #[inline(always)] // for each packet
    pub(super) fn put(
        &mut self,
        ring: &mut SampleRing,
        law: Law,
        arrival: Arrival,
        audio: &Audio,
        stats: &mut Stats,
    ) -> Counter {
        match audio.format {
            Format::G711(_) | Format::G722 => self.buffer.put(ring, arrival, audio, stats),
            Format::L16 => self.put_narrowband(ring, law, arrival, audio, stats),
            Format::L16Wideband => self.put_wideband(ring, law, arrival, audio, stats),
        }
    }

    #[inline(never)]
    fn put_narrowband(
        &mut self,
        ring: &mut SampleRing,
        law: Law,
        arrival: Arrival,
        audio: &Audio,
        stats: &mut Stats,
    ) -> Counter {
        let mut codes = [0; MAX_PAYLOAD / 2];
        encode(audio.payload, law, &mut codes);
        let codes = encoded(audio, law, &codes[..audio.samples()]);
        self.buffer.put(ring, arrival, &codes, stats)
    }

    #[inline(never)]
    fn put_wideband(
        &mut self,
        ring: &mut SampleRing,
        law: Law,
        arrival: Arrival,
        audio: &Audio,
        stats: &mut Stats,
    ) -> Counter {
        let Arrival { clock, .. } = arrival;
        let timestamp = audio.timestamp;
        let converted = self.downsampler.convert(timestamp, audio.payload, law);
        let codes = encoded(audio, law, converted.codes());
        let counter = self.buffer.put(ring, arrival, &codes, stats);
        if counter != Counter::Audio {
            return counter;
        }
        if let Some(before) = converted.before() {
            let offset = -(before.len() as i64);
            self.buffer.replace(ring, clock, timestamp, offset, before);
        }
        if let Some(behind) = converted.behind() {
            let offset = audio.samples() as i64;
            self.buffer.replace(ring, clock, timestamp, offset, behind);
        }
        counter
    }

    /// Why this source may lose its slot to a new source of `port`; `None`: it keeps it. A source
    /// that is still waiting for its second packet keeps it, too: if many sources arrive at once,
    /// the first ones are recorded, instead of none.
    pub(super) fn need(&self, port: usize, arrival: Arrival) -> Option<Need> {
        let silent = arrival.at - self.buffer.last_at();
        if !self.confirmed {
            return (silent >= SECOND_PACKET).then_some(Need::Stray);
        }
        if silent >= SOURCE_IDLE {
            return Some(Need::Idle);
        }
        let replaced = self.port == port && self.buffer.ends_at() <= arrival.clock;
        replaced.then_some(Need::Replaced)
    }

    /// A packet with this audio belongs to this source.
    #[inline(always)] // for each packet
    pub(super) fn is(&self, port: usize, ssrc: u32, audio: &Audio) -> bool {
        self.port == port
            && self.ssrc == ssrc
            && self.format == audio.format
            && self.buffer.fits(audio.sequence)
    }
}

/// The packet, with codes as its payload.
fn encoded<'a>(audio: &Audio, law: Law, codes: &'a [u8]) -> Audio<'a> {
    Audio {
        payload: codes,
        format: Format::G711(law),
        ..*audio
    }
}

/// Encodes samples in network byte order.
fn encode(payload: &[u8], law: Law, codes: &mut [u8]) {
    for (bytes, code) in payload.chunks_exact(2).zip(codes) {
        let sample = i16::from_be_bytes([bytes[0], bytes[1]]);
        *code = law.encode_one(sample.into());
    }
}

/// Why a source may lose its slot; the first variant loses it first.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Need {
    /// No second packet has arrived.
    Stray,
    /// It has been silent for long.
    Idle,
    /// All of its audio is mixed, and its port has a new source: the sender may have changed its
    /// SSRC.
    Replaced,
}

/// When a packet arrived, in samples since the recording began.
#[derive(Clone, Copy, Debug)]
pub enum ArrivalTime {
    /// The arrival was measured.
    Measured(i64),
    /// The arrival lies between these positions, inclusive.
    Between(i64, i64),
}

/// When a packet arrived; `None`: it has to be measured.
#[inline]
pub(super) fn arrival_of(
    source: Option<&Source>,
    audio: &Audio,
    when: ArrivalTime,
    clock: i64,
) -> Option<Arrival> {
    match (when, source) {
        (ArrivalTime::Measured(at), _) => Some(Arrival {
            at,
            clock,
            measured: true,
        }),
        (ArrivalTime::Between(from, to), Some(source)) if source.confirmed => {
            let at = source.buffer.expects(audio)?;
            let arrival = Arrival {
                at,
                clock,
                measured: false,
            };
            (from..=to).contains(&at).then_some(arrival)
        }
        _ => None,
    }
}
