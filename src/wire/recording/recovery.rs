//! Reconstruction of a damaged header from the frames after it.
//!
//! The RTP headers of the frames contain everything that the file's header does: the payload type
//! stands for the codec, the distance between packets is `rtpLen`, and the difference of their
//! timestamps is `increment`. Bare payloads contain nothing of it.

use crate::wire::g711::Law;
use crate::wire::recording::header::{Codec, Header, HEADER_BYTES};
use crate::wire::rtp::FixedHeader;

/// Bytes after the header that are examined: 23 frames of 20 ms, or two of the longest possible.
pub const SAMPLE_BYTES: usize = 4096;
/// The shortest frame: an RTP header and a byte.
const MIN_FRAME: usize = 13;

/// The header that belongs to `frames`, the bytes after it. Of the damaged one only the byte order
/// is used.
pub fn header(damaged: &[u8; HEADER_BYTES], frames: &[u8]) -> Option<Header> {
    let (len, found) =
        (MIN_FRAME..=frames.len() / 2).find_map(|len| Some((len, steady(frames, len)?)))?;
    let (codec, increment) = found;
    let little = Header {
        codec,
        rtp_len: u32::try_from(len).ok()?,
        increment,
        data_size: 0,
        big_endian: false,
    };
    let big = Header {
        big_endian: true,
        ..little
    };
    let agrees = |header: &Header| {
        header.emit()[64..72]
            .chunks(4)
            .zip(damaged[64..72].chunks(4))
            .any(|(a, b)| a == b)
    };
    Some(if agrees(&big) && !agrees(&little) {
        big
    } else {
        little
    })
}

/// Codec and increment, if most neighbours at this distance are consecutive packets of one stream.
fn steady(frames: &[u8], len: usize) -> Option<(Codec, u32)> {
    let packets = || {
        frames
            .chunks_exact(len)
            .filter_map(|frame| frame.first_chunk::<12>())
    };
    let pairs = || {
        packets()
            .zip(packets().skip(1))
            .map(|(one, next)| follows(one, next, len))
    };
    let found = pairs().flatten().next()?;
    let agreeing = pairs().filter(|pair| *pair == Some(found)).count();
    (agreeing * 2 > pairs().count()).then_some(found)
}

/// Codec and timestamp step, if `next` is the packet after `one` in the same stream.
fn follows(one: &[u8; 12], next: &[u8; 12], len: usize) -> Option<(Codec, u32)> {
    let one = FixedHeader::parse(one);
    let next = FixedHeader::parse(next);
    // Version 2 and no CSRCs.
    let is_plain = one.first_byte & 0xCF == 0x80;
    let is_one_stream = one.first_byte == next.first_byte
        && one.payload_type == next.payload_type
        && one.ssrc == next.ssrc
        && next.sequence.wrapping_sub(one.sequence) == 1;
    if !is_plain || !is_one_stream {
        return None;
    }
    let codec = match one.payload_type {
        0 => Codec::G711(Law::Mu),
        8 => Codec::G711(Law::A),
        9 => Codec::G722,
        18 => Codec::G729,
        _ => return None,
    };
    let step = next.timestamp.wrapping_sub(one.timestamp);
    (codec.payload_bytes(step) == u32::try_from(len - 12).ok()?).then_some((codec, step))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frames(payload_type: u8, count: u16, increment: u32, payload: usize) -> Vec<u8> {
        let frame = |n: u16| {
            let mut frame = vec![0x80, payload_type | if n == 0 { 0x80 } else { 0 }];
            frame.extend(n.wrapping_sub(3).to_be_bytes());
            frame.extend((u32::from(n) * increment).wrapping_sub(200).to_be_bytes());
            frame.extend([1, 2, 3, 4]);
            frame.resize(12 + payload, 0x80);
            frame
        };
        (0..count).flat_map(frame).collect()
    }

    #[test]
    fn every_codec_and_length_is_found() {
        let ours = |codec, rtp_len, increment| Header {
            codec,
            rtp_len,
            increment,
            data_size: 0,
            big_endian: false,
        };
        for (payload_type, payload, increment, codec) in [
            (0, 160, 160, Codec::G711(Law::Mu)),
            (8, 80, 80, Codec::G711(Law::A)),
            (9, 240, 240, Codec::G722),
            (18, 20, 160, Codec::G729),
            (0, 1, 1, Codec::G711(Law::Mu)),
        ] {
            let frames = frames(payload_type, 12, increment, payload);
            for end in [2 * (12 + payload), frames.len().min(SAMPLE_BYTES)] {
                let found = header(&[0xAA; 76], &frames[..end]);
                assert_eq!(
                    found,
                    Some(ours(codec, 12 + payload as u32, increment)),
                    "{payload_type} {end}"
                );
            }
        }
    }

    #[test]
    fn the_byte_order_is_that_of_the_number_that_is_left() {
        let frames = frames(0, 4, 160, 160);
        for (at, number, big_endian) in [
            (64, 172u32.to_be_bytes(), true),
            (68, 160u32.to_be_bytes(), true),
            (68, 160u32.to_le_bytes(), false),
        ] {
            let mut damaged = [0; 76];
            damaged[at..at + 4].copy_from_slice(&number);
            assert_eq!(header(&damaged, &frames).unwrap().big_endian, big_endian);
        }
    }

    #[test]
    fn a_few_damaged_frames_do_not_hide_the_others() {
        let mut frames = frames(8, 20, 160, 160);
        for at in [2, 172 * 7 + 9, 172 * 12] {
            frames[at] ^= 0x40;
        }
        assert_eq!(header(&[0; 76], &frames).unwrap().rtp_len, 172);
    }

    #[test]
    fn what_is_no_stream_is_not_taken_for_one() {
        let good = frames(0, 20, 160, 160);
        assert_eq!(header(&[0; 76], &good[..343]), None, "a frame alone");
        assert_eq!(header(&[0; 76], &[]), None);
        assert_eq!(header(&[0; 76], &[0x80; SAMPLE_BYTES]), None);
        assert_eq!(
            header(&[0; 76], &frames(96, 20, 160, 160)),
            None,
            "an unknown payload type"
        );
        assert_eq!(
            header(&[0; 76], &frames(0, 20, 161, 160)),
            None,
            "a step that is not its payload's length"
        );
        let bare: Vec<u8> = good
            .chunks(172)
            .flat_map(|frame| &frame[12..])
            .copied()
            .collect();
        assert_eq!(header(&[0; 76], &bare), None);
    }
}
