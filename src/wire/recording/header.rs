//! The 76-byte header of a recording's file; see the table in the parent module.

use crate::wire::ascii;
use crate::wire::g711::Law;

/// Bytes before the first frame.
pub const HEADER_BYTES: usize = 76;
/// Where `dataSize` stands.
pub const DATA_SIZE_OFFSET: u64 = 72;

/// The codecs that a header may name. All have a clock rate of 8000 Hz, also G.722 (by an error in
/// RFC 1890 that RFC 3551 keeps).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Codec {
    /// PCMU or PCMA: the ones that we write.
    G711(Law),
    /// Written by other programs.
    G722,
    /// Written by other programs.
    G729,
}

/// The header, with possible lengths.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// What the payloads are.
    pub codec: Codec,
    /// Bytes of one stored frame, 1 to 65 535.
    pub rtp_len: u32,
    /// RTP timestamp step from frame to frame, 1 to 65 535.
    pub increment: u32,
    /// Bytes of all frames, according to the header.
    pub data_size: u32,
    /// The integers are big-endian.
    pub big_endian: bool,
}

/// Why a file is not a recording.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Error {
    /// Shorter than a header.
    Short,
    /// An unknown codec name: another kind of file.
    Codec,
    /// `rtpLen` or `increment` is zero, negative or too large.
    Lengths,
}

/// What a file holds, by its length instead of its `dataSize`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extent {
    /// Number of whole frames.
    pub frames: u64,
    /// What `dataSize` should be.
    pub data_size: u32,
    /// What the file's length should be.
    pub file_bytes: u64,
    /// `dataSize` and the length of the file agree with it.
    pub exact: bool,
}

impl Codec {
    /// The name in the header.
    pub const fn name(self) -> &'static str {
        match self {
            Self::G711(law) => law.name(),
            Self::G722 => "G722",
            Self::G729 => "G729",
        }
    }

    /// Timestamp units a second.
    pub const fn clock_rate(self) -> u32 {
        8000
    }

    /// Bytes of audio in a payload of so many timestamp units: G.729 has 8 kbit/s, the others 64.
    pub const fn payload_bytes(self, increment: u32) -> u32 {
        match self {
            Self::G711(_) | Self::G722 => increment,
            Self::G729 => increment / 8,
        }
    }

    fn of_name(name: &[u8]) -> Option<Self> {
        [
            Self::G711(Law::Mu),
            Self::G711(Law::A),
            Self::G722,
            Self::G729,
        ]
        .into_iter()
        .find(|codec| ascii::is_same(codec.name().as_bytes(), name))
    }
}

impl Header {
    /// Reads the header from a file's first bytes.
    pub fn parse(bytes: &[u8]) -> Result<Self, Error> {
        let header = bytes.first_chunk::<HEADER_BYTES>().ok_or(Error::Short)?;
        let (name, numbers) = header.split_at(64);
        let name = name.split(|b| *b == 0).next().unwrap_or_default();
        let codec = Codec::of_name(ascii::trim(name)).ok_or(Error::Codec)?;
        let field = |at: usize| -> [u8; 4] {
            [
                numbers[at],
                numbers[at + 1],
                numbers[at + 2],
                numbers[at + 3],
            ]
        };
        let sensible = |value: u32| (1..=0xFFFF).contains(&value);
        for (big_endian, read) in [
            (false, u32::from_le_bytes as fn([u8; 4]) -> u32),
            (true, u32::from_be_bytes),
        ] {
            let (rtp_len, increment) = (read(field(0)), read(field(4)));
            if sensible(rtp_len) && sensible(increment) {
                return Ok(Self {
                    codec,
                    rtp_len,
                    increment,
                    data_size: read(field(8)),
                    big_endian,
                });
            }
        }
        Err(Error::Lengths)
    }

    /// The header's bytes, in its own byte order.
    pub fn emit(&self) -> [u8; HEADER_BYTES] {
        let mut bytes = [0; HEADER_BYTES];
        let name = self.codec.name().as_bytes();
        bytes[..name.len()].copy_from_slice(name);
        bytes[64..68].copy_from_slice(&self.integer(self.rtp_len));
        bytes[68..72].copy_from_slice(&self.integer(self.increment));
        bytes[72..76].copy_from_slice(&self.integer(self.data_size));
        bytes
    }

    /// A number in the header's own byte order, to write `dataSize` alone.
    pub fn integer(&self, value: u32) -> [u8; 4] {
        if self.big_endian {
            value.to_be_bytes()
        } else {
            value.to_le_bytes()
        }
    }

    /// `rtpLen` and `increment` agree: a frame is a payload, or a payload with an RTP header (spec,
    /// rule 1).
    pub fn fits(&self) -> bool {
        matches!(self.overhead(), 0 | 12)
    }

    /// What a file of `file_bytes` holds.
    pub fn extent(&self, file_bytes: u64) -> Extent {
        let rtp_len = u64::from(self.rtp_len);
        let room = u64::from(u32::MAX).min(file_bytes.saturating_sub(HEADER_BYTES as u64));
        let frames = room / rtp_len;
        let data_size = u32::try_from(frames * rtp_len).unwrap_or(u32::MAX);
        let whole = HEADER_BYTES as u64 + u64::from(data_size);
        Extent {
            frames,
            data_size,
            file_bytes: whole,
            exact: whole == file_bytes && data_size == self.data_size,
        }
    }

    /// Milliseconds of one frame.
    pub fn period_ms(&self) -> u32 {
        self.increment * 1000 / self.codec.clock_rate()
    }

    /// Milliseconds of `frames` frames.
    pub fn duration_ms(&self, frames: u64) -> u64 {
        frames * u64::from(self.increment) * 1000 / u64::from(self.codec.clock_rate())
    }

    /// Bytes of a frame in addition to its payload: 12 with an RTP header, 0 without, any number if
    /// the header is damaged.
    pub fn overhead(&self) -> u32 {
        self.rtp_len
            .wrapping_sub(self.codec.payload_bytes(self.increment))
    }

    /// The frames are whole RTP packets; `first_byte` is that of the first frame, and distinguishes
    /// them from payloads.
    pub fn frames_are_rtp(&self, first_byte: u8) -> bool {
        self.rtp_len > 12 && first_byte & 0xC0 == 0x80 && self.overhead() != 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ours() -> Header {
        Header {
            codec: Codec::G711(Law::A),
            rtp_len: 172,
            increment: 160,
            data_size: 172 * 3,
            big_endian: false,
        }
    }

    fn bytes() -> [u8; 76] {
        let mut bytes = [0; 76];
        bytes[..4].copy_from_slice(b"PCMA");
        bytes[64..].copy_from_slice(&[172, 0, 0, 0, 160, 0, 0, 0, 4, 2, 0, 0]);
        bytes
    }

    #[test]
    fn takes_a_header_apart() {
        assert_eq!(Header::parse(&bytes()), Ok(ours()));
    }

    #[test]
    fn puts_a_header_together() {
        assert_eq!(ours().emit(), bytes());
    }

    #[test]
    fn takes_a_big_endian_header_and_gives_it_back() {
        let mut swapped = bytes();
        swapped[64..].copy_from_slice(&[0, 0, 0, 172, 0, 0, 0, 160, 0, 0, 2, 4]);
        let header = Header::parse(&swapped).unwrap();
        assert_eq!(
            header,
            Header {
                big_endian: true,
                ..ours()
            }
        );
        assert_eq!(header.emit(), swapped);
    }

    #[test]
    fn refuses_other_files() {
        assert_eq!(Header::parse(&bytes()[..75]), Err(Error::Short));
        let mut riff = bytes();
        riff[..4].copy_from_slice(b"RIFF");
        assert_eq!(Header::parse(&riff), Err(Error::Codec));
        for lengths in [
            [0, 0, 0, 0, 160, 0, 0, 0],
            [172, 0, 0, 0, 0, 0, 0, 0],
            [255; 8],
        ] {
            let mut absurd = bytes();
            absurd[64..72].copy_from_slice(&lengths);
            assert_eq!(Header::parse(&absurd), Err(Error::Lengths));
        }
    }

    #[test]
    fn counts_the_frames_that_are_there() {
        let header = ours();
        for (file_bytes, frames, exact) in [
            (0, 0, false),
            (76, 0, false),
            (76 + 171, 0, false),
            (76 + 172 * 3, 3, true),
            (76 + 172 * 4, 4, false),
        ] {
            let extent = header.extent(file_bytes);
            assert_eq!(
                (extent.frames, extent.exact),
                (frames, exact),
                "{file_bytes}"
            );
            assert_eq!(u64::from(extent.data_size), frames * 172);
            assert_eq!(extent.file_bytes, 76 + frames * 172);
        }
        assert_eq!(header.extent(u64::MAX).data_size % 172, 0);
        assert_eq!((header.period_ms(), header.duration_ms(50)), (20, 1000));
    }

    #[test]
    fn lengths_belong_together() {
        let header = |codec, rtp_len, increment| Header {
            codec,
            rtp_len,
            increment,
            ..ours()
        };
        let law = Codec::G711(Law::Mu);
        assert!([
            (law, 172, 160),
            (law, 160, 160),
            (Codec::G722, 252, 240),
            (Codec::G729, 32, 160)
        ]
        .iter()
        .all(|(codec, rtp_len, increment)| header(*codec, *rtp_len, *increment).fits()));
        assert!([(law, 173, 160), (law, 172, 161), (Codec::G729, 172, 160)]
            .iter()
            .all(|(codec, rtp_len, increment)| !header(*codec, *rtp_len, *increment).fits()));
    }

    #[test]
    fn tells_packets_from_payloads() {
        assert!(ours().frames_are_rtp(0x80));
        assert!(!ours().frames_are_rtp(0xD5 & 0x3F));
        assert!(!Header {
            rtp_len: 160,
            ..ours()
        }
        .frames_are_rtp(0x80));
        assert!(!Header {
            codec: Codec::G729,
            rtp_len: 20,
            ..ours()
        }
        .frames_are_rtp(0x80));
    }
}
