//! Devices that publish and play streams.

use std::io::{BufReader, Write};
use std::net::{SocketAddr, TcpStream};

use super::{connect, read_chunk, read_head, read_reply, token, Reply};

pub const HEADER: &[u8] = b"FLV\x01\x04\0\0\0\x09\0\0\0\0";

/// A tag with mu-law sound.
pub fn tag(stamp: u8, sound: &[u8]) -> Vec<u8> {
    let mut tag = vec![
        8,
        0,
        0,
        sound.len() as u8 + 1,
        0,
        0,
        stamp,
        0,
        0,
        0,
        0,
        0x82,
    ];
    tag.extend(sound);
    tag.extend((sound.len() as u32 + 12).to_be_bytes());
    tag
}

pub struct Publisher(TcpStream);

impl Publisher {
    pub fn open(address: SocketAddr, id: &str, cid: u32) -> Self {
        let mut stream = connect(address);
        let token = token(cid);
        let head = format!(
            "POST /stream/{id}.flv?token={token} HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).unwrap();
        Self(stream)
    }

    pub fn send(&mut self, bytes: &[u8]) {
        self.0
            .write_all(format!("{:x}\r\n", bytes.len()).as_bytes())
            .unwrap();
        self.0.write_all(&[bytes, b"\r\n"].concat()).unwrap();
    }

    pub fn end(&mut self) {
        self.0.write_all(b"0\r\n\r\n").unwrap();
    }

    pub fn reply(self) -> Reply {
        read_reply(&mut BufReader::new(self.0))
    }
}

pub struct Player(BufReader<TcpStream>);

impl Player {
    /// Its request; the head of the answer is not read yet.
    pub fn ask(address: SocketAddr, id: &str, cid: u32) -> Self {
        let mut stream = connect(address);
        let head = format!(
            "GET /stream/{id}?token={} HTTP/1.1\r\nHost: test\r\n\r\n",
            token(cid)
        );
        stream.write_all(head.as_bytes()).unwrap();
        Self(BufReader::new(stream))
    }

    pub fn begin(&mut self) {
        let head = read_head(&mut self.0);
        assert_eq!(
            (head.status, head.header("content-type")),
            (200, Some("video/x-flv"))
        );
        assert_eq!(head.header("content-length"), None);
    }

    /// So many bytes, or less if the stream ends.
    pub fn read(&mut self, count: usize) -> Vec<u8> {
        let mut all = vec![];
        while all.len() < count {
            match read_chunk(&mut self.0) {
                Some(chunk) => all.extend(chunk),
                None => break,
            }
        }
        all
    }
}

pub fn expect(player: &mut Player, bytes: &[u8]) {
    assert_eq!(player.read(bytes.len()), bytes);
}
