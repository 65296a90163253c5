//! RIFF/WAVE headers (Microsoft "Multimedia Programming Interface"): G.711, tags 6 and 7, and linear samples, tag 1.

use crate::wire::g711::Law;

/// Chunks: `RIFF` 12, `fmt ` 8 + 18, `fact` 8 + 4, `data` 8 bytes.
pub const HEADER_BYTES: usize = 58;

/// The same without the extension of `fmt ` and without `fact`.
pub const PCM16_HEADER_BYTES: usize = 44;

/// The header of a mono file at 8 kHz that is followed by `samples` codes. A file of more than 4
/// GiB, or of unknown length (`None`, for pipes), gets the largest sizes, which readers interpret
/// as "to the end".
pub fn header(law: Law, samples: Option<u64>) -> [u8; HEADER_BYTES] {
    let size = samples
        .and_then(|samples| u32::try_from(samples).ok())
        .filter(|size| *size < u32::MAX - 64);
    let data = size.unwrap_or(u32::MAX);
    let whole = size.map_or(u32::MAX, |size| size + (size & 1) + HEADER_BYTES as u32 - 8);
    let tag: u16 = match law {
        Law::A => 6,
        Law::Mu => 7,
    };
    let parts: [&[u8]; 16] = [
        b"RIFF",
        &whole.to_le_bytes(),
        b"WAVEfmt ",
        &18u32.to_le_bytes(),
        &tag.to_le_bytes(),
        &1u16.to_le_bytes(),    // channels
        &8000u32.to_le_bytes(), // samples a second
        &8000u32.to_le_bytes(), // bytes a second
        &1u16.to_le_bytes(),    // bytes a sample
        &8u16.to_le_bytes(),    // bits a sample
        &0u16.to_le_bytes(),    // no extension
        b"fact",
        &4u32.to_le_bytes(),
        &data.to_le_bytes(),
        b"data",
        &data.to_le_bytes(),
    ];
    joined(&parts)
}

/// The header of a mono file of 16-bit samples at 8 kHz; `None` for more than the 4 GiB that a WAV
/// file can have.
pub fn pcm16_header(samples: u64) -> Option<[u8; PCM16_HEADER_BYTES]> {
    let data = u32::try_from(samples.checked_mul(2)?).ok()?;
    let whole = data.checked_add(PCM16_HEADER_BYTES as u32 - 8)?;
    Some(joined(&[
        b"RIFF",
        &whole.to_le_bytes(),
        b"WAVEfmt ",
        &16u32.to_le_bytes(),
        &[1, 0, 1, 0], // linear, one channel
        &8000u32.to_le_bytes(),
        &16_000u32.to_le_bytes(),
        &[2, 0, 16, 0], // bytes and bits of a sample
        b"data",
        &data.to_le_bytes(),
    ]))
}

fn joined<const N: usize>(parts: &[&[u8]]) -> [u8; N] {
    let mut header = [0; N];
    let mut rest = &mut header[..];
    for part in parts {
        let (start, end) = rest.split_at_mut(part.len());
        start.copy_from_slice(part);
        rest = end;
    }
    header
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn puts_a_header_together() {
        let header = header(Law::Mu, Some(161));
        assert_eq!(&header[..20], b"RIFF\xD4\0\0\0WAVEfmt \x12\0\0\0");
        assert_eq!(
            &header[20..38],
            [7, 0, 1, 0, 0x40, 0x1F, 0, 0, 0x40, 0x1F, 0, 0, 1, 0, 8, 0, 0, 0]
        );
        assert_eq!(&header[38..], b"fact\x04\0\0\0\xA1\0\0\0data\xA1\0\0\0");
    }

    #[test]
    fn puts_a_header_of_linear_samples_together() {
        let header = pcm16_header(161).unwrap();
        assert_eq!(&header[..20], b"RIFF\x66\x01\0\0WAVEfmt \x10\0\0\0");
        assert_eq!(
            &header[20..36],
            [1, 0, 1, 0, 0x40, 0x1F, 0, 0, 0x80, 0x3E, 0, 0, 2, 0, 16, 0]
        );
        assert_eq!(&header[36..], b"data\x42\x01\0\0");
        assert!(pcm16_header((1 << 31) - 20).is_some());
        assert_eq!(
            [1 << 31, (1 << 31) - 18, u64::MAX].map(pcm16_header),
            [None; 3]
        );
    }

    #[test]
    fn an_unknown_length_is_the_largest() {
        for samples in [None, Some(u64::from(u32::MAX) + 1)] {
            assert_eq!(header(Law::A, samples)[54..], [255; 4]);
        }
    }
}
