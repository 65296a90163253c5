//! `callrec-server record`: the recording server.

use std::ffi::OsString;
use std::process::ExitCode;

use crate::cli::{print, Failure};
use crate::server::options::read;

use settings::{Settings, HELP};

mod settings;

pub(super) fn main(arguments: Vec<OsString>) -> Result<ExitCode, Failure> {
    let Some(settings) = read::<Settings>(arguments)? else { return print(HELP) };
    Err(Failure::Failed(format!("cannot record yet to {}", settings.dir)))
}
