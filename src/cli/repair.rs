//! `callrec repair`: unfinished recordings made whole, damaged headers written anew. Safe at any
//! time, any number of times.

use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use lexopt::prelude::{Long, Short, Value};

use crate::cli::arguments::{expand, parser};
use crate::cli::command::{command, CommandSpec};
use crate::cli::console::{shown, Console};
use crate::cli::failure::{usage, Failure};
use crate::io::regular_file;
use crate::recordings::repair::{self, Refusal, RepairOutcome};

pub(super) const REPAIR: CommandSpec = command! {
    "callrec", "repair", "FILE|DIR...",
    "repairs unfinished and damaged recordings";
    [
        ("n", "dry-run", "",
            "report what would be done, but change nothing"),
    ];
    "\
A folder stands for the recordings in it. The size in the header is corrected, half a frame at the end is cut off, and a
damaged header is reconstructed from the frames if possible. No audio is deleted, and files keep their times. Files that
are being recorded, and files that are not recordings, are left alone. A file that cannot be repaired is left untouched,
and the exit status is 1.";
    [
        "callrec repair /mnt/usb",
    ]
};

pub(super) fn repair(arguments: Vec<OsString>, console: &mut Console) -> Result<ExitCode, Failure> {
    let mut parser = parser(arguments);
    let mut dry_run = false;
    let mut paths = Vec::<PathBuf>::new();
    while let Some(argument) = parser.next()? {
        match argument {
            Short('n') | Long("dry-run") => dry_run = true,
            Short('h') | Long("help") => return console.print(REPAIR.help),
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
            Ok(RepairOutcome::Inconsistent | RepairOutcome::Refused(Refusal::Damaged)) => {
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
fn repair_file(path: &Path, dry_run: bool) -> io::Result<RepairOutcome> {
    let open = |write| {
        let mut options = File::options();
        regular_file::open_no_follow(path, options.read(true).write(write))
    };
    match repair::repair(&open(false)?, true)? {
        RepairOutcome::Repaired { .. } if !dry_run => repair::repair(&open(true)?, false),
        outcome => Ok(outcome),
    }
}

fn description(outcome: RepairOutcome, dry_run: bool) -> String {
    match outcome {
        RepairOutcome::Whole => "is whole".into(),
        RepairOutcome::InUse => "is being recorded; left alone".into(),
        RepairOutcome::Inconsistent => Refusal::Damaged.description().into(),
        RepairOutcome::Refused(refusal) => format!("{}; left alone", refusal.description()),
        RepairOutcome::Repaired {
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
