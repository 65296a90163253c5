//! `callrec-box firewall`: shows, installs and removes the rules between the two networks.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use lexopt::prelude::{Long, Short, Value};

use crate::cli::arguments::parser;
use crate::cli::command::{command, CommandSpec};
use crate::cli::console::print;
use crate::cli::failure::{usage, Failure};
use crate::home_box::firewall;
use crate::home_box::run::{effective, with_addresses};

pub(super) const FIREWALL: CommandSpec = command! {
    "callrec-box", "firewall", "show|install|remove",
    "separates the home's network from the community's";
    [
        ("c", "config", "FILE",
            "the configuration; by default /etc/callrec-box.conf if that exists"),
    ];
    "\
`show` prints the commands that `install` runs, one on a line; those that delete or empty a chain may fail. Only replies pass
between the two networks, and connections from the home to a `forward`. The rules are in chains of their own, CALLREC-...;
other rules stay as they are. They also stay when the box ends; `remove` removes them. `iptables` is used, or `nft` where
that is missing.";
    [
        "callrec-box firewall show -c /etc/callrec-box.conf",
        "callrec-box firewall install",
    ]
};

pub(super) fn firewall(arguments: Vec<OsString>) -> Result<ExitCode, Failure> {
    let mut parser = parser(arguments);
    let mut file: Option<PathBuf> = None;
    let mut action: Option<String> = None;
    while let Some(argument) = parser.next()? {
        match argument {
            Short('c') | Long("config") => file = Some(parser.value()?.into()),
            Short('h') | Long("help") => return print(FIREWALL.help),
            Value(word) if action.is_none() => action = Some(word.to_string_lossy().into_owned()),
            other => return Err(other.unexpected().into()),
        }
    }
    let file = file.as_deref();
    let failed = |problem: String| Failure::Failed(format!("firewall: {problem}"));
    match action.as_deref() {
        Some("show") => {
            let commands = firewall::show(&with_addresses(file)?).map_err(failed)?;
            print(&commands)
        }
        Some("install") => {
            firewall::install(&with_addresses(file)?).map_err(failed)?;
            Ok(ExitCode::SUCCESS)
        }
        Some("remove") => {
            firewall::remove(&effective(file)?).map_err(failed)?;
            Ok(ExitCode::SUCCESS)
        }
        Some(other) => usage(&format!(
            "firewall: unexpected '{other}': show, install or remove?"
        )),
        None => usage("firewall: show, install or remove?"),
    }
}
