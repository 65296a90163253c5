//! A control client of the daemon: its connection, and the lines that it receives.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;

use super::PATIENCE;

/// One answer or event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer(pub String);

impl Answer {
    /// The value of a key, unescaped; empty when there is none.
    pub fn value(&self, key: &str) -> String {
        let raw = self
            .0
            .split('&')
            .find_map(|pair| pair.strip_prefix(key)?.strip_prefix('='))
            .unwrap_or_default();
        let mut bytes = raw.bytes();
        let mut text = vec![];
        while let Some(byte) = bytes.next() {
            match byte {
                b'%' => {
                    let digits = [bytes.next().unwrap(), bytes.next().unwrap()];
                    text.push(
                        u8::from_str_radix(std::str::from_utf8(&digits).unwrap(), 16).unwrap(),
                    );
                }
                byte => text.push(byte),
            }
        }
        String::from_utf8_lossy(&text).into_owned()
    }

    pub fn success(&self) -> bool {
        self.value("result") == "success"
    }

    pub fn id(&self) -> String {
        self.value("id")
    }

    /// The leg ports, then the local port.
    pub fn ports(&self) -> Vec<u16> {
        let mut ports: Vec<u16> = self
            .value("leg_ports")
            .split(',')
            .filter(|p| !p.is_empty())
            .map(|p| p.parse().unwrap())
            .collect();
        ports.push(self.value("local_port").parse().unwrap());
        ports
    }

    /// The word a refusal begins with.
    pub fn reason(&self) -> String {
        assert_eq!(self.value("result"), "failed", "{self:?}");
        self.value("reason")
            .split(':')
            .next()
            .unwrap_or_default()
            .to_owned()
    }
}

/// A control connection.
pub struct Control {
    pub lines: BufReader<UnixStream>,
    /// Events about what was so already when it subscribed are left out.
    pub only_new: bool,
}

impl Control {
    pub fn open(socket: &Path) -> Self {
        let stream = UnixStream::connect(socket).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        Self {
            lines: BufReader::new(stream),
            only_new: false,
        }
    }

    pub fn send(&mut self, bytes: &[u8]) {
        self.lines.get_mut().write_all(bytes).unwrap();
    }

    /// The next line; `None` when the daemon has closed.
    pub fn next(&mut self) -> Option<Answer> {
        loop {
            let line = self.next_line()?;
            if !(self.only_new && line.value("now") == "1") {
                return Some(line);
            }
        }
    }

    fn next_line(&mut self) -> Option<Answer> {
        let mut line = vec![];
        match self.lines.read_until(b'\n', &mut line) {
            Ok(0) => None,
            Ok(_) => Some(Answer(
                String::from_utf8_lossy(line.trim_ascii_end()).into_owned(),
            )),
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => None,
            Err(error) => panic!("no line: {error}"),
        }
    }

    /// A request's answer, the lines before it left out.
    pub fn ask(&mut self, line: &str) -> Answer {
        self.ask_lines(line).pop().unwrap()
    }

    /// All lines up to the answer.
    pub fn ask_lines(&mut self, line: &str) -> Vec<Answer> {
        self.send(format!("{line}\n").as_bytes());
        let mut lines = vec![];
        loop {
            lines.push(self.next().unwrap_or_else(|| panic!("closed at {line}")));
            if !lines[lines.len() - 1].value("result").is_empty() {
                return lines;
            }
        }
    }

    /// Reads events until this one.
    pub fn until(&mut self, command: &str, state: &str) -> Answer {
        loop {
            let event = self
                .next()
                .unwrap_or_else(|| panic!("closed before {command} {state}"));
            if event.value("cmd") == command && event.value("state") == state {
                return event;
            }
        }
    }
}
