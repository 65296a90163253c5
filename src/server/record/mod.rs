//! `callrec-server record`: the recording server.

use std::ffi::OsString;
use std::process::ExitCode;

use log::info;

use crate::cli::console::print;
use crate::cli::failure::Failure;
use crate::io::descriptors::raise_limit;
use crate::server::options::read;

use load_balancer::Dispatcher;
use service::Service;
use settings::Settings;

pub(super) use settings::RECORD;
use workers::Workers;

mod archive;
#[cfg(feature = "s3")]
mod checksum;
mod connection;
mod counters;
mod degraded;
mod disk;
mod end_reason;
mod file_writer;
mod load_balancer;
mod ports;
mod recording;
mod repair;
mod report;
mod service;
mod settings;
mod sidecar;
#[cfg(feature = "s3")]
mod store;
mod sync;
mod turn;
mod unfinished;
#[cfg(feature = "s3")]
mod upload;
#[cfg(feature = "s3")]
mod upload_queue;
mod workers;

pub(super) fn main(arguments: Vec<OsString>) -> Result<ExitCode, Failure> {
    let Some(settings) = read::<Settings>(arguments.clone())? else {
        return print(RECORD.help);
    };
    settings.check().map_err(Failure::Usage)?;
    env_logger::Builder::from_env(env_logger::Env::default().default_filter_or("info")).init();
    raise_limit(); // a recording has three descriptors
    if !settings.media.is_empty() {
        Dispatcher::open(settings)
            .and_then(Dispatcher::run)
            .map_err(Failure::Failed)?;
        return Ok(ExitCode::SUCCESS);
    }
    if settings.workers > 1 && !settings.worker {
        let workers = Workers::open(&settings, &arguments).map_err(Failure::Failed)?;
        workers.run().map_err(Failure::Failed)?;
        return Ok(ExitCode::SUCCESS);
    }
    let service = Service::open(settings).map_err(Failure::Failed)?;
    match service.address() {
        None => {} // the one that has started us says it
        Some(address) => info!(
            "callrec-server {} is ready on {address}",
            env!("CARGO_PKG_VERSION")
        ),
    }
    service.run().map_err(Failure::Failed)?;
    Ok(ExitCode::SUCCESS)
}
