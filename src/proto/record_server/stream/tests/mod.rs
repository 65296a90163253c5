//! Streams in virtual time.

use super::*;
use crate::base::time::Duration;

const SSRC: u32 = 77;
const FROM: &str = "10.0.0.5:4000";

fn ms(millis: u64) -> Instant {
    Instant::from_nanos(1_000_000_000) + Duration::from_millis(millis)
}

fn packet(sequence: u16, timestamp: u32, payload: &[u8]) -> Vec<u8> {
    let head = Packet {
        marker: false,
        payload_type: 0,
        sequence,
        timestamp,
        ssrc: SSRC,
        payload: &[],
    };
    [&head.emit_header()[..], payload].concat()
}

/// A stream and the frames it has given out: the first byte of each, 0 for silence.
struct Receiver {
    stream: Stream,
    frames: Vec<u8>,
}

impl Receiver {
    fn new(cut_pauses: bool) -> Self {
        let peer = FROM.parse::<SocketAddr>().unwrap().ip();
        Self {
            stream: Stream::new(Law::Mu, peer, cut_pauses, ms(0)),
            frames: vec![],
        }
    }

    fn put(&mut self, at: u64, bytes: &[u8]) -> PacketOutcome {
        let from = FROM.parse().unwrap();
        loop {
            let handled = self.stream.handle_packet(ms(at), from, Some(bytes));
            self.drain();
            if let Ok(outcome) = handled {
                return outcome;
            }
        }
    }

    /// Passes a frame of a sender that began at sequence 10 and timestamp 5000. Its codes identify
    /// its number.
    fn frame(&mut self, at: u64, number: u64) -> PacketOutcome {
        let bytes = packet(
            10u16.wrapping_add(number as u16),
            5000 + (number * 160) as u32,
            &[mark(number); 160],
        );
        self.put(at, &bytes)
    }

    fn drain(&mut self) {
        while let Some(output) = self.stream.poll_output(7, 5) {
            match output {
                StreamOutput::Frame(number, header, codes) => {
                    assert_eq!(number, self.frames.len() as u64);
                    assert_eq!(header[8..], SSRC.to_be_bytes());
                    self.frames.push(codes[0]);
                }
                StreamOutput::Silence(first, count) => {
                    assert!(count <= 5);
                    assert_eq!(first, self.frames.len() as u64);
                    self.frames.resize(self.frames.len() + count as usize, 0);
                }
            }
        }
    }

    fn finish(mut self) -> (Vec<u8>, Stream) {
        self.stream.handle_end();
        self.drain();
        (self.frames, self.stream)
    }
}

fn mark(number: u64) -> u8 {
    (number % 200) as u8 + 1
}

fn marks(numbers: core::ops::Range<u64>) -> Vec<u8> {
    numbers.map(mark).collect()
}

fn count(stream: &Stream, verdict: PacketOutcome) -> u64 {
    stream.counts()[verdict as usize]
}

mod bounds;
mod order;
