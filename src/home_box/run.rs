//! `callrec-box run` and `callrec-box check`, and how a command finds its configuration.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use lexopt::prelude::{Long, Short, Value};
use log::{info, warn};

use crate::cli::arguments::parser;
use crate::cli::command::{command, CommandSpec};
use crate::cli::console::print;
use crate::cli::failure::{usage, Failure};
use crate::cli::logger;
use crate::home_box::event_loop;
use crate::home_box::firewall;
use crate::home_box::settings::BoxSettings;
use crate::home_box::state_dir;

/// Where a box keeps it.
const DEFAULT_FILE: &str = "/etc/callrec-box.conf";

pub(super) const RUN: CommandSpec = command! {
    "callrec-box", "run", "",
    "runs the box in the foreground";
    [
        ("c", "config", "FILE",
            "the configuration; by default /etc/callrec-box.conf if that exists"),
    ];
    "\
It needs homeAddr and communityAddr. It logs to standard error; RUST_LOG=warn logs less, RUST_LOG=debug more. On SIGTERM
it ends the running call and then itself. With 'firewall = install' it first does what 'callrec-box firewall install' does.";
    [
        "callrec-box run -c /etc/callrec-box.conf",
    ]
};

pub(super) const CHECK: CommandSpec = command! {
    "callrec-box", "check", "FILE",
    "validates a configuration and prints the effective one";
    [];
    "\
Errors name the line and the key.";
    [
        "callrec-box check /etc/callrec-box.conf",
    ]
};

pub(super) fn run(arguments: Vec<OsString>) -> Result<ExitCode, Failure> {
    let mut parser = parser(arguments);
    let mut file: Option<PathBuf> = None;
    while let Some(argument) = parser.next()? {
        match argument {
            Short('c') | Long("config") => file = Some(parser.value()?.into()),
            Short('h') | Long("help") => return print(RUN.help),
            other => return Err(other.unexpected().into()),
        }
    }
    let settings = with_addresses(file.as_deref())?;
    logger::init();
    for warning in settings.warnings() {
        warn!("{warning}");
    }
    let _running = state_dir::lock(&settings.state_dir).map_err(Failure::Failed)?;
    if settings.install_firewall {
        let failed = |problem| Failure::Failed(format!("firewall: {problem}"));
        firewall::install(&settings).map_err(failed)?;
        info!("the firewall separates home and community");
    }
    event_loop::run(settings).map_err(Failure::Failed)?;
    Ok(ExitCode::SUCCESS)
}

pub(super) fn check(arguments: Vec<OsString>) -> Result<ExitCode, Failure> {
    let mut parser = parser(arguments);
    let mut file: Option<PathBuf> = None;
    while let Some(argument) = parser.next()? {
        match argument {
            Short('h') | Long("help") => return print(CHECK.help),
            Value(path) if file.is_none() => file = Some(path.into()),
            other => return Err(other.unexpected().into()),
        }
    }
    let Some(file) = file else {
        return usage("check: which FILE?");
    };
    let settings = read_with_addresses(&file)?;
    for warning in settings.warnings() {
        eprintln!("callrec-box: {}: warning: {warning}", file.display());
    }
    print(&settings.to_string())
}

/// The configuration of this file, else that of the default one, else the defaults.
pub(super) fn effective(file: Option<&Path>) -> Result<BoxSettings, Failure> {
    match chosen(file) {
        Some(file) => Ok(read(file)?.0),
        None => Ok(BoxSettings::default()),
    }
}

/// The same for a command that needs the box's two addresses.
pub(super) fn with_addresses(file: Option<&Path>) -> Result<BoxSettings, Failure> {
    match chosen(file) {
        Some(file) => read_with_addresses(file),
        None => usage(&format!(
            "there is no {DEFAULT_FILE}, and no -c FILE: homeAddr and communityAddr must be set in it"
        )),
    }
}

fn chosen(file: Option<&Path>) -> Option<&Path> {
    let default = Path::new(DEFAULT_FILE);
    file.or_else(|| default.exists().then_some(default))
}

fn read_with_addresses(file: &Path) -> Result<BoxSettings, Failure> {
    let (settings, text) = read(file)?;
    match settings.missing_address(&text) {
        Some(problem) => usage(&format!("{}: {problem}", file.display())),
        None => Ok(settings),
    }
}

/// The configuration, and the file's text.
fn read(file: &Path) -> Result<(BoxSettings, String), Failure> {
    let shown = file.display();
    let bytes =
        std::fs::read(file).map_err(|problem| Failure::Usage(format!("{shown}: {problem}")))?;
    let text = String::from_utf8(bytes)
        .map_err(|_| Failure::Usage(format!("{shown}: is not UTF-8 text")))?;
    match BoxSettings::parse(&text) {
        Ok(settings) => Ok((settings, text)),
        Err(problem) => Err(Failure::Usage(format!("{shown}: {problem}"))),
    }
}
