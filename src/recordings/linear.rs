//! The audio of a joined recording as linear samples, whatever its codec is.
//!
//! G.711 and G.722 are decoded here. The decoder of G.729 is another program: what it has decoded
//! is read from it, sample for sample in the order of the recording.

use std::io::Read;
use std::ops::Range;

use crate::recordings::joined::JoinedRecording;
use crate::recordings::part::{AudioBlock, FileError};
use crate::wire::g722;
use crate::wire::recording::Codec;

/// Decoded audio.
pub enum LinearBlock<'a> {
    /// Samples of 16 bits.
    Samples(&'a [i16]),
    /// Samples for which there are no frames.
    Missing(u64),
}

/// Decodes a recording.
struct LinearDecoder<'a> {
    g722: g722::Decoder,
    /// What another program has decoded: 16-bit little-endian samples of all G.729 frames.
    decoded: Option<&'a mut dyn Read>,
    samples: Vec<i16>,
}

impl JoinedRecording {
    /// A file needs another program to be decoded.
    pub fn needs_decoder(&self) -> bool {
        self.parts.iter().any(|part| part.codec == Codec::G729)
    }

    /// The payloads that another program has to decode, in order.
    pub fn play_undecoded<E: From<FileError>>(
        &self,
        take: &mut dyn FnMut(&[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        self.play(&mut |block| match block {
            AudioBlock::Coded {
                codec: Codec::G729,
                payload,
                ..
            } => take(payload),
            AudioBlock::Coded { .. } | AudioBlock::Codes(..) | AudioBlock::Missing(_) => Ok(()),
        })
    }

    /// Hands out the samples of this range, until `take` fails. Decoding begins with the first
    /// frame in any case, so that a piece has the samples that the whole has. `decoded` is what
    /// another program has made of `play_undecoded`.
    pub fn play_linear<E: From<FileError>>(
        &self,
        range: Range<u64>,
        decoded: Option<&mut dyn Read>,
        take: &mut dyn FnMut(LinearBlock) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut decoder = LinearDecoder {
            g722: g722::Decoder::default(),
            decoded,
            samples: vec![],
        };
        let mut at = 0;
        self.play(&mut |block| {
            if let AudioBlock::Missing(samples) = block {
                let part = within(&range, at, samples);
                at += samples;
                return match part.end - part.start {
                    0 => Ok(()),
                    samples => take(LinearBlock::Missing(samples)),
                };
            }
            decoder
                .decode(block)
                .map_err(|reason| self.error(&reason))?;
            let samples = decoder.samples.len() as u64;
            let part = within(&range, at, samples);
            at += samples;
            match &decoder.samples[part.start as usize..part.end as usize] {
                [] => Ok(()),
                samples => take(LinearBlock::Samples(samples)),
            }
        })
    }

    fn error(&self, reason: &str) -> FileError {
        let part = self.parts.iter().find(|part| part.codec == Codec::G729);
        let path = part.map(|part| part.recording.path.clone());
        FileError::new(&path.unwrap_or_default(), &reason)
    }
}

/// The samples of a block at `at` that lie in the range, counted in the block.
fn within(range: &Range<u64>, at: u64, samples: u64) -> Range<u64> {
    let start = range.start.saturating_sub(at).min(samples);
    let end = range.end.saturating_sub(at).min(samples);
    start..end.max(start)
}

impl LinearDecoder<'_> {
    /// Decodes a block that has audio.
    fn decode(&mut self, block: AudioBlock) -> Result<(), String> {
        self.samples.clear();
        match block {
            AudioBlock::Missing(_) => {}
            AudioBlock::Codes(law, codes) => {
                let table = law.decode_table();
                let decoded = codes.iter().map(|code| table[usize::from(*code)]);
                self.samples.extend(decoded);
            }
            AudioBlock::Coded {
                codec,
                payload,
                whole,
                skip,
                samples,
            } => {
                if codec == Codec::G729 {
                    self.read(whole)?;
                } else {
                    let decoded = payload.iter().map(|code| self.g722.decode(*code));
                    self.samples.extend(decoded);
                }
                self.samples.drain(..skip as usize);
                self.samples.truncate(samples as usize);
            }
        }
        Ok(())
    }

    fn read(&mut self, samples: u64) -> Result<(), String> {
        let mut bytes = vec![0; samples as usize * 2];
        let decoded = self.decoded.as_mut().ok_or("no program decodes G.729")?;
        decoded
            .read_exact(&mut bytes)
            .map_err(|error| format!("the program that decodes G.729 has stopped: {error}"))?;
        let pairs = bytes.chunks_exact(2);
        let decoded = pairs.map(|pair| i16::from_le_bytes([pair[0], pair[1]]));
        self.samples.extend(decoded);
        Ok(())
    }
}
