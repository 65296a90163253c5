//! `callrec run` and `callrec check`.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use lexopt::prelude::{Long, Short, Value};
use log::{error, info, warn};

use crate::cli::arguments::parser;
use crate::cli::command::{command, CommandSpec};
use crate::cli::console::{print, Console};
use crate::cli::failure::{usage, Failure};
use crate::cli::logger;
use crate::config::Config;
#[cfg(feature = "tools")]
use crate::daemon::stick;
use crate::daemon::{Ended, EventLoop};
use crate::io::descriptors::raise_limit;
use crate::io::sys::map_large_allocations;

/// Where a phone keeps it.
const DEFAULT_FILE: &str = "/etc/callrec.conf";

pub(super) const RUN: CommandSpec = command! {
    "callrec", "run", "",
    "runs the recorder in the foreground";
    [
        ("c", "config", "FILE",
            "the configuration; by default /etc/callrec.conf if that exists"),
    ];
    "\
It logs to standard error; RUST_LOG=warn logs less, RUST_LOG=debug more. On SIGTERM it finishes the recordings and ends,
on SIGHUP it reads the configuration again.";
    [
        "callrec run -c /etc/callrec.conf",
    ]
};

pub(super) const CHECK: CommandSpec = command! {
    "callrec", "check", "FILE",
    "validates a configuration and prints the effective one";
    [];
    "\
Errors name the line and the key. Secrets are printed as (hidden).";
    [
        "callrec check /etc/callrec.conf",
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
    let read = move || effective(file.as_deref());
    let config = read()?;
    logger::init();
    let warning = config.warning();
    map_large_allocations();
    raise_limit();
    let daemon = EventLoop::open(config).map_err(Failure::Failed)?;
    info!("callrec {} is ready", env!("CARGO_PKG_VERSION"));
    if let Some(warning) = warning {
        warn!("{warning}");
    }
    let reload = || {
        read().map_err(|failure| match failure {
            Failure::Failed(message) | Failure::Usage(message) => message,
        })
    };
    match daemon.run(reload) {
        Ok(Ended::Done) => Ok(ExitCode::SUCCESS),
        Ok(Ended::Unfinished) => Err(Failure::Failed(
            "the stick did not take the last frames in time".into(),
        )),
        Err(problem) => {
            error!("the event loop failed: {problem}");
            Err(Failure::Failed(format!("event loop: {problem}")))
        }
    }
}

pub(super) fn check(arguments: Vec<OsString>, console: &mut Console) -> Result<ExitCode, Failure> {
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
    let config = read_config(&file)?;
    if let Some(warning) = config.warning() {
        console.note(&format!("{}: warning: {warning}", file.display()));
    }
    print(&config.without_secrets().to_string())
}

/// The folder of the USB stick as the daemon finds it, else the current one.
#[cfg(feature = "tools")]
pub(super) fn default_folder() -> Result<PathBuf, Failure> {
    Ok(stick::folder(&effective(None)?).unwrap_or_else(|| ".".into()))
}

/// The configuration of this file, else that of the default one, else the defaults.
pub(super) fn effective(file: Option<&Path>) -> Result<Config, Failure> {
    let default = Path::new(DEFAULT_FILE);
    match file.or_else(|| default.exists().then_some(default)) {
        Some(file) => read_config(file),
        None => Ok(Config::default()),
    }
}

fn read_config(file: &Path) -> Result<Config, Failure> {
    let shown = file.display();
    let text = match std::fs::read(file) {
        Ok(bytes) => String::from_utf8(bytes)
            .map_err(|_| Failure::Usage(format!("{shown}: is not UTF-8 text")))?,
        Err(problem) => return Err(Failure::Usage(format!("{shown}: {problem}"))),
    };
    Config::parse(&text).map_err(|problem| Failure::Usage(format!("{shown}: {problem}")))
}
