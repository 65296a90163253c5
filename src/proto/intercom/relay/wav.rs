//! The sound of a stream for browsers: a WAV of G.711 that grows.

use std::sync::Arc;

use crate::proto::intercom::relay::outgoing::Outgoing;
use crate::wire::flv::{Tag, ALAW, ULAW};

/// The length is not known: players go on until the connection is closed.
const NO_LENGTH: [u8; 4] = [0xFF; 4];
const OK: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Type: audio/wav\r\nCache-Control: no-store\r\n\
    Connection: close\r\n\r\n";

/// Sends the codes of a tag, if it has any of G.711; before the first ones the head of the response.
pub(super) fn send(outgoing: &mut Outgoing, has_begun: &mut bool, tag: &[u8]) {
    let Ok(Some(tag)) = Tag::parse(tag) else {
        return;
    };
    // The numbers of the formats in RIFF (RFC 2361).
    let format = match tag.sound_format() {
        Some(ALAW) => 6,
        Some(ULAW) => 7,
        _ => return,
    };
    if !std::mem::replace(has_begun, true) {
        outgoing.push(Arc::from(OK));
        outgoing.push(Arc::from(&header(format)[..]));
    }
    outgoing.push(Arc::from(tag.sound()));
}

/// One channel, 8000 samples in a second, a byte each.
fn header(format: u8) -> Vec<u8> {
    let mut bytes = b"RIFF".to_vec();
    bytes.extend(NO_LENGTH);
    bytes.extend(b"WAVEfmt ");
    bytes.extend(18u32.to_le_bytes());
    bytes.extend([format, 0, 1, 0]);
    bytes.extend(8000u32.to_le_bytes());
    bytes.extend(8000u32.to_le_bytes());
    bytes.extend([1, 0, 8, 0, 0, 0]);
    bytes.extend(b"data");
    bytes.extend(NO_LENGTH);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::flv::sound_tag;
    use crate::wire::g711::Law;

    #[test]
    fn sound_becomes_a_wav_that_grows() {
        let mut outgoing = Outgoing::default();
        let mut has_begun = false;
        let mut tag = [0; 100];
        for _ in 0..2 {
            let len = sound_tag(Law::A, 0, b"codes", &mut tag);
            send(&mut outgoing, &mut has_begun, &tag[..len]);
        }
        let picture = b"\x09\0\0\x03\0\0\x28\0\0\0\0\x17\x01\x08\0\0\0\x0e";
        send(&mut outgoing, &mut has_begun, picture);
        let sent: Vec<u8> = outgoing.slices().flatten().copied().collect();
        let body = sent.windows(4).position(|four| four == b"RIFF").unwrap();
        assert_eq!(sent[body + 20], 6);
        assert_eq!(&sent[body + 46..], b"codescodes");
    }
}
