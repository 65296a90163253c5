//! The arguments of `callrec fetch`.

use std::ffi::{OsStr, OsString};
use std::net::Ipv6Addr;
use std::num::NonZeroU16;
use std::path::PathBuf;
use std::time::Duration;

use lexopt::prelude::{Long, Short, Value, ValueExt};

use crate::cli::arguments::parser;
use crate::cli::command::{command, CommandSpec};
use crate::cli::console::harmless;
use crate::cli::failure::{usage, Failure};
use crate::cli::fetch::password_file::PasswordFile;
use crate::cli::fetch::remote::is_safe;
use crate::wire::decimal::parse_decimal;
use crate::wire::fsp::MAX_PAYLOAD;

pub(in crate::cli) const FETCH: CommandSpec = command! {
    "callrec", "fetch", "ls|get [PATH]...",
    "lists and fetches the recordings of a phone";
    [
        ("", "ip", "HOST[:PORT]",
            "the phone; the port is its fspPort [9531]"),
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
            "the folder for the files [.]; each phone has a folder of its own in it"),
        ("", "as", "NAME",
            "the name of the phone's folder [its MAC address from a sidecar, else CID, else HOST]"),
        ("", "flat", "",
            "put the files into DIR itself, without a folder for the phone"),
        ("", "all-new", "",
            "fetch only files that do not exist here, or have another size or time"),
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

No file is replaced by other content: if DIR has a file of that name that is not the beginning of the fetched one, both
are kept, the fetched one as NAME-2. A recording whose sidecar has a checksum is compared with it, and fetched once more
if it differs. Times are those of the phone, with their offset from UTC, which comes from a sidecar; without one they are
UTC.

FSP is not confidential: whoever can listen on the network path can read the password and the recordings.";
    [
        "callrec fetch --ip 192.168.1.20 --password-file phone.pw ls Recorder/20260102",
        "callrec fetch --ip 192.168.1.20 --password-file phone.pw get --all-new --to /srv/calls",
        "callrec fetch --id 0015651a2b3c --server p2p.example.org --invite sesame --password-file phone.pw ls",
    ]
};

/// The folder of all recordings.
pub(super) const ALL_RECORDINGS: &str = "Recorder";
/// `fspPort` by default.
pub(super) const FSP_PORT: u16 = 9531;

/// How the phone is reached.
pub(super) enum PhoneAddress {
    /// Directly. The host is an address, without brackets, or a name.
    Direct { host: String, port: u16 },
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
    pub(super) password: Option<PasswordFile>,
    pub(super) to: PathBuf,
    /// The name of the phone's folder in `to`.
    pub(super) folder: Option<String>,
    /// There is no folder for the phone.
    pub(super) flat: bool,
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
        folder: None,
        flat: false,
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
            Long("password-file") => options.password = Some(PasswordFile::read(&parser.value()?)?),
            Long("to") => options.to = parser.value()?.into(),
            Long("as") => options.folder = Some(folder_name(parser.value()?.string()?)?),
            Long("flat") => options.flat = true,
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
    if options.flat && options.folder.is_some() {
        return usage("fetch: --as cannot be combined with --flat, which makes no folder");
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
        (Some(ip), None, None) => match host_and_port(&ip) {
            Some((host, port)) => Ok(PhoneAddress::Direct { host, port }),
            None => usage(&format!(
                "fetch: --ip must be HOST or HOST:PORT, not '{}'",
                harmless(&ip)
            )),
        },
        (None, Some(id), Some(server)) => Ok(PhoneAddress::Registered { id, server, invite }),
        (None, Some(_), None) => usage("fetch: --id needs --server HOST[:PORT]"),
        (None, None, _) => usage("fetch: the phone is missing: --ip HOST, or --id and --server"),
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

/// `HOST`, `HOST:PORT`, or an IPv6 address, with brackets if a port follows.
fn host_and_port(text: &str) -> Option<(String, u16)> {
    if text.parse::<Ipv6Addr>().is_ok() {
        return Some((text.into(), FSP_PORT));
    }
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) if !text.ends_with(']') => {
            (host, port.parse::<NonZeroU16>().ok()?.get())
        }
        _ => (text, FSP_PORT),
    };
    let in_brackets = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'));
    let is_whole = match in_brackets {
        Some(address) => address.parse::<Ipv6Addr>().is_ok(),
        None => !host.is_empty() && !host.contains([':', '[', ']', '/']),
    };
    is_whole.then(|| (in_brackets.unwrap_or(host).to_owned(), port))
}

fn folder_name(name: String) -> Result<String, Failure> {
    if is_safe(&name.as_str()) {
        return Ok(name);
    }
    usage(&format!(
        "fetch: --as must be the name of a folder, without '/' and not hidden, not '{}'",
        harmless(&name)
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_may_have_a_port() {
        for (text, host, port) in [
            ("192.168.1.20", "192.168.1.20", 9531),
            ("192.168.1.20:1", "192.168.1.20", 1),
            ("phone7", "phone7", 9531),
            ("fe80::1", "fe80::1", 9531),
            ("[fe80::1]", "fe80::1", 9531),
            ("[fe80::1]:65535", "fe80::1", 65535),
        ] {
            assert_eq!(host_and_port(text), Some((host.into(), port)), "{text}");
        }
        for text in [
            "", ":9531", "a:", "a:0", "a:65536", "a:b:1", "[a]:1", "[::1", "::1]:5",
        ] {
            assert_eq!(host_and_port(text), None, "{text}");
        }
    }
}
