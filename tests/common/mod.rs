//! The real `callrec` on real sockets, as a phone sees it: a daemon in a folder of its own, a
//! control client, a media engine that sends marked frames, and a strict reader of what was
//! recorded.
#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr
)]

use std::fs;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

#[cfg(feature = "archive")]
pub mod archive;
#[cfg(feature = "tools")]
pub mod browser;
pub mod capture;
mod control;
pub mod engine;
#[cfg(feature = "s3")]
pub mod fake_store;
pub mod file;
#[cfg(any(feature = "archive", feature = "cloud-server"))]
pub mod haproxy;
#[cfg(feature = "box")]
pub mod home_box;
pub mod intercom;
#[cfg(feature = "intercom")]
pub mod intercom_peer;
pub mod listener;
pub mod made;
#[cfg(feature = "archive")]
pub mod made_calls;
mod media;
#[cfg(feature = "oidc")]
pub mod oidc;
mod packets;
#[cfg(feature = "tools")]
pub mod player;
#[cfg(any(feature = "archive", feature = "cloud-server"))]
pub mod postgres;
mod process;
mod program;
pub mod scripted;
#[cfg(feature = "server")]
pub mod server;
#[cfg(feature = "server")]
pub mod small_disk;
pub mod stalling_proxy;
pub mod sticky;
#[cfg(feature = "s3")]
pub mod storage;
#[cfg(feature = "intercom")]
pub mod streams;
pub mod uploads;
pub mod wave;
#[cfg(feature = "tools")]
pub mod webdriver;
pub mod witness;

pub use control::*;
pub use media::*;
pub use packets::*;
pub use process::Process;
pub use program::*;

/// Nothing that is awaited takes this long, however busy the machine.
pub const PATIENCE: Duration = Duration::from_secs(20);
/// Mu-law silence.
pub const SILENCE: u8 = 0xFF;
/// Media ports of one daemon.
const PORTS: u32 = 90;

/// The numbers of `epoll_wait` and `epoll_pwait` on x86-64, ARMv7 and AArch64. Under qemu-user an
/// ARMv7 program makes the host's calls.
const EPOLL_WAIT: [i64; 5] = [232, 281, 252, 346, 22];

static NUMBER: AtomicU32 = AtomicU32::new(0);

/// Polls until it is so; `what` is for the message when it never is.
pub fn wait_for(what: &str, so: impl FnMut() -> bool) {
    wait(PATIENCE, what, so);
}

/// The same for what has a time-out of its own before it.
pub fn wait_long_for(what: &str, so: impl FnMut() -> bool) {
    wait(3 * PATIENCE, what, so);
}

fn wait(patience: Duration, what: &str, mut so: impl FnMut() -> bool) {
    let started = Instant::now();
    while !so() {
        assert!(started.elapsed() < patience, "waited in vain: {what}");
        sleep(Duration::from_millis(5));
    }
}

/// A fresh folder with a short path (a socket's path is short); the caller removes it.
pub fn folder() -> (PathBuf, u32) {
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let path = PathBuf::from(format!("/tmp/callrec-it-{}-{number}", std::process::id()));
    let _ = fs::remove_dir_all(&path);
    fs::create_dir_all(&path).unwrap();
    (path, number)
}

/// A phone: a folder with the configuration, the stick and the socket, and the daemon.
pub struct Phone {
    dir: PathBuf,
    process: Process,
    program: String,
    /// What the daemon is started with: itself, or a tracer in front of it.
    before: Vec<String>,
    /// Its time zone.
    zone: &'static str,
}

impl Phone {
    /// A running phone; `config` is added to what places it in its folder.
    pub fn new(config: &str) -> Self {
        let mut phone = Self::prepared(config);
        phone.start();
        phone
    }

    /// One whose daemon does not run yet.
    pub fn prepared(config: &str) -> Self {
        let (dir, number) = folder();
        fs::create_dir(dir.join("stick")).unwrap();
        let phone = Self {
            dir,
            process: Process::default(),
            program: env!("CARGO_BIN_EXE_callrec").into(),
            before: vec![],
            zone: "UTC",
        };
        phone.configure(config, number);
        phone
    }

    fn configure(&self, config: &str, number: u32) {
        let low = 20_000 + (std::process::id() * 7 + number) % 140 * PORTS;
        let place = [
            ("usbMount", self.stick().display().to_string()),
            ("usbRequireMount", "0".into()),
            ("controlSocket", self.socket().display().to_string()),
            ("mediaPorts", format!("{low}-{}", low + PORTS - 1)),
        ];
        let mut text = String::from(config) + "\n";
        for (key, value) in place.iter().filter(|(key, _)| !config.contains(key)) {
            text += &format!("{key} = {value}\n");
        }
        fs::write(self.config(), text).unwrap();
    }

    /// Adds lines to the configuration, in front of those there are.
    pub fn reconfigure(&self, lines: &str) {
        let text = fs::read_to_string(self.config()).unwrap();
        fs::write(self.config(), format!("{lines}\n{text}")).unwrap();
    }

    /// Has the daemon started by this command, for example `strace`.
    pub fn behind(mut self, before: &[&str]) -> Self {
        self.before = before.iter().map(|word| (*word).to_owned()).collect();
        self
    }

    /// Installs the daemon into the phone's folder, with this page beside it.
    pub fn with_page(mut self, page: &[u8]) -> Self {
        let words = words_of(&self.program);
        let program = self.path("bin/callrec");
        let installed = self.path("share/callrec/Listen.html");
        for path in [&program, &installed] {
            fs::create_dir_all(path.parent().unwrap()).unwrap();
        }
        fs::copy(words.last().unwrap(), &program).unwrap();
        fs::write(installed, page).unwrap();
        self.program = program.to_str().unwrap().to_owned();
        self
    }

    /// Moves the phone, before it is started.
    pub fn somewhere(mut self, zone: &'static str) -> Self {
        self.zone = zone;
        self
    }

    pub fn stick(&self) -> PathBuf {
        self.dir.join("stick")
    }

    pub fn socket(&self) -> PathBuf {
        self.dir.join("s")
    }

    pub fn config(&self) -> PathBuf {
        self.dir.join("conf")
    }

    /// A path in the phone's own folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    pub fn start(&mut self) {
        let log = fs::File::options()
            .create(true)
            .append(true)
            .open(self.dir.join("log"))
            .unwrap();
        let mut words = self.before.clone();
        words.extend(words_of(&self.program));
        words.extend(["run".into(), "-c".into()]);
        let mut command = Command::new(&words[0]);
        command
            .args(&words[1..])
            .arg(self.config())
            .env("RUST_LOG", "debug")
            .env("TZ", self.zone);
        if !self.before.is_empty() {
            command.process_group(0);
        }
        self.process.start(&mut command, log);
        let socket = self.socket();
        wait_for("the control socket", || {
            assert!(self.lives(), "the daemon did not start: {}", self.log());
            UnixStream::connect(&socket).is_ok()
        });
    }

    pub fn lives(&mut self) -> bool {
        self.process.lives()
    }

    pub fn log(&self) -> String {
        fs::read_to_string(self.dir.join("log")).unwrap_or_default()
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

    /// Waits until the daemon polls without a timeout: it has no deadline, and only an event wakes
    /// it. The kernel shows the system call that a process waits in as its number and its
    /// arguments, all but the first in hexadecimal.
    pub fn wait_until_asleep(&self) {
        let path = format!("/proc/{}/syscall", self.pid());
        wait_for("a daemon without a deadline", || {
            let call = fs::read_to_string(&path).unwrap();
            let words: Vec<&str> = call.split_whitespace().collect();
            // Argument 4 is the timeout, an `int`: -1 stands for no timeout.
            let timeout = words.get(4).and_then(|word| word.strip_prefix("0x"));
            let polls = words[0]
                .parse()
                .is_ok_and(|number: i64| EPOLL_WAIT.contains(&number));
            polls && timeout.is_some_and(|timeout| timeout.ends_with("ffffffff"))
        });
    }

    /// Sends SIGTERM and waits for the end; returns the exit status. It is 1 when the daemon has
    /// not finished its recordings within its own limit (`SHUTDOWN`), so that 0 also means "in
    /// time".
    pub fn end(&mut self) -> Option<i32> {
        self.signal(Signal::SIGTERM);
        self.process.wait()
    }

    pub fn control(&self) -> Control {
        Control::open(&self.socket())
    }

    /// One request on a connection of its own.
    pub fn ask(&self, line: &str) -> Answer {
        self.control().ask(line)
    }

    /// Starts a recording that must succeed.
    pub fn record(&self, keys: &str) -> Answer {
        let answer = self.ask(&format!("cmd=RecordStartRequest{keys}"));
        assert!(answer.success(), "{answer:?}");
        answer
    }

    /// Stops a recording that must succeed.
    pub fn stop(&self, id: &str) -> Answer {
        let answer = self.ask(&format!("cmd=RecordStopRequest&id={id}"));
        assert!(answer.success(), "{answer:?}");
        answer
    }

    pub fn stat(&self, name: &str) -> u64 {
        self.ask("cmd=StatsRequest").value(name).parse().unwrap()
    }

    /// Subscribed to events; it hears of what is new.
    pub fn watch(&self) -> Control {
        let mut control = self.control();
        control.only_new = true;
        assert!(control.ask("cmd=SubscribeRequest").success());
        control
    }

    /// The recordings on the stick, by name.
    pub fn files(&self) -> Vec<String> {
        let names = fs::read_dir(self.stick())
            .unwrap()
            .map(|e| e.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<String> = names
            .filter(|name| !name.ends_with(".json") && name != "Record.new")
            .collect();
        names.sort();
        names
    }

    /// The sidecar of a recording, once it contains this text.
    pub fn sidecar(&self, recording: &str, says: &str) -> serde_json::Value {
        let path = self.stick().join(recording).with_extension("json");
        let mut text = String::new();
        wait_for("a sidecar", || {
            text = fs::read_to_string(&path).unwrap_or_default();
            text.contains(says)
        });
        assert!(text.ends_with("}\n") && text.lines().count() == 1, "{text}");
        serde_json::from_str(&text).unwrap()
    }
}

impl Drop for Phone {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("--- the daemon's log\n{}", self.log());
        }
        self.kill();
        let _ = fs::remove_dir_all(&self.dir);
    }
}
