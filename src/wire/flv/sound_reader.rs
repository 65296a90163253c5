//! Reads the sound of an FLV stream in whatever pieces its bytes come. Pictures are skipped: nothing
//! of them is kept.

use super::{Error, ALAW, HEADER_BYTES, MAX_TAG_BYTES, TAG_HEADER_BYTES, TRAILER_BYTES, ULAW};
use crate::wire::g711::Law;

/// What the bytes bring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Piece<'a> {
    /// Codes of G.711, 8000 in a second.
    Sound {
        /// Mu-law or A-law.
        law: Law,
        /// When the tag begins, in milliseconds.
        millis: u32,
        /// Codes of this tag before these.
        offset: u32,
        /// One for each sample.
        codes: &'a [u8],
    },
    /// A sound tag that is not G.711, one channel; its sound format.
    Foreign(u8),
}

/// Takes a stream apart.
#[derive(Clone, Copy, Debug)]
pub struct SoundReader {
    state: State,
    /// The beginning of a header.
    head: [u8; HEADER_BYTES],
    have: usize,
}

#[derive(Clone, Copy, Debug)]
enum State {
    StreamHeader,
    TagHeader,
    /// The first byte of a sound tag's body, of so many bytes.
    Format {
        millis: u32,
        body: u32,
    },
    /// The codes that are left.
    Codes {
        law: Law,
        millis: u32,
        offset: u32,
        left: u32,
    },
    /// Bytes that are not looked at.
    Skip(u32),
}

impl Default for SoundReader {
    fn default() -> Self {
        Self {
            state: State::StreamHeader,
            head: [0; HEADER_BYTES],
            have: 0,
        }
    }
}

impl SoundReader {
    /// The next piece at the beginning of `bytes`, and how many bytes were used. Without a piece all
    /// bytes were used.
    pub fn next<'a>(&mut self, bytes: &'a [u8]) -> Result<(Option<Piece<'a>>, usize), Error> {
        let mut used = 0;
        while used < bytes.len() {
            let rest = &bytes[used..];
            match self.state {
                State::StreamHeader => {
                    used += self.collect(rest, HEADER_BYTES);
                    if super::parse_header(&self.head[..self.have])?.is_some() {
                        self.begin(State::TagHeader);
                    }
                }
                State::TagHeader => {
                    used += self.collect(rest, TAG_HEADER_BYTES);
                    if self.have == TAG_HEADER_BYTES {
                        let next = self.parse_tag_header()?;
                        self.begin(next);
                    }
                }
                State::Format { millis, body } => {
                    used += 1;
                    if let Some(format) = self.take_format(rest[0], millis, body) {
                        return Ok((Some(Piece::Foreign(format)), used));
                    }
                }
                State::Codes { .. } => {
                    let (piece, count) = self.take_codes(rest);
                    return Ok((Some(piece), used + count));
                }
                State::Skip(left) => {
                    let count = rest.len().min(left as usize);
                    used += count;
                    self.skip(left - count as u32);
                }
            }
        }
        Ok((None, used))
    }

    fn begin(&mut self, state: State) {
        self.state = state;
        self.have = 0;
    }

    /// Adds to `head` up to a length.
    fn collect(&mut self, bytes: &[u8], length: usize) -> usize {
        let count = bytes.len().min(length - self.have);
        self.head[self.have..self.have + count].copy_from_slice(&bytes[..count]);
        self.have += count;
        count
    }

    fn parse_tag_header(&self) -> Result<State, Error> {
        let [kind, b2, b1, b0, t2, t1, t0, t3, ..] = self.head;
        let body = u32::from_be_bytes([0, b2, b1, b0]);
        if body as usize + TAG_HEADER_BYTES + TRAILER_BYTES > MAX_TAG_BYTES {
            return Err(Error::TooLong);
        }
        match kind & 0x1F {
            8 if body > 0 => Ok(State::Format {
                millis: u32::from_be_bytes([t3, t2, t1, t0]),
                body,
            }),
            8 | 9 | 18 => Ok(State::Skip(body + TRAILER_BYTES as u32)),
            _ => Err(Error::NoFlv),
        }
    }

    /// Returns the format if the sound is foreign.
    fn take_format(&mut self, byte: u8, millis: u32, body: u32) -> Option<u8> {
        let is_stereo = byte & 1 != 0;
        let law = match byte >> 4 {
            ALAW if !is_stereo => Law::A,
            ULAW if !is_stereo => Law::Mu,
            format => {
                self.skip(body - 1 + TRAILER_BYTES as u32);
                return Some(format);
            }
        };
        if body == 1 {
            self.skip(TRAILER_BYTES as u32);
        } else {
            self.state = State::Codes {
                law,
                millis,
                offset: 0,
                left: body - 1,
            };
        }
        None
    }

    fn take_codes<'a>(&mut self, rest: &'a [u8]) -> (Piece<'a>, usize) {
        let State::Codes {
            law,
            millis,
            offset,
            left,
        } = self.state
        else {
            return (Piece::Foreign(0), 0);
        };
        let count = rest.len().min(left as usize);
        if count == left as usize {
            self.skip(TRAILER_BYTES as u32);
        } else {
            self.state = State::Codes {
                law,
                millis,
                offset: offset + count as u32,
                left: left - count as u32,
            };
        }
        let piece = Piece::Sound {
            law,
            millis,
            offset,
            codes: &rest[..count],
        };
        (piece, count)
    }

    fn skip(&mut self, count: u32) {
        if count == 0 {
            self.begin(State::TagHeader);
        } else {
            self.state = State::Skip(count);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::flv::sound_tag;

    fn stream() -> Vec<u8> {
        let mut bytes = b"FLV\x01\x05\0\0\0\x09\0\0\0\0".to_vec();
        let mut tag = [0; 200];
        let len = sound_tag(Law::A, 0x0102_0304, &[1, 2, 3, 4, 5], &mut tag);
        bytes.extend(&tag[..len]);
        // A picture of three bytes, an AAC tag, a tag without a body, stereo.
        bytes.extend(b"\x09\0\0\x03\0\0\x28\0\0\0\0\x17\x01\x08\0\0\0\x0e");
        bytes.extend(b"\x08\0\0\x03\0\0\x28\0\0\0\0\xaf\x01\x08\0\0\0\x0e");
        bytes.extend(b"\x08\0\0\0\0\0\x28\0\0\0\0\0\0\0\x0b");
        bytes.extend(b"\x08\0\0\x03\0\0\x28\0\0\0\0\x83\x01\x08\0\0\0\x0e");
        let len = sound_tag(Law::Mu, 40, &[6, 7], &mut tag);
        bytes.extend(&tag[..len]);
        bytes
    }

    /// Sounds as `(law, sample, code)`, and foreign formats.
    fn read(bytes: &[u8], step: usize) -> (Vec<(Law, u32, u8)>, Vec<u8>) {
        let mut reader = SoundReader::default();
        let (mut sounds, mut foreign) = (vec![], vec![]);
        for chunk in bytes.chunks(step) {
            let mut rest = chunk;
            while !rest.is_empty() {
                let (piece, used) = reader.next(rest).unwrap();
                rest = &rest[used..];
                match piece {
                    Some(Piece::Sound {
                        law,
                        millis,
                        offset,
                        codes,
                    }) => {
                        let place = millis.wrapping_mul(8).wrapping_add(offset);
                        sounds.extend((place..).zip(codes).map(|(at, code)| (law, at, *code)));
                    }
                    Some(Piece::Foreign(format)) => foreign.push(format),
                    None => assert!(rest.is_empty()),
                }
            }
        }
        (sounds, foreign)
    }

    #[test]
    fn sound_is_found_however_the_bytes_come() {
        let bytes = stream();
        let whole = read(&bytes, bytes.len());
        let first = 0x0102_0304u32 * 8;
        assert_eq!(whole.0[0], (Law::A, first, 1));
        assert_eq!(whole.0[4], (Law::A, first + 4, 5));
        assert_eq!(whole.0[5..], [(Law::Mu, 320, 6), (Law::Mu, 321, 7)]);
        assert_eq!(whole.1, [10, 8], "AAC, and two channels of mu-law");
        for step in 1..bytes.len() {
            assert_eq!(read(&bytes, step), whole, "{step}");
        }
    }

    #[test]
    fn what_is_no_flv_is_refused() {
        for bad in [
            &b"HTTP/1.1"[..],
            b"FLV\x01\x05\0\0\0\x09\0\0\0\0\x07...........",
            b"FLV\x01\x05\0\0\0\x09\0\0\0\0\x09\xff\xff\xff...........",
        ] {
            assert!(SoundReader::default().next(bad).is_err(), "{bad:?}");
        }
    }
}
