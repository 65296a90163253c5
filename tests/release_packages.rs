//! What scripts/release has left in target/release-files: taken as people take it.
#![cfg(feature = "tools")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

mod common;

use common::made::{Folder, Made};

/// The file with this beginning and end.
fn released(beginning: &str, end: &str) -> PathBuf {
    let mut found = vec![];
    for entry in fs::read_dir("target/release-files").expect("scripts/release") {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        if name.starts_with(beginning) && name.ends_with(end) {
            found.push(fs::canonicalize(&path).unwrap());
        }
    }
    assert_eq!(found.len(), 1, "{beginning}...{end}: {found:?}");
    found.remove(0)
}

fn run(program: &str, words: &[&str], folder: &Path) -> Output {
    let mut command = Command::new(program);
    command.args(words).current_dir(folder);
    // Wine says nothing of its own, and asks nothing.
    command.env("WINEDEBUG", "-all").env("DISPLAY", "");
    command.env(
        "WINEPREFIX",
        fs::canonicalize("target").unwrap().join("wine"),
    );
    command.env("TZ", "UTC").output().expect(program)
}

/// What a command prints; it must succeed.
fn said(program: &str, words: &[&str], folder: &Path) -> String {
    let output = run(program, words, folder);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "{program} {words:?}: {text}{errors}"
    );
    text
}

const CALL: &str = "Record_20260102_101500.wav";
const UNFINISHED: &str = "Record_20260104_090000.wav";

/// `callrec.exe` under wine, `callrec`, and a folder `calls` for recordings.
struct BothSystems {
    folder: Folder,
    exe: String,
}

impl BothSystems {
    fn new() -> Self {
        let folder = Folder::new();
        let archive = released("callrec-", "-windows-x86_64.zip");
        let words = ["-m", "zipfile", "-e", archive.to_str().unwrap(), "."];
        said("python3", &words, &folder.0);
        let mut unpacked = fs::read_dir(&folder.0).unwrap();
        let unpacked = unpacked.next().unwrap().unwrap().path();
        let source = fs::canonicalize("tests/wine/bcryptprimitives.c").unwrap();
        let source = source.to_str().unwrap();
        let library = [
            "-shared",
            "-o",
            "bcryptprimitives.dll",
            source,
            "-ladvapi32",
        ];
        said("x86_64-w64-mingw32-gcc", &library, &unpacked);
        let exe = unpacked.join("callrec.exe").display().to_string();
        fs::create_dir(folder.0.join("calls")).unwrap();
        Self { folder, exe }
    }

    /// Recordings that are made here, the last one unfinished.
    fn make_recordings(&self) {
        let parts = [
            (CALL, 0, "PCMU"),
            ("Record_20260102_101600.wav", 50, "PCMU"),
            ("Record_20260103_090000.wav", 7, "PCMA"),
        ];
        for (name, first, codec) in parts {
            let frames = 50;
            let made = Made {
                first,
                codec,
                frames,
                ..Made::default()
            };
            self.folder.file(&format!("calls/{name}"), &made.bytes());
        }
        self.folder.file(&format!("calls/{UNFINISHED}"), &cut_off());
    }

    /// What is on the sticks of the emulated phone after these scenarios, each in a folder of its name.
    fn take_sticks(&self, scenarios: &[&str]) {
        let images = self.folder.path("images");
        fs::create_dir(&images).unwrap();
        let ran = Command::new("scripts/phone")
            .arg("test")
            .args(scenarios)
            .env("PHONE_STICKS", &images)
            .output()
            .unwrap();
        assert!(ran.status.success(), "{ran:?}");
        for name in scenarios {
            fs::create_dir(self.calls().join(name)).unwrap();
            let image = format!("{images}/{name}.img@@1M");
            let words = ["-s", "-n", "-i", &image, "::/*", name];
            said("mcopy", &words, &self.calls());
        }
    }

    /// Both make the same WAV file of a recording.
    fn export(&self, call: &str) {
        for (name, done) in [
            ("linux.wav", self.linux(&["export", call, "linux.wav"])),
            (
                "windows.wav",
                self.windows(&["export", call, "windows.wav"]),
            ),
        ] {
            assert!(done.status.success(), "{name}: {done:?}");
        }
        let exported = |name: &str| fs::read(self.calls().join(name)).unwrap();
        assert!(exported("linux.wav").len() > 16_000);
        assert!(exported("linux.wav") == exported("windows.wav"), "{call}");
        for name in ["linux.wav", "windows.wav"] {
            fs::remove_file(self.calls().join(name)).unwrap();
        }
    }

    fn calls(&self) -> PathBuf {
        self.folder.0.join("calls")
    }

    fn windows(&self, words: &[&str]) -> Output {
        let all: Vec<&str> = [self.exe.as_str()]
            .into_iter()
            .chain(words.iter().copied())
            .collect();
        run("wine", &all, &self.calls())
    }

    fn linux(&self, words: &[&str]) -> Output {
        run(env!("CARGO_BIN_EXE_callrec"), words, &self.calls())
    }

    /// What both print, which is the same.
    fn print(&self, words: &[&str]) -> String {
        let (ours, theirs) = (self.linux(words), self.windows(words));
        let errors = String::from_utf8_lossy(&theirs.stderr).into_owned();
        let said = String::from_utf8_lossy(&theirs.stdout);
        // Paths have Windows's separator; in JSON it is written twice.
        let said = said.replace("\\\\", "/").replace('\\', "/");
        assert_eq!(
            ours.status.code(),
            theirs.status.code(),
            "{words:?}: {said}{errors}"
        );
        assert_eq!(
            String::from_utf8_lossy(&ours.stdout),
            said,
            "{words:?}: {errors}"
        );
        said
    }
}

/// A recording whose last frame is not whole.
fn cut_off() -> Vec<u8> {
    let made = Made {
        ssrc: 5,
        ..Made::default()
    };
    made.bytes().into_iter().take(900).collect()
}

#[test]
#[ignore = "needs scripts/release and the package wine: scripts/test makes and installs them"]
fn a_release_has_tools_for_windows_that_do_what_those_of_linux_do() {
    let both = BothSystems::new();
    both.make_recordings();
    let listed = both.print(&["list", "."]);
    assert!(listed.contains("Record_20260103_090000.wav"), "{listed}");
    both.print(&["list", "--json", "."]);
    both.print(&["verify", "."]);
    both.print(&["info", "Record_20260103_090000.wav"]);
    both.print(&["repair", "--dry-run", UNFINISHED]);

    // Of both parts.
    both.export(CALL);

    // Repaired, byte for byte.
    let path = both.calls().join(UNFINISHED);
    assert!(both.windows(&["repair", UNFINISHED]).status.success());
    let repaired = fs::read(&path).unwrap();
    fs::write(&path, cut_off()).unwrap();
    assert!(both.linux(&["repair", UNFINISHED]).status.success());
    assert!(repaired != cut_off() && repaired == fs::read(&path).unwrap());
}

#[test]
#[ignore = "needs scripts/release, scripts/phone, wine and mtools: scripts/test installs them"]
fn a_release_reads_the_phones_sticks_on_windows_as_on_linux() {
    let both = BothSystems::new();
    both.take_sticks(&["call", "pause"]);
    for scenario in ["call", "pause"] {
        both.print(&["list", scenario]);
        let listed = both.print(&["list", "--json", scenario]);
        let call: serde_json::Value = serde_json::from_str(&listed).unwrap();
        let path = call["file"].as_str().unwrap();
        assert_eq!(call["codec"], "PCMU", "{listed}");
        both.print(&["info", path]);
        both.export(path);
    }
    both.print(&["verify", "."]);
}

/// The machine of an ELF file for Linux, and whether it wants a loader: a static one does not.
fn machine(program: &[u8]) -> (u16, bool) {
    assert_eq!(&program[..4], b"\x7fELF");
    let is_64 = program[4] == 2;
    let number = |at: usize, length: usize| -> usize {
        let bytes = program[at..at + length].iter().rev();
        bytes.fold(0, |sum, byte| sum << 8 | usize::from(*byte))
    };
    let (headers, size, count) = if is_64 {
        (number(32, 8), number(54, 2), number(56, 2))
    } else {
        (number(28, 4), number(42, 2), number(44, 2))
    };
    let is_interpreter = |header: usize| number(headers + header * size, 4) == 3;
    (number(18, 2) as u16, (0..count).any(is_interpreter))
}

/// Unpacks a package, and looks at each of these programs in it.
fn look_into(file: &Path, programs: &[&str], wanted: u16) {
    let folder = Folder::new();
    let path = file.to_str().unwrap();
    if path.ends_with(".deb") {
        said("dpkg-deb", &["-x", path, "."], &folder.0);
    } else {
        said("tar", &["--strip-components=1", "-xf", path], &folder.0);
    }
    for name in programs {
        let program = fs::read(folder.0.join(name)).expect(name);
        assert_eq!(machine(&program), (wanted, false), "{path}: {name}");
        assert!(program.len() > 100_000, "{path}: {name}");
    }
}

#[test]
#[ignore = "needs scripts/release: scripts/test makes it"]
fn a_release_has_static_programs_of_each_processor() {
    // The numbers of ELF.
    let (arm, x86_64, aarch64) = (40, 62, 183);
    let archive = ["callrec", "callrec-server", "callrec-box", "callrec-sim"];
    let server = ["usr/bin/callrec-server", "usr/bin/callrec"];
    let home_box = ["usr/bin/callrec-box"];
    for (beginning, end, programs, wanted) in [
        ("callrec-", "-linux-x86_64.tar.gz", &archive[..], x86_64),
        ("callrec-", "-linux-aarch64.tar.gz", &archive, aarch64),
        ("callrec-server_", "_amd64.deb", &server, x86_64),
        ("callrec-server_", "_arm64.deb", &server, aarch64),
        ("callrec-box_", "_amd64.deb", &home_box, x86_64),
        ("callrec-box_", "_arm64.deb", &home_box, aarch64),
        ("callrec-x4-0", ".tar.gz", &archive[..1], arm),
        ("callrec-x4-aarch64-", ".tar.gz", &archive[..1], aarch64),
        ("callrec-box-0", ".tar.gz", &archive[2..3], arm),
        ("callrec-box-aarch64-", ".tar.gz", &archive[2..3], aarch64),
    ] {
        look_into(&released(beginning, end), programs, wanted);
    }
}

/// Installs a package, looks at it, and removes it.
fn try_package(package: &str, unit: &str, program: &str, check: &[&str]) {
    let here = Path::new(".");
    let file = released(&format!("{package}_"), "_amd64.deb");
    said("dpkg", &["-i", file.to_str().unwrap()], here);
    let unit = format!("/lib/systemd/system/{unit}");
    let verified = run("systemd-analyze", &["verify", &unit], here);
    let problems = String::from_utf8_lossy(&verified.stderr).into_owned();
    let checked = run(program, check, here);
    said("dpkg", &["--purge", package], here);
    assert!(
        verified.status.success() && problems.is_empty(),
        "{problems}"
    );
    let problems = String::from_utf8_lossy(&checked.stderr);
    assert!(checked.status.success(), "{program} {check:?}: {problems}");
    for path in [&unit, program, check[1]] {
        assert!(!Path::new(path).exists(), "{path} is still there");
    }
}

#[test]
#[ignore = "needs root, scripts/release and the package systemd: scripts/test makes and installs them"]
fn a_release_has_debian_packages_that_are_installed_and_removed() {
    let check = ["check", "/etc/callrec/record.conf"];
    try_package(
        "callrec-server",
        "callrec-server-record.service",
        "/usr/bin/callrec-server",
        &check,
    );
    let check = ["check", "/etc/callrec-box.conf"];
    try_package(
        "callrec-box",
        "callrec-box.service",
        "/usr/bin/callrec-box",
        &check,
    );
}

#[test]
#[ignore = "needs scripts/release: scripts/test makes it"]
fn a_release_is_named_by_its_sums_and_its_bill() {
    let folder = Path::new("target/release-files");
    said(
        "sha256sum",
        &["--check", "--quiet", "--strict", "SHA256SUMS"],
        folder,
    );
    let sums = fs::read_to_string(folder.join("SHA256SUMS")).unwrap();
    let named = sums.lines().count();
    assert_eq!(named + 1, fs::read_dir(folder).unwrap().count());
    let bill = fs::read_to_string(released("callrec-", ".cdx.json")).unwrap();
    let bill: serde_json::Value = serde_json::from_str(&bill).unwrap();
    let parts = bill["components"].as_array().unwrap();
    assert!(parts
        .iter()
        .any(|part| part["name"] == "mio"
            && part["hashes"][0]["content"].as_str().unwrap().len() == 64));
    // Tools of the tests are in no program.
    assert!(parts.iter().all(|part| part["name"] != "aes"), "{bill}");
}
