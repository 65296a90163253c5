//! `callrec repair`: unfinished recordings made whole, damaged headers written anew. Safe at any time, any number of times.

use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use lexopt::prelude::{Long, Short, Value};

use crate::cli::console::{shown, Console};
use crate::cli::recording::expand;
use crate::cli::{open_regular, parser, usage, Failure};
use crate::recordings::repair::{mend, Outcome, Refusal};

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
    let (mut only_say, mut paths) = (false, Vec::<PathBuf>::new());
    while let Some(argument) = parser.next()? {
        match argument {
            Short('n') | Long("dry-run") => only_say = true,
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
        match attempt(&path, only_say) {
            Ok(Outcome::Odd | Outcome::Refused(Refusal::Damaged)) => {
                problems.push(format!(
                    "{name}: {}; left untouched",
                    Refusal::Damaged.words()
                ));
            }
            Ok(outcome) => console
                .print(&format!("{name}: {}\n", words(outcome, only_say)))
                .map(drop)?,
            Err(error) => problems.push(format!("{name}: {error}")),
        }
    }
    console.conclude(&problems)
}

/// Opens for writing only what there is something to write to: a stick may be read-only.
fn attempt(path: &Path, only_say: bool) -> io::Result<Outcome> {
    let open = |write| {
        open_regular(
            path,
            File::options().read(true).write(write),
            libc::O_NOFOLLOW,
        )
    };
    match mend(&open(false)?, true)? {
        Outcome::Mended { .. } if !only_say => mend(&open(true)?, false),
        outcome => Ok(outcome),
    }
}

fn words(outcome: Outcome, only_say: bool) -> String {
    match outcome {
        Outcome::Whole => "is whole".into(),
        Outcome::InUse => "is being recorded; left alone".into(),
        Outcome::Odd => Refusal::Damaged.words().into(),
        Outcome::Refused(refusal) => format!("{}; left alone", refusal.words()),
        Outcome::Mended {
            extent,
            data_size_was,
            cut,
        } => {
            let done = if only_say { "would be" } else { "was" };
            let mut words = match data_size_was {
                None => format!("header {done} written anew from the frames, "),
                Some(was) if was == extent.data_size => String::new(),
                Some(was) => format!("dataSize {was} {done} set to {}, ", extent.data_size),
            };
            if cut > 0 {
                words.push_str(&format!("half a frame of {cut} bytes {done} cut, "));
            }
            format!("{words}{} frames", extent.frames)
        }
    }
}
