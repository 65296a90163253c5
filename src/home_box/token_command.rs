//! `callrec-box token`: makes, lists and revokes the tokens that screens join with.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use lexopt::prelude::{Long, Short, Value};

use crate::base::limits::home_box::MAX_TOKEN_DAYS;
use crate::cli::arguments::parser;
use crate::cli::command::{command, CommandSpec};
use crate::cli::console::print;
use crate::cli::failure::{usage, Failure};
use crate::config::{number, one_of};
use crate::home_box::run::effective;
use crate::home_box::tokens::{ChangeProblem, ListedToken, TokenKind, TokenStore};
use crate::home_box::wall_time::{rfc3339, unix_seconds};
use crate::io::clock::civil;

const DEFAULT_DAYS: u32 = 3650;

pub(super) const TOKEN: CommandSpec = command! {
    "callrec-box", "token", "new|list|revoke",
    "makes, lists and revokes the tokens that screens join with";
    [
        ("", "device", "ID",
            "the screen: 1 to 64 printable characters without blanks and commas"),
        ("", "type", "1|2",
            "1 for a wall panel or pad, 2 for a phone [1]"),
        ("", "days", "N",
            "how long the token is good [3650]"),
        ("c", "config", "FILE",
            "the configuration, for its stateDir; by default /etc/callrec-box.conf if that exists"),
    ];
    "\
`new` prints the token alone on a line. `list` prints a line for each token: DEVICE TYPE MADE EXPIRES, and good, revoked or
expired. `revoke` ends all tokens that were made for a device so far; a running box puts the device out within a second.";
    [
        "callrec-box token new --device panel-1 >panel-1.token",
        "callrec-box token new --device phone-ann --type 2 --days 365",
        "callrec-box token revoke --device phone-ann",
    ]
};

struct Arguments {
    action: Option<String>,
    device: Option<String>,
    kind: TokenKind,
    days: u32,
    config: Option<PathBuf>,
}

pub(super) fn token(arguments: Vec<OsString>) -> Result<ExitCode, Failure> {
    let Some(arguments) = arguments_of(arguments)? else {
        return print(TOKEN.help);
    };
    let device = arguments.device.as_deref();
    let open = || {
        let settings = effective(arguments.config.as_deref())?;
        TokenStore::open(&settings.state_dir).map_err(Failure::Failed)
    };
    match (arguments.action.as_deref(), device) {
        (Some("new"), Some(device)) => {
            let made = open()?.create(device, arguments.kind, arguments.days, unix_seconds());
            print(&format!("{}\n", made.map_err(failure)?))
        }
        (Some("revoke"), Some(device)) => {
            open()?.revoke(device).map_err(failure)?;
            Ok(ExitCode::SUCCESS)
        }
        (Some("list"), None) => print(&listing(open()?.tokens(), unix_seconds())),
        (Some("list"), Some(_)) => usage("token list: --device is for new and revoke"),
        (Some(action @ ("new" | "revoke")), None) => {
            usage(&format!("token {action}: which --device?"))
        }
        (Some(other), _) => usage(&format!(
            "token: unexpected '{other}': new, list or revoke?"
        )),
        (None, _) => usage("token: new, list or revoke?"),
    }
}

fn failure(problem: ChangeProblem) -> Failure {
    let words = format!("token: {problem}");
    if problem.word() == "bad-request" {
        Failure::Usage(words)
    } else {
        Failure::Failed(words)
    }
}

fn listing(tokens: &[ListedToken], now: u64) -> String {
    let mut text = String::new();
    for listed in tokens {
        let token = &listed.token;
        let state = if listed.is_revoked {
            "revoked"
        } else if token.expires <= now {
            "expired"
        } else {
            "good"
        };
        text.push_str(&format!(
            "{} {} {} {} {state}\n",
            token.device,
            token.kind.number(),
            local_time(token.made),
            local_time(token.expires)
        ));
    }
    text
}

fn local_time(seconds: u64) -> String {
    rfc3339(&civil(i64::try_from(seconds).unwrap_or(i64::MAX)))
}

/// `None`: `--help` was given.
fn arguments_of(arguments: Vec<OsString>) -> Result<Option<Arguments>, Failure> {
    let mut parser = parser(arguments);
    let mut found = Arguments {
        action: None,
        device: None,
        kind: TokenKind::Pad,
        days: DEFAULT_DAYS,
        config: None,
    };
    let wrong = |option: &str, problem: String| Failure::Usage(format!("{option} {problem}"));
    while let Some(argument) = parser.next()? {
        match argument {
            Long("device") => found.device = Some(parser.value()?.to_string_lossy().into_owned()),
            Long("type") => {
                let kinds = [("1", TokenKind::Pad), ("2", TokenKind::Phone)];
                found.kind = one_of(&parser.value()?.to_string_lossy(), &kinds)
                    .map_err(|problem| wrong("--type", problem))?;
            }
            Long("days") => {
                found.days = number(&parser.value()?.to_string_lossy(), 1, MAX_TOKEN_DAYS)
                    .map_err(|problem| wrong("--days", problem))?;
            }
            Short('c') | Long("config") => found.config = Some(parser.value()?.into()),
            Short('h') | Long("help") => return Ok(None),
            Value(word) if found.action.is_none() => {
                found.action = Some(word.to_string_lossy().into_owned());
            }
            other => return Err(other.unexpected().into()),
        }
    }
    Ok(Some(found))
}
