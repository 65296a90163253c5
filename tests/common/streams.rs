//! The stream server of a home, played by the test: FLV over HTTP, written and read without the
//! crate's code.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

/// The codes of a published stream with the time of each tag in milliseconds.
#[derive(Clone, Debug, Default)]
pub struct Published {
    pub format: u8,
    pub tags: Vec<(u32, Vec<u8>)>,
    pub ended: bool,
}

impl Published {
    pub fn codes(&self) -> Vec<u8> {
        self.tags.iter().flat_map(|tag| tag.1.clone()).collect()
    }
}

/// What a player gets: the sound format, and 20 ms of codes each.
#[derive(Clone)]
pub struct Played {
    pub format: u8,
    pub frames: Vec<Vec<u8>>,
    /// Frames from the first to before the second come together, when the second is due.
    pub stalls: Vec<(usize, usize)>,
}

#[derive(Default)]
struct Shared {
    streams: Mutex<HashMap<String, Played>>,
    published: Mutex<HashMap<String, Published>>,
    changed: Condvar,
}

pub struct Streams {
    pub port: u16,
    shared: Arc<Shared>,
}

impl Streams {
    pub fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let shared = Arc::new(Shared::default());
        let server = shared.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let server = server.clone();
                std::thread::spawn(move || serve(stream, &server));
            }
        });
        Self { port, shared }
    }

    /// Whoever plays this id from now on gets this, as it would be said.
    pub fn play(&self, id: &str, played: Played) {
        let mut streams = self.shared.streams.lock().unwrap();
        streams.insert(id.to_owned(), played);
        self.shared.changed.notify_all();
    }

    /// What was published under this id, once it is as it should be.
    pub fn published(&self, id: &str, so: impl Fn(&Published) -> bool) -> Published {
        let mut published = self.shared.published.lock().unwrap();
        let until = Instant::now() + super::PATIENCE;
        loop {
            match published.get(id).filter(|stream| so(stream)) {
                Some(stream) => return stream.clone(),
                None => {
                    let left = until.saturating_duration_since(Instant::now());
                    assert!(!left.is_zero(), "{id}: {:?}", published.get(id));
                    published = self.shared.changed.wait_timeout(published, left).unwrap().0;
                }
            }
        }
    }
}

fn serve(stream: TcpStream, shared: &Shared) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut head = vec![];
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).unwrap_or(0) == 0 || line == "\r\n" {
            break;
        }
        head.push(line);
    }
    let words: Vec<&str> = head
        .first()
        .map_or(vec![], |line| line.split(' ').collect());
    let [method, path, _] = words[..] else { return };
    let id = path.strip_prefix("/stream/").unwrap_or(path).to_owned();
    match method {
        "GET" => send(stream, &id, shared),
        "POST" => receive(&mut reader, &id, shared),
        other => panic!("{other}"),
    }
}

fn send(mut stream: TcpStream, id: &str, shared: &Shared) {
    let mut streams = shared.streams.lock().unwrap();
    while !streams.contains_key(id) {
        streams = shared.changed.wait(streams).unwrap();
    }
    let played = streams[id].clone();
    drop(streams);
    let began = Instant::now();
    let head = b"HTTP/1.1 200 OK\r\nContent-Type: video/x-flv\r\n\r\nFLV\x01\x04\0\0\0\x09\0\0\0\0";
    let mut alive = stream.write_all(head).is_ok();
    for (number, codes) in played.frames.iter().enumerate() {
        let stall = played
            .stalls
            .iter()
            .find(|(from, to)| (*from..*to).contains(&number));
        let due = stall.map_or(number, |(_, to)| *to) as u64;
        let at = Duration::from_millis(20 * due);
        std::thread::sleep(at.saturating_sub(began.elapsed()));
        alive &= stream
            .write_all(&tag(played.format, 20 * number as u32, codes))
            .is_ok();
        if !alive {
            return;
        }
    }
    // As a relay: the stream is there as long as the call.
    let _ = stream.read(&mut [0; 16]);
}

/// A tag with sound.
pub fn tag(format: u8, millis: u32, codes: &[u8]) -> Vec<u8> {
    let body = codes.len() as u32 + 1;
    let mut bytes = vec![8];
    bytes.extend(&body.to_be_bytes()[1..]);
    bytes.extend(&millis.to_be_bytes()[1..]);
    bytes.extend([0, 0, 0, 0, format << 4 | 2]);
    bytes.extend(codes);
    bytes.extend((body + 11).to_be_bytes());
    bytes
}

fn receive(reader: &mut impl BufRead, id: &str, shared: &Shared) {
    let mut flv = vec![];
    let mut read_tags = 0;
    loop {
        let mut line = String::new();
        let ended = reader.read_line(&mut line).unwrap_or(0) == 0;
        let length = usize::from_str_radix(line.trim(), 16).unwrap_or(0);
        let mut chunk = vec![0; length + 2];
        let whole = !ended && reader.read_exact(&mut chunk).is_ok();
        if whole && length > 0 {
            flv.extend(&chunk[..length]);
        }
        let mut published = shared.published.lock().unwrap();
        let stream = published.entry(id.to_owned()).or_default();
        let tags = tags_of(&flv);
        for (format, millis, codes) in &tags[read_tags..] {
            stream.format = *format;
            stream.tags.push((*millis, codes.clone()));
        }
        read_tags = tags.len();
        stream.ended = !whole || length == 0;
        shared.changed.notify_all();
        if stream.ended {
            return;
        }
    }
}

fn tags_of(flv: &[u8]) -> Vec<(u8, u32, Vec<u8>)> {
    let mut tags = vec![];
    if flv.len() < 13 {
        return tags;
    }
    assert_eq!(&flv[..3], b"FLV");
    let mut at = 13;
    while let Some(head) = flv.get(at..at + 12) {
        let body = usize::from(head[1]) << 16 | usize::from(head[2]) << 8 | usize::from(head[3]);
        let millis = u32::from_be_bytes([head[7], head[4], head[5], head[6]]);
        let Some(codes) = flv.get(at + 12..at + 11 + body) else {
            break;
        };
        tags.push((head[11] >> 4, millis, codes.to_vec()));
        at += 15 + body;
    }
    tags
}
