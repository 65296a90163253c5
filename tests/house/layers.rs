//! The house rules, read from the source: who may name whom, and how long a file may be.

use std::fs;
use std::path::Path;

use crate::source::{code, code_and_paths, expanded, files_under};

#[test]
fn a_use_of_several_names_is_seen() {
    assert_eq!(
        expanded("std::{fs,io::{Read,self},net}"),
        ["std::fs", "std::io::Read", "std::io::self", "std::net"]
    );
    assert_eq!(expanded("std::io"), ["std::io"]);
}

/// Each room, and what it may name besides itself. The first rooms are pure: no clock, socket, file
/// or log.
const PURE_ROOMS: [&str; 3] = ["base", "wire", "proto"];
const MAY_NAME: [(&str, &str); 13] = [
    ("base", ""),
    ("wire", "base"),
    ("proto", "base wire"),
    ("io", "base"),
    ("recordings", "base wire io"),
    ("config", "base wire proto"),
    ("streams", "base proto io"),
    ("outgoing", "base wire proto io config"),
    (
        "daemon",
        "base wire proto io recordings config outgoing streams",
    ),
    ("cli", "base wire proto io recordings config daemon"),
    ("sim", "base wire proto io cli"),
    ("server", "base wire proto io recordings config cli"),
    ("home_box", "base wire proto io config cli outgoing streams"),
];
const IMPURE: &str =
    "std::io std::fs std::net std::os std::time std::thread std::env mio:: nix:: libc:: log:: \
                      info! warn! println!";

#[test]
fn layers_name_only_what_is_below_them() {
    for (layer, may_name) in MAY_NAME {
        let files = files_under(&Path::new("src").join(layer));
        assert!(!files.is_empty(), "{layer}");
        for path in files {
            let code = code_and_paths(&path);
            for (room, _) in MAY_NAME {
                let allowed = room == layer || may_name.split(' ').any(|name| name == room);
                let named = code.contains(&format!("crate::{room}::"));
                assert!(allowed || !named, "{} names {room}", path.display());
            }
            if PURE_ROOMS.contains(&layer) {
                for word in IMPURE.split_whitespace() {
                    assert!(!code.contains(word), "{} names {word}", path.display());
                }
            }
        }
    }
}

/// `callrec.exe` is made of these: what differs between systems is behind `io::host`. Only scripts/release builds for
/// Windows.
#[test]
fn recordings_name_one_system_through_io_alone() {
    for path in files_under(Path::new("src/recordings")) {
        for word in ["std::os::", "libc::", "nix::"] {
            let code = code_and_paths(&path);
            assert!(!code.contains(word), "{} names {word}", path.display());
        }
    }
}

#[test]
fn unsafe_code_is_in_two_places() {
    for path in files_under(Path::new("src")) {
        let allowed = path.ends_with("io/sys.rs")
            || path.starts_with("src/io/sys")
            || path.ends_with("io/allocator.rs");
        assert!(
            allowed || !code(&path).contains("unsafe"),
            "{}",
            path.display()
        );
    }
}

#[test]
fn files_are_short() {
    for path in ["src", "tests"]
        .iter()
        .flat_map(|folder| files_under(Path::new(folder)))
    {
        let lines = fs::read_to_string(&path).unwrap().lines().count();
        assert!(
            lines <= 400 || path.starts_with("tests/fuzz/target"),
            "{} has {lines} lines",
            path.display()
        );
    }
}

/// What the phone and the box run prints nothing for `{:?}`: their programs are built without it.
#[test]
fn nothing_that_runs_on_arm_is_written_with_debug() {
    let elsewhere = ["src/server", "src/sim", "src/fuzz"];
    for path in files_under(Path::new("src")) {
        let is_test = path.ends_with("tests.rs") || path.iter().any(|part| part == "tests");
        if is_test || elsewhere.iter().any(|folder| path.starts_with(folder)) {
            continue;
        }
        let code = code(&path);
        let found = code
            .lines()
            .find(|line| line.contains(":?}") && !line.contains("assert"));
        assert_eq!(found, None, "{}", path.display());
    }
}
