//! The control socket: a listener, and clients that send lines. The buffers of a client are
//! allocated once and reused by the next client.

use std::fs::{remove_file, set_permissions, Permissions};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use mio::net::{UnixListener, UnixStream};

use crate::base::limits::{CLIENT_BYTES, MESSAGE_BYTES};
use crate::base::ring::Ring;
use crate::io::own_error;

/// The socket's mode: its group may use it.
const MODE: u32 = 0o660;

/// Binds the control socket. A socket that was left over by a killed daemon is replaced; one that
/// accepts connections is not.
pub fn listen(path: &str) -> io::Result<UnixListener> {
    if std::os::unix::net::UnixStream::connect(path).is_ok() {
        return Err(own_error::error(
            ErrorKind::AddrInUse,
            "another callrec answers there",
        ));
    }
    match std::fs::symlink_metadata(path) {
        Ok(entry) if std::os::unix::fs::FileTypeExt::is_socket(&entry.file_type()) => {
            remove_file(path)?
        }
        Ok(_) => {
            return Err(own_error::error(
                ErrorKind::AlreadyExists,
                "there is something that is no socket",
            ))
        }
        Err(_) => {}
    }
    let listener = UnixListener::bind(path)?;
    set_permissions(Path::new(path), Permissions::from_mode(MODE))?;
    Ok(listener)
}

/// The result of reading from a client.
#[derive(Debug, PartialEq, Eq)]
pub enum ClientLine<'a> {
    /// A line, without its end.
    Text(&'a [u8]),
    /// A line that was too long, or was cut off by the end of the connection; it was skipped.
    Broken,
    /// No complete line has arrived.
    Nothing,
    /// The client has closed its side.
    End,
}

/// A slot for a client's connection.
pub struct Client {
    stream: Option<UnixStream>,
    inbox: Box<[u8]>,
    filled: usize,
    used: usize,
    skipping: bool,
    readable: bool,
    ended: bool,
    outbox: Ring,
}

impl Client {
    /// A slot without a connection.
    pub fn new() -> Self {
        Self {
            stream: None,
            inbox: vec![0; MESSAGE_BYTES + 2].into_boxed_slice(),
            filled: 0,
            used: 0,
            skipping: false,
            readable: false,
            ended: false,
            outbox: Ring::new(CLIENT_BYTES),
        }
    }

    /// Takes a connection.
    pub fn open(&mut self, stream: UnixStream) {
        self.stream = Some(stream);
        self.outbox.clear();
        self.filled = 0;
        self.used = 0;
        self.skipping = false;
        self.readable = true;
        self.ended = false;
    }

    /// Returns the connection, to be deregistered and dropped.
    pub fn close(&mut self) -> Option<UnixStream> {
        self.stream.take()
    }

    /// There is a connection.
    pub fn is_open(&self) -> bool {
        self.stream.is_some()
    }

    /// The poll has reported that the connection is readable.
    pub fn set_readable(&mut self) {
        self.readable = true;
    }

    /// `next_line` may have something to return, so the poll must not sleep.
    pub fn has_more(&self) -> bool {
        self.readable || self.inbox[self.used..self.filled].contains(&b'\n')
    }

    /// The client has closed its side, and everything for it has been written.
    pub fn is_done(&self) -> bool {
        self.ended && self.used == self.filled && self.outbox.is_empty()
    }

    /// The next line.
    pub fn next_line(&mut self) -> ClientLine<'_> {
        loop {
            let waiting = &self.inbox[self.used..self.filled];
            if let Some(length) = waiting.iter().position(|b| *b == b'\n') {
                let start = self.used;
                self.used += length + 1;
                if std::mem::take(&mut self.skipping) || length > MESSAGE_BYTES {
                    return ClientLine::Broken;
                }
                return ClientLine::Text(&self.inbox[start..start + length]);
            }
            if waiting.len() > MESSAGE_BYTES {
                self.skipping = true;
                self.used = self.filled;
            }
            if self.ended {
                // An incomplete message must not be executed: its id may be truncated.
                let cut_off = std::mem::take(&mut self.skipping) || self.used < self.filled;
                self.used = self.filled;
                return if cut_off {
                    ClientLine::Broken
                } else {
                    ClientLine::End
                };
            }
            if !self.read_some() {
                return ClientLine::Nothing;
            }
        }
    }

    /// Queues the beginning of a line; `false`: there is no room.
    #[must_use]
    pub fn push(&mut self, text: &[u8]) -> bool {
        self.outbox.push(text)
    }

    /// Queues a line; `false` when the client has not read enough of the previous ones.
    #[must_use]
    pub fn push_line(&mut self, line: &[u8]) -> bool {
        self.outbox.room() > line.len() && self.outbox.push(line) && self.outbox.push(b"\n")
    }

    /// Bytes that can be queued.
    pub fn room(&self) -> usize {
        self.outbox.room()
    }

    /// Writes what can be written; `false` when the connection is broken.
    #[must_use]
    pub fn flush(&mut self) -> bool {
        let Some(stream) = &mut self.stream else {
            return true;
        };
        while !self.outbox.is_empty() {
            match stream.write(self.outbox.front(usize::MAX)) {
                Ok(0) => return false,
                Ok(written) => self.outbox.consume(written),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return error.kind() == ErrorKind::WouldBlock,
            }
        }
        true
    }

    /// Reads into the inbox; `false` when there is nothing to read now.
    fn read_some(&mut self) -> bool {
        let Some(stream) = self.stream.as_mut().filter(|_| self.readable) else {
            return false;
        };
        self.inbox.copy_within(self.used..self.filled, 0);
        self.filled -= std::mem::take(&mut self.used);
        match stream.read(&mut self.inbox[self.filled..]) {
            Ok(0) => {
                self.ended = true;
                self.readable = false;
            }
            Ok(read) => self.filled += read,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => {
                self.readable = false;
                self.ended = error.kind() != ErrorKind::WouldBlock;
                return self.ended;
            }
        }
        true
    }
}

impl Default for Client {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair() -> (Client, UnixStream) {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let mut client = Client::new();
        client.open(ours);
        (client, theirs)
    }

    fn lines(client: &mut Client) -> Vec<String> {
        let mut lines = vec![];
        loop {
            match client.next_line() {
                ClientLine::Text(text) => lines.push(String::from_utf8_lossy(text).into_owned()),
                ClientLine::Broken => lines.push("BROKEN".into()),
                ClientLine::End => lines.push("END".into()),
                ClientLine::Nothing => return lines,
            }
            if lines.last().is_some_and(|line| line == "END") {
                return lines;
            }
        }
    }

    #[test]
    fn lines_come_whole_however_they_are_cut() {
        let text = b"one\ntwo\r\n\nlast";
        for cut in 0..text.len() {
            let (mut client, mut peer) = pair();
            peer.write_all(&text[..cut]).unwrap();
            let mut got = lines(&mut client);
            peer.write_all(&text[cut..]).unwrap();
            drop(peer);
            client.set_readable();
            got.extend(lines(&mut client));
            assert_eq!(got, ["one", "two\r", "", "BROKEN", "END"], "{cut}");
        }
    }

    #[test]
    fn a_line_without_end_is_skipped_and_the_next_one_heard() {
        for length in [
            MESSAGE_BYTES - 1,
            MESSAGE_BYTES,
            MESSAGE_BYTES + 1,
            MESSAGE_BYTES + 2,
            60_000,
        ] {
            let (mut client, mut peer) = pair();
            peer.write_all(&vec![b'x'; length]).unwrap();
            peer.write_all(b"\nnext\n").unwrap();
            let got = lines(&mut client);
            assert_eq!(got.len(), 2, "{length}");
            assert_eq!(got[0] == "BROKEN", length > MESSAGE_BYTES, "{length}");
            assert_eq!(got[1], "next");
        }
    }

    #[test]
    fn a_client_that_does_not_read_is_noticed() {
        let (mut client, _peer) = pair();
        let taken = (0..10_000)
            .take_while(|_| client.push_line(&[b'x'; 100]) && client.flush())
            .count();
        assert!(taken < 10_000);
    }
}
