//! The FSP server and its clients in virtual time, with a stick in memory.
#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic
)]

use std::collections::BTreeMap;
use std::net::SocketAddr;

use callrec::base::stats::Stats;
use callrec::base::time::{Duration, Instant};
use callrec::proto::fsp::client::FspClient;
use callrec::proto::fsp::server::{
    Completion, FspServer, FspSettings, Operation, PasswordCheck, Reaction,
};
use callrec::wire::fsp::{
    Command, DirEntry, EntryKind, FspHeader, Packet, Toward, HEADER_BYTES, MAX_PAYLOAD,
};

pub use crate::packets::Random;

pub const PASSWORD: &[u8] = b"secret";

/// The stick.
#[derive(Default)]
pub struct Stick {
    pub files: BTreeMap<String, Vec<u8>>,
    /// A recording in progress, and its durable bytes.
    pub growing: Option<(String, u32)>,
    pub pulled: bool,
    pub saved: Vec<u8>,
    walk: Vec<String>,
}

/// A server with its stick.
pub struct Service {
    pub server: FspServer,
    pub stick: Stick,
    pub stats: Stats,
    pub reply: Vec<u8>,
    /// The check of the last request's password.
    pub password: PasswordCheck,
    random: Random,
}

impl Service {
    pub fn new(max_payload: usize) -> Self {
        let settings = FspSettings {
            password: heapless::Vec::from_slice(PASSWORD).unwrap(),
            max_payload,
        };
        let server = FspServer::new(settings, 1);
        Self {
            server,
            stick: Stick::default(),
            stats: Stats::default(),
            reply: vec![0xEE; HEADER_BYTES + MAX_PAYLOAD],
            password: PasswordCheck::NotGiven,
            random: Random(7),
        }
    }

    pub fn with_files(max_payload: usize, files: &[(&str, usize)]) -> Self {
        let mut service = Self::new(max_payload);
        for (name, length) in files {
            service
                .stick
                .files
                .insert((*name).into(), content(name, *length));
        }
        service
    }

    /// Handles a datagram; returns the reply, if there is one.
    pub fn take(&mut self, millis: u64, peer: SocketAddr, datagram: &[u8]) -> Option<Vec<u8>> {
        let random = self.random.next() as u16;
        let handled = self.server.handle_datagram(
            at(millis),
            peer,
            datagram,
            random,
            &mut self.reply,
            &mut self.stats,
        );
        self.password = handled.password;
        let mut next = handled.reaction;
        loop {
            match next {
                Reaction::Silence => return None,
                Reaction::Reply(length) => return Some(self.reply[..length].to_vec()),
                Reaction::Perform(op) => {
                    if op == Operation::SavePassword {
                        self.stick.saved = self.server.new_password().to_vec();
                    }
                    let done = self.stick.carry_out(op, &mut self.reply[HEADER_BYTES..]);
                    next = self.server.handle_completion(done, &mut self.reply);
                }
            }
        }
    }
}

impl Stick {
    fn carry_out(&mut self, op: Operation, payload: &mut [u8]) -> Completion<'_> {
        if self.pulled {
            return Completion::Failed;
        }
        match op {
            Operation::Stat(file) => {
                let name = file.name();
                let Some(content) = self.files.get(name.as_str()) else {
                    return Completion::Failed;
                };
                Completion::Entry {
                    time: 1_460_707_200,
                    size: self.durable(&name).unwrap_or(content.len() as u32),
                }
            }
            Operation::Read {
                file,
                position,
                len,
            } => {
                let name = file.name();
                let growing = self.durable(&name);
                let Some(content) = self.files.get(name.as_str()) else {
                    return Completion::Failed;
                };
                let end = content.len().min(growing.unwrap_or(u32::MAX) as usize);
                let bytes = content.get(position as usize..end).unwrap_or_default();
                let len = bytes.len().min(len);
                payload[..len].copy_from_slice(&bytes[..len]);
                Completion::Read { len, growing }
            }
            Operation::FirstName => {
                self.walk = self.files.keys().cloned().collect();
                Completion::Name(self.walk.last().map(|name| name.as_bytes()))
            }
            Operation::NextName => {
                self.walk.pop();
                Completion::Name(self.walk.last().map(|name| name.as_bytes()))
            }
            Operation::SavePassword => Completion::Saved,
        }
    }

    fn durable(&self, name: &str) -> Option<u32> {
        self.growing
            .as_ref()
            .filter(|(growing, _)| growing == name)
            .map(|(_, length)| *length)
    }
}

/// The content of a file, which depends on its name.
pub fn content(name: &str, length: usize) -> Vec<u8> {
    let seed = name.bytes().fold(1, |seed: u64, byte| {
        seed.wrapping_mul(31).wrapping_add(byte.into())
    });
    Random(seed).bytes(length as u64)
}

pub fn at(millis: u64) -> Instant {
    Instant::from_nanos(0) + Duration::from_millis(1_000_000 + millis)
}

pub fn peer(host: u8, port: u16) -> SocketAddr {
    SocketAddr::from(([192, 0, 2, host], port))
}

/// A request as clients send it.
pub fn request(
    command: Command,
    position: u32,
    name: &str,
    extra: &[u8],
) -> (FspHeader, Vec<u8>, Vec<u8>) {
    let data = [name.as_bytes(), b"\n", PASSWORD, b"\0"].concat();
    (
        FspHeader {
            command,
            key: 0,
            sequence: 0,
            position,
        },
        data,
        extra.to_vec(),
    )
}

/// A client on a network without loss. Its clock only moves when a test sets it.
pub struct TestClient {
    pub client: FspClient,
    pub peer: SocketAddr,
    pub millis: u64,
    count: u16,
    last: Vec<u8>,
}

/// A reply: its command, position, data and extra data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    pub command: Command,
    pub position: u32,
    pub data: Vec<u8>,
    pub extra: Vec<u8>,
}

impl TestClient {
    pub fn new(peer: SocketAddr) -> Self {
        Self {
            client: FspClient::new(0x1234_5678),
            peer,
            millis: 0,
            count: 0,
            last: vec![],
        }
    }

    /// Sends a request with the right password.
    pub fn ask(
        &mut self,
        service: &mut Service,
        command: Command,
        position: u32,
        name: &str,
        wish: u16,
    ) -> Reply {
        let wish = wish.to_be_bytes();
        let (head, data, extra) = request(
            command,
            position,
            name,
            if wish == [0, 0] { &[] } else { &wish },
        );
        self.send(
            service,
            &Packet {
                head,
                data: &data,
                extra: &extra,
            },
        )
    }

    pub fn send(&mut self, service: &mut Service, packet: &Packet) -> Reply {
        self.try_send(service, packet)
            .unwrap_or_else(|| panic!("no reply to {packet:?}"))
    }

    pub fn try_send(&mut self, service: &mut Service, packet: &Packet) -> Option<Reply> {
        self.count += 1;
        self.client.begin(
            at(self.millis),
            Duration::from_millis(60_000),
            packet,
            self.count.wrapping_mul(8),
        );
        self.last = self.client.datagram().to_vec();
        let reply = service.take(self.millis, self.peer, &self.last)?;
        let packet = self
            .client
            .handle_datagram(&reply)
            .expect("the expected reply");
        let (data, extra) = (packet.data.to_vec(), packet.extra.to_vec());
        Some(Reply {
            command: packet.head.command,
            position: packet.head.position,
            data,
            extra,
        })
    }

    /// Sends the last request again, unchanged.
    pub fn repeat(&mut self, service: &mut Service) -> Option<Vec<u8>> {
        service.take(self.millis, self.peer, &self.last)
    }

    /// Fetches a file, `wish` bytes at a time.
    pub fn get(&mut self, service: &mut Service, name: &str, wish: u16) -> Vec<u8> {
        let mut file = vec![];
        loop {
            let answer = self.ask(service, Command::GET_FILE, file.len() as u32, name, wish);
            assert_eq!(answer.command, Command::GET_FILE, "{}", answer.text());
            if answer.data.is_empty() {
                return file;
            }
            file.extend(answer.data);
        }
    }

    /// Reads a listing as Debian's library does: all blocks are as long as the first one. `changes`
    /// is called between blocks.
    pub fn list(
        &mut self,
        service: &mut Service,
        name: &str,
        wish: u16,
        mut changes: impl FnMut(&mut Stick),
    ) -> Vec<String> {
        let (mut names, mut position, mut block) = (vec![], 0, 0);
        loop {
            let answer = self.ask(service, Command::GET_DIR, position, name, wish);
            assert_eq!(
                (answer.command, answer.position),
                (Command::GET_DIR, position),
                "{}",
                answer.text()
            );
            if answer.data.is_empty() {
                return names;
            }
            block = if block == 0 {
                answer.data.len() as u32
            } else {
                block
            };
            assert!(answer.data.len() as u32 <= block);
            position += block;
            let mut rest = &answer.data[..];
            while let Some(entry) = DirEntry::take(&mut rest) {
                match entry.kind {
                    EntryKind::END | EntryKind::SKIP => {}
                    kind => names.push(format!(
                        "{} {}",
                        String::from_utf8_lossy(entry.name),
                        kind.0
                    )),
                }
            }
            changes(&mut service.stick);
        }
    }
}

impl Reply {
    /// The text of an error; empty for any other reply.
    pub fn text(&self) -> String {
        assert!(self.command != Command::ERROR || self.data.last() == Some(&0));
        match self.command {
            Command::ERROR => {
                String::from_utf8_lossy(&self.data[..self.data.len() - 1]).into_owned()
            }
            _ => String::new(),
        }
    }
}

/// A request as a datagram.
pub fn datagram(head: FspHeader, data: &[u8], extra: &[u8]) -> Vec<u8> {
    let mut datagram = [&[0; HEADER_BYTES][..], data, extra].concat();
    head.seal(&mut datagram, extra.len(), Toward::Server);
    datagram
}
