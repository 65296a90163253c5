//! The building intercom as its peers see it: the other end of a connection, with messages in plain
//! JSON, and the devices that `callrec-sim` and the naive peers play.

use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddrV4, TcpListener, TcpStream};
use std::os::fd::AsRawFd;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{channel, Receiver};

use nix::sys::signal::{kill, Signal};
use nix::sys::socket::{bind, connect, socket, AddressFamily, SockFlag, SockType, SockaddrIn};
use nix::unistd::Pid;
use serde_json::{json, Value};

use super::{wait_for, PATIENCE};

/// A program that prints a line for each thing that happens.
pub struct Device {
    child: Child,
    lines: Receiver<String>,
}

impl Device {
    /// `callrec-sim` with these arguments.
    #[cfg(feature = "sim")]
    pub fn sim(arguments: &[&str]) -> Self {
        let mut command = super::command(env!("CARGO_BIN_EXE_callrec-sim"));
        command.args(arguments);
        Self::start(&mut command)
    }

    /// One of the programs in `tests/intercom`.
    pub fn naive(program: &str, arguments: &[&str]) -> Self {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/intercom");
        let mut command = Command::new("python3");
        command
            .arg(format!("{folder}/{program}.py"))
            .args(arguments);
        Self::start(&mut command)
    }

    /// `callrec-sim` in a network namespace.
    #[cfg(feature = "sim")]
    pub fn sim_within(namespace: &str, arguments: &[&str]) -> Self {
        let mut command = Command::new("ip");
        command
            .args(["netns", "exec", namespace])
            .args(super::words_of(env!("CARGO_BIN_EXE_callrec-sim")))
            .args(arguments);
        Self::start(&mut command)
    }

    fn start(command: &mut Command) -> Self {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let out = BufReader::new(child.stdout.take().unwrap());
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            for line in out.lines().map_while(Result::ok) {
                let _ = sender.send(line);
            }
        });
        Self { child, lines }
    }

    pub fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.child.id() as i32), signal).unwrap();
    }

    /// The rest of its next line, which begins like this.
    pub fn says(&mut self, begin: &str) -> String {
        let line = self.lines.recv_timeout(PATIENCE);
        let Ok(line) = line else {
            panic!("'{begin}' is not said: {}", self.end().1);
        };
        let rest = line.strip_prefix(begin);
        rest.unwrap_or_else(|| panic!("'{line}', not '{begin}'"))
            .to_owned()
    }

    /// Reads lines up to one that begins like this; returns its rest.
    pub fn until(&mut self, begin: &str) -> String {
        loop {
            let line = self.says("");
            if let Some(rest) = line.strip_prefix(begin) {
                return rest.to_owned();
            }
        }
    }

    /// Waits for its own end: the exit status, and what it has printed to standard error.
    pub fn end(&mut self) -> (Option<i32>, String) {
        let mut status = None;
        wait_for("the device's end", || {
            status = self.child.try_wait().unwrap();
            status.is_some()
        });
        let mut errors = String::new();
        if let Some(mut stderr) = self.child.stderr.take() {
            stderr.read_to_string(&mut errors).unwrap();
        }
        (status.unwrap().code(), errors)
    }

    /// It ends by itself, successfully.
    pub fn succeeds(&mut self) {
        let (status, errors) = self.end();
        assert_eq!((status, errors.as_str()), (Some(0), ""));
    }

    /// It ends by itself with status 1, and a line that contains `reason`.
    pub fn fails(&mut self, reason: &str) {
        let (status, errors) = self.end();
        assert_eq!(status, Some(1), "{errors}");
        assert!(errors.contains(reason), "{errors}");
        assert_eq!(errors.matches('\n').count(), 1, "{errors}");
    }
}

impl Drop for Device {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Who takes connections; its address as text.
pub fn listen() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    (listener, address)
}

/// The far end of a device's connection.
pub struct Peer(BufReader<TcpStream>);

impl Peer {
    pub fn accept(listener: &TcpListener) -> Self {
        listener.set_nonblocking(true).unwrap();
        let mut accepted = None;
        wait_for("a connection", || {
            accepted = listener.accept().ok();
            accepted.is_some()
        });
        let (stream, _) = accepted.unwrap();
        stream.set_nonblocking(false).unwrap();
        Self::new(stream)
    }

    pub fn connect(address: &str) -> Self {
        Self::new(TcpStream::connect(address).unwrap())
    }

    /// The same from one of this machine's other addresses.
    pub fn connect_from(own: Ipv4Addr, address: &str) -> Self {
        Self::new(connect_from(own, address))
    }

    fn new(stream: TcpStream) -> Self {
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        Self(BufReader::new(stream))
    }

    /// This end's address.
    pub fn local_address(&self) -> String {
        self.0.get_ref().local_addr().unwrap().to_string()
    }

    /// Sends a text and its NUL.
    pub fn say(&mut self, text: &str) {
        let message = format!("{text}\0");
        self.0.get_mut().write_all(message.as_bytes()).unwrap();
    }

    /// The next message, `call_keep` included; `None`: the device has closed.
    pub fn hear_any(&mut self) -> Option<Value> {
        let mut text = vec![];
        match self.0.read_until(0, &mut text) {
            // It has closed without having read everything.
            Err(error) if error.kind() == ErrorKind::ConnectionReset => return None,
            read => drop(read.unwrap()),
        }
        text.pop()?;
        Some(serde_json::from_slice(&text).unwrap())
    }

    /// The values of the next message but for `call_keep`; it has this name.
    pub fn hear(&mut self, name: &str) -> Value {
        loop {
            let message = self.hear_any();
            let message = message.unwrap_or_else(|| panic!("closed before {name}"));
            if message["name"] != "call_keep" {
                assert_eq!(message["name"], name, "{message}");
                return message["values"].clone();
            }
        }
    }

    /// Waits until the device closes; `call_keep` may come before.
    pub fn hear_end(&mut self) {
        while let Some(message) = self.hear_any() {
            assert_eq!(message["name"], "call_keep", "{message}");
        }
    }
}

/// A connection from this address of this machine.
pub fn connect_from(own: Ipv4Addr, address: &str) -> TcpStream {
    let (family, kind) = (AddressFamily::Inet, SockType::Stream);
    let stream = socket(family, kind, SockFlag::SOCK_CLOEXEC, None).unwrap();
    let own = SockaddrIn::from(SocketAddrV4::new(own, 0));
    bind(stream.as_raw_fd(), &own).unwrap();
    let address: SocketAddrV4 = address.parse().unwrap();
    connect(stream.as_raw_fd(), &SockaddrIn::from(address)).unwrap();
    TcpStream::from(stream)
}

/// A call to a screen or to the property's phone.
pub const CALL_REQ: &str = r#"{"id":"1","name":"call_req","values":{"sid":"c0ffee",
    "src":{"id":"2-1-1","type":3,"video_stream_id":"b1f0c4"},
    "dest":{"id":"2-1-201","type":1,"audio_stream_id":"c7d2e9"}}}"#;

/// A message about a call.
pub fn of_call(name: &str, sid: &str, others: Value) -> String {
    let mut values = json!({ "sid": sid });
    for (key, value) in others.as_object().unwrap() {
        values[key] = value.clone();
    }
    json!({ "id": "", "name": name, "values": values }).to_string()
}

/// Sixteen hexadecimal digits.
pub fn assert_random(text: &Value) {
    let text = text.as_str().unwrap();
    let is_hex = text.bytes().all(|byte| byte.is_ascii_hexdigit());
    assert!(text.len() == 16 && is_hex, "{text}");
}
