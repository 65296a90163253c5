//! `callrec-server record`: the recording server.

use std::ffi::OsString;
use std::process::ExitCode;

use log::info;
use nix::sys::resource::{getrlimit, setrlimit, Resource};

use crate::cli::{print, Failure};
use crate::server::options::read;

use service::Service;
use settings::{Settings, HELP};

mod archive;
mod connection;
mod counters;
mod part;
mod recording;
mod repair;
mod service;
mod settings;
mod sidecar;
mod sync;

pub(super) fn main(arguments: Vec<OsString>) -> Result<ExitCode, Failure> {
    let Some(settings) = read::<Settings>(arguments)? else { return print(HELP) };
    env_logger::Builder::from_env(env_logger::Env::default().default_filter_or("info")).init();
    raise_descriptors();
    let service = Service::open(settings).map_err(Failure::Failed)?;
    info!("callrec-server {} is ready on {}", env!("CARGO_PKG_VERSION"), service.address());
    service.run().map_err(Failure::Failed)?;
    Ok(ExitCode::SUCCESS)
}

/// A recording has three descriptors: as many as the system allows.
fn raise_descriptors() {
    if let Ok((_, most)) = getrlimit(Resource::RLIMIT_NOFILE) {
        let _ = setrlimit(Resource::RLIMIT_NOFILE, most, most);
    }
}
