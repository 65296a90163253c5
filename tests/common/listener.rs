//! Whoever hears a recording that is played: a UDP port, and files to be played to it.

use std::net::UdpSocket;
use std::path::Path;
use std::time::Duration;

use super::*;

/// An RTP packet that was received.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Heard {
    pub marker: bool,
    pub payload_type: u8,
    pub sequence: u16,
    pub timestamp: u32,
    pub ssrc: u32,
    pub payload: Vec<u8>,
}

/// A receiver.
pub struct Listener(UdpSocket);

impl Listener {
    pub fn new() -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket
            .set_read_timeout(Some(Duration::from_secs(20)))
            .unwrap();
        Self(socket)
    }

    pub fn port(&self) -> u16 {
        self.0.local_addr().unwrap().port()
    }

    /// The next packet. It must come.
    pub fn next(&self) -> Heard {
        let mut buffer = [0; 2000];
        let len = self.0.recv(&mut buffer).unwrap();
        let bytes = &buffer[..len];
        assert!(len > 12 && bytes[0] == 0x80, "{bytes:?}");
        Heard {
            marker: bytes[1] & 0x80 != 0,
            payload_type: bytes[1] & 0x7F,
            sequence: u16::from_be_bytes([bytes[2], bytes[3]]),
            timestamp: u32::from_be_bytes(bytes[4..8].try_into().unwrap()),
            ssrc: u32::from_be_bytes(bytes[8..12].try_into().unwrap()),
            payload: bytes[12..].to_vec(),
        }
    }

    /// So many packets; they are one stream.
    pub fn take(&self, count: usize) -> Vec<Heard> {
        let heard: Vec<Heard> = (0..count).map(|_| self.next()).collect();
        for (one, two) in heard.iter().zip(heard.iter().skip(1)) {
            assert_eq!(
                (two.sequence, two.ssrc),
                (one.sequence.wrapping_add(1), one.ssrc)
            );
        }
        heard
    }

    /// Nothing has come, or is still on its way in this machine.
    pub fn assert_silent(&self) {
        self.0.set_nonblocking(true).unwrap();
        assert!(self.0.recv(&mut [0; 2000]).is_err(), "a packet too many");
        self.0.set_nonblocking(false).unwrap();
    }
}

/// A recording by talker `name`, whose first frame is its packet number `from`.
pub fn recording(name: u32, from: u32, frames: u32) -> Vec<u8> {
    let mut bytes = b"PCMU".to_vec();
    bytes.resize(64, 0);
    [172, 160, frames * 172]
        .iter()
        .for_each(|number| bytes.extend(u32::to_le_bytes(*number)));
    for n in from..from + frames {
        bytes.extend(rtp(0, n as u16, n * 160, name, &marked(name, n)));
    }
    bytes
}

/// The payloads of packets, and those that they should be.
pub fn assert_heard(heard: &[Heard], name: u32, numbers: impl IntoIterator<Item = u32>) {
    let numbers: Vec<u32> = numbers.into_iter().collect();
    assert_eq!(heard.len(), numbers.len());
    for (packet, n) in heard.iter().zip(numbers) {
        assert!(packet.payload == marked(name, n), "not packet {n}");
        assert_eq!(packet.payload_type, 0);
    }
}

impl Phone {
    /// Puts a file on the stick.
    pub fn put(&self, name: &str, bytes: &[u8]) {
        std::fs::write(Path::new(&self.stick()).join(name), bytes).unwrap();
    }

    /// Begins to play a file; the answer.
    pub fn play(&self, file: &str, listener: &Listener, more: &str) -> Answer {
        let port = listener.port();
        self.ask(&format!(
            "cmd=PlayStartRequest&file={file}&host=127.0.0.1&port={port}{more}"
        ))
    }
}
