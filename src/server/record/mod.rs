//! `callrec-server record`: the recording server.
//!
//! One process serves control connections and RTP in one event loop (`service`, `event_loop`). With
//! `--workers` a parent process starts several of them (`workers`); with `--media` the process
//! records nothing, but passes control connections on to other recording servers (`load_balancer`).
//!
//! A recording's way: `control` (its phone's messages) - `start` - `recording` (RTP into frames) -
//! `file_writer` - `finish` - `upload`. `archive` knows the names of its files, `journal` which calls
//! were accepted.

use std::ffi::OsString;
use std::process::ExitCode;

use log::info;

use crate::cli::console::print;
use crate::cli::failure::Failure;
use crate::io::descriptors::raise_limit;
use crate::server::log_lines;
use crate::server::options::read;

use load_balancer::LoadBalancer;
use service::RecordService;

pub(super) use settings::{RecordSettings, RECORD};
use workers::Workers;

mod archive;
#[cfg(feature = "s3")]
mod checksum;
mod connection;
mod control;
mod counters;
mod disk_check;
mod disk_health;
mod disk_problem;
mod end_reason;
mod event_loop;
mod file_writer;
mod finish;
#[cfg(feature = "s3")]
mod finished_index;
mod journal;
mod load_balancer;
mod recording;
mod repair;
mod report;
mod rtp_ports;
mod service;
mod settings;
mod sidecar;
mod start;
#[cfg(feature = "s3")]
pub(super) mod store;
#[cfg(feature = "s3")]
mod store_authorities;
#[cfg(all(feature = "s3", feature = "archive"))]
mod store_objects;
#[cfg(feature = "s3")]
mod store_reply;
mod sync;
mod unfinished;
#[cfg(feature = "s3")]
mod upload;
#[cfg(feature = "s3")]
mod upload_queue;
mod workers;
mod workspace;

pub(super) fn main(arguments: Vec<OsString>) -> Result<ExitCode, Failure> {
    let Some(settings) = read::<RecordSettings>(arguments.clone())? else {
        return print(RECORD.help);
    };
    settings.check().map_err(Failure::Usage)?;
    log_lines::start();
    raise_limit(); // a recording has three file descriptors
    run(settings, &arguments).map_err(Failure::Failed)?;
    Ok(ExitCode::SUCCESS)
}

fn run(settings: RecordSettings, arguments: &[OsString]) -> Result<(), String> {
    if !settings.media.is_empty() {
        return LoadBalancer::open(settings)?.run();
    }
    if settings.workers > 1 && !settings.worker {
        return Workers::open(&settings, arguments)?.run();
    }
    let service = RecordService::open(settings)?;
    if let Some(address) = service.address() {
        let version = env!("CARGO_PKG_VERSION");
        info!("callrec-server {version} is ready on {address}");
    }
    service.run()
}
