//! A media engine: it sends frames each 20 ms to a leg port, and keeps what it hears.

use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

/// Speech-like codes of either law, none of them silence: a wave of changing pitch, 20 ms each.
pub fn voice(count: usize, seed: usize) -> Vec<Vec<u8>> {
    let level = |at: usize| {
        let period = 37 + seed + at / 4000 % 11;
        let phase = at % period * 48 / period;
        // Sign, segment and step of a code: a wave of moderate loudness.
        let magnitude = if phase < 24 { phase } else { 47 - phase };
        let sign = if at % (2 * period) < period { 0x80 } else { 0 };
        (sign | 0x20 | magnitude) as u8
    };
    let codes: Vec<u8> = (0..160 * count).map(level).collect();
    codes.chunks(160).map(<[u8]>::to_vec).collect()
}

pub struct Engine {
    socket: UdpSocket,
    /// Where leg ports are.
    phone: IpAddr,
    payload_type: u8,
}

/// The codes that came.
pub struct Heard(pub Vec<u8>);

impl Heard {
    /// Most of these frames are in it. Not all: what comes later than people who talk can wait is
    /// concealed, and the test's own threads may be late. (That the line changes nothing is tested in
    /// virtual time: `proto::intercom::sound::line`.)
    pub fn holds_most(&self, frames: &[Vec<u8>]) -> bool {
        let is_heard = |frame: &&Vec<u8>| self.0.windows(frame.len()).any(|part| part == **frame);
        frames.iter().filter(is_heard).count() * 2 > frames.len()
    }
}

impl Engine {
    /// One that talks mu-law.
    pub fn new() -> Self {
        Self::at("127.0.0.1", "127.0.0.1")
    }

    /// An engine with this address, whose phone has that one.
    pub fn at(own: &str, phone: &str) -> Self {
        Self {
            socket: UdpSocket::bind((own, 0)).unwrap(),
            phone: phone.parse().unwrap(),
            payload_type: 0,
        }
    }

    /// Payload type 0 is mu-law, 8 is A-law.
    pub fn of(payload_type: u8) -> Self {
        Self {
            payload_type,
            ..Self::new()
        }
    }

    /// Where it wants to hear the peer.
    pub fn address(&self) -> SocketAddr {
        self.socket.local_addr().unwrap()
    }

    /// Waits for a second of packets: by then the peer's stream is played.
    pub fn wait_for_sound(&self) {
        self.socket.set_nonblocking(false).unwrap();
        self.socket.set_read_timeout(Some(super::PATIENCE)).unwrap();
        for _ in 0..50 {
            self.socket.recv(&mut [0; 2000]).unwrap();
        }
    }

    /// Says these frames, in its law.
    pub fn talk(&self, leg: u16, frames: &[Vec<u8>]) -> Heard {
        self.socket.set_nonblocking(true).unwrap();
        let began = Instant::now();
        let mut heard = vec![];
        for (number, codes) in frames.iter().enumerate() {
            let due = Duration::from_millis(20 * number as u64);
            std::thread::sleep(due.saturating_sub(began.elapsed()));
            let mut packet = vec![0x80, self.payload_type];
            packet.extend((number as u16).to_be_bytes());
            packet.extend((160 * number as u32).to_be_bytes());
            packet.extend([1, 2, 3, 4]);
            packet.extend(codes);
            self.socket.send_to(&packet, (self.phone, leg)).unwrap();
            let mut buffer = [0; 2000];
            while let Ok(len) = self.socket.recv(&mut buffer) {
                assert_eq!((len, buffer[1] & 0x7F), (172, self.payload_type));
                heard.extend(&buffer[12..len]);
            }
        }
        Heard(heard)
    }
}

/// Sends these frames as mu-law to a port of this computer, one each 20 ms.
pub fn send(port: u16, frames: &[Vec<u8>]) {
    Engine::new().talk(port, frames);
}
