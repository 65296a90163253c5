//! `callrec-server archive user` and `archive token`.

use std::ffi::OsString;
use std::io::BufRead;
use std::process::ExitCode;

use serde_json::json;

use crate::cli::console::print;
use crate::cli::failure::{usage, Failure};
use crate::recordings::start_time::StartTime;
use crate::server::archive::accounts::users::{devices_of, Rights, Role};
use crate::server::archive::accounts::Accounts;
use crate::server::archive::audit::{Actor, Audit};
use crate::server::archive::command_line::settings;
use crate::server::archive::scan::now;
use crate::server::archive::tenants::DEFAULT_TENANT;

/// A command with its words and options.
struct AccountCommand {
    action: String,
    name: Option<String>,
    rights: Rights,
    has_role: bool,
    days: i64,
    accounts: Accounts,
    audit: Audit,
}

/// Days that a token is valid.
const TOKEN_DAYS: i64 = 365;

pub(super) fn user(arguments: Vec<OsString>) -> Result<ExitCode, Failure> {
    let command = parse("user", arguments)?;
    let AccountCommand {
        accounts, rights, ..
    } = &command;
    match command.action.as_str() {
        "list" => {
            let users = accounts.users().map_err(Failure::Failed)?;
            let line = |user: &crate::server::archive::accounts::users::User| {
                let state = if user.is_disabled {
                    "disabled"
                } else {
                    "enabled"
                };
                format!("{}\t{}\t{state}\n", user.name, rights_text(&user.rights))
            };
            print(&users.iter().map(line).collect::<String>())
        }
        "add" => {
            let name = command.name()?;
            let password = password()?;
            command.log("user-add", name)?;
            done(accounts.add_user(name, &password, rights))
        }
        "passwd" => {
            let name = command.name()?;
            let password = password()?;
            command.log("user-passwd", name)?;
            done(accounts.set_password(name, &password))
        }
        "disable" => {
            let name = command.name()?;
            command.log("user-disable", name)?;
            done(accounts.disable_user(name))
        }
        other => usage(&format!(
            "archive user: '{other}' is not add, passwd, disable or list"
        )),
    }
}

pub(super) fn token(arguments: Vec<OsString>) -> Result<ExitCode, Failure> {
    let command = parse("token", arguments)?;
    let AccountCommand {
        accounts, rights, ..
    } = &command;
    match command.action.as_str() {
        "list" => {
            let tokens = accounts.tokens().map_err(Failure::Failed)?;
            let line = |token: &crate::server::archive::accounts::tokens::Token| {
                let until = StartTime::of_seconds(token.expires).start;
                format!(
                    "{}\t{}\tuntil {until}\n",
                    token.name,
                    rights_text(&token.rights)
                )
            };
            print(&tokens.iter().map(line).collect::<String>())
        }
        "new" if !command.has_role => {
            usage("archive token new: which --role? admin, supervisor or agent")
        }
        "new" => {
            let name = command.name()?;
            command.log("token-new", name)?;
            let expires = now() + command.days * 86_400;
            let token = accounts
                .new_token(name, rights, expires)
                .map_err(Failure::Failed)?;
            print(&format!("{token}\n"))
        }
        "revoke" => {
            let name = command.name()?;
            command.log("token-revoke", name)?;
            done(accounts.revoke_token(name))
        }
        other => usage(&format!(
            "archive token: '{other}' is not new, list or revoke"
        )),
    }
}

fn rights_text(rights: &Rights) -> String {
    let devices = if rights.devices.is_empty() {
        "*".into()
    } else {
        rights.devices.join(",")
    };
    format!("{}\t{}\t{devices}", rights.role.name(), rights.tenant)
}

impl AccountCommand {
    fn name(&self) -> Result<&str, Failure> {
        match &self.name {
            Some(name) => Ok(name),
            None => usage("archive: which NAME?"),
        }
    }

    /// What cannot be logged is not done.
    fn log(&self, what: &str, name: &str) -> Result<(), Failure> {
        let actor = Actor {
            who: std::env::var("SUDO_USER")
                .or_else(|_| std::env::var("USER"))
                .unwrap_or_default(),
            role: "command".into(),
            tenant: self.rights.tenant.clone(),
            from: "command line".into(),
        };
        let more = json!({"role": self.rights.role.name(), "devices": self.rights.devices});
        let logged = self
            .audit
            .append(&self.accounts, &actor, what, name, more, now());
        logged.map_err(Failure::Failed)
    }
}

/// A command line, sorted.
#[derive(Default)]
struct Words {
    words: Vec<String>,
    role: Option<String>,
    devices: Option<String>,
    tenant: Option<String>,
    days: Option<String>,
    /// Options of all of the archive's commands.
    rest: Vec<OsString>,
}

fn sort(arguments: Vec<OsString>) -> Result<Words, Failure> {
    let mut sorted = Words::default();
    let mut arguments = arguments.into_iter();
    while let Some(argument) = arguments.next() {
        let text = argument.to_string_lossy().into_owned();
        let (key, value) = match text.split_once('=') {
            Some((key, value)) => (key, Some(value.to_owned())),
            None => (text.as_str(), None),
        };
        let place = match key {
            "--role" => &mut sorted.role,
            "--devices" => &mut sorted.devices,
            "--tenant" => &mut sorted.tenant,
            "--days" => &mut sorted.days,
            _ if text.starts_with('-') => {
                sorted.rest.push(argument);
                if value.is_none() {
                    sorted.rest.extend(arguments.next());
                }
                continue;
            }
            _ => {
                sorted.words.push(text);
                continue;
            }
        };
        let next = || {
            arguments
                .next()
                .map(|value| value.to_string_lossy().into_owned())
        };
        *place = value.or_else(next);
        if place.is_none() {
            return usage(&format!("{key} has no value"));
        }
    }
    Ok(sorted)
}

fn parse(what: &str, arguments: Vec<OsString>) -> Result<AccountCommand, Failure> {
    let sorted = sort(arguments)?;
    let settings = settings(sorted.rest)?;
    let tenant = sorted
        .tenant
        .unwrap_or_else(|| DEFAULT_TENANT.into())
        .to_lowercase();
    if !settings.tenants.has(&tenant) {
        let words = "there is no such tenant in the configuration";
        return usage(&format!("--tenant {tenant}: {words}"));
    }
    let has_role = sorted.role.is_some();
    let role = sorted.role.as_deref().unwrap_or("agent");
    let Some(role) = Role::parse(role) else {
        return usage(&format!(
            "--role must be admin, supervisor or agent, not '{role}'"
        ));
    };
    let days = sorted.days.map_or(Ok(TOKEN_DAYS), |days| days.parse());
    let Some(days) = days.ok().filter(|days| (1..=36_500).contains(days)) else {
        return usage("--days must be a number from 1 to 36500");
    };
    let mut words = sorted.words.into_iter();
    let Some(action) = words.next() else {
        let words = "what is to be done? 'callrec-server archive --help' lists it";
        return usage(&format!("archive {what}: {words}"));
    };
    let accounts = Accounts::of(&settings).map_err(Failure::Failed)?;
    Ok(AccountCommand {
        action,
        name: words.next(),
        rights: Rights {
            role,
            tenant,
            devices: devices_of(&sorted.devices.unwrap_or_default()),
        },
        has_role,
        days,
        audit: Audit::new(&settings.home(), &settings.host_name()),
        accounts,
    })
}

/// The first line of standard input.
fn password() -> Result<String, Failure> {
    let mut line = String::new();
    let read = std::io::stdin().lock().read_line(&mut line);
    read.map_err(|error| Failure::Failed(format!("standard input: {error}")))?;
    Ok(line.trim_end_matches(['\r', '\n']).to_owned())
}

fn done(result: Result<(), String>) -> Result<ExitCode, Failure> {
    result.map(|()| ExitCode::SUCCESS).map_err(Failure::Failed)
}
