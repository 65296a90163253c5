//! Files from strangers through every tool: each length of a good file, and bits flipped in it, the
//! audio that is there or a clear error comes out. Never a panic, more memory than the file is
//! worth, or a byte anywhere else.
#![allow(unsafe_code, clippy::unwrap_used, clippy::expect_used, clippy::panic)]
#![cfg(feature = "tools")]

mod common;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::fs;

use common::made::{tool, Folder, Made, Ran};
use common::Random;
use serde_json::json;

/// More than any tool may have in use at a time for a file of some frames: a read of 64 KiB, a
/// picture, what it prints.
const MOST_MEMORY: usize = 2_000_000;

/// Under an emulator every fifth will do.
const EACH: usize = if cfg!(target_arch = "arm") { 5 } else { 1 };

struct Measuring;

thread_local! {
    /// In use now, and the most there was; a thread's own, so that tests do not count each other's.
    static IN_USE: Cell<(usize, usize)> = const { Cell::new((0, 0)) };
}

// SAFETY: every call goes to the system's allocator as it came; counting changes nothing of it.
unsafe impl GlobalAlloc for Measuring {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let _ = IN_USE.try_with(|in_use| {
            let (now, most) = in_use.get();
            let now = now.saturating_add(layout.size());
            in_use.set((now, most.max(now)));
        });
        // SAFETY: the caller's promises are passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        let _ = IN_USE.try_with(|in_use| {
            let (now, most) = in_use.get();
            in_use.set((now.saturating_sub(layout.size()), most));
        });
        // SAFETY: the caller's promises are passed on.
        unsafe { System.dealloc(memory, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Measuring = Measuring;

/// The most memory in use at a time beyond what was before.
fn memory_of<T>(work: impl FnOnce() -> T) -> (T, usize) {
    let before = IN_USE.get().0;
    IN_USE.set((before, before));
    let result = work();
    (result, IN_USE.get().1 - before)
}

/// A folder with one recording in it, and its sidecar.
struct Stick {
    folder: Folder,
    path: String,
}

impl Stick {
    fn new(sidecar: &[u8]) -> Self {
        // In memory, where there is such a place: each repair waits for the disk.
        let place = format!(
            "/dev/shm/callrec-hostile-{:?}-{}",
            std::thread::current().id(),
            std::process::id()
        );
        let folder = if fs::create_dir(&place).is_ok() {
            Folder(place.into())
        } else {
            Folder::new()
        };
        folder.file("stick/Record_20261121_101500.json", sidecar);
        Self {
            path: folder.path("stick/Record_20261121_101500.wav"),
            folder,
        }
    }

    /// Runs a tool on the recording or the folder; it must keep within its memory, and say what is
    /// wrong in lines of its own.
    fn run(&self, arguments: &[&str]) -> Ran {
        let (ran, memory) = memory_of(|| tool(arguments));
        assert!(memory < MOST_MEMORY, "{arguments:?}: {memory} bytes");
        assert!(
            ran.ok || !ran.err.is_empty(),
            "{arguments:?} failed without a word"
        );
        assert!(
            ran.err.lines().all(|line| line.starts_with("callrec: ")),
            "{arguments:?}: {}",
            ran.err
        );
        ran
    }

    /// Puts this file through all tools; what `export` gave.
    fn attack(&self, bytes: &[u8]) -> Ran {
        fs::write(&self.path, bytes).unwrap();
        let (file, folder) = (&*self.path, &*self.folder.path("stick"));
        let wave = self.run(&["export", file, "-"]);
        let linear = self.run(&[
            "export", "--pcm16", "--from", "0.01", "--to", "0.05", file, "-",
        ]);
        let picture = self.run(&["export", "--picture", file, "-"]);
        assert_eq!(wave.ok, picture.ok);
        assert!(wave.ok || wave.out.is_empty() && wave.err.contains(file) && linear.out.is_empty());
        assert!(!picture.ok || picture.text().ends_with("</svg>\n") && picture.out.len() < 100_000);
        let info = self.run(&["info", "--json", file]);
        assert_eq!(
            (info.ok, info.ok),
            (self.run(&["info", file]).ok, info.json().len() == 1)
        );
        assert_eq!(
            self.run(&["list", "--json", folder]).json().len(),
            1,
            "ours by its name"
        );
        assert!(self.run(&["list", folder]).ok);
        self.run(&["verify", folder]);
        assert!(
            fs::read(&self.path).unwrap() == bytes,
            "reading changes nothing"
        );
        self.repair(bytes);
        let names = |path: &str| fs::read_dir(path).unwrap().count();
        assert_eq!(
            (names(&self.folder.path("")), names(folder)),
            (1, 2),
            "nothing else was written"
        );
        wave
    }

    /// Repair keeps the audio, and has nothing left to do afterwards.
    fn repair(&self, bytes: &[u8]) {
        let would = self.run(&["repair", "-n", &self.path]);
        assert!(fs::read(&self.path).unwrap() == bytes);
        let did = self.run(&["repair", &self.path]);
        let mended = fs::read(&self.path).unwrap();
        assert_eq!(
            (did.ok, did.text().replace(" was ", " would be ")),
            (would.ok, would.text().replace(" was ", " would be "))
        );
        assert!(did.ok || mended == bytes, "left untouched");
        assert!(
            mended.len() <= bytes.len() && mended.get(76..) == bytes.get(76..mended.len()),
            "no audio is changed"
        );
        let again = self.run(&["repair", &self.path]);
        assert!(again.ok == did.ok && fs::read(&self.path).unwrap() == mended);
        assert!(
            mended == bytes || again.text().contains("is whole"),
            "{} {}",
            did.text(),
            again.text()
        );
    }
}

fn sidecar() -> Vec<u8> {
    let call = json!({"id": "17", "dir": "in", "remote_number": "100", "remote_name": "Ann", "frames": 12, "duration_ms": 240,
        "start": "2026-11-21T10:15:00+01:00", "pauses": [[40, 1500]], "sha256": "0".repeat(64), "end": "stopped"});
    format!("{call}\n").into_bytes()
}

/// All kinds that we write and read.
fn kinds() -> [Made; 4] {
    let made = Made {
        frames: 12,
        ..Made::default()
    };
    let bare = Made {
        rtp: false,
        codec: "PCMA",
        ..made
    };
    [
        made,
        bare,
        Made {
            big_endian: true,
            ..made
        },
        Made {
            rtp: false,
            big_endian: true,
            ..made
        },
    ]
}

/// The audio of a wave file with G.711 in it.
fn audio(wave: &Ran) -> &[u8] {
    let length = u32::from_le_bytes(wave.out[54..58].try_into().unwrap()) as usize;
    &wave.out[58..58 + length]
}

#[test]
fn at_each_length_all_whole_frames_are_there() {
    let stick = Stick::new(&sidecar());
    for made in kinds() {
        let (bytes, audio_bytes) = (made.bytes(), made.audio());
        let frame = if made.rtp { 172 } else { 160 };
        for length in (0..=bytes.len())
            .filter(|length| made.rtp && !made.big_endian || length % 7 < 2)
            .step_by(EACH)
        {
            let ran = stick.attack(&bytes[..length]);
            assert_eq!(ran.ok, length >= 76, "{length}: {}", ran.err);
            if ran.ok {
                assert!(
                    audio(&ran) == &audio_bytes[..(length - 76) / frame * 160],
                    "{length}"
                );
            }
        }
    }
}

#[test]
fn a_flipped_bit_costs_at_most_itself() {
    let stick = Stick::new(&sidecar());
    for made in kinds() {
        let (bytes, audio_bytes) = (made.bytes(), made.audio());
        let headers = (0..12)
            .flat_map(|frame| (0..12).map(move |byte| 76 + frame * 172 + byte))
            .filter(|_| made.rtp);
        let payloads = (76..bytes.len()).step_by(13);
        for byte in (0..76).chain(headers).chain(payloads).step_by(EACH) {
            let mut flipped = bytes.clone();
            flipped[byte] ^= 1 << (byte % 8);
            let ran = stick.attack(&flipped);
            if !ran.ok {
                assert!(byte < 72 && !made.rtp, "byte {byte}: {}", ran.err);
                continue;
            }
            // The second frame stands alone against the first: either may be the damaged one.
            let differ = audio(&ran)
                .iter()
                .zip(&audio_bytes)
                .filter(|(one, other)| one != other)
                .count();
            assert!(
                differ <= 1 || byte < 76,
                "byte {byte}: {differ} samples differ"
            );
            assert!(
                audio(&ran).len() == audio_bytes.len() || byte < 76,
                "byte {byte}"
            );
        }
    }
}

#[test]
fn many_flipped_bits_harm_nobody() {
    let (stick, mut random) = (Stick::new(&sidecar()), Random(5));
    for round in 0..1500 / EACH {
        let made = kinds()[round % 4];
        let mut bytes = made.bytes();
        bytes.truncate(if round % 3 == 0 {
            random.below(bytes.len() as u64) as usize + 1
        } else {
            bytes.len()
        });
        let reach = if round % 2 == 0 {
            bytes.len().min(90)
        } else {
            bytes.len()
        };
        for _ in 0..=random.below(12) {
            bytes[random.below(reach as u64) as usize] ^= 1 << random.below(8);
        }
        stick.attack(&bytes);
    }
}

#[test]
fn fields_with_the_greatest_numbers_ask_for_nothing() {
    let stick = Stick::new(&sidecar());
    for made in kinds() {
        for (at, number) in (64..76).step_by(4).flat_map(|at| {
            [
                0,
                1,
                11,
                12,
                13,
                0xFF,
                0x7FFF,
                0xFFFF,
                0x1_0000,
                0x7FFF_FFFF,
                0x8000_0000,
                0xFFFF_FFFFu32,
            ]
            .map(|n| (at, n))
        }) {
            for other in [None, Some(at ^ 4)]
                .into_iter()
                .filter(|other| *other != Some(76))
            {
                let mut bytes = made.bytes();
                for at in [Some(at), other].into_iter().flatten() {
                    bytes[at..at + 4].copy_from_slice(&number.to_le_bytes());
                }
                stick.attack(&bytes);
            }
        }
    }
}

#[test]
fn a_damaged_sidecar_hides_no_recording() {
    let good = sidecar();
    let bytes = kinds()[0].bytes();
    let lengths = (0..good.len())
        .step_by(3)
        .map(|length| good[..length].to_vec());
    let flips = (0..good.len()).map(|byte| {
        let mut flipped = good.clone();
        flipped[byte] ^= 1 << (byte % 7);
        flipped
    });
    let greatest = [
        &b"{\"pauses\":[[18446744073709551615,18446744073709551615]],\"frames\":18446744073709551615}"[..],
        b"{\"pauses\":18446744073709551615,\"duration_ms\":18446744073709551615,\"part\":18446744073709551615}",
    ];
    let stick = Stick::new(&good);
    for sidecar in greatest
        .map(<[u8]>::to_vec)
        .into_iter()
        .chain(lengths)
        .chain(flips)
        .step_by(EACH)
    {
        fs::write(stick.path.replace(".wav", ".json"), &sidecar).unwrap();
        assert!(stick.attack(&bytes).ok);
    }
}
