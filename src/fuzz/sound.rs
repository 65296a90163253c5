//! The sound of intercom calls: streams that are played, and RTP that is published.

use crate::base::time::Instant;
use crate::proto::intercom::sound::played_sound::PlayedSound;
use crate::proto::intercom::sound::player::StreamPlayer;
use crate::proto::intercom::sound::published_sound::PublishedSound;
use crate::proto::intercom::sound::stream::StreamMachine;
use crate::wire::flv::sound_reader::Piece;
use crate::wire::g711::Law;
use crate::wire::rtp::Packet;

/// A response in pieces, whose length the first byte gives: every packet is RTP of at most 20 ms, and
/// each is counted on from the one before.
pub fn played_stream(data: &[u8]) {
    let Some((step, data)) = data.split_first() else {
        return;
    };
    let mut player = StreamPlayer::default();
    let mut sound = PlayedSound::new(7);
    let mut next = 0u16;
    for (number, piece) in data.chunks(usize::from(*step) + 1).enumerate() {
        let now = Instant::from_nanos((1 + number as u64) * 20_000_000);
        let played = player.handle_bytes(piece, &mut |piece| {
            let Piece::Sound {
                law,
                millis,
                offset,
                codes,
            } = piece
            else {
                return;
            };
            sound.handle_codes(now, law, (millis, offset), codes, |arrival, packet| {
                let Ok(packet) = Packet::parse(packet) else {
                    panic!("a packet is RTP");
                };
                assert!((1..=160).contains(&packet.payload.len()));
                assert_eq!(packet.sequence, next);
                assert!(arrival.at <= arrival.unlowered && arrival.at < Instant::NEVER);
                next = next.wrapping_add(1);
            });
        });
        if played.is_err() {
            return;
        }
    }
}

/// Datagrams, each after two bytes: its length and the milliseconds since the last one. Tags never
/// overlap.
pub fn published_sound(data: &[u8]) {
    let mut sound = PublishedSound::new(Law::Mu);
    let mut rest = data;
    let (mut millis, mut end) = (0u32, 0u32);
    let mut put = |_: Law, at: u32, codes: &[u8]| {
        assert!(at >= end, "{at} after {end}");
        end = at + codes.len() as u32 / 8;
    };
    while let [length, later, more @ ..] = rest {
        let (datagram, after) = more.split_at(more.len().min(usize::from(*length)));
        millis += u32::from(*later);
        sound.handle_rtp(millis, datagram, &mut put);
        sound.handle_idle(millis, &mut put);
        rest = after;
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::attack;
    use super::*;
    use crate::wire::flv::{sound_tag, SOUND_HEADER};

    #[test]
    fn played_streams_survive() {
        let mut tag = [0; 60];
        let len = sound_tag(Law::A, 20, &[9; 40], &mut tag);
        let mut good = b"\x09HTTP/1.1 200 OK\r\n\r\n".to_vec();
        good.extend(SOUND_HEADER);
        for _ in 0..5 {
            good.extend(&tag[..len]);
        }
        let mut chunked =
            b"\x30HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nd\r\n".to_vec();
        chunked.extend(SOUND_HEADER);
        chunked.extend(b"\r\n38\r\n");
        chunked.extend(&tag[..len]);
        chunked.extend(b"\r\n0\r\n\r\n");
        attack(played_stream, &[&good, &chunked]);
    }

    #[test]
    fn published_sound_survives() {
        let mut good = vec![];
        for n in [0u8, 1, 3, 2, 9, 10] {
            good.extend([20, 20, 0x80, 0, 0, n, 0, 0, 0, 8 * n, 1, 1, 1, 1]);
            good.extend([n; 8]);
        }
        attack(published_sound, &[&good]);
    }
}
