//! Packets that are longer than their timestamps say, by as much as SRTP adds: what they carry is
//! noise.
//!
//! RFC 3711's authentication tag is 4 or 10 bytes long, RFC 7714's 16; an MKI of up to 4 bytes may
//! follow. Where each byte is a sample, a packet of 160 ticks then has 164, 170 or 176 bytes.
//! Pauses of the sender make packets look too short, not too long.

use crate::base::limits::MONITOR_PACKETS;

/// What SRTP adds to a payload, and the longest MKI behind it.
const TAGS: [i64; 3] = [4, 10, 16];
const MAX_MKI: i64 = 4;

/// What is known of one source.
#[derive(Clone, Copy, Debug, Default)]
pub struct EncryptionCheck {
    last: Option<PacketNumbers>,
    state: MuteState,
}

/// What is looked at of a packet.
#[derive(Clone, Copy, Debug)]
pub struct PacketNumbers {
    /// RTP sequence number.
    pub sequence: u16,
    /// RTP timestamp.
    pub timestamp: u32,
    /// Bytes of its payload.
    pub len: usize,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum MuteState {
    /// Nothing says that it is encrypted.
    #[default]
    Clear,
    /// It is, or seems to be: so many packets in a row have said otherwise.
    Muted { fitting: u32 },
}

impl EncryptionCheck {
    /// Takes the numbers of a packet whose arrival was measured.
    #[inline(never)]
    pub fn handle(&mut self, packet: PacketNumbers, bytes_per_tick: i64) {
        let follows = |last: &PacketNumbers| last.sequence.wrapping_add(1) == packet.sequence;
        let Some(last) = self.last.replace(packet).filter(follows) else {
            return;
        };
        let step = i64::from(packet.timestamp.wrapping_sub(last.timestamp) as i32);
        let extra = last.len as i64 - step * bytes_per_tick;
        let fits_tag = |tag: &i64| (*tag..=*tag + MAX_MKI).contains(&extra);
        if step > 0 && TAGS.iter().any(fits_tag) {
            self.state = MuteState::Muted { fitting: 0 };
        } else if let MuteState::Muted { fitting } = &mut self.state {
            *fitting += 1;
            if *fitting >= MONITOR_PACKETS {
                self.state = MuteState::Clear;
            }
        }
    }

    /// Nothing of it is to be heard.
    pub fn is_muted(&self) -> bool {
        self.state != MuteState::Clear
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn muted(packets: impl Iterator<Item = (u32, usize)>) -> Vec<bool> {
        let mut check = EncryptionCheck::default();
        let mut timestamp = 7u32;
        let mut verdicts = vec![];
        for (number, (step, len)) in packets.enumerate() {
            let packet = PacketNumbers {
                sequence: number as u16,
                timestamp,
                len,
            };
            check.handle(packet, 1);
            verdicts.push(check.is_muted());
            timestamp = timestamp.wrapping_add(step);
        }
        verdicts
    }

    #[test]
    fn tags_are_seen_with_the_second_packet() {
        for extra in [4, 8, 10, 14, 16, 20] {
            for samples in [80, 160, 480] {
                let verdicts = muted((0..50).map(|_| (samples, samples as usize + extra)));
                assert!(
                    !verdicts[0] && verdicts[1..].iter().all(|muted| *muted),
                    "{extra}"
                );
            }
        }
    }

    #[test]
    fn audio_is_not_taken_for_encrypted() {
        // Plain packets of any length, other clocks, pauses of the sender.
        for (step, len) in [
            (160, 160),
            (320, 160),
            (80, 160),
            (960, 160),
            (160, 240),
            (16_000, 160),
        ] {
            assert!(
                muted((0..50).map(|_| (step, len)))
                    .iter()
                    .all(|muted| !muted),
                "{step} {len}"
            );
        }
    }

    #[test]
    fn packets_that_fit_unmute() {
        let packets = (0..100).map(|n| (160, if n < 50 { 170 } else { 160 }));
        let verdicts = muted(packets);
        assert!(verdicts[60] && !verdicts[90]);
    }
}
