//! A phone that offers its recordings over FSP, and clients that fetch them.
#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic
)]

use std::fs;
use std::net::UdpSocket;
use std::path::{Path, PathBuf};
use std::process::Output;
use std::time::Duration;

use callrec::wire::fsp::{Command, FspHeader, Packet, Toward, HEADER_BYTES};

use crate::common::{callrec, Phone, Random, PATIENCE};

pub const PASSWORD: &str = "pass word&=%";
pub const DAY: &str = "Recorder/20260102";
pub const NAME: &str = "Record_20260102_101500.wav";
pub const FILE: &str = "Recorder/20260102/Record_20260102_101500.wav";

/// Bytes without a pattern.
pub fn noise(seed: u32, length: usize) -> Vec<u8> {
    Random(seed.into()).bytes(length as u64)
}

pub fn free_port() -> u16 {
    UdpSocket::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port()
}

/// A phone with FSP.
pub struct Offering {
    pub phone: Phone,
    pub port: u16,
}

impl Offering {
    pub fn new(config: &str) -> Self {
        let mut this = Self::prepared(config);
        this.start();
        this
    }

    /// A phone whose daemon does not run yet.
    pub fn prepared(config: &str) -> Self {
        let port = free_port();
        let phone = Phone::prepared(&format!(
            "fspEnabled = 1\nfspPort = {port}\nfspPassword = {PASSWORD}\n{config}"
        ));
        let kept = phone.path("kept").display().to_string();
        phone.reconfigure(&format!("fspPasswordFile = {kept}"));
        fs::write(phone.path("pw"), format!("{PASSWORD}\n")).unwrap();
        Self { phone, port }
    }

    pub fn start(&mut self) {
        self.phone.start();
        self.phone.stat("wakeups"); // it has replied, so that all its sockets are bound
    }

    /// Puts a file on the stick.
    pub fn put(&self, name: &str, content: &[u8]) {
        fs::write(self.phone.stick().join(name), content).unwrap();
    }

    /// Where fetched files go.
    pub fn to(&self) -> PathBuf {
        self.phone.path("to")
    }

    /// The phone's folder in `to` if no sidecar has its MAC address.
    pub fn folder(&self) -> PathBuf {
        self.to().join(format!("127.0.0.1_{}", self.port))
    }

    /// Runs `callrec fetch` with these words, through this port.
    pub fn fetch_through(&self, port: u16, words: &[&str]) -> Output {
        let (ip, password) = (
            format!("127.0.0.1:{port}"),
            self.phone.path("pw").display().to_string(),
        );
        let to = self.to().display().to_string();
        let to = if words.contains(&"get") {
            vec!["--to", &to]
        } else {
            vec![]
        };
        callrec(
            &[
                &["fetch", "--ip", &ip, "--password-file", &password],
                &to[..],
                words,
            ]
            .concat(),
        )
    }

    /// Runs `callrec fetch` directly. It must succeed; returns its output.
    pub fn fetch(&self, words: &[&str]) -> String {
        let output = self.fetch_through(self.port, words);
        assert!(output.status.success(), "{words:?}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// Runs `callrec fetch` directly. It must fail with this status; returns its error.
    pub fn fail(&self, status: i32, words: &[&str]) -> String {
        let output = self.fetch_through(self.port, words);
        assert_eq!(output.status.code(), Some(status), "{output:?}");
        String::from_utf8(output.stderr).unwrap()
    }

    pub fn raw(&self) -> Raw {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.connect(("127.0.0.1", self.port)).unwrap();
        Raw {
            socket,
            key: 0x1234,
            sequence: 0,
        }
    }

    /// Whether the daemon is in a system call whose fourth argument is -1: `epoll_wait` without a
    /// timeout, from which only an event wakes it.
    pub fn polls_without_timeout(&self) -> bool {
        // The number of the system call, then its arguments in hexadecimal; "running" outside of
        // one.
        let call = fs::read_to_string(format!("/proc/{}/syscall", self.phone.pid())).unwrap();
        let timeout = call.split(' ').nth(4).unwrap_or_default();
        timeout.ends_with("ffffffff")
    }

    /// The number of files of the stick that the daemon has open, including its folder.
    pub fn held(&self) -> usize {
        let stick = self.phone.stick();
        let links = fs::read_dir(format!("/proc/{}/fd", self.phone.pid())).unwrap();
        links
            .filter_map(|link| fs::read_link(link.unwrap().path()).ok())
            .filter(|to| to.starts_with(&stick))
            .count()
    }
}

/// A client that sends what it is told.
pub struct Raw {
    pub socket: UdpSocket,
    pub key: u16,
    sequence: u16,
}

impl Raw {
    pub fn datagram(
        &mut self,
        command: Command,
        position: u32,
        data: &[u8],
        extra: &[u8],
    ) -> Vec<u8> {
        self.sequence = self.sequence.wrapping_add(8);
        let head = FspHeader {
            command,
            key: self.key,
            sequence: self.sequence,
            position,
        };
        let mut datagram = [&[0; HEADER_BYTES][..], data, extra].concat();
        head.seal(&mut datagram, extra.len(), Toward::Server);
        datagram
    }

    /// The next datagram; `None` after this many milliseconds.
    pub fn receive(&mut self, millis: u64) -> Option<(Command, Vec<u8>)> {
        self.socket
            .set_read_timeout(Some(Duration::from_millis(millis)))
            .unwrap();
        let mut buffer = [0; 15_000];
        let length = self.socket.recv(&mut buffer).ok()?;
        let packet = Packet::parse(&buffer[..length], Toward::Client).unwrap();
        self.key = packet.head.key;
        Some((packet.head.command, packet.data.to_vec()))
    }

    /// A request with a password, and its reply.
    pub fn ask(&mut self, command: Command, name: &str, password: &str) -> (Command, Vec<u8>) {
        let datagram = self.datagram(command, 0, format!("{name}\n{password}\0").as_bytes(), &[]);
        self.socket.send(&datagram).unwrap();
        self.receive(PATIENCE.as_millis() as u64).expect("a reply")
    }

    /// Fetches a file. It never resends, and panics if a request gets no reply.
    pub fn get(&mut self, name: &str, payload: u16) -> Vec<u8> {
        let mut file = vec![];
        loop {
            let data = format!("{name}\n{PASSWORD}\0");
            let datagram = self.datagram(
                Command::GET_FILE,
                file.len() as u32,
                data.as_bytes(),
                &payload.to_be_bytes(),
            );
            self.socket.send(&datagram).unwrap();
            let (command, data) = self.receive(PATIENCE.as_millis() as u64).expect("a reply");
            assert_eq!(
                command,
                Command::GET_FILE,
                "{}",
                String::from_utf8_lossy(&data)
            );
            if data.is_empty() {
                return file;
            }
            file.extend(data);
        }
    }
}

pub fn read(path: &Path) -> Vec<u8> {
    fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}
