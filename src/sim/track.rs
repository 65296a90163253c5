//! A leg to be played: RTP packets, each with its time.

use std::path::Path;
use std::time::Duration;

use crate::sim::{capture, wav};
use crate::wire::g711::Law;
use crate::wire::recording::{Codec, Header, HEADER_BYTES};
use crate::wire::rtp::Packet;

/// One source's packets, in the order of their times.
#[derive(Clone, Debug)]
pub(super) struct Track {
    /// For the person who watches.
    pub(super) name: String,
    /// When each datagram is sent, from the call's start.
    pub(super) packets: Vec<(Duration, Vec<u8>)>,
    /// The length of the last packet's audio.
    pub(super) tail: Duration,
}

impl Track {
    /// Samples at 8 kHz, packed into `ptime_ms` each.
    pub(super) fn of_samples(
        name: &str,
        samples: &[i16],
        law: Law,
        ptime_ms: u32,
        ssrc: u32,
    ) -> Self {
        let codes: Vec<u8> = samples
            .iter()
            .map(|sample| law.encode_one(i32::from(*sample)))
            .collect();
        Self::of_codes(name, &codes, law.payload_type(), ptime_ms, ssrc)
    }

    /// Codes of one byte a sample, packed into `ptime_ms` each.
    fn of_codes(name: &str, codes: &[u8], payload_type: u8, ptime_ms: u32, ssrc: u32) -> Self {
        let size = ptime_ms as usize * 8;
        let packet = |(index, payload): (usize, &[u8])| {
            let header = Packet {
                marker: index == 0,
                payload_type,
                sequence: index as u16,
                timestamp: (index * size) as u32,
                ssrc,
                payload: &[],
            };
            let at = Duration::from_millis(u64::from(ptime_ms) * index as u64);
            (at, [&header.emit_header(), payload].concat())
        };
        let packets = codes.chunks(size).enumerate().map(packet).collect();
        Self {
            name: name.into(),
            packets,
            tail: Duration::from_millis(ptime_ms.into()),
        }
    }

    /// When the last packet's audio ends.
    pub(super) fn length(&self) -> Duration {
        self.packets
            .last()
            .map_or(Duration::ZERO, |(at, _)| *at + self.tail)
    }
}

/// The legs in a file, whatever kind it is.
pub(super) fn load(
    path: &Path,
    law: Law,
    ptime_ms: u32,
    number: u32,
) -> Result<Vec<Track>, String> {
    let bytes = std::fs::read(path).map_err(|error| error.to_string())?;
    let name = path
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    let ssrc = 0x5100_0000 + number;
    if bytes.starts_with(b"RIFF") {
        return Ok(vec![Track::of_samples(
            &name,
            &wav::samples_8k(bytes)?,
            law,
            ptime_ms,
            ssrc,
        )]);
    }
    match Header::parse(&bytes) {
        Ok(header) => Ok(vec![of_recording(&name, &bytes, &header, ptime_ms, ssrc)?]),
        Err(_) => capture::tracks(&name, &bytes),
    }
}

fn of_recording(
    name: &str,
    bytes: &[u8],
    header: &Header,
    ptime_ms: u32,
    ssrc: u32,
) -> Result<Track, String> {
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
    Ok(Track::of_codes(
        name,
        &payloads.collect::<Vec<_>>().concat(),
        law.payload_type(),
        ptime_ms,
        ssrc,
    ))
}
