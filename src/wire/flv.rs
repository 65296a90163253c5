//! FLV, the format of the intercom's streams (Adobe, "Video File Format Specification", version 10.1,
//! annex E): a header, then tags, each followed by its length.
//!
//! A tag's bytes stay as they are: only what a relay must know is read, that is the kind, the time
//! stamp, whether a picture is a key frame, and whether the tag has a codec's configuration.

use crate::wire::g711::Law;

pub mod sound_reader;
pub mod tag_reader;

/// The header with the length of the tag before the first one, which is 0.
pub const HEADER_BYTES: usize = 13;
/// A tag's own header.
const TAG_HEADER_BYTES: usize = 11;
/// The length that follows each tag.
const TRAILER_BYTES: usize = 4;
/// The longest tag that is accepted, its header and trailer included: 1 MiB.
pub const MAX_TAG_BYTES: usize = 1 << 20;

/// The bytes are no FLV stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Error {
    /// They do not begin with an FLV header, or a tag is of an unknown kind.
    NoFlv,
    /// A tag is longer than `MAX_TAG_BYTES`.
    TooLong,
}

/// What a tag is to a relay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `onMetaData` and other data.
    Script,
    /// The configuration of a video codec.
    VideoConfig,
    /// The configuration of an audio codec.
    AudioConfig,
    /// A picture that needs no other one.
    KeyFrame,
    /// Another picture.
    Picture,
    /// Sound.
    Audio,
}

/// The sound formats that are recorded and bridged: G.711 A-law and mu-law.
pub const ALAW: u8 = 7;
/// Mu-law.
pub const ULAW: u8 = 8;
const AAC: u8 = 10;
const AVC: u8 = 7;
const HEVC: u8 = 12;

/// A whole tag: header, body and trailer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tag<'a> {
    bytes: &'a [u8],
}

impl<'a> Tag<'a> {
    /// The tag at the beginning; `None`: more bytes are needed.
    pub fn parse(bytes: &'a [u8]) -> Result<Option<Self>, Error> {
        let Some(header) = bytes.get(..TAG_HEADER_BYTES) else {
            return Ok(None);
        };
        if !matches!(header[0] & 0x1F, 8 | 9 | 18) {
            return Err(Error::NoFlv);
        }
        let body = u32::from_be_bytes([0, header[1], header[2], header[3]]) as usize;
        let len = TAG_HEADER_BYTES + body + TRAILER_BYTES;
        if len > MAX_TAG_BYTES {
            return Err(Error::TooLong);
        }
        Ok(bytes.get(..len).map(|bytes| Self { bytes }))
    }

    /// All its bytes.
    pub fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    fn body(&self) -> &'a [u8] {
        &self.bytes[TAG_HEADER_BYTES..self.bytes.len() - TRAILER_BYTES]
    }

    /// Milliseconds. (24 bits, and 8 more significant ones after them.)
    pub fn timestamp(&self) -> u32 {
        let at = &self.bytes[4..8];
        u32::from_be_bytes([at[3], at[0], at[1], at[2]])
    }

    /// What it is.
    pub fn kind(&self) -> Kind {
        let body = self.body();
        let first = body.first().copied().unwrap_or(0);
        let second = body.get(1).copied();
        match self.bytes[0] & 0x1F {
            8 if first >> 4 == AAC && second == Some(0) => Kind::AudioConfig,
            8 => Kind::Audio,
            9 => video_kind(first, second),
            _ => Kind::Script,
        }
    }

    /// The name of a video tag's codec; empty if it is unknown.
    pub fn picture_codec(&self) -> &'static str {
        let first = self.body().first().copied().unwrap_or(0);
        match first & 0x0F {
            _ if self.bytes[0] & 0x1F != 9 || first & 0x80 != 0 => "",
            AVC => "H264",
            HEVC => "H265",
            2 => "H263",
            _ => "",
        }
    }

    /// The sound format of an audio tag.
    pub fn sound_format(&self) -> Option<u8> {
        let is_audio = self.bytes[0] & 0x1F == 8;
        self.body()
            .first()
            .filter(|_| is_audio)
            .map(|byte| byte >> 4)
    }

    /// The bytes of the sound after its format.
    pub fn sound(&self) -> &'a [u8] {
        self.body().get(1..).unwrap_or_default()
    }
}

fn video_kind(first: u8, second: Option<u8>) -> Kind {
    // The extended header of newer encoders: frame type, then the packet's type.
    if first & 0x80 != 0 {
        let is_config = first & 0x0F == 0;
        let is_coded = matches!(first & 0x0F, 1 | 3);
        let is_key = is_coded && first >> 4 & 7 == 1;
        return match (is_config, is_key) {
            (true, _) => Kind::VideoConfig,
            (false, true) => Kind::KeyFrame,
            (false, false) => Kind::Picture,
        };
    }
    let has_config = matches!(first & 0x0F, AVC | HEVC);
    match first >> 4 {
        _ if has_config && second == Some(0) => Kind::VideoConfig,
        // The end of a sequence is marked as a key frame, and has no picture.
        _ if has_config && second == Some(2) => Kind::Picture,
        1 => Kind::KeyFrame,
        _ => Kind::Picture,
    }
}

/// The header at the beginning of a stream; `None`: more bytes are needed.
pub fn parse_header(bytes: &[u8]) -> Result<Option<&[u8]>, Error> {
    let known = bytes.len().min(3);
    if bytes[..known] != b"FLV"[..known] {
        return Err(Error::NoFlv);
    }
    let Some(header) = bytes.get(..HEADER_BYTES) else {
        return Ok(None);
    };
    // The version, the length of the header, the length of no tag.
    let is_plain = header[3] == 1 && header[5..] == [0, 0, 0, 9, 0, 0, 0, 0];
    if is_plain {
        Ok(Some(header))
    } else {
        Err(Error::NoFlv)
    }
}

/// The header of a stream that has sound alone.
pub const SOUND_HEADER: [u8; HEADER_BYTES] = *b"FLV\x01\x04\0\0\0\x09\0\0\0\0";
/// What a tag adds to its codes: header, sound format, trailer.
pub const SOUND_TAG_BYTES: usize = TAG_HEADER_BYTES + 1 + TRAILER_BYTES;

/// Writes a tag with codes of G.711; returns its length, 0 if it does not fit.
pub fn sound_tag(law: Law, millis: u32, codes: &[u8], buffer: &mut [u8]) -> usize {
    let len = codes.len() + SOUND_TAG_BYTES;
    let Some(tag) = buffer.get_mut(..len).filter(|_| len < MAX_TAG_BYTES) else {
        return 0;
    };
    let [_, body @ ..] = (codes.len() as u32 + 1).to_be_bytes();
    tag[..TAG_HEADER_BYTES].fill(0);
    tag[0] = 8;
    tag[1..4].copy_from_slice(&body);
    set_timestamp(tag, millis);
    // Samples of 16 bits, one channel: as ffmpeg writes it.
    let format = if law == Law::A { ALAW } else { ULAW };
    tag[TAG_HEADER_BYTES] = format << 4 | 2;
    tag[TAG_HEADER_BYTES + 1..len - TRAILER_BYTES].copy_from_slice(codes);
    let before = (len - TRAILER_BYTES) as u32;
    tag[len - TRAILER_BYTES..].copy_from_slice(&before.to_be_bytes());
    len
}

/// The names of sound formats in RTP; the others have those of the FLV specification.
pub fn sound_codec(format: u8) -> &'static str {
    match format {
        7 => "PCMA",
        8 => "PCMU",
        2 | 14 => "MP3",
        4..=6 => "Nellymoser",
        10 => "AAC",
        11 => "Speex",
        _ => "unknown",
    }
}

/// Sets the time stamp of a tag's bytes.
pub fn set_timestamp(tag: &mut [u8], millis: u32) {
    if let Some(place) = tag.get_mut(4..8) {
        let [high, rest @ ..] = millis.to_be_bytes();
        place[..3].copy_from_slice(&rest);
        place[3] = high;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A tag of this type with this body.
    fn tag(kind: u8, millis: u32, body: &[u8]) -> Vec<u8> {
        let len = u32::try_from(body.len()).unwrap();
        let mut bytes = vec![kind];
        bytes.extend(&len.to_be_bytes()[1..]);
        bytes.extend([0; 7]);
        bytes.extend(body);
        bytes.extend((len + 11).to_be_bytes());
        set_timestamp(&mut bytes, millis);
        bytes
    }

    #[test]
    fn tags_are_found_whole() {
        let bytes = tag(8, 0x0102_0304, &[0x80, 1, 2, 3]);
        for len in 0..bytes.len() {
            assert_eq!(Tag::parse(&bytes[..len]), Ok(None), "{len}");
        }
        let longer = [&bytes[..], b"more"].concat();
        let found = Tag::parse(&longer).unwrap().unwrap();
        assert_eq!(found.bytes(), bytes);
        assert_eq!(found.timestamp(), 0x0102_0304);
        assert_eq!(
            (found.kind(), found.sound_format()),
            (Kind::Audio, Some(ULAW))
        );
        assert_eq!(found.sound(), [1, 2, 3]);
    }

    #[test]
    fn kinds() {
        for (kind, body, expected) in [
            (18, &[2, 0][..], Kind::Script),
            (9, &[0x17, 0], Kind::VideoConfig),
            (9, &[0x17, 1], Kind::KeyFrame),
            (9, &[0x17, 2], Kind::Picture),
            (9, &[0x27, 1], Kind::Picture),
            (9, &[0x1C, 0], Kind::VideoConfig),
            (9, &[0x12, 0], Kind::KeyFrame),
            (9, &[0x22, 0], Kind::Picture),
            (9, &[0x90], Kind::VideoConfig),
            (9, &[0x91], Kind::KeyFrame),
            (9, &[0x92], Kind::Picture),
            (9, &[0xA1], Kind::Picture),
            (8, &[0xAF, 0], Kind::AudioConfig),
            (8, &[0xAF, 1], Kind::Audio),
            (8, &[0x70, 0], Kind::Audio),
            (9, &[], Kind::Picture),
        ] {
            let bytes = tag(kind, 0, body);
            assert_eq!(
                Tag::parse(&bytes).unwrap().unwrap().kind(),
                expected,
                "{body:?}"
            );
        }
    }

    #[test]
    fn what_is_no_flv_is_refused() {
        assert_eq!(Tag::parse(&[7; 20]), Err(Error::NoFlv));
        let mut long = tag(9, 0, &[0x17, 1]);
        long[1] = 0x10;
        assert_eq!(Tag::parse(&long), Err(Error::TooLong));
        let header = b"FLV\x01\x05\0\0\0\x09\0\0\0\0";
        assert_eq!(parse_header(header), Ok(Some(&header[..])));
        for len in 0..header.len() {
            assert_eq!(parse_header(&header[..len]), Ok(None), "{len}");
        }
        for bad in [
            &b"RIFF"[..],
            b"FLX",
            b"FLV\x02\x05\0\0\0\x09\0\0\0\0",
            b"FLV\x01\x05\0\0\0\x0A\0\0\0\0",
        ] {
            assert_eq!(parse_header(bad), Err(Error::NoFlv));
        }
    }
}
