//! The arguments of `callrec fetch`.

use std::ffi::{OsStr, OsString};
use std::num::NonZeroU16;
use std::path::{Path, PathBuf};
use std::time::Duration;

use lexopt::prelude::{Long, Short, Value, ValueExt};

use crate::cli::arguments::parser;
use crate::cli::command::{command, CommandSpec};
use crate::cli::console::{harmless, shown};
use crate::cli::failure::{usage, Failure};
use crate::wire::decimal::parse_decimal;
use crate::wire::fsp::MAX_PAYLOAD;

pub(in crate::cli) const FETCH: CommandSpec = command! {
    "callrec", "fetch", "ls|get [PATH]...",
    "lists and fetches the recordings of a phone";
    [
        ("", "ip", "HOST:PORT",
            "the phone; the port is its fspPort, 9531"),
        ("", "id", "CID",
            "a phone behind NAT, by its p2pCid"),
        ("", "server", "HOST[:PORT]",
            "the rendezvous server with which that phone registers [port 7042]"),
        ("", "invite", "CODE",
            "the p2pInviteCode of that phone"),
        ("", "unproven", "",
            "send the password also to a phone that cannot prove its identity: whoever heard it register may answer"),
        ("", "password-file", "FILE",
            "a file whose first line is the phone's fspPassword"),
        ("", "to", "DIR",
            "the folder for the files [.]"),
        ("", "all-new", "",
            "fetch only files that do not exist here, or have another size"),
        ("", "json", "",
            "print a JSON object per line, for programs"),
        ("", "timeout", "SECONDS",
            "how long the phone may be silent [60]"),
        ("", "max-payload", "BYTES",
            "the longest payload to ask for [14708]; 1460 fits into a packet of every network"),
    ];
    "\
`ls` lists a folder, by default all recordings. `get` fetches files, and folders with all that is in them; with
--all-new and without PATH it fetches all new recordings. The phone must be configured with fspEnabled = 1. An
interrupted transfer is continued by the next run.

FSP is not confidential: whoever can listen on the network path can read the password and the recordings.";
    [
        "callrec fetch --ip 192.168.1.20:9531 --password-file phone.pw ls Recorder",
        "callrec fetch --ip 192.168.1.20:9531 --password-file phone.pw get --all-new --to /srv/calls",
        "callrec fetch --id 0015651a2b3c --server p2p.example.org --invite sesame --password-file phone.pw ls",
    ]
};

/// The folder of all recordings.
const ALL_RECORDINGS: &str = "Recorder";

/// How the phone is reached.
pub(super) enum PhoneAddress {
    /// Directly at this `HOST:PORT`.
    Direct(String),
    /// Through a rendezvous server.
    Registered {
        id: String,
        server: String,
        invite: String,
    },
}

/// What is to be done.
pub(super) enum FetchCommand {
    List(String),
    Get(Vec<String>),
}

/// The arguments, checked.
pub(super) struct Arguments {
    pub(super) phone: PhoneAddress,
    pub(super) command: FetchCommand,
    pub(super) options: FetchOptions,
}

/// The options that apply to all phones.
pub(super) struct FetchOptions {
    /// A phone that cannot prove its identity gets the password, too.
    pub(super) unproven: bool,
    pub(super) password: Option<Vec<u8>>,
    pub(super) to: PathBuf,
    pub(super) json: bool,
    pub(super) all_new: bool,
    pub(super) timeout: Duration,
    pub(super) max_payload: usize,
}

/// Parses the arguments; `None` for `--help`.
pub(super) fn parse(arguments: Vec<OsString>) -> Result<Option<Arguments>, Failure> {
    let mut parser = parser(arguments);
    let (mut ip, mut id, mut server, mut invite) = (None, None, None, String::new());
    let mut words: Vec<String> = vec![];
    let mut options = FetchOptions {
        unproven: false,
        password: None,
        to: ".".into(),
        json: false,
        all_new: false,
        timeout: Duration::from_secs(60),
        max_payload: MAX_PAYLOAD,
    };
    while let Some(argument) = parser.next()? {
        match argument {
            Long("ip") => ip = Some(parser.value()?.string()?),
            Long("id") => id = Some(parser.value()?.string()?),
            Long("server") => server = Some(parser.value()?.string()?),
            Long("invite") => invite = parser.value()?.string()?,
            Long("unproven") => options.unproven = true,
            Long("password-file") => options.password = read_password(&parser.value()?)?,
            Long("to") => options.to = parser.value()?.into(),
            Long("json") => options.json = true,
            Long("all-new") => options.all_new = true,
            Long("timeout") => {
                let seconds = number("timeout", 1, 3600, &parser.value()?)?;
                options.timeout = Duration::from_secs(seconds);
            }
            Long("max-payload") => {
                let bytes = number("max-payload", 512, MAX_PAYLOAD as u64, &parser.value()?)?;
                options.max_payload = bytes as usize;
            }
            Short('h') | Long("help") => return Ok(None),
            Value(word) => words.push(word.string()?),
            other => return Err(other.unexpected().into()),
        }
    }
    Ok(Some(Arguments {
        command: command(&words, options.all_new)?,
        phone: phone(ip, id, server, invite)?,
        options,
    }))
}

fn command(words: &[String], all_new: bool) -> Result<FetchCommand, Failure> {
    let Some((command, paths)) = words.split_first() else {
        return usage("fetch: ls or get is missing; 'callrec fetch --help' shows examples");
    };
    match (command.as_str(), paths) {
        ("ls", []) => Ok(FetchCommand::List(String::new())),
        ("ls", [path]) => Ok(FetchCommand::List(path.clone())),
        ("ls", _) => usage("fetch: ls lists only one DIR"),
        ("get", []) if all_new => Ok(FetchCommand::Get(vec![ALL_RECORDINGS.into()])),
        ("get", []) => usage("fetch: get needs a PATH, or --all-new"),
        ("get", paths) => Ok(FetchCommand::Get(paths.to_vec())),
        _ => usage(&format!(
            "fetch: the command must be ls or get, not '{}'",
            harmless(command)
        )),
    }
}

fn phone(
    ip: Option<String>,
    id: Option<String>,
    server: Option<String>,
    invite: String,
) -> Result<PhoneAddress, Failure> {
    match (ip, id, server) {
        (Some(ip), None, None) => {
            let is_complete =
                |(host, port): (&str, &str)| !host.is_empty() && port.parse::<NonZeroU16>().is_ok();
            if !ip.rsplit_once(':').is_some_and(is_complete) {
                let ip = harmless(&ip);
                return usage(&format!("fetch: --ip must be HOST:PORT, not '{ip}'"));
            }
            Ok(PhoneAddress::Direct(ip))
        }
        (None, Some(id), Some(server)) => Ok(PhoneAddress::Registered { id, server, invite }),
        (None, Some(_), None) => usage("fetch: --id needs --server HOST[:PORT]"),
        (None, None, _) => {
            usage("fetch: the phone is missing: --ip HOST:PORT, or --id and --server")
        }
        (Some(_), ..) => usage("fetch: --ip cannot be combined with --id and --server"),
    }
}

fn number(option: &str, least: u64, most: u64, value: &OsStr) -> Result<u64, Failure> {
    parse_decimal(value.as_encoded_bytes())
        .filter(|number| (least..=most).contains(number))
        .ok_or_else(|| {
            let problem = format!("fetch: --{option} must be a number from {least} to {most}");
            Failure::Usage(problem)
        })
}

/// The first line of a file; `None` if it is empty.
fn read_password(path: &OsStr) -> Result<Option<Vec<u8>>, Failure> {
    let path = Path::new(path);
    let text =
        std::fs::read(path).map_err(|error| Failure::Usage(format!("{}: {error}", shown(path))))?;
    let mut lines = text.split(|byte| matches!(byte, b'\n' | b'\r'));
    let line = lines.next().unwrap_or_default();
    Ok(Some(line.to_vec()).filter(|line| !line.is_empty()))
}
