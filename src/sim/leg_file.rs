//! Legs from a file: RIFF/WAVE, a recording of the phone, or a capture.

use std::path::Path;

use crate::sim::capture;
use crate::sim::leg::Leg;
use crate::sim::wav;
use crate::wire::g711::Law;
use crate::wire::recording::{Codec, Header, HEADER_BYTES};

/// Reads the legs; the first bytes tell the kind of the file. `number` is that of its first leg.
pub(super) fn load(path: &Path, law: Law, ptime_ms: u32, number: u32) -> Result<Vec<Leg>, String> {
    let bytes = std::fs::read(path).map_err(|error| error.to_string())?;
    let name = path
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    let ssrc = 0x5100_0000 + number;
    if bytes.starts_with(b"RIFF") {
        return Ok(vec![Leg::of_samples(
            &name,
            &wav::samples_8k(bytes)?,
            law,
            ptime_ms,
            ssrc,
        )]);
    }
    match Header::parse(&bytes) {
        Ok(header) => Ok(vec![of_recording(&name, &bytes, &header, ptime_ms, ssrc)?]),
        Err(_) => capture::legs(&name, &bytes),
    }
}

fn of_recording(
    name: &str,
    bytes: &[u8],
    header: &Header,
    ptime_ms: u32,
    ssrc: u32,
) -> Result<Leg, String> {
    let Codec::G711(law) = header.codec else {
        return Err(format!(
            "a recording in {} cannot be played",
            header.codec.name()
        ));
    };
    let frames = &bytes[HEADER_BYTES..];
    let skip = if frames
        .first()
        .is_some_and(|first| header.frames_are_rtp(*first))
    {
        12
    } else {
        0
    };
    let payloads = frames
        .chunks_exact(header.rtp_len as usize)
        .map(|frame| &frame[skip..]);
    Ok(Leg::of_codes(
        name,
        &payloads.collect::<Vec<_>>().concat(),
        law.payload_type(),
        ptime_ms,
        ssrc,
    ))
}
