//! `callrec-server archive`: finds, plays, keeps and deletes what the recording server has recorded.
//!
//! It is a process of its own: recordings do not notice whether it runs. Files are the truth:
//!
//! - `scan` compares the folders (`folder_files`, `scan_part`, `facts`, `audio_file`) with the catalogue
//!   (`catalogue`, `schema`; `database` is SQLite or PostgreSQL, `places` numbers folders and buckets), `parts` joins them to recordings (`document`, `id`), `records` is what people
//!   have added, `journal_reader` the balance. `rebuild` and `check` do the same with a new catalogue.
//! - `bucket` is object storage: `bucket_watch` compares it with the catalogue (`bucket_scan`,
//!   `bucket_records`), `bucket_cache` has copies of what is heard.
//! - `peer` is what other hosts record now: their archives tell it, and `peer::mirror` copies what is heard.
//! - `search` finds recordings (`text`, `pieces`), `accounts` knows who may see which (`tenants`, `glob`), `audit` is
//!   the log of what they did.
//! - `oidc` (a feature; `oidc_settings`) signs people in with an issuer of OpenID Connect.
//! - `web` serves the page and the API (`query` is text in a URL); `audio` are the bytes that it plays; `deletion` and `retention`
//!   delete.

use std::ffi::OsString;
use std::process::ExitCode;

use crate::cli::console::print;
use crate::cli::failure::{usage, Failure};
use crate::server::log_lines;

use accounts::Accounts;
use audit::{Actor, Audit};
use command_line::{settings, take_flag};

pub(super) use settings::ARCHIVE;

mod account_commands;
mod accounts;
mod app;
mod audio_file;
mod audit;
mod bucket;
mod bucket_cache;
mod bucket_records;
mod bucket_scan;
mod bucket_watch;
mod catalogue;
mod check;
mod command_line;
mod database;
mod deletion;
mod document;
mod event_log;
mod facts;
mod folder_files;
mod glob;
mod id;
mod interrupted_deletion;
mod journal_reader;
mod lock;
mod login_guard;
mod metrics;
#[cfg(feature = "oidc")]
mod oidc;
mod oidc_settings;
mod parts;
mod peer;
mod pending_deletion;
mod pieces;
mod places;
mod query;
mod rebuild;
mod recent_lines;
mod recording_rows;
mod records;
mod retention;
mod scan;
mod scan_part;
mod schema;
mod search;
mod service;
mod settings;
mod sound;
mod tenants;
mod text;
mod tls;
mod web;

pub(super) fn main(mut arguments: Vec<OsString>) -> Result<ExitCode, Failure> {
    if arguments
        .iter()
        .any(|argument| argument == "--help" || argument == "-h")
    {
        return print(ARCHIVE.help);
    }
    let word = arguments.first().and_then(|first| first.to_str());
    let word = word
        .filter(|word| !word.starts_with('-'))
        .map(str::to_owned);
    if word.is_some() {
        arguments.remove(0);
    }
    match word.as_deref() {
        None => {
            let settings = settings(arguments)?;
            settings.check().map_err(Failure::Usage)?;
            log_lines::start();
            service::run(settings).map_err(Failure::Failed)?;
            Ok(ExitCode::SUCCESS)
        }
        Some("retain") => retain(arguments),
        Some("rebuild") => rebuild::main(&settings(arguments)?),
        Some("check") => check::main(arguments),
        Some("user") => account_commands::user(arguments),
        Some("token") => account_commands::token(arguments),
        Some(other) => Err(Failure::Usage(format!(
            "archive: '{other}' is not rebuild, check, retain, user or token"
        ))),
    }
}

/// `archive retain --yes`
fn retain(mut arguments: Vec<OsString>) -> Result<ExitCode, Failure> {
    if !take_flag(&mut arguments, "--yes") {
        return usage("archive retain: --yes lets a stopped round of deletion through");
    }
    let settings = settings(arguments)?;
    let home = settings.home();
    let accounts = Accounts::of(&settings).map_err(Failure::Failed)?;
    let actor = Actor {
        who: "command".into(),
        role: "command".into(),
        from: "command line".into(),
        ..Actor::default()
    };
    let audit = Audit::new(&home, &settings.host_name());
    let logged = audit.append(
        &accounts,
        &actor,
        "retain",
        "",
        serde_json::Value::Null,
        scan::now(),
    );
    logged.map_err(Failure::Failed)?;
    accounts
        .set_flag(retention::ALLOWED, "1")
        .map_err(Failure::Failed)?;
    Ok(ExitCode::SUCCESS)
}
