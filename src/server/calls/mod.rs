//! `callrec-server calls`: the application server. It takes "A calls B", asks the cloud, makes the
//! URL, pushes it to B, and keeps the state of the call.
//!
//! | file | what |
//! | --- | --- |
//! | `api` | the paths |
//! | `book/` | all calls, and what parties may do; time is an argument |
//! | `place`, `tell`, `wake` | a new call |
//! | `notify` | parties are told what others have done |
//! | `tasks` | what happens by itself |
//! | `cloud_client` | the cloud's Web API, of the vendor's and ours alike |
//! | `state` | what all requests share |

use std::ffi::OsString;
use std::process::ExitCode;
use std::sync::Arc;

use crate::cli::console::print;
use crate::cli::failure::Failure;
use crate::server::calls::state::CallServer;
use crate::server::log_lines;
use crate::server::web::checked_options::read_checked;
use crate::server::web::runtime;

pub(super) use settings::{CallsSettings, CALLS};

mod api;
mod book;
mod cloud_client;
mod notify;
mod pages;
mod place;
mod settings;
mod state;
mod tasks;
mod tell;
mod wake;

pub(super) fn main(arguments: Vec<OsString>) -> Result<ExitCode, Failure> {
    let Some(settings) = read_checked::<CallsSettings>(arguments)? else {
        return print(CALLS.help);
    };
    log_lines::start();
    runtime::block_on(serve(settings))
}

async fn serve(settings: CallsSettings) -> Result<(), String> {
    let listener = runtime::listen(settings.listen).await?;
    let server = Arc::new(CallServer::open(settings)?);
    tokio::spawn(tasks::run_timers(server.clone()));
    tokio::spawn(tasks::run_lost_check(server.clone()));
    let reloaded = server.clone();
    runtime::run("calls", listener, api::router(server), move || {
        reloaded.reload()
    })
    .await
}
