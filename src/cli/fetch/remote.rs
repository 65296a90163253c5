//! A phone's files, asked for one request at a time.

use std::io::{self, ErrorKind};
use std::time::{Duration, Instant};

use crate::base::limits::fetch::{FOLDER_ENTRIES, LISTING_BLOCK, LISTING_BLOCKS};
use crate::base::time::{Duration as Span, Instant as Point};
use crate::cli::fetch::link::Link;
use crate::io::random::Random;
use crate::proto::fsp::client::{Client, Timeout};
use crate::proto::fsp::payload::Payload;
use crate::wire::fsp::{text, Command, Entry, Head, Kind, Packet, HEADER_BYTES, MAX_PAYLOAD};

/// A session with a phone.
pub(super) struct Remote {
    link: Link,
    client: Client,
    payload: Payload,
    /// Put behind each name.
    password: Vec<u8>,
    patience: Span,
    started: Instant,
    random: Random,
    /// The next requests' sequence numbers.
    sequences: Vec<u16>,
    buffer: Vec<u8>,
    /// A reply has come, ever.
    answered: bool,
}

/// An entry of a listing, or what STAT says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Item {
    pub(super) name: String,
    pub(super) folder: bool,
    pub(super) size: u32,
    /// Seconds since 1970.
    pub(super) time: u32,
}

/// Why a request came to nothing.
#[derive(Debug)]
pub(super) enum Trouble {
    /// What the server says. Other requests may go well.
    Refused(String),
    /// The file here could not be written. So may other files.
    Local(String),
    /// The server cannot be reached, or does not answer any more.
    Lost(String),
}

impl Remote {
    pub(super) fn new(
        link: Link,
        password: Option<&[u8]>,
        patience: Duration,
        most: usize,
    ) -> Self {
        let mut random = Random::open();
        let password = password
            .map(|password| [b"\n", password].concat())
            .unwrap_or_default();
        Self {
            link,
            client: Client::new(random.words()[0]),
            payload: Payload::new(most),
            password,
            patience: Span::from_millis(patience.as_millis() as u64),
            started: Instant::now(),
            random,
            sequences: vec![],
            buffer: vec![0; HEADER_BYTES + MAX_PAYLOAD],
            answered: false,
        }
    }

    /// Reads from a file; nothing at its end.
    pub(super) fn read(&mut self, path: &str, position: u32) -> Result<&[u8], Trouble> {
        let before = self.client.resends;
        let length = self.ask(
            Command::GET_FILE,
            position,
            path,
            &self.payload.wish(0).to_be_bytes(),
        )?;
        self.payload.handle_reply(self.client.resends - before);
        Ok(&self.buffer[HEADER_BYTES..HEADER_BYTES + length])
    }

    /// What a path leads to; `None` when there is nothing.
    pub(super) fn stat(&mut self, path: &str) -> Result<Option<Item>, Trouble> {
        let length = self.ask(Command::STAT, 0, path, &[])?;
        let entry = Entry::parse_head(&self.buffer[HEADER_BYTES..HEADER_BYTES + length]);
        let name = path
            .trim_end_matches('/')
            .rsplit('/')
            .next()
            .unwrap_or_default();
        Ok(entry
            .filter(|entry| entry.kind != Kind::END)
            .map(|entry| item(&entry, name)))
    }

    /// A folder's entries, without hidden ones. Names that could lead elsewhere are left out.
    pub(super) fn list(&mut self, path: &str) -> Result<Vec<Item>, Trouble> {
        let (mut items, mut position, mut block) = (vec![], 0u32, 0u32);
        for _ in 0..LISTING_BLOCKS {
            let length = self.ask(
                Command::GET_DIR,
                position,
                path,
                &LISTING_BLOCK.to_be_bytes(),
            )?;
            if length > LISTING_BLOCK.into() {
                let words = format!(
                    "{path}: a listing's block has {length} bytes, {LISTING_BLOCK} were asked for"
                );
                return Err(Trouble::Refused(words));
            }
            let mut rest = &self.buffer[HEADER_BYTES..HEADER_BYTES + length];
            if rest.is_empty() {
                return Ok(items);
            }
            while let Some(entry) = Entry::take(&mut rest) {
                match entry.kind {
                    Kind::END => return Ok(items),
                    Kind::SKIP => {}
                    _ => items.extend(
                        core::str::from_utf8(entry.name)
                            .ok()
                            .filter(safe)
                            .map(|name| item(&entry, name)),
                    ),
                }
            }
            if items.len() > FOLDER_ENTRIES {
                return Err(Trouble::Refused(format!(
                    "{path}: more than {FOLDER_ENTRIES} entries in one folder"
                )));
            }
            // The first block's length is that of all.
            block = if block == 0 { length as u32 } else { block };
            position = position.saturating_add(block);
        }
        Err(Trouble::Refused(format!("{path}: a listing without end")))
    }

    /// Ends the session. Nobody waits for the answer.
    pub(super) fn bye(&mut self) {
        let packet = Packet {
            head: head(Command::BYE, 0),
            data: &[],
            extra: &[],
        };
        self.begin(&packet);
        let _ = self.link.send(self.client.datagram());
    }

    /// Asks until it is answered; the length of the answer's data, which stand in the buffer.
    fn ask(
        &mut self,
        command: Command,
        position: u32,
        path: &str,
        extra: &[u8],
    ) -> Result<usize, Trouble> {
        let data = [path.as_bytes(), &self.password, b"\0"].concat();
        let packet = Packet {
            head: head(command, position),
            data: &data,
            extra,
        };
        self.begin(&packet);
        self.send()?;
        let before = self.client.resends;
        loop {
            let now = self.now();
            let until = match self.client.handle_timeout(now) {
                Timeout::Wait(until) => until,
                Timeout::Resend => {
                    if command == Command::GET_FILE {
                        self.client
                            .wish(self.payload.wish(self.client.resends - before));
                    }
                    self.send()?;
                    continue;
                }
                Timeout::GiveUp => {
                    let seconds = self.patience.millis() / 1000;
                    return Err(Trouble::Lost(format!("no answer for {seconds} s")));
                }
            };
            let received = self.link.receive(
                &mut self.buffer,
                Duration::from_nanos(until.since(now).nanos()),
            );
            let Some(length) = self.judge(received)? else {
                continue;
            };
            let Some(reply) = self.client.handle_datagram(&self.buffer[..length]) else {
                continue;
            };
            self.answered = true;
            if reply.head.command == Command::ERROR {
                let words = String::from_utf8_lossy(text(reply.data).unwrap_or(reply.data));
                let path = if path.is_empty() { "/" } else { path };
                return Err(Trouble::Refused(format!(
                    "{path}: the phone says: {}",
                    words.trim()
                )));
            }
            return Ok(reply.data.len());
        }
    }

    fn begin(&mut self, packet: &Packet) {
        if self.sequences.is_empty() {
            self.sequences = self
                .random
                .words()
                .map(|word| [word as u16, (word >> 16) as u16])
                .concat();
        }
        let sequence = self.sequences.pop().unwrap_or(0);
        self.client
            .begin(self.now(), self.patience, packet, sequence);
    }

    fn send(&mut self) -> Result<(), Trouble> {
        let sent = self.link.send(self.client.datagram());
        self.judge(sent.map(|()| None)).map(|_: Option<usize>| ())
    }

    /// A server that has answered may be starting anew: it is waited for, whatever the network says meanwhile.
    fn judge(&mut self, outcome: io::Result<Option<usize>>) -> Result<Option<usize>, Trouble> {
        match outcome {
            Err(error) if !self.answered => Err(Trouble::Lost(match error.kind() {
                ErrorKind::ConnectionRefused => {
                    "nothing answers on that port (connection refused)".into()
                }
                _ => error.to_string(),
            })),
            outcome => Ok(outcome.unwrap_or(None)),
        }
    }

    fn now(&self) -> Point {
        Point::from_nanos(self.started.elapsed().as_nanos() as u64)
    }
}

fn head(command: Command, position: u32) -> Head {
    Head {
        command,
        key: 0,
        sequence: 0,
        position,
    }
}

fn item(entry: &Entry, name: &str) -> Item {
    Item {
        name: name.into(),
        folder: entry.kind == Kind::FOLDER,
        size: entry.size,
        time: entry.time,
    }
}

/// It can be the name of a file here. The phone may be anybody's.
pub(super) fn safe(name: &&str) -> bool {
    !name.is_empty()
        && !name.starts_with('.')
        && !name.contains('/')
        && !name.chars().any(char::is_control)
}
