//! The page that plays recordings (`Listen.html`), in a browser: what it saves and plays is what
//! `callrec export` writes.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
#![cfg(feature = "tools")]

mod common;

use std::fs;
use std::process::Command;

use common::browser::Browser;
use common::made::{tool, Folder, Made};
use serde_json::Value;

/// Numbers that look random and are always the same (xorshift).
struct Random(u32);

impl Random {
    fn next(&mut self) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 17;
        self.0 ^= self.0 << 5;
        self.0 as usize
    }
}

/// A browser that shows the page as it is packaged.
struct Player {
    browser: Browser,
    folder: Folder,
}

impl Player {
    fn new(language: &str) -> Self {
        let folder = Folder::new();
        let page = Command::new("scripts/player").output().unwrap();
        assert!(page.status.success(), "scripts/player: {page:?}");
        folder.file("Listen.html", &page.stdout);
        let browser = Browser::start(&folder, language);
        let mut this = Self { browser, folder };
        this.reload();
        this
    }

    fn reload(&mut self) {
        let page = self.folder.path("Listen.html");
        self.browser.navigate(&page);
    }

    /// Chooses these files in the input for files.
    fn choose(&mut self, paths: &[String]) {
        self.browser.choose("#files", paths);
        self.browser.wait("document.querySelector('#calls li')");
    }

    /// Opens the first call, and waits until it can be played.
    fn open(&mut self) {
        self.browser
            .value("document.querySelector('#calls button').click()");
        self.browser
            .wait("!document.querySelector('#save').disabled");
    }

    /// The name of the WAV file that is saved, and its bytes.
    fn save(&mut self) -> (String, Vec<u8>) {
        let click = "document.querySelector('#save').click()";
        self.browser.value(click);
        let begun = self.browser.event("Browser.downloadWillBegin", |_| true);
        let is_over = |event: &Value| event["state"] != "inProgress";
        let ended = self.browser.event("Browser.downloadProgress", is_over);
        assert_eq!(ended["state"], "completed");
        let name = begun["suggestedFilename"].as_str().unwrap().to_owned();
        let path = self.folder.path(&format!("downloads/{name}"));
        let bytes = fs::read(&path).unwrap();
        fs::remove_file(path).unwrap();
        (name, bytes)
    }

    /// What `callrec export` writes.
    fn exported(&self, paths: &[String]) -> Vec<u8> {
        let out = self.folder.path("exported.wav");
        let mut arguments = vec!["export", "--pcm16"];
        arguments.extend(paths.iter().map(String::as_str));
        arguments.push(&out);
        let ran = tool(&arguments);
        assert!(ran.ok, "{}", ran.err);
        let bytes = fs::read(&out).unwrap();
        fs::remove_file(&out).unwrap();
        bytes
    }

    fn text(&mut self, selector: &str) -> String {
        self.browser
            .text(&format!("document.querySelector('{selector}').innerText"))
    }
}

/// Files of one call, by kind.
fn kinds() -> Vec<(&'static str, Vec<Vec<u8>>)> {
    let long = Made {
        frames: 150,
        ..Made::default()
    };
    let of = |codec| Made { codec, ..long }.bytes();
    let bare = Made { rtp: false, ..long };
    let edited = |edit: &dyn Fn(&mut Vec<u8>)| {
        let mut bytes = long.bytes();
        edit(&mut bytes);
        bytes
    };
    let part = |first, frames| {
        Made {
            first,
            frames,
            ..long
        }
        .bytes()
    };
    vec![
        ("PCMU", vec![of("PCMU")]),
        ("PCMA", vec![of("PCMA")]),
        ("G.722", vec![noise(of("G722"))]),
        ("no RTP headers", vec![bare.bytes()]),
        (
            "G.722 without RTP headers",
            vec![noise(
                Made {
                    codec: "G722",
                    ..bare
                }
                .bytes(),
            )],
        ),
        (
            "big-endian",
            vec![Made {
                big_endian: true,
                ..long
            }
            .bytes()],
        ),
        ("unfinished", vec![edited(&|bytes| bytes[72..76].fill(0))]),
        (
            "wrong dataSize",
            vec![edited(&|bytes| bytes[72..76].fill(0xFF))],
        ),
        (
            "cut off",
            vec![edited(&|bytes| bytes.truncate(76 + 172 * 99 + 101))],
        ),
        ("random bytes", vec![edited(&damage)]),
        ("no header", vec![edited(&|bytes| bytes[..76].fill(0))]),
        ("wrong length", vec![edited(&|bytes| bytes[64] = 160)]),
        ("other lengths", vec![edited(&|bytes| bytes[68] = 80)]),
        ("parts", vec![part(0, 50), part(50, 60)]),
        (
            "parts with a gap",
            vec![part(0, 50), part(50, 60), part(120, 41)],
        ),
        (
            "parts that overlap",
            vec![part(0, 60), part(60, 70), part(100, 50)],
        ),
        (
            "parts without RTP headers",
            vec![bare.bytes(), bare.bytes()],
        ),
        (
            "hours of jumps",
            vec![[
                part(0, 30),
                part(9_000_000, 30)[76..].to_vec(),
                part(31, 9)[76..].to_vec(),
            ]
            .concat()],
        ),
    ]
}

/// Other payloads than the marks of a made file: every code, in an order that drives a predictor.
fn noise(mut bytes: Vec<u8>) -> Vec<u8> {
    let mut random = Random(7);
    let frame = usize::from(bytes[64]);
    for frame in bytes[76..].chunks_mut(frame) {
        let payload = frame.len() - 160;
        frame[payload..]
            .iter_mut()
            .for_each(|byte| *byte = random.next() as u8);
    }
    bytes
}

/// Sectors of something else, single bits, and a frame that is no packet.
fn damage(bytes: &mut Vec<u8>) {
    let mut random = Random(3);
    for _ in 0..60 {
        let at = 76 + random.next() % (bytes.len() - 76);
        bytes[at] ^= 1 << (random.next() % 8);
    }
    for at in [5000, 12_288] {
        bytes[at..at + 1024]
            .iter_mut()
            .for_each(|byte| *byte = random.next() as u8);
    }
    bytes[76 + 172 * 80..76 + 172 * 83].fill(0);
}

#[test]
#[ignore = "needs the package chromium: scripts/test installs it where it is one"]
fn a_browser_saves_what_export_writes_of_every_kind() {
    let mut player = Player::new("en");
    for (number, (kind, files)) in kinds().iter().enumerate() {
        let name = |part: usize| format!("{number}/Record_20260102_10{part:02}00.wav");
        let with_sidecars = kind.starts_with("parts ");
        let (mut paths, mut sidecars) = (vec![], vec![]);
        for (part, bytes) in files.iter().enumerate() {
            let sidecar = format!("{{\"id\":\"1\",\"part\":{}}}", part + 1);
            paths.push(player.folder.file(&name(part), bytes));
            if with_sidecars {
                let name = name(part).replace(".wav", ".json");
                sidecars.push(player.folder.file(&name, sidecar.as_bytes()));
            }
        }
        player.reload();
        player.choose(&[&paths[..], &sidecars[..]].concat());
        player.open();
        let ((_, saved), exported) = (player.save(), player.exported(&paths));
        assert_eq!(saved.len(), exported.len(), "{kind}");
        let differs = saved.iter().zip(&exported).position(|(a, b)| a != b);
        assert_eq!(differs, None, "{kind}");
    }
}
