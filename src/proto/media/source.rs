//! One source of a recording: an SSRC on a port, and its jitter buffer.

use crate::base::limits::{SECOND_PACKET, SOURCE_IDLE};
use crate::proto::media::ciphertext::CiphertextCheck;
use crate::proto::media::encryption::EncryptionCheck;
use crate::proto::media::jitter_buffer::packet::{Arrival, Audio};
use crate::proto::media::jitter_buffer::JitterBuffer;

pub(super) struct Source {
    pub(super) port: usize,
    pub(super) ssrc: u32,
    pub(super) confirmed: bool,
    /// Packets since all sockets were empty: audio never arrives as fast as a flood.
    pub(super) recent: u16,
    pub(super) encryption: EncryptionCheck,
    pub(super) ciphertext: CiphertextCheck,
    pub(super) buffer: JitterBuffer,
}

impl Source {
    /// A source that begins with this packet, which still has to be checked.
    pub(super) fn new(port: usize, ssrc: u32, buffer: JitterBuffer) -> Self {
        Self {
            port,
            ssrc,
            confirmed: false,
            recent: 1,
            encryption: EncryptionCheck::default(),
            ciphertext: CiphertextCheck::new(),
            buffer,
        }
    }

    /// Looks whether a packet of this source is encrypted.
    #[inline]
    pub(super) fn check(&mut self, audio: &Audio, arrival: Arrival) {
        // An arrival is only inferred for a packet that continues the last one byte for byte.
        if arrival.measured {
            let len = audio.payload.len();
            self.encryption.handle(audio.sequence, audio.timestamp, len);
        }
        if !self.encryption.is_muted() {
            self.ciphertext.handle(audio.payload, 1);
        }
    }

    /// Nothing of it is to be heard.
    #[inline]
    pub(super) fn is_muted(&self) -> bool {
        self.encryption.is_muted() || self.ciphertext.is_muted()
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
    #[inline]
    pub(super) fn is(&self, port: usize, ssrc: u32, audio: &Audio) -> bool {
        self.port == port && self.ssrc == ssrc && self.buffer.fits(audio.sequence, audio.format)
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
