//! `callrec fetch` and a hostile server: the size of the files and of the memory is bounded by the
//! sizes that the server has named.

use std::fs;
use std::net::UdpSocket;
use std::path::{Path, PathBuf};
use std::process::Output;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use crate::common::{callrec, folder};
use callrec::wire::fsp::{
    target, Command, DirEntry, EntryKind, FspHeader, Packet, Toward, HEADER_BYTES,
};

/// The server's reply to a command at a position, for a name.
type Answers = dyn Fn(Command, u32, &str) -> Vec<u8> + Send;

/// A server whose replies a test determines.
struct Liar {
    port: u16,
    requests: Arc<AtomicU32>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
    dir: PathBuf,
}

impl Liar {
    fn new(answers: Box<Answers>) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket
            .set_read_timeout(Some(Duration::from_millis(20)))
            .unwrap();
        let port = socket.local_addr().unwrap().port();
        let (stop, requests) = (
            Arc::new(AtomicBool::new(false)),
            Arc::new(AtomicU32::new(0)),
        );
        let (stopped, counted) = (Arc::clone(&stop), Arc::clone(&requests));
        let thread = std::thread::spawn(move || {
            let mut buffer = [0; 2048];
            while !stopped.load(Ordering::Relaxed) {
                let Ok((length, from)) = socket.recv_from(&mut buffer) else {
                    continue;
                };
                counted.fetch_add(1, Ordering::Relaxed);
                let packet = Packet::parse(&buffer[..length], Toward::Server).unwrap();
                let name = target(packet.data).map_or(&b""[..], |target| target.name);
                let payload = answers(
                    packet.head.command,
                    packet.head.position,
                    &String::from_utf8_lossy(name),
                );
                let mut reply = [&[0; HEADER_BYTES], &payload[..]].concat();
                FspHeader {
                    key: 7,
                    ..packet.head
                }
                .seal(&mut reply, 0, Toward::Client);
                socket.send_to(&reply, from).unwrap();
            }
        });
        Self {
            port,
            requests,
            stop,
            thread: Some(thread),
            dir: folder().0,
        }
    }

    fn fetch(&self, words: &[&str]) -> Output {
        let (ip, to) = (
            format!("127.0.0.1:{}", self.port),
            self.dir.display().to_string(),
        );
        callrec(&[&["fetch", "--flat", "--ip", &ip], words, &["--to", &to]].concat())
    }

    /// The error of a command that must fail.
    fn fails(&self, words: &[&str]) -> String {
        let output = self.fetch(words);
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        String::from_utf8(output.stderr).unwrap()
    }
}

impl Drop for Liar {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.take().unwrap().join().unwrap();
        let _ = fs::remove_dir_all(&self.dir);
    }
}

fn file(size: u32, name: &[u8]) -> Vec<u8> {
    let mut entry = vec![0; DirEntry::len_of(name.len())];
    DirEntry {
        time: 1_700_000_000,
        size,
        kind: EntryKind::FILE,
        name,
    }
    .emit(&mut entry)
    .unwrap();
    entry
}

fn folder_entry(name: &[u8]) -> Vec<u8> {
    let mut entry = vec![0; DirEntry::len_of(name.len())];
    DirEntry {
        time: 1_767_312_000,
        size: 0,
        kind: EntryKind::FOLDER,
        name,
    }
    .emit(&mut entry)
    .unwrap();
    entry
}

fn stat(size: u32) -> Vec<u8> {
    DirEntry {
        time: 1_700_000_000,
        size,
        kind: EntryKind::FILE,
        name: b"",
    }
    .head()
    .to_vec()
}

/// The bytes of all files in a folder.
fn written(dir: &Path) -> u64 {
    fs::read_dir(dir).map_or(0, |entries| {
        entries
            .map(|entry| entry.unwrap().metadata().unwrap().len())
            .sum()
    })
}

#[test]
fn nothing_is_written_beyond_the_length_that_the_server_has_said() {
    // The bytes arrive in one payload, or in several of which one extends beyond the end.
    for (size, block) in [(100, 1000), (2500, 1000), (2000, 1000), (0, 1)] {
        let liar = Liar::new(Box::new(move |command, position, _| match command {
            Command::STAT => stat(size),
            Command::GET_FILE if position < 270_000_000 => vec![7; block],
            _ => vec![],
        }));
        let words = liar.fails(&["get", "a.wav"]);
        assert!(
            words.contains("a.wav: the phone sends ")
                && words.contains(&format!("of a file of {size} bytes"))
        );
        assert!(
            written(&liar.dir) <= size.into(),
            "{} bytes written of {size}",
            written(&liar.dir)
        );
        assert!(!liar.dir.join("a.wav").exists());
    }
}

#[test]
fn a_file_that_grows_is_fetched_with_the_length_that_it_had_when_it_was_asked_for_again() {
    // The file is longer with each request; the listing has 1500 bytes.
    let asked = AtomicU32::new(0);
    let liar = Liar::new(Box::new(move |command, _, _| match command {
        Command::STAT if asked.fetch_add(1, Ordering::Relaxed) == 0 => stat(1500),
        Command::STAT => stat(3700),
        _ => vec![7; 1000],
    }));
    let output = liar.fetch(&["get", "a.wav"]);
    assert!(output.status.success(), "{output:?}");
    assert_eq!(fs::read(liar.dir.join("a.wav")).unwrap(), [7; 3700]);
}

#[test]
fn listings_are_bounded_in_their_blocks_and_entries() {
    let long = Liar::new(Box::new(|_, _, _| file(5, b"a.wav").repeat(75)));
    assert!(long
        .fails(&["get", "--all-new", ""])
        .contains("a listing's block has 1200 bytes, 1024 were asked for"));
    let endless = Liar::new(Box::new(|_, _, _| file(5, b"a").repeat(85)));
    assert!(endless
        .fails(&["get", ""])
        .contains("more than 65536 entries in one folder"));
    assert!(endless.requests.load(Ordering::Relaxed) < 1000);
    assert_eq!(written(&endless.dir), 0);
}

#[test]
fn names_lead_nowhere_but_into_the_folder() {
    let listing = [
        &b".."[..],
        b"../up.wav",
        b"/etc/x.wav",
        b".hidden",
        b"a/b.wav",
        b"good.wav",
    ];
    let entries = listing.map(|name| file(3, name)).concat();
    let liar = Liar::new(Box::new(move |command, position, _| {
        match (command, position) {
            (Command::GET_DIR, 0) => entries.clone(),
            (Command::GET_FILE, 0) => vec![7; 3],
            (Command::STAT, _) => stat(3),
            _ => vec![],
        }
    }));
    let inner = liar.dir.join("inner").display().to_string();
    let ip = format!("127.0.0.1:{}", liar.port);
    let output = callrec(&["fetch", "--flat", "--ip", &ip, "get", "--to", &inner, ""]);
    assert!(output.status.success(), "{output:?}");
    let names: Vec<_> = fs::read_dir(&inner)
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert_eq!(names, ["good.wav"]);
    assert_eq!(fs::read_dir(&liar.dir).unwrap().count(), 1);
}

#[test]
fn a_sidecar_names_no_folder_but_one_in_dir() {
    for device in ["..", "../up", "/tmp/up", ".hidden", "a/b", "", "a\\u0000b"] {
        let sidecar = format!("{{\"device\":\"{device}\"}}").into_bytes();
        let liar = Liar::new(Box::new(move |command, position, name| {
            match (command, position) {
                (Command::GET_DIR, 0) if name == "Recorder" => folder_entry(b"20260102"),
                (Command::GET_DIR, 0) => file(30, b"Record_20260102_101500.json"),
                (Command::GET_FILE, 0) if name.ends_with(".json") => sidecar.clone(),
                (Command::GET_FILE, 0) => vec![7; 3],
                (Command::STAT, _) => stat(3),
                _ => vec![],
            }
        }));
        let inner = liar.dir.join("inner").display().to_string();
        let ip = format!("127.0.0.1:{}", liar.port);
        let output = callrec(&["fetch", "--ip", &ip, "get", "--to", &inner, "a.wav"]);
        assert!(output.status.success(), "{device}: {output:?}");
        let path = liar
            .dir
            .join(format!("inner/127.0.0.1_{}/a.wav", liar.port));
        assert_eq!(fs::read(path).unwrap(), [7; 3], "{device}");
        assert_eq!(fs::read_dir(&inner).unwrap().count(), 1);
        assert_eq!(fs::read_dir(&liar.dir).unwrap().count(), 1);
    }
}
