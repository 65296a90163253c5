//! A phone's files, accessed with one request at a time.

use std::io::{self, ErrorKind};
use std::time::{Duration, Instant};

use crate::base::limits::fetch::{FOLDER_ENTRIES, LISTING_BLOCK, LISTING_BLOCKS};
use crate::base::time;
use crate::cli::console::shown;
use crate::cli::fetch::password_file::PasswordFile;
use crate::cli::fetch::peer_socket::PeerSocket;
use crate::io::random::Random;
use crate::proto::fsp::client::{FspClient, Timeout};
use crate::proto::fsp::payload::PayloadLength;
use crate::wire::fsp::{
    text, Command, DirEntry, EntryKind, FspHeader, Packet, HEADER_BYTES, MAX_PAYLOAD,
};

/// A session with a phone.
pub(super) struct Remote {
    socket: PeerSocket,
    client: FspClient,
    payload: PayloadLength,
    /// Appended to each name: a line feed and the password.
    password: Vec<u8>,
    /// What to do if the phone does not accept the password.
    password_hint: String,
    timeout: time::Duration,
    started: Instant,
    random: Random,
    /// The next requests' sequence numbers.
    sequences: Vec<u16>,
    buffer: Vec<u8>,
    /// The phone has replied at least once.
    has_replied: bool,
}

/// An entry of a listing, or the reply to STAT.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct RemoteEntry {
    pub(super) name: String,
    pub(super) is_folder: bool,
    pub(super) size: u32,
    /// Seconds since 1970.
    pub(super) time: u32,
}

/// Why a request or a transfer failed.
#[derive(Debug)]
pub(super) enum FetchError {
    /// The phone refuses the request. Others may succeed.
    Refused(String),
    /// The file could not be written. Others may be.
    Local(String),
    /// The phone does not accept the password, or nothing more can be written. Ends the run.
    Fatal(String),
    /// The phone cannot be reached, or does not reply any more.
    Lost(String),
}

impl FetchError {
    pub(super) fn into_text(self) -> String {
        let (Self::Refused(text) | Self::Local(text) | Self::Fatal(text) | Self::Lost(text)) = self;
        text
    }
}

impl Remote {
    pub(super) fn new(
        socket: PeerSocket,
        password: Option<&PasswordFile>,
        timeout: Duration,
        most: usize,
    ) -> Self {
        let mut random = Random::open();
        let password_hint = match password {
            Some(file) => format!("the password is from {}", shown(&file.path)),
            None => "--password-file FILE names a file with its fspPassword".into(),
        };
        let password = password
            .map(|file| [b"\n", &file.password[..]].concat())
            .unwrap_or_default();
        Self {
            socket,
            client: FspClient::new(random.words()[0]),
            payload: PayloadLength::new(most),
            password,
            password_hint,
            timeout: time::Duration::from_millis(timeout.as_millis() as u64),
            started: Instant::now(),
            random,
            sequences: vec![],
            buffer: vec![0; HEADER_BYTES + MAX_PAYLOAD],
            has_replied: false,
        }
    }

    /// Reads from a file; the bytes are empty at its end.
    pub(super) fn read(&mut self, path: &str, position: u32) -> Result<&[u8], FetchError> {
        let before = self.client.resends;
        let length = self.request(
            Command::GET_FILE,
            position,
            path,
            &self.payload.after(0).to_be_bytes(),
        )?;
        self.payload.handle_reply(self.client.resends - before);
        Ok(&self.buffer[HEADER_BYTES..HEADER_BYTES + length])
    }

    /// Reads a whole file of at most this many bytes; `None`: there is none, or it is longer.
    pub(super) fn read_short(
        &mut self,
        path: &str,
        most: usize,
    ) -> Result<Option<Vec<u8>>, FetchError> {
        let mut bytes = vec![];
        while bytes.len() <= most {
            match self.read(path, bytes.len() as u32) {
                Ok([]) => return Ok(Some(bytes)),
                Ok(more) => bytes.extend_from_slice(more),
                Err(FetchError::Refused(_)) => return Ok(None),
                Err(error) => return Err(error),
            }
        }
        Ok(None)
    }

    /// The entry at a path; `None` if there is none.
    pub(super) fn stat(&mut self, path: &str) -> Result<Option<RemoteEntry>, FetchError> {
        let length = self.request(Command::STAT, 0, path, &[])?;
        let entry = DirEntry::parse_head(&self.buffer[HEADER_BYTES..HEADER_BYTES + length]);
        let name = path
            .trim_end_matches('/')
            .rsplit('/')
            .next()
            .unwrap_or_default();
        let entry = entry.filter(|entry| entry.kind != EntryKind::END);
        Ok(entry.map(|entry| remote_entry(&entry, name)))
    }

    /// The entries of a folder, without hidden ones and without names that are not safe as the name
    /// of a file.
    pub(super) fn list(&mut self, path: &str) -> Result<Vec<RemoteEntry>, FetchError> {
        let mut entries = vec![];
        let mut position = 0u32;
        let mut block = 0u32;
        for _ in 0..LISTING_BLOCKS {
            let length = self.request(
                Command::GET_DIR,
                position,
                path,
                &LISTING_BLOCK.to_be_bytes(),
            )?;
            if length > LISTING_BLOCK.into() {
                let words = format!(
                    "{path}: a listing's block has {length} bytes, {LISTING_BLOCK} were asked for"
                );
                return Err(FetchError::Refused(words));
            }
            let mut rest = &self.buffer[HEADER_BYTES..HEADER_BYTES + length];
            if rest.is_empty() {
                return Ok(entries);
            }
            while let Some(entry) = DirEntry::take(&mut rest) {
                match entry.kind {
                    EntryKind::END => return Ok(entries),
                    EntryKind::SKIP => {}
                    _ => {
                        let name = core::str::from_utf8(entry.name).ok().filter(is_safe);
                        entries.extend(name.map(|name| remote_entry(&entry, name)));
                    }
                }
            }
            if entries.len() > FOLDER_ENTRIES {
                return Err(FetchError::Refused(format!(
                    "{path}: more than {FOLDER_ENTRIES} entries in one folder"
                )));
            }
            // All blocks are as long as the first one.
            if block == 0 {
                block = length as u32;
            }
            position = position.saturating_add(block);
        }
        Err(FetchError::Refused(format!(
            "{path}: the listing has no end"
        )))
    }

    /// Ends the session, without waiting for the reply.
    pub(super) fn bye(&mut self) {
        let packet = Packet {
            head: head(Command::BYE, 0),
            data: &[],
            extra: &[],
        };
        self.begin(&packet);
        let _ = self.socket.send(self.client.datagram());
    }

    /// Sends a request until the reply arrives. Returns the length of the reply's data, which are
    /// in the buffer after the header.
    fn request(
        &mut self,
        command: Command,
        position: u32,
        path: &str,
        extra: &[u8],
    ) -> Result<usize, FetchError> {
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
                        let resends = self.client.resends - before;
                        self.client.set_payload(self.payload.after(resends));
                    }
                    self.send()?;
                    continue;
                }
                Timeout::GiveUp => {
                    let seconds = self.timeout.millis() / 1000;
                    return Err(FetchError::Lost(format!("no answer for {seconds} s")));
                }
            };
            let received = self.socket.receive(
                &mut self.buffer,
                Duration::from_nanos(until.since(now).nanos()),
            );
            let Some(length) = self.check_network(received)? else {
                continue;
            };
            let Some(reply) = self.client.handle_datagram(&self.buffer[..length]) else {
                continue;
            };
            self.has_replied = true;
            if reply.head.command == Command::ERROR {
                let words = String::from_utf8_lossy(text(reply.data).unwrap_or(reply.data));
                let path = if path.is_empty() { "/" } else { path };
                let problem = format!("{path}: the phone says: {}", words.trim());
                return Err(if words.contains("password") {
                    FetchError::Fatal(format!("{problem}; {}", self.password_hint))
                } else {
                    FetchError::Refused(problem)
                });
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
            .begin(self.now(), self.timeout, packet, sequence);
    }

    fn send(&mut self) -> Result<(), FetchError> {
        let sent = self.socket.send(self.client.datagram());
        self.check_network(sent.map(|()| None))
            .map(|_: Option<usize>| ())
    }

    /// Network errors are only reported until the phone has replied: after that it may be
    /// restarting, and is waited for.
    fn check_network(
        &mut self,
        outcome: io::Result<Option<usize>>,
    ) -> Result<Option<usize>, FetchError> {
        match outcome {
            Err(error) if !self.has_replied => Err(FetchError::Lost(match error.kind() {
                ErrorKind::ConnectionRefused => {
                    "nothing answers on that port (connection refused)".into()
                }
                _ => error.to_string(),
            })),
            outcome => Ok(outcome.unwrap_or(None)),
        }
    }

    fn now(&self) -> time::Instant {
        time::Instant::from_nanos(self.started.elapsed().as_nanos() as u64)
    }
}

fn head(command: Command, position: u32) -> FspHeader {
    FspHeader {
        command,
        key: 0,
        sequence: 0,
        position,
    }
}

fn remote_entry(entry: &DirEntry, name: &str) -> RemoteEntry {
    RemoteEntry {
        name: name.into(),
        is_folder: entry.kind == EntryKind::FOLDER,
        size: entry.size,
        time: entry.time,
    }
}

/// Whether a name is safe as the name of a file. The phone may be hostile.
pub(super) fn is_safe(name: &&str) -> bool {
    !name.is_empty()
        && !name.starts_with('.')
        && !name.contains('/')
        && !name.chars().any(char::is_control)
}
