//! RTP packets (RFC 3550, section 5.1).
//!
//! ```text
//! 0               1               2               3
//! |V=2|P|X|  CC   |M|     PT      |       sequence number         |
//! |                           timestamp                           |
//! |                             SSRC                              |
//! |                     CC contributing sources                   |
//! |  extension: profile, length in words, words (if X)            |
//! |  payload, and padding with its own length as last byte (if P) |
//! ```

/// Bytes of a header without contributing sources or extension.
pub const HEADER_BYTES: usize = 12;

/// A parsed packet. The payload is without header extension and padding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packet<'a> {
    /// For audio: the first packet of a talkspurt.
    pub marker: bool,
    /// The codec of the payload: 0 PCMU, 8 PCMA, 9 G722, ... (RFC 3551).
    pub payload_type: u8,
    /// Increases by 1 with each packet, modulo 2^16.
    pub sequence: u16,
    /// The time of the payload's first sample, in units of the codec's clock, modulo 2^32.
    pub timestamp: u32,
    /// The source of the packet.
    pub ssrc: u32,
    /// The audio; may be empty.
    pub payload: &'a [u8],
}

/// The fixed header (RFC 3550, section 5.1) as it is, without a check: recordings hold damaged
/// ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FixedHeader {
    /// Version, padding, extension and CSRC count.
    pub first_byte: u8,
    /// First packet of a talk spurt, for audio.
    pub marker: bool,
    /// What the payload is.
    pub payload_type: u8,
    /// +1 from packet to packet, modulo 2^16.
    pub sequence: u16,
    /// Of the payload's first sample, in units of the codec's clock, modulo 2^32.
    pub timestamp: u32,
    /// The source.
    pub ssrc: u32,
}

impl FixedHeader {
    /// Reads the fields.
    #[inline(always)] // for each packet
    pub const fn parse(bytes: &[u8; HEADER_BYTES]) -> Self {
        let [first_byte, second, s0, s1, t0, t1, t2, t3, c0, c1, c2, c3] = *bytes;
        Self {
            first_byte,
            marker: second & 0x80 != 0,
            payload_type: second & 0x7F,
            sequence: u16::from_be_bytes([s0, s1]),
            timestamp: u32::from_be_bytes([t0, t1, t2, t3]),
            ssrc: u32::from_be_bytes([c0, c1, c2, c3]),
        }
    }
}

/// Why a datagram is not an RTP packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Error {
    /// Shorter than a header, or than the length that the header implies.
    Short,
    /// Not version 2: STUN, DTLS, or anything else.
    Version,
    /// An RTCP packet on the same port (RFC 5761, section 4: second byte 192-223).
    Rtcp,
    /// The padding length is zero or larger than the payload.
    Padding,
}

impl<'a> Packet<'a> {
    /// Parses a datagram.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Error> {
        let (Some(header), Some(first)) = (bytes.first_chunk::<HEADER_BYTES>(), bytes.first())
        else {
            return Err(if bytes.first().is_some_and(|b| b >> 6 != 2) {
                Error::Version
            } else {
                Error::Short
            });
        };
        if first >> 6 != 2 {
            return Err(Error::Version);
        }
        let second = header[1];
        if (192..=223).contains(&second) {
            return Err(Error::Rtcp);
        }
        let mut payload = bytes
            .get(HEADER_BYTES + 4 * usize::from(first & 0x0F)..)
            .ok_or(Error::Short)?;
        if first & 0x10 != 0 {
            let [_, _, high, low] = *payload.first_chunk::<4>().ok_or(Error::Short)?;
            payload = payload
                .get(4 + 4 * usize::from(u16::from_be_bytes([high, low]))..)
                .ok_or(Error::Short)?;
        }
        if first & 0x20 != 0 {
            let padding = usize::from(*payload.last().ok_or(Error::Padding)?);
            if padding == 0 {
                return Err(Error::Padding);
            }
            let kept = payload.len().checked_sub(padding).ok_or(Error::Padding)?;
            payload = &payload[..kept];
        }
        let header = FixedHeader::parse(header);
        Ok(Self {
            marker: header.marker,
            payload_type: header.payload_type,
            sequence: header.sequence,
            timestamp: header.timestamp,
            ssrc: header.ssrc,
            payload,
        })
    }

    /// The header without padding, extension and contributing sources.
    #[inline(always)] // for each frame
    pub fn emit_header(&self) -> [u8; HEADER_BYTES] {
        let [s0, s1] = self.sequence.to_be_bytes();
        let [t0, t1, t2, t3] = self.timestamp.to_be_bytes();
        let [c0, c1, c2, c3] = self.ssrc.to_be_bytes();
        let second = self.payload_type & 0x7F | if self.marker { 0x80 } else { 0 };
        [0x80, second, s0, s1, t0, t1, t2, t3, c0, c1, c2, c3]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // First packet of sip-tester's g711a.pcap, cut to four bytes of payload.
    const PLAIN: [u8; 16] = [
        0x80, 0x88, 0xE6, 0xFD, 0, 0, 0, 0xF0, 0xDE, 0xE0, 0xEE, 0x8F, 0xD5, 0xD5, 0x55, 0xD5,
    ];

    fn plain() -> Packet<'static> {
        Packet {
            marker: true,
            payload_type: 8,
            sequence: 0xE6FD,
            timestamp: 240,
            ssrc: 0xDEE0_EE8F,
            payload: &[0xD5, 0xD5, 0x55, 0xD5],
        }
    }

    #[test]
    fn takes_a_packet_apart() {
        assert_eq!(Packet::parse(&PLAIN), Ok(plain()));
    }

    #[test]
    fn puts_a_header_together() {
        assert_eq!(plain().emit_header(), PLAIN[..12]);
    }

    #[test]
    fn leaves_out_sources_extension_and_padding() {
        let mut bytes = vec![0x80 | 0x20 | 0x10 | 2, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3];
        bytes.extend([9; 8]); // two contributing sources
        bytes.extend([0xBE, 0xDE, 0, 1, 7, 7, 7, 7]); // extension of one word
        bytes.extend([1, 2, 3]);
        bytes.extend([0, 0, 0, 4]); // padding of four
        let packet = Packet::parse(&bytes).unwrap();
        assert_eq!(packet.payload, [1, 2, 3]);
        assert_eq!((packet.sequence, packet.timestamp, packet.ssrc), (1, 2, 3));
    }

    #[test]
    fn tells_rtcp_and_other_protocols_from_audio() {
        let mut rtcp = PLAIN;
        for second in 192..=223 {
            rtcp[1] = second;
            assert_eq!(Packet::parse(&rtcp), Err(Error::Rtcp));
        }
        let stun = [
            0u8, 1, 0, 0, 0x21, 0x12, 0xA4, 0x42, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12,
        ];
        assert_eq!(Packet::parse(&stun), Err(Error::Version));
        assert_eq!(Packet::parse(&[22, 254]), Err(Error::Version));
        assert_eq!(Packet::parse(&[0x80]), Err(Error::Short));
        assert_eq!(Packet::parse(&[]), Err(Error::Short));
    }

    #[test]
    fn padding_must_lie_within_the_payload() {
        let mut bytes = PLAIN;
        bytes[0] |= 0x20;
        for (padding, kept) in [
            (0, None),
            (1, Some(3)),
            (4, Some(0)),
            (5, None),
            (255, None),
        ] {
            bytes[15] = padding;
            assert_eq!(
                Packet::parse(&bytes).ok().map(|p| p.payload.len()),
                kept,
                "{padding}"
            );
        }
        assert_eq!(Packet::parse(&bytes[..12]), Err(Error::Padding));
    }
}
