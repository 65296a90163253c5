//! `callrec-server cloud`: an open cloud for calls between phones, with the vendor's Web API.
//!
//! | file | what |
//! | --- | --- |
//! | `api/` | the paths, one file a group |
//! | `state` | what all requests share |
//! | `credentials` | who asks |
//! | `devices` | what devices have open and are sent, in memory or in a shared database |
//! | `cluster/`, `follow` | a database that several processes share, and what it brings |
//! | `registry` | devices, their channels and messages; time is an argument |
//! | `streams/` | the relay of the calls' streams |
//! | `webhooks` | events for the apps |
//! | `store` | what survives a restart |
//! | `token_command`, `url_command` | `callrec-server token` and `url` |

use std::ffi::OsString;
use std::process::ExitCode;
use std::sync::Arc;

use crate::cli::console::print;
use crate::cli::failure::Failure;
use crate::server::cloud::state::Cloud;
use crate::server::log_lines;
use crate::server::web::checked_options::read_checked;
use crate::server::web::runtime;

pub(super) use settings::{CloudSettings, CLOUD};
pub(super) use token_command::{token, TOKEN};
pub(super) use url_command::{url, URL};

mod api;
mod apps;
mod cluster;
mod credentials;
mod device_entry;
mod devices;
mod events;
mod follow;
mod frames;
mod messages;
mod outgoing;
mod registry;
mod revocations;
mod settings;
mod state;
mod store;
mod streams;
mod token_command;
mod url_command;
mod views;
mod webhooks;

pub(super) fn main(arguments: Vec<OsString>) -> Result<ExitCode, Failure> {
    let Some(settings) = read_checked::<CloudSettings>(arguments)? else {
        return print(CLOUD.help);
    };
    log_lines::start();
    runtime::block_on(serve(settings))
}

async fn serve(settings: CloudSettings) -> Result<(), String> {
    let listener = runtime::listen(settings.listen).await?;
    let own = listener
        .local_addr()
        .map_err(|problem| format!("listen: {problem}"))?;
    let public = settings.public.clone();
    let public = public.unwrap_or_else(|| (own.ip().to_string(), own.port()));
    let (cloud, events) = Cloud::open(&settings, public)?;
    let cloud = Arc::new(cloud);
    if let Some(events) = events {
        follow::start(&cloud, events);
    }
    let timers = cloud.clone();
    tokio::spawn(async move { timers.run_timers().await });
    let reload = {
        let cloud = cloud.clone();
        move || cloud.apps.reload()
    };
    runtime::run("cloud", listener, api::router(cloud.clone()), reload).await?;
    follow::end(&cloud).await;
    Ok(())
}
