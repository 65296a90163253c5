//! The servers of the cloud as running programs, and HTTP by hand to talk to them.
#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr
)]

use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Command;

use nix::sys::signal::Signal;

use super::common::{self, wait_for, words_of, Process};

pub mod caller;
#[cfg(feature = "archive")]
pub mod certificates;
pub mod client;
pub mod hook;
pub mod nginx;
#[cfg(feature = "cloud")]
pub mod phone;
pub mod site;
pub mod stream;
pub mod vendor;

pub use client::*;

/// The key of the app `Test`.
pub const KEY: &str = "0123456789abcdef0123456789abcdef";
/// The key of the operator's programs.
pub const API_KEY: &str = "an-api-key-that-nobody-guesses";
pub const APP: [(&str, &str); 2] = [("X-APP-ID", "Test"), ("X-APP-Key", KEY)];

/// A server in a folder of its own.
pub struct Running {
    pub dir: PathBuf,
    name: &'static str,
    process: Process,
    /// What it is started with: `ip netns exec ...`.
    before: Vec<String>,
    pub address: SocketAddr,
}

impl Running {
    /// `callrec-server NAME` with this configuration; `DIR` in it is its folder, where `app.key` is
    /// the key of the app.
    pub fn start(name: &'static str, config: &str) -> Self {
        Self::start_behind(&[], name, config)
    }

    /// The same, started by this command.
    pub fn start_behind(before: &[String], name: &'static str, config: &str) -> Self {
        let (dir, _) = common::folder();
        let shown = dir.display().to_string();
        secret(&dir.join("app.key"), KEY);
        secret(&dir.join("api.key"), API_KEY);
        fs::write(dir.join("conf"), config.replace("DIR", &shown)).unwrap();
        let mut running = Self {
            dir,
            name,
            process: Process::default(),
            before: before.to_vec(),
            address: SocketAddr::from(([127, 0, 0, 1], 0)),
        };
        running.begin();
        running
    }

    fn begin(&mut self) {
        let log = fs::File::create(self.dir.join("log")).unwrap();
        let program = env!("CARGO_BIN_EXE_callrec-server");
        let words: Vec<String> = self
            .before
            .iter()
            .cloned()
            .chain(words_of(program))
            .collect();
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]);
        let conf = self.dir.join("conf");
        command.args([self.name, "-c", conf.to_str().unwrap()]);
        command.env("RUST_LOG", "debug").current_dir(&self.dir);
        self.process.start(&mut command, log);
        let ready = format!("{} is ready on ", self.name);
        wait_for("the server", || {
            assert!(self.process.lives(), "it did not start: {}", self.log());
            self.log().contains(&ready)
        });
        let log = self.log();
        let address = log.split(&ready).nth(1).unwrap().lines().next().unwrap();
        self.address = address.parse().unwrap();
    }

    /// Ends it and starts it anew, at another port.
    pub fn restart(&mut self) {
        self.end();
        self.begin();
    }

    /// Starts it again where it was, after its end.
    pub fn restart_at(&mut self, address: SocketAddr) {
        let conf = self.dir.join("conf");
        let text = fs::read_to_string(&conf).unwrap();
        fs::write(&conf, text.replace("127.0.0.1:0", &address.to_string())).unwrap();
        self.begin();
    }

    /// Starts it after its end, at another port.
    pub fn start_again(&mut self) {
        self.begin();
    }

    /// Ends it as an administrator does.
    pub fn end(&mut self) {
        self.signal(Signal::SIGTERM);
        assert_eq!(self.process.wait(), Some(0));
    }

    /// As a power cut does.
    pub fn kill(&mut self) {
        self.process.kill();
    }

    pub fn signal(&self, signal: Signal) {
        self.process.signal(signal);
    }

    pub fn pid(&self) -> i32 {
        self.process.pid()
    }

    pub fn log(&self) -> String {
        fs::read_to_string(self.dir.join("log")).unwrap_or_default()
    }

    pub fn ask(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Reply {
        ask(self.address, method, path, headers, body)
    }

    /// As the app.
    pub fn manage(&self, method: &str, path: &str, body: &str) -> Reply {
        self.ask(method, path, &APP, body)
    }

    /// As a program of the operator.
    pub fn operate(&self, method: &str, path: &str, body: &str) -> Reply {
        let bearer = format!("Bearer {API_KEY}");
        self.ask(method, path, &[("Authorization", &bearer)], body)
    }

    /// As a device.
    pub fn as_device(&self, cid: u32, method: &str, path: &str, body: &str) -> Reply {
        self.ask(method, path, &[("X-Client-Token", &token(cid))], body)
    }

    /// The channel of a device, past its first event.
    pub fn channel(&self, cid: u32) -> Events {
        let mut events = self.channel_with(&token(cid));
        assert_eq!(events.next_data(), r#"{"Name":"Online"}"#);
        events
    }

    pub fn channel_with(&self, token: &str) -> Events {
        Events::open(self.address, "/v2/channel", &[("X-Client-Token", token)])
    }

    /// The state of a device as the Web API has it; -1 if it is not listed.
    pub fn state(&self, cid: u32) -> i64 {
        let reply = self.manage(
            "POST",
            "/v2/devices/state",
            &format!("{{\"cids\":[{cid}]}}"),
        );
        reply.json()["devices"][0]["state"].as_i64().unwrap_or(-1)
    }

    /// The value of a metric.
    pub fn metric(&self, name: &str) -> u64 {
        let page = self.ask("GET", "/metrics", &[], "").text();
        let line = page
            .lines()
            .find_map(|line| line.strip_prefix(&format!("{name} ")));
        line.unwrap_or_else(|| panic!("no {name} in {page}"))
            .parse()
            .unwrap()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("--- the log of {}\n{}", self.name, self.log());
        }
        self.process.kill();
        let _ = fs::remove_dir_all(&self.dir);
    }
}

/// A cloud with the app `Test`, devices 1000000 to 1999999.
pub fn cloud(more: &str) -> Running {
    let config = format!(
        "listen = 127.0.0.1:0\napp = Test DIR/app.key 1000000-1999999\ndatabase = DIR/cloud.db\n{more}"
    );
    Running::start("cloud", &config)
}

/// The application server of the app `Test`.
pub fn calls(cloud: &str, more: &str) -> Running {
    let config = format!(
        "listen = 127.0.0.1:0\ncloud = {cloud}\nappId = Test\nappKeyFile = DIR/app.key\n\
         apiKeyFile = DIR/api.key\n{more}"
    );
    Running::start("calls", &config)
}

/// A file that only its owner reads.
pub fn secret(path: &std::path::Path, text: &str) {
    fs::write(path, format!("{text}\n")).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
}

/// A token that is valid for an hour.
pub fn token(cid: u32) -> String {
    token_until(cid, unix_now() + 3600)
}

pub fn token_until(cid: u32, expire: u64) -> String {
    callrec::wire::cloud::digests::make_token(KEY.as_bytes(), cid, 0, expire as u32)
}

pub fn unix_now() -> u64 {
    let now = std::time::SystemTime::now();
    now.duration_since(std::time::UNIX_EPOCH).unwrap().as_secs()
}
