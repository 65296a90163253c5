//! What the first bytes of a recording's file tell: its contents, and whether another file
//! continues it.

use crate::base::limits::MAX_PART_BYTES;
use crate::wire::g711::Law;
use crate::wire::recording::header::{Codec, Error, Header, HEADER_BYTES};
use crate::wire::rtp::{self, FixedHeader};

/// Bytes of a file that have to be read: its header, and that of its first frame.
pub const HEAD_BYTES: usize = HEADER_BYTES + rtp::HEADER_BYTES;

/// A part that ended at its size limit is at most a frame shorter than a multiple of this
/// (`fileSizeLimit` counts MiB).
const LIMIT_STEP: u64 = 1 << 20;

/// What a file contains.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// Its header, whose `data_size` may be wrong.
    pub header: Header,
    /// Number of whole frames.
    pub frames: u64,
    /// Source and sequence number of the first frame; `None`: the frames have no RTP headers, or
    /// there are none.
    pub first: Option<(u32, u16)>,
}

impl Head {
    /// A placeholder where there is no file.
    pub const NONE: Self = {
        let codec = Codec::G711(Law::Mu);
        let header = Header {
            codec,
            rtp_len: 1,
            increment: 1,
            data_size: 0,
            big_endian: false,
        };
        Self {
            header,
            frames: 0,
            first: None,
        }
    };

    /// Parses the first bytes of a file of `file_bytes`: `HEAD_BYTES` of them, fewer if it is
    /// shorter.
    pub fn parse(bytes: &[u8], file_bytes: u64) -> Result<Self, Error> {
        let header = Header::parse(bytes)?;
        let first = bytes
            .get(HEADER_BYTES..)
            .and_then(|frame| frame.first_chunk::<{ rtp::HEADER_BYTES }>())
            .map(FixedHeader::parse)
            .filter(|frame| header.frames_are_rtp(frame.first_byte))
            .map(|frame| (frame.ssrc, frame.sequence));
        Ok(Self {
            header,
            frames: header.extent(file_bytes).frames,
            first,
        })
    }

    /// The frames are whole RTP packets, according to the lengths in the header: a damaged first
    /// frame changes nothing.
    pub fn is_rtp(&self) -> bool {
        self.header.rtp_len > self.header.codec.payload_bytes(self.header.increment)
    }

    /// `next` is the next part of this recording: it has the same source, and begins with the next
    /// sequence number. Without RTP headers this cannot be known.
    pub fn is_followed_by(&self, next: &Self) -> bool {
        let form = |head: &Self| {
            (
                head.header.codec,
                head.header.rtp_len,
                head.header.increment,
            )
        };
        let (Some((source, sequence)), Some(first)) = (self.first, next.first) else {
            return false;
        };
        form(self) == form(next) && first == (source, sequence.wrapping_add(self.frames as u16))
    }

    /// The frame at this time; the first one begins at 0.
    pub fn frame_at(&self, milliseconds: u32) -> u64 {
        let units = u64::from(milliseconds) * u64::from(self.header.codec.clock_rate() / 1000);
        units / u64::from(self.header.increment)
    }

    /// The RTP payload type (RFC 3551, table 4).
    pub fn payload_type(&self) -> u8 {
        match self.header.codec {
            Codec::G711(law) => law.payload_type(),
            Codec::G722 => 9,
            Codec::G729 => 18,
        }
    }

    /// It has the length of a part that ended at its size limit: another part should follow.
    pub fn is_full(&self) -> bool {
        let bytes = HEADER_BYTES as u64 + self.frames * u64::from(self.header.rtp_len);
        let one_more = bytes + u64::from(self.header.rtp_len);
        bytes / LIMIT_STEP != one_more / LIMIT_STEP || one_more > MAX_PART_BYTES
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(sequence: u16, frames: u64) -> (Vec<u8>, u64) {
        let header = Header {
            codec: Codec::G711(Law::Mu),
            rtp_len: 172,
            increment: 160,
            data_size: 0,
            big_endian: false,
        };
        let mut bytes = header.emit().to_vec();
        bytes.extend([0x80, 0]);
        bytes.extend(sequence.to_be_bytes());
        bytes.extend([1, 2, 3, 4, 0xAA, 0xBB, 0xCC, 0xDD]);
        (bytes, 76 + 172 * frames)
    }

    fn head(sequence: u16, frames: u64) -> Head {
        let (bytes, length) = file(sequence, frames);
        Head::parse(&bytes, length).unwrap()
    }

    #[test]
    fn takes_a_beginning_apart() {
        let (bytes, length) = file(0x1234, 3);
        let head = Head::parse(&bytes, length + 100).unwrap();
        assert_eq!((head.frames, head.first), (3, Some((0xAABB_CCDD, 0x1234))));
        assert_eq!(Head::parse(&bytes[..76], 76).unwrap().first, None);
        assert_eq!(Head::parse(&bytes[..75], 75), Err(Error::Short));
        let mut payloads = bytes;
        payloads[64] = 160;
        assert_eq!(Head::parse(&payloads, length).unwrap().first, None);
    }

    #[test]
    fn the_next_part_goes_on_with_the_next_number() {
        assert!(head(10, 50).is_followed_by(&head(60, 1)));
        assert!(
            head(65_530, 70_000).is_followed_by(&head(65_530u16.wrapping_add(4464), 0)),
            "numbers wrap"
        );
        assert!(!head(10, 50).is_followed_by(&head(61, 1)));
        let other = |change: fn(&mut Head)| {
            let mut next = head(60, 1);
            change(&mut next);
            head(10, 50).is_followed_by(&next)
        };
        assert!(!other(|next| next.first = Some((1, 60))));
        assert!(!other(|next| next.first = None));
        assert!(!other(|next| next.header.codec = Codec::G711(Law::A)));
        assert!(!other(|next| next.header.increment = 80));
    }

    #[test]
    fn a_part_that_its_limit_ended_is_known_by_its_length() {
        for (mib, full) in [(1, true), (8, true), (1907, true)] {
            let frames = ((mib << 20) - 76) / 172;
            assert_eq!(head(0, frames).is_full(), full);
            assert!(!head(0, frames - 1).is_full() && !head(0, frames + 1).is_full());
        }
        assert!(head(0, (MAX_PART_BYTES - 76) / 172).is_full());
        assert!(!head(0, 0).is_full() && !head(0, 50).is_full());
    }
}
