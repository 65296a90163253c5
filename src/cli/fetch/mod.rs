//! `callrec fetch`: recordings from a phone, over FSP.

use std::ffi::OsString;
use std::fmt::Write as _;
use std::num::NonZeroU16;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use lexopt::prelude::{Long, Short, Value, ValueExt};

use crate::base::limits::fetch::{FOLDER_DEPTH, RUN_ENTRIES};
use crate::base::limits::fsp::FAR_PAYLOAD;
use crate::cli::arguments::parser;
use crate::cli::command::{command, CommandSpec};
use crate::cli::console::{harmless, quote, shown, Console};
use crate::cli::failure::{usage, Failure};
use crate::cli::fetch::link::Link;
use crate::cli::fetch::progress::Progress;
use crate::cli::fetch::remote::{safe, Item, Remote, Trouble};
use crate::cli::fetch::rendezvous::{reach, Reached};
use crate::cli::fetch::transfer::{fetch as transfer, Fetched};
use crate::io::sys::local_time;
use crate::wire::fsp::MAX_PAYLOAD;

mod link;
mod progress;
mod remote;
mod rendezvous;
mod transfer;

pub(super) const FETCH: CommandSpec = command! {
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

/// What everything begins with when nothing else is said.
const EVERYTHING: &str = "Recorder";

struct Arguments {
    ip: Option<String>,
    id: Option<String>,
    server: Option<String>,
    invite: String,
    /// Whoever answers in the phone's name gets the password.
    unproven: bool,
    password: Option<Vec<u8>>,
    to: PathBuf,
    json: bool,
    all_new: bool,
    timeout: Duration,
    max_payload: usize,
    words: Vec<String>,
}

pub(super) fn fetch(arguments: Vec<OsString>, console: &mut Console) -> Result<ExitCode, Failure> {
    let Some(arguments) = read_arguments(arguments)? else {
        return console.print(FETCH.help);
    };
    let (command, paths) = match arguments.words.split_first() {
        Some((command, paths)) => (command.as_str(), paths),
        None => return usage("fetch: ls or get? 'callrec fetch --help' shows examples"),
    };
    let from = match (command, paths) {
        ("ls", []) => vec![String::new()],
        ("ls", [path]) => vec![path.clone()],
        ("ls", _) => return usage("fetch: ls lists one DIR"),
        ("get", []) if arguments.all_new => vec![EVERYTHING.into()],
        ("get", []) => return usage("fetch: get which PATH...? or --all-new"),
        ("get", paths) => paths.to_vec(),
        _ => return usage(&format!("fetch: ls or get, not '{}'", harmless(command))),
    };
    let (link, phone, longest) = arguments.link()?;
    let most = arguments.max_payload.min(longest);
    let remote = Remote::new(link, arguments.password.as_deref(), arguments.timeout, most);
    let progress = Progress::new();
    let mut session = Session {
        remote,
        arguments: &arguments,
        console,
        progress,
        entries: 0,
        problems: vec![],
    };
    let outcome = match command {
        "ls" => session.list(&from[0]),
        _ => from.iter().try_for_each(|path| session.get(path)),
    };
    session.remote.bye();
    let mut problems = session.problems;
    problems.extend(outcome.err().map(|trouble| trouble.words()));
    problems
        .iter_mut()
        .for_each(|problem| *problem = format!("{phone}: {}", harmless(problem)));
    console.conclude(&problems)
}

impl Arguments {
    /// The way to the phone, what the phone is called, and the longest payload that gets there in one piece.
    fn link(&self) -> Result<(Link, String, usize), Failure> {
        match (&self.ip, &self.id, &self.server) {
            (Some(ip), None, None) => {
                let whole = |(host, port): (&str, &str)| {
                    !host.is_empty() && port.parse::<NonZeroU16>().is_ok()
                };
                if !ip.rsplit_once(':').is_some_and(whole) {
                    return usage(&format!(
                        "fetch: --ip must be HOST:PORT, not '{}'",
                        harmless(ip)
                    ));
                }
                Ok((
                    Link::direct(ip).map_err(Failure::Failed)?,
                    ip.clone(),
                    MAX_PAYLOAD,
                ))
            }
            (None, Some(id), Some(server)) => {
                let Reached {
                    link,
                    peer,
                    is_proven,
                } = reach(id, server, &self.invite)?;
                if !is_proven && !self.unproven && self.password.is_some() {
                    let words = "it cannot prove that it is the phone, and does not get the password (see --unproven)";
                    return Err(Failure::Failed(format!("{id} at {peer}: {words}")));
                }
                let longest = if peer.ip().is_private() {
                    MAX_PAYLOAD
                } else {
                    FAR_PAYLOAD
                };
                Ok((link, format!("{id} at {peer}"), longest))
            }
            (None, Some(_), None) => {
                usage("fetch: through which rendezvous server? --server HOST[:PORT]")
            }
            (None, None, _) => {
                usage("fetch: from which phone? --ip HOST:PORT, or --id CID --server HOST")
            }
            (Some(_), ..) => usage("fetch: --ip goes without --id and --server"),
        }
    }
}

/// `None` for `--help`.
fn read_arguments(arguments: Vec<OsString>) -> Result<Option<Arguments>, Failure> {
    let mut parser = parser(arguments);
    let mut read = Arguments {
        ip: None,
        id: None,
        server: None,
        invite: String::new(),
        unproven: false,
        password: None,
        to: ".".into(),
        json: false,
        all_new: false,
        timeout: Duration::from_secs(60),
        max_payload: MAX_PAYLOAD,
        words: vec![],
    };
    while let Some(argument) = parser.next()? {
        match argument {
            Long("ip") => read.ip = Some(parser.value()?.string()?),
            Long("id") => read.id = Some(parser.value()?.string()?),
            Long("server") => read.server = Some(parser.value()?.string()?),
            Long("invite") => read.invite = parser.value()?.string()?,
            Long("unproven") => read.unproven = true,
            Long("password-file") => read.password = read_password(Path::new(&parser.value()?))?,
            Long("to") => read.to = parser.value()?.into(),
            Long("json") => read.json = true,
            Long("all-new") => read.all_new = true,
            Long("timeout") => {
                read.timeout = Duration::from_secs(number("timeout", 1, 3600, &parser.value()?)?)
            }
            Long("max-payload") => {
                read.max_payload =
                    number("max-payload", 512, MAX_PAYLOAD as u64, &parser.value()?)? as usize;
            }
            Short('h') | Long("help") => return Ok(None),
            Value(word) => read.words.push(word.string()?),
            other => return Err(other.unexpected().into()),
        }
    }
    Ok(Some(read))
}

fn number(option: &str, least: u64, most: u64, value: &OsString) -> Result<u64, Failure> {
    let number = value
        .to_str()
        .and_then(|value| value.parse().ok())
        .filter(|number| (least..=most).contains(number));
    let words = || format!("fetch: --{option} must be a number from {least} to {most}");
    number.map_or_else(|| usage(&words()), Ok)
}

/// The first line of the file; `None` when it is empty.
fn read_password(path: &Path) -> Result<Option<Vec<u8>>, Failure> {
    let text =
        std::fs::read(path).map_err(|error| Failure::Usage(format!("{}: {error}", shown(path))))?;
    let line = text
        .split(|byte| matches!(byte, b'\n' | b'\r'))
        .next()
        .unwrap_or_default();
    Ok(Some(line.to_vec()).filter(|line| !line.is_empty()))
}

/// One run of the command.
struct Session<'a, 'b> {
    remote: Remote,
    arguments: &'a Arguments,
    console: &'a mut Console<'b>,
    progress: Progress,
    /// Files and folders that listings have named.
    entries: usize,
    /// What failed while the rest went on.
    problems: Vec<String>,
}

impl Session<'_, '_> {
    fn list(&mut self, path: &str) -> Result<(), Trouble> {
        for item in self.remote.list(path)? {
            self.print(&if self.arguments.json {
                listed_as_json(&item)
            } else {
                listed(&item)
            })?;
        }
        Ok(())
    }

    fn get(&mut self, path: &str) -> Result<(), Trouble> {
        let path = path.trim_matches('/');
        if path.is_empty() {
            return self.get_folder(path, &self.arguments.to.clone(), 0);
        }
        let Some(item) = self.find(path)? else {
            return Ok(());
        };
        // A mirror is laid out as the phone is, whatever part of it is asked for; else the last part is the name here.
        let name = if self.arguments.all_new {
            path
        } else {
            &item.name
        };
        let target = self
            .arguments
            .to
            .join(name.split('/').filter(safe).collect::<PathBuf>());
        match item.folder {
            true => self.get_folder(path, &target, 0),
            false => self.get_file(path, &item, &target),
        }
    }

    /// What is at a path; `None` when there is nothing, which is a problem then.
    fn find(&mut self, path: &str) -> Result<Option<Item>, Trouble> {
        if let Some(item) = self.remote.stat(path)? {
            return Ok(Some(item));
        }
        // STAT has no errors: what is wrong, the name or the password, a request that has says.
        let problem = match self.remote.read(path, 0).map(drop) {
            Err(Trouble::Refused(problem)) => problem,
            Err(trouble) => return Err(trouble),
            Ok(()) => match self.remote.stat(path)? {
                None => format!("{path}: it changed during the transfer"),
                item => return Ok(item), // it has come meanwhile
            },
        };
        self.problems.push(problem);
        Ok(None)
    }

    fn get_folder(&mut self, path: &str, target: &Path, depth: u32) -> Result<(), Trouble> {
        let items = match self.remote.list(path) {
            Err(Trouble::Refused(problem)) => {
                self.problems.push(problem);
                return Ok(());
            }
            items => items?,
        };
        self.entries += items.len();
        if self.entries > RUN_ENTRIES {
            return Err(Trouble::Lost(format!(
                "{path}: more than {RUN_ENTRIES} files and folders in one run"
            )));
        }
        for item in items {
            let path = if path.is_empty() {
                item.name.clone()
            } else {
                format!("{path}/{}", item.name)
            };
            let target = target.join(&item.name);
            match item.folder {
                false => self.get_file(&path, &item, &target)?,
                true if depth < FOLDER_DEPTH => self.get_folder(&path, &target, depth + 1)?,
                true => self
                    .problems
                    .push(format!("{path}: folders in folders without end")),
            }
        }
        Ok(())
    }

    fn get_file(&mut self, path: &str, item: &Item, target: &Path) -> Result<(), Trouble> {
        let there = std::fs::symlink_metadata(target)
            .is_ok_and(|entry| entry.len() == u64::from(item.size));
        if self.arguments.all_new && there {
            return self.report(
                path,
                target,
                "kept",
                Fetched {
                    bytes: item.size.into(),
                    resumed: 0,
                },
            );
        }
        self.progress.begin(&item.name, item.size.into());
        let (progress, console) = (&mut self.progress, &mut *self.console);
        let fetched = transfer(&mut self.remote, path, item, target, |done| {
            progress.show(console, done)
        });
        self.progress.clear(self.console);
        match fetched {
            Ok(fetched) => self.report(
                path,
                target,
                if fetched.resumed > 0 {
                    "resumed"
                } else {
                    "fetched"
                },
                fetched,
            ),
            Err(Trouble::Lost(words)) => Err(Trouble::Lost(format!("{path}: {words}"))),
            Err(trouble) => {
                self.problems.push(trouble.words());
                Ok(())
            }
        }
    }

    fn report(
        &mut self,
        path: &str,
        target: &Path,
        outcome: &str,
        fetched: Fetched,
    ) -> Result<(), Trouble> {
        let mut line = String::new();
        if self.arguments.json {
            line.push_str("{\"path\":");
            quote(&mut line, path);
            line.push_str(",\"file\":");
            quote(&mut line, &target.to_string_lossy());
            let (bytes, from) = (fetched.bytes, fetched.resumed);
            let _ = writeln!(
                line,
                ",\"outcome\":\"{outcome}\",\"bytes\":{bytes},\"resumed_at\":{from}}}"
            );
        } else if outcome != "kept" {
            let _ = writeln!(
                line,
                "{outcome} {} ({} bytes)",
                shown(target),
                fetched.bytes
            );
        }
        self.print(&line)
    }

    fn print(&mut self, text: &str) -> Result<(), Trouble> {
        let words = |failure| match failure {
            Failure::Failed(words) | Failure::Usage(words) => Trouble::Local(words),
        };
        self.console.print(text).map(|_| ()).map_err(words)
    }
}

impl Trouble {
    fn words(self) -> String {
        let (Self::Refused(words) | Self::Local(words) | Self::Lost(words)) = self;
        words
    }
}

fn listed(item: &Item) -> String {
    let time = local_time(item.time.into()).map(|t| {
        format!(
            "{:04}-{:02}-{:02} {:02}:{:02}:{:02}",
            t.year, t.month, t.day, t.hour, t.minute, t.second
        )
    });
    let (kind, size) = if item.folder {
        ("dir", "-".into())
    } else {
        ("file", item.size.to_string())
    };
    format!(
        "{kind:4} {size:>10}  {}  {}\n",
        time.unwrap_or_default(),
        harmless(&item.name)
    )
}

fn listed_as_json(item: &Item) -> String {
    let mut line = String::from("{\"name\":");
    quote(&mut line, &item.name);
    let _ = writeln!(
        line,
        ",\"dir\":{},\"size\":{},\"time\":{}}}",
        item.folder, item.size, item.time
    );
    line
}
