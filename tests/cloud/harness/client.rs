//! HTTP by hand.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};

use super::common::PATIENCE;

/// An answer.
#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Reply {
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("no JSON: {self:?}"))
    }

    pub fn text(&self) -> String {
        String::from_utf8(self.body.clone()).unwrap()
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.headers.iter();
        headers
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.as_str())
    }
}

/// A connection that can be written to as a test likes.
pub fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_nodelay(true).unwrap();
    stream
}

/// One request on a connection of its own.
pub fn ask(
    address: SocketAddr,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> Reply {
    let mut stream = connect(address);
    let mut head = format!("{method} {path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n");
    for (name, value) in headers {
        head += &format!("{name}: {value}\r\n");
    }
    if !body.is_empty() {
        head += &format!("Content-Length: {}\r\n", body.len());
    }
    stream
        .write_all(format!("{head}\r\n{body}").as_bytes())
        .unwrap();
    let mut reader = BufReader::new(stream);
    match method {
        "HEAD" => read_head(&mut reader),
        _ => read_reply(&mut reader),
    }
}

/// Bytes as they are, and the answer to them.
pub fn raw(address: SocketAddr, bytes: &[u8]) -> Reply {
    let mut stream = connect(address);
    stream.write_all(bytes).unwrap();
    read_reply(&mut BufReader::new(stream))
}

pub fn read_head(reader: &mut impl BufRead) -> Reply {
    let mut line = String::new();
    reader.read_line(&mut line).unwrap();
    let status = line
        .split(' ')
        .nth(1)
        .unwrap_or_else(|| panic!("no status: '{line}'"));
    let mut reply = Reply {
        status: status.parse().unwrap(),
        headers: vec![],
        body: vec![],
    };
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        let Some((name, value)) = line.trim_end().split_once(':') else {
            return reply;
        };
        reply
            .headers
            .push((name.to_lowercase(), value.trim().to_owned()));
    }
}

pub fn read_reply(reader: &mut impl BufRead) -> Reply {
    let mut reply = read_head(reader);
    match reply.header("content-length").map(str::to_owned) {
        Some(length) => {
            reply.body = vec![0; length.parse().unwrap()];
            reader.read_exact(&mut reply.body).unwrap();
        }
        None if reply.header("transfer-encoding").is_some() => {
            while let Some(chunk) = read_chunk(reader) {
                reply.body.extend(chunk);
            }
        }
        None => drop(reader.read_to_end(&mut reply.body)),
    }
    reply
}

/// The next chunk; `None`: the body or the connection has ended.
pub fn read_chunk(reader: &mut impl BufRead) -> Option<Vec<u8>> {
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let length = usize::from_str_radix(line.trim(), 16).ok()?;
    let mut chunk = vec![0; length + 2];
    reader.read_exact(&mut chunk).ok()?;
    chunk.truncate(length);
    (length > 0).then_some(chunk)
}

/// A body in chunks that does not end by itself.
pub struct Events {
    pub head: Reply,
    reader: BufReader<TcpStream>,
    rest: String,
}

impl Events {
    pub fn open(address: SocketAddr, path: &str, headers: &[(&str, &str)]) -> Self {
        let mut stream = connect(address);
        let mut head = format!("GET {path} HTTP/1.1\r\nHost: test\r\n");
        for (name, value) in headers {
            head += &format!("{name}: {value}\r\n");
        }
        stream.write_all(format!("{head}\r\n").as_bytes()).unwrap();
        let mut reader = BufReader::new(stream);
        let mut head = read_head(&mut reader);
        if head.header("transfer-encoding").is_none() {
            if let Some(length) = head.header("content-length") {
                head.body = vec![0; length.parse().unwrap()];
                reader.read_exact(&mut head.body).unwrap();
            }
        }
        Self {
            head,
            reader,
            rest: String::new(),
        }
    }

    /// The next event with its lines; `None`: the channel has ended.
    pub fn next(&mut self) -> Option<String> {
        loop {
            if let Some((event, rest)) = self.rest.split_once("\n\n") {
                let (event, rest) = (event.to_owned(), rest.to_owned());
                self.rest = rest;
                return Some(event);
            }
            let chunk = read_chunk(&mut self.reader)?;
            self.rest += std::str::from_utf8(&chunk).unwrap();
        }
    }

    /// The data of the next event that has some.
    pub fn next_data(&mut self) -> String {
        loop {
            let event = self.next().expect("the channel has ended");
            let data = event.lines().find_map(|line| line.strip_prefix("data: "));
            if let Some(data) = data {
                return data.to_owned();
            }
        }
    }

    /// The next message: its id, and itself.
    pub fn next_message(&mut self) -> (String, serde_json::Value) {
        loop {
            let event = self.next().expect("the channel has ended");
            let line = |start: &str| event.lines().find_map(|line| line.strip_prefix(start));
            if let (Some(id), Some(data)) = (line("id: "), line("data: ")) {
                return (id.to_owned(), serde_json::from_str(data).unwrap());
            }
        }
    }
}
