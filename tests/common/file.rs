//! A reader of recordings that knows nothing of the program's own: it takes the contract's section
//! 4 by the letter and allows nothing else.

use std::path::Path;

/// A finished recording.
#[derive(Clone, Debug)]
pub struct Recording {
    pub codec: String,
    pub ssrc: u32,
    /// Sequence number and timestamp of the first frame.
    pub first: (u16, u32),
    /// The frames' payloads.
    pub frames: Vec<Vec<u8>>,
}

fn number(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap())
}

/// The header's fields: `codec`, `rtpLen`, `increment`, `dataSize`.
pub fn header(bytes: &[u8]) -> (String, u32, u32, u32) {
    assert!(bytes.len() >= 76, "{} bytes", bytes.len());
    let name = bytes[..64].split(|b| *b == 0).next().unwrap();
    assert!(
        bytes[name.len()..64].iter().all(|b| *b == 0),
        "codec is not padded with NULs"
    );
    (
        String::from_utf8(name.to_vec()).unwrap(),
        number(bytes, 64),
        number(bytes, 68),
        number(bytes, 72),
    )
}

/// Reads a finished file of RTP frames; anything but `76 + k * 172` bytes of one unbroken stream is
/// refused.
pub fn read(path: &Path) -> Recording {
    let bytes = std::fs::read(path).unwrap();
    let (codec, rtp_len, increment, data_size) = header(&bytes);
    assert_eq!((rtp_len, increment), (172, 160));
    assert_eq!(
        76 + u64::from(data_size),
        bytes.len() as u64,
        "dataSize of {}",
        path.display()
    );
    assert_eq!(data_size % 172, 0);
    frames(codec, &bytes[76..])
}

/// The whole frames of a file that may be unfinished, and its `dataSize`.
pub fn read_unfinished(path: &Path) -> (Recording, u32) {
    let bytes = std::fs::read(path).unwrap();
    let (codec, rtp_len, increment, data_size) = header(&bytes);
    assert_eq!((rtp_len, increment), (172, 160));
    assert!(
        76 + data_size as usize <= bytes.len(),
        "dataSize promises what is not there"
    );
    (frames(codec, &bytes[76..]), data_size)
}

fn frames(codec: String, bytes: &[u8]) -> Recording {
    let payload_type = if codec == "PCMA" { 8 } else { 0 };
    let mut recording = Recording {
        codec,
        ssrc: 0,
        first: (0, 0),
        frames: vec![],
    };
    for frame in bytes.chunks_exact(172) {
        let sequence = u16::from_be_bytes([frame[2], frame[3]]);
        let timestamp = u32::from_be_bytes(frame[4..8].try_into().unwrap());
        let ssrc = u32::from_be_bytes(frame[8..12].try_into().unwrap());
        assert_eq!(
            (frame[0], frame[1] & 0x7F),
            (0x80, payload_type),
            "first bytes of a frame"
        );
        if recording.frames.is_empty() {
            (recording.ssrc, recording.first) = (ssrc, (sequence, timestamp));
        }
        let n = recording.frames.len() as u32;
        let expected = (
            recording.first.0.wrapping_add(n as u16),
            recording.first.1.wrapping_add(n * 160),
        );
        assert_eq!(
            (sequence, timestamp, ssrc),
            (expected.0, expected.1, recording.ssrc),
            "frame {n}"
        );
        recording.frames.push(frame[12..].to_vec());
    }
    recording
}

impl Recording {
    /// All payloads in a row.
    pub fn audio(&self) -> Vec<u8> {
        self.frames.concat()
    }

    /// The code of silence in this recording.
    pub fn silence(&self) -> u8 {
        if self.codec == "PCMA" {
            0xD5
        } else {
            0xFF
        }
    }

    /// `sent` stands in it, bit for bit and in one piece, with nothing but silence around it.
    pub fn assert_holds(&self, sent: &[u8]) {
        let audio = self.audio();
        let silence = self.silence();
        let quiet = sent.iter().take_while(|code| **code == silence).count();
        assert!(quiet < sent.len(), "nothing but silence was sent");
        let begin = audio
            .iter()
            .position(|code| *code != silence)
            .expect("nothing but silence was recorded");
        assert!(
            begin >= quiet,
            "the recording begins {} codes too late",
            quiet - begin
        );
        let heard = &audio[begin - quiet..];
        assert!(
            heard.len() >= sent.len(),
            "{} of {} codes",
            heard.len(),
            sent.len()
        );
        if let Some(at) = (0..sent.len()).find(|at| heard[*at] != sent[*at]) {
            panic!(
                "code {at} of {} is {:02x}, not {:02x}",
                sent.len(),
                heard[at],
                sent[at]
            );
        }
        let rest = &heard[sent.len()..];
        assert!(
            rest.iter().all(|code| *code == silence),
            "{} codes after the end are not silence",
            rest.len()
        );
    }

    /// How many codes of `sent` stand in it in one piece from the first one on, at the best place.
    pub fn longest(&self, sent: &[Vec<u8>]) -> usize {
        let (audio, sent) = (self.audio(), sent.concat());
        let places = audio
            .windows(80)
            .enumerate()
            .filter(|(_, part)| *part == &sent[..80]);
        let equal = places.map(|(at, _)| {
            let pairs = audio[at..].iter().zip(&sent);
            pairs.take_while(|(a, b)| a == b).count()
        });
        equal.max().unwrap_or(0)
    }

    /// The packets of `sent` that frames of this recording are, in order; other frames are `None`.
    pub fn numbers(&self, sent: &[Vec<u8>]) -> Vec<Option<usize>> {
        let known: std::collections::HashMap<&Vec<u8>, usize> = sent.iter().zip(0..).collect();
        self.frames
            .iter()
            .map(|frame| known.get(frame).copied())
            .collect()
    }
}
