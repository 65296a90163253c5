//! A strict reader of WAV files, and runs of `callrec export` whose output it reads.

use super::made::{tool_ok, Made};

/// A WAV file, read chunk by chunk as a browser does: the RIFF sizes are exact, chunks begin at
/// even offsets, and `fmt ` comes before `data`.
pub struct Wave {
    pub tag: u16,
    pub bits: u16,
    pub data: Vec<u8>,
}

pub fn wave(bytes: &[u8]) -> Wave {
    let number = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap()) as usize;
    let short = |at: usize| u16::from_le_bytes(bytes[at..at + 2].try_into().unwrap());
    assert_eq!(
        (&bytes[..4], &bytes[8..12], number(4)),
        (&b"RIFF"[..], &b"WAVE"[..], bytes.len() - 8)
    );
    let mut at = 12;
    let mut wave = Wave {
        tag: 0,
        bits: 0,
        data: vec![],
    };
    let mut fact = None;
    while at < bytes.len() {
        assert_eq!(at % 2, 0);
        let (name, length) = (&bytes[at..at + 4], number(at + 4));
        match name {
            b"fmt " => {
                wave.tag = short(at + 8);
                wave.bits = short(at + 22);
                let frame = usize::from(wave.bits / 8);
                assert_eq!((short(at + 10), number(at + 12)), (1, 8000), "mono, 8 kHz");
                assert_eq!(
                    (number(at + 16), usize::from(short(at + 20))),
                    (8000 * frame, frame)
                );
                assert_eq!(length, if wave.tag == 1 { 16 } else { 18 });
            }
            b"fact" => fact = Some(number(at + 8)),
            b"data" => {
                assert_ne!(wave.tag, 0, "fmt comes first");
                wave.data = bytes[at + 8..at + 8 + length].to_vec();
            }
            _ => panic!("an unexpected chunk"),
        }
        at += 8 + length + length % 2;
    }
    assert_eq!(
        (at, fact),
        (bytes.len(), (wave.tag != 1).then_some(wave.data.len()))
    );
    wave
}

/// A part of a recording: so many frames, from this one of the call on.
pub fn part(first: u32, frames: u32) -> Made {
    Made {
        first,
        frames,
        ..Made::default()
    }
}

/// Exports to standard output.
pub fn exported(arguments: &[&str]) -> Wave {
    wave(&tool_ok(&[&["export"], arguments, &["-"]].concat()).out)
}
