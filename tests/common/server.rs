//! The real `callrec-server record` in a folder of its own, and phones that talk to it by the
//! letter of the protocol.

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use nix::sys::signal::Signal;

use super::{folder, marked, rtp, wait_for, words_of, Answer, Process, PATIENCE};

/// RTP ports of one server.
const PORTS: u32 = 40;

/// A server, and the folder with its recordings and its log.
pub struct Server {
    pub dir: PathBuf,
    options: Vec<String>,
    process: Process,
    /// The words that start the program: ours as it was built here.
    pub program: Vec<String>,
    /// What it is started with: itself, or `ip netns exec` in front of it.
    pub before: Vec<String>,
    pub environment: Vec<(String, String)>,
}

impl Server {
    /// A running server on loopback.
    pub fn new(options: &[&str]) -> Self {
        let mut server = Self::prepared(options);
        server.start();
        server
    }

    /// One that does not run yet.
    pub fn prepared(options: &[&str]) -> Self {
        let (dir, number) = folder();
        let low = 33_000 + (std::process::id() * 7 + number) % 160 * PORTS;
        let place = [
            ("--listen", "127.0.0.1:0".to_owned()),
            ("--reserve", "8".to_owned()), // an emulated phone has no more
            ("--dir", dir.join("recordings").display().to_string()),
            ("--rtp-ports", format!("{low}-{}", low + PORTS - 1)),
        ];
        let mut all: Vec<String> = options.iter().map(|option| (*option).to_owned()).collect();
        for (option, value) in place {
            if !all.iter().any(|given| given == option) {
                all.extend([option.to_owned(), value]);
            }
        }
        Self {
            dir,
            options: all,
            process: Process::default(),
            program: words_of(env!("CARGO_BIN_EXE_callrec-server")),
            before: vec![],
            environment: vec![],
        }
    }

    pub fn start(&mut self) {
        let _ = fs::remove_file(self.log_path());
        let log = fs::File::create(self.log_path()).unwrap();
        let mut words = self.before.clone();
        words.extend(self.program.clone());
        words.push("record".to_owned());
        words.extend(self.options.clone());
        let mut command = Command::new(&words[0]);
        command
            .args(&words[1..])
            .env("RUST_LOG", "debug")
            .env("TZ", "UTC");
        command.envs(self.environment.clone());
        self.process.start(&mut command, log);
        wait_for("the server", || {
            assert!(
                self.process.lives(),
                "the server did not start: {}",
                self.log()
            );
            self.log().contains(" is ready on ")
        });
    }

    fn log_path(&self) -> PathBuf {
        self.dir.join("log")
    }

    pub fn log(&self) -> String {
        fs::read_to_string(self.log_path()).unwrap_or_default()
    }

    /// Where its control connections go.
    pub fn address(&self) -> SocketAddr {
        self.said(" is ready on ")
    }

    /// The address that follows this text in the log.
    fn said(&self, words: &str) -> SocketAddr {
        let log = self.log();
        let after = log.split(words).nth(1).unwrap();
        after
            .split([' ', ',', '\n'])
            .next()
            .unwrap()
            .parse()
            .unwrap()
    }

    pub fn pid(&self) -> i32 {
        self.process.pid()
    }

    pub fn signal(&self, signal: Signal) {
        self.process.signal(signal);
    }

    pub fn kill(&mut self) {
        self.process.kill();
    }

    /// Waits for its own end; the exit status.
    pub fn wait(&mut self) -> Option<i32> {
        self.process.wait()
    }

    /// The files in a device's folder, sorted.
    pub fn files(&self, device: &str) -> Vec<String> {
        let Ok(entries) = fs::read_dir(self.dir.join("recordings").join(device)) else {
            return vec![];
        };
        let mut names: Vec<String> = entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    /// The only file of a device with this ending.
    pub fn file(&self, device: &str, ending: &str) -> PathBuf {
        let names: Vec<String> = self
            .files(device)
            .into_iter()
            .filter(|name| name.ends_with(ending))
            .collect();
        assert_eq!(names.len(), 1, "{names:?}");
        self.dir.join("recordings").join(device).join(&names[0])
    }

    /// The sidecar of a device's only recording, once it is there.
    pub fn sidecar(&self, device: &str) -> serde_json::Value {
        wait_for("the sidecar", || {
            self.files(device)
                .iter()
                .any(|name| name.ends_with(".json"))
        });
        serde_json::from_slice(&fs::read(self.file(device, ".json")).unwrap()).unwrap()
    }

    /// The value of `callrec_NAME` on the page of metrics.
    pub fn metric(&self, name: &str) -> u64 {
        let page = self.page("/metrics").1;
        let prefix = format!("callrec_{name} ");
        let value = page.lines().find_map(|line| line.strip_prefix(&prefix));
        let value = value.unwrap_or_else(|| panic!("no {name} in {page}"));
        value.parse().unwrap()
    }

    /// Where its metrics are.
    pub fn metrics_address(&self) -> SocketAddr {
        self.said(", metrics on ")
    }

    /// A page of its metrics endpoint: the status line and the body.
    pub fn page(&self, path: &str) -> (String, String) {
        let mut stream = TcpStream::connect(self.metrics_address()).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        write!(stream, "GET {path} HTTP/1.1\r\nHost: test\r\n\r\n").unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        (head.lines().next().unwrap().to_owned(), body.to_owned())
    }

    pub fn connect(&self) -> Line {
        Line::connect(self.address())
    }

    /// A phone that records.
    pub fn phone(&self, id: &str, keys: &str) -> RecordingPhone {
        RecordingPhone::start(self.connect(), id, keys)
            .unwrap_or_else(|answer| panic!("{answer:?}"))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("--- the server's log\n{}", self.log());
        }
        self.kill();
        let _ = fs::remove_dir_all(&self.dir);
    }
}

/// A control connection.
pub struct Line(pub TcpStream);

impl Line {
    pub fn connect(to: SocketAddr) -> Self {
        let stream = TcpStream::connect(to).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        Self(stream)
    }

    pub fn send(&mut self, bytes: &[u8]) {
        let _ = self.0.write_all(bytes);
    }

    /// What the server sends next; `None`: it has closed.
    pub fn next(&mut self) -> Option<Answer> {
        let mut buffer = [0; 4096];
        let read = loop {
            match self.0.read(&mut buffer) {
                // The whole machine was stopped for a moment.
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                read => break read,
            }
        };
        match read {
            Ok(0) => None,
            Ok(read) => Some(Answer(
                String::from_utf8_lossy(&buffer[..read])
                    .trim_end()
                    .to_owned(),
            )),
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => None,
            Err(error) => panic!("no answer: {error}"),
        }
    }

    pub fn ask(&mut self, text: &str) -> Answer {
        self.send(text.as_bytes());
        self.next().unwrap_or_else(|| panic!("closed at {text}"))
    }
}

/// A phone that records: its control connection, and the socket its RTP comes from.
pub struct RecordingPhone {
    pub line: Line,
    pub id: String,
    pub media: UdpSocket,
    pub to: SocketAddr,
    pub sent: u32,
}

impl RecordingPhone {
    /// Asks for a recording; the answer if that is refused.
    pub fn start(mut line: Line, id: &str, keys: &str) -> Result<Self, Answer> {
        let answer = line.ask(&format!(
            "cmd=RecordStartRequest&id={id}&codec=PCMU{keys}\n"
        ));
        assert_eq!(
            (answer.value("cmd").as_str(), answer.id()),
            ("RecordStartResponse", id.to_owned()),
            "{answer:?}"
        );
        if !answer.success() {
            return Err(answer);
        }
        let port = answer.value("port").parse().unwrap();
        let to = SocketAddr::new(answer.value("server").parse().unwrap(), port);
        let media = UdpSocket::bind((line.0.local_addr().unwrap().ip(), 0)).unwrap();
        Ok(Self {
            line,
            id: id.to_owned(),
            media,
            to,
            sent: 0,
        })
    }

    /// The n-th packet.
    pub fn packet(&self, n: u32) -> Vec<u8> {
        rtp(
            0,
            (65_000 + n) as u16,
            7000 + n * 160,
            0x5151,
            &marked(1, n),
        )
    }

    /// Sends the next packets, in their own time if `paced`.
    pub fn send(&mut self, packets: u32, paced: bool) {
        for _ in 0..packets {
            self.media
                .send_to(&self.packet(self.sent), self.to)
                .unwrap();
            self.sent += 1;
            if paced {
                std::thread::sleep(Duration::from_millis(20));
            }
        }
    }

    /// The payloads of all packets sent.
    pub fn payloads(&self) -> Vec<Vec<u8>> {
        (0..self.sent).map(|n| marked(1, n)).collect()
    }

    pub fn stop(&mut self) -> Answer {
        self.line.ask(&format!(
            "cmd=RecordStopRequest&id={}&reason=hangup\n",
            self.id
        ))
    }
}
