//! `callrec-server check`: validates a configuration, and prints the effective one.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use lexopt::prelude::{Long, Short, Value};

use crate::cli::arguments::parser;
use crate::cli::command::{command, CommandSpec};
use crate::cli::console::print;
use crate::cli::failure::{usage, Failure};
use crate::server::options::{read_file, ServerOptions, HIDDEN};
use crate::server::record::RecordSettings;
use crate::server::rendezvous::RendezvousSettings;

pub(super) const CHECK: CommandSpec = command! {
    "callrec-server", "check", "FILE",
    "validates a server's configuration, and prints the effective one";
    [
        ("", "rendezvous", "",
            "it is one of the rendezvous server, not of the recording server"),
        ("", "cloud", "",
            "it is one of the cloud; found out without this option where it has an app"),
        ("", "calls", "",
            "it is one of the application server; found out without this option where it has an appId"),
    ];
    "\
FILE is what `-c` names. All keys are printed, also those that FILE leaves to their defaults; keys without a value are
comments. The credentials of --store come from the environment and are printed as (hidden), which is no value that a
configuration may have. Files that FILE names are read as well. The exit status is 2 if the server would not accept FILE,
with the line and the key.";
    [
        "callrec-server check /etc/callrec/record.conf",
    ]
};

/// Variables of the environment that the object store needs, and whether they are secret.
const STORE_VARIABLES: [(&str, bool); 8] = [
    ("AWS_ACCESS_KEY_ID", true),
    ("AWS_SECRET_ACCESS_KEY", true),
    ("AWS_SESSION_TOKEN", true),
    ("AWS_REGION", false),
    ("AWS_DEFAULT_REGION", false),
    ("AWS_ENDPOINT_URL_S3", false),
    ("AWS_ENDPOINT_URL", false),
    ("AWS_ENDPOINT", false),
];

pub(super) fn main(arguments: Vec<OsString>) -> Result<ExitCode, Failure> {
    let mut parser = parser(arguments);
    let mut files = Vec::<PathBuf>::new();
    let mut is_rendezvous = false;
    let mut chosen: Option<CloudPart> = None;
    while let Some(argument) = parser.next()? {
        match argument {
            Long("rendezvous") => is_rendezvous = true,
            Long("cloud") => chosen = Some(CloudPart::Cloud),
            Long("calls") => chosen = Some(CloudPart::Calls),
            Short('h') | Long("help") => return print(CHECK.help),
            Value(file) => files.push(file.into()),
            other => return Err(other.unexpected().into()),
        }
    }
    let [file] = &files[..] else {
        return usage("check: which FILE? It is the one that -c names");
    };
    if is_rendezvous {
        let settings = parse::<RendezvousSettings>(file)?;
        settings.check()?;
        return print(&effective(&settings));
    }
    if let Some(part) = chosen.or_else(|| cloud_part(file)) {
        return check_cloud_part(file, part);
    }
    let settings = parse::<RecordSettings>(file)?;
    let problem = |problem| Failure::Usage(format!("{}: {problem}", file.display()));
    settings.check().map_err(problem)?;
    let mut text = effective(&settings);
    if settings.store.is_some() {
        text += &environment(|name| std::env::var(name).ok());
    }
    print(&text)
}

/// The servers of the cloud.
#[derive(Clone, Copy)]
enum CloudPart {
    Cloud,
    Calls,
}

/// Which of them a file is for; no other server has these keys.
fn cloud_part(file: &Path) -> Option<CloudPart> {
    let text = std::fs::read_to_string(file).ok()?;
    let mut keys = text
        .lines()
        .filter_map(|line| line.split('#').next()?.split_once('='));
    keys.find_map(|(key, _)| match key.trim() {
        "app" => Some(CloudPart::Cloud),
        "appId" | "appKeyFile" | "apiKeyFile" => Some(CloudPart::Calls),
        _ => None,
    })
}

#[cfg(feature = "cloud-server")]
fn check_cloud_part(file: &Path, part: CloudPart) -> Result<ExitCode, Failure> {
    use crate::server::calls::CallsSettings;
    use crate::server::cloud::CloudSettings;
    use crate::server::web::checked_options::check_file;

    match part {
        CloudPart::Cloud => print(&effective(&check_file::<CloudSettings>(file)?)),
        CloudPart::Calls => print(&effective(&check_file::<CallsSettings>(file)?)),
    }
}

#[cfg(not(feature = "cloud-server"))]
fn check_cloud_part(file: &Path, part: CloudPart) -> Result<ExitCode, Failure> {
    let name = match part {
        CloudPart::Cloud => "cloud",
        CloudPart::Calls => "calls",
    };
    let shown = file.display();
    usage(&format!(
        "{shown}: is for 'callrec-server {name}', which is not in this build"
    ))
}

fn parse<O: ServerOptions>(file: &Path) -> Result<O, Failure> {
    let mut options = O::default();
    read_file(file, &mut options)?;
    Ok(options)
}

/// The configuration with all keys.
fn effective<O: ServerOptions>(options: &O) -> String {
    let mut text = String::new();
    for (key, values) in options.pairs() {
        if values.is_empty() {
            text += &format!("# {key} =\n");
        }
        for value in values {
            text += &format!("{key} = {value}\n");
        }
    }
    text
}

/// The environment of the object store, as comments.
fn environment(variable: impl Fn(&str) -> Option<String>) -> String {
    let mut text = String::new();
    for (name, is_secret) in STORE_VARIABLES {
        match variable(name).filter(|value| !value.is_empty()) {
            Some(_) if is_secret => text += &format!("# {name} = {HIDDEN}\n"),
            Some(value) => text += &format!("# {name} = {value}\n"),
            None => {}
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::each_pair;

    fn round_trip<O: ServerOptions>(text: &str) -> String {
        let mut options = O::default();
        each_pair(text, O::REPEATABLE, |key, value| options.set(key, value)).unwrap();
        effective(&options)
    }

    #[test]
    fn what_is_printed_is_a_configuration_that_is_printed_the_same() {
        let record = "rtp-ports = 5-6\nadvertise = 10.0.0.1\nallow = 10.0.0.0/8\nallow = fe80::/10\nformat = wav\n\
                      pauses = skip\nmessage-end = crlf\nmetrics = [::1]:5\nmedia = 127.0.0.1:1\nreserve = 7\n\
                      file-limit = 3\nworkers = 2\n";
        let printed = round_trip::<RecordSettings>(record);
        for line in record.lines() {
            assert!(printed.lines().any(|printed| printed == line), "{line}");
        }
        assert_eq!(round_trip::<RecordSettings>(&printed), printed);
        let rendezvous =
            "devices = /etc/phones\nrelay = 203.0.113.9\nkeep-seconds = 15\nrelay-minutes = 7\n";
        let printed = round_trip::<RendezvousSettings>(rendezvous);
        for line in rendezvous.lines() {
            assert!(printed.lines().any(|printed| printed == line), "{line}");
        }
        assert_eq!(round_trip::<RendezvousSettings>(&printed), printed);
    }

    #[test]
    fn secrets_are_hidden() {
        let text = environment(|name| match name {
            "AWS_REGION" => Some("eu".into()),
            "AWS_SECRET_ACCESS_KEY" => Some("sesame".into()),
            _ => None,
        });
        let expected = "# AWS_SECRET_ACCESS_KEY = (hidden)\n# AWS_REGION = eu\n";
        assert_eq!(text, expected);
    }
}
