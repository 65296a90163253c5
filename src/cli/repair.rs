//! `callrec repair`: unfinished recordings made whole, damaged headers written anew. Safe at any time, any number of times.

use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use lexopt::prelude::{Long, Short, Value};

use crate::cli::arguments::{expand, parser};
use crate::cli::console::{shown, Console};
use crate::cli::failure::{usage, Failure};
use crate::io::regular_file;
use crate::recordings::repair::{self, Outcome, Refusal};

const HELP: &str = "\
callrec repair [--dry-run] FILE|DIR...: makes unfinished recordings whole; says what it did to each

  -n, --dry-run   say what would be done, change nothing

A folder stands for the recordings in it. The size in the header becomes what is there, half a frame at the end is cut,
a damaged header is written anew from the frames where they tell. No audio is deleted, the time of a file stays, what
is being recorded and what is no recording is left alone. What cannot be mended is left untouched: status 1.

Example: callrec repair /mnt/usb
";

pub(super) fn repair(arguments: Vec<OsString>, console: &mut Console) -> Result<ExitCode, Failure> {
    let mut parser = parser(arguments);
    let mut dry_run = false;
    let mut paths = Vec::<PathBuf>::new();
    while let Some(argument) = parser.next()? {
        match argument {
            Short('n') | Long("dry-run") => dry_run = true,
            Short('h') | Long("help") => return console.print(HELP),
            Value(path) => paths.push(path.into()),
            other => return Err(other.unexpected().into()),
        }
    }
    if paths.is_empty() {
        return usage("repair: which FILE or DIR?");
    }
    let mut problems = vec![];
    for path in expand(&paths, console, &mut problems) {
        let name = shown(&path);
        match repair_file(&path, dry_run) {
            Ok(Outcome::Inconsistent | Outcome::Refused(Refusal::Damaged)) => {
                let reason = Refusal::Damaged.description();
                problems.push(format!("{name}: {reason}; left untouched"));
            }
            Ok(outcome) => {
                console.print(&format!("{name}: {}\n", description(outcome, dry_run)))?;
            }
            Err(error) => problems.push(format!("{name}: {error}")),
        }
    }
    console.conclude(&problems)
}

/// Opens the file for writing only if there is something to write: the stick may be read-only.
fn repair_file(path: &Path, dry_run: bool) -> io::Result<Outcome> {
    let open = |write| {
        let mut options = File::options();
        regular_file::open_no_follow(path, options.read(true).write(write))
    };
    match repair::repair(&open(false)?, true)? {
        Outcome::Repaired { .. } if !dry_run => repair::repair(&open(true)?, false),
        outcome => Ok(outcome),
    }
}

fn description(outcome: Outcome, dry_run: bool) -> String {
    match outcome {
        Outcome::Whole => "is whole".into(),
        Outcome::InUse => "is being recorded; left alone".into(),
        Outcome::Inconsistent => Refusal::Damaged.description().into(),
        Outcome::Refused(refusal) => format!("{}; left alone", refusal.description()),
        Outcome::Repaired {
            extent,
            data_size_was,
            cut,
        } => {
            let verb = if dry_run { "would be" } else { "was" };
            let mut text = match data_size_was {
                None => format!("header {verb} reconstructed from the frames, "),
                Some(was) if was == extent.data_size => String::new(),
                Some(was) => format!("dataSize {was} {verb} set to {}, ", extent.data_size),
            };
            if cut > 0 {
                text.push_str(&format!("half a frame of {cut} bytes {verb} cut off, "));
            }
            format!("{text}{} frames", extent.frames)
        }
    }
}
