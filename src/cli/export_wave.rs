//! The bytes of an export: a RIFF/WAVE file, or payloads alone.

use std::io::Read;
use std::ops::Range;

use crate::cli::export_output::ExportOutput;
use crate::cli::failure::Failure;
use crate::recordings::joined::JoinedRecording;
use crate::recordings::linear::LinearBlock;
use crate::recordings::part::AudioBlock;
use crate::wire::g711::Law;
use crate::wire::riff;

/// The header of G.711 codes; `None`: too long for a WAV file.
pub(crate) fn codes_header(law: Law, samples: u64) -> Option<Vec<u8>> {
    // A size close to 2^32 - 1 stands for an unknown length.
    let has_room = samples < u64::from(u32::MAX) - 64;
    has_room.then(|| riff::header(law, Some(samples)).to_vec())
}

/// The header of linear samples; `None`: too long for a WAV file.
pub(crate) fn linear_header(samples: u64) -> Option<Vec<u8>> {
    riff::pcm16_header(samples).map(Vec::from)
}

/// Writes the recorded codes.
pub(crate) fn write_codes(
    joined: &JoinedRecording,
    law: Law,
    output: &mut ExportOutput,
) -> Result<(), Failure> {
    joined.play(&mut |block| match block {
        AudioBlock::Codes(_, codes) => output.extend(codes),
        AudioBlock::Missing(samples) | AudioBlock::Coded { samples, .. } => {
            output.repeat(law.silence(), samples)
        }
    })?;
    let is_odd = joined.plan.samples() % 2 == 1;
    output.extend(if is_odd { &[0] } else { &[] })
}

/// Writes the samples of a range; missing ones are zeros.
pub(crate) fn write_linear(
    joined: &JoinedRecording,
    range: Range<u64>,
    decoded: Option<&mut dyn Read>,
    output: &mut ExportOutput,
) -> Result<(), Failure> {
    let mut bytes = vec![];
    joined.play_linear(range, decoded, &mut |block| match block {
        LinearBlock::Missing(samples) => output.repeat(0, samples * 2),
        LinearBlock::Samples(samples) => {
            bytes.clear();
            bytes.extend(samples.iter().flat_map(|sample| sample.to_le_bytes()));
            output.extend(&bytes)
        }
    })
}

/// Writes the payloads of the frames that are there.
pub(super) fn write_payloads(
    joined: &JoinedRecording,
    output: &mut ExportOutput,
) -> Result<(), Failure> {
    joined.play(&mut |block| match block {
        AudioBlock::Codes(_, payload) | AudioBlock::Coded { payload, .. } => output.extend(payload),
        AudioBlock::Missing(_) => Ok(()),
    })
}
