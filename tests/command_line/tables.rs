//! The tables of commands: `--help`, completions and manual pages say what the programs accept.
#![cfg(all(
    feature = "tools",
    feature = "server",
    feature = "sim",
    feature = "box"
))]

use std::collections::BTreeSet;
use std::fs;
use std::io::Write;
use std::process::{Command, Stdio};

use crate::common::made::Folder;
use crate::common::{run, stderr_of};

/// The programs, and the files that read the arguments of their commands.
const PROGRAMS: [(&str, &str); 4] = [
    ("callrec", env!("CARGO_BIN_EXE_callrec")),
    ("callrec-server", env!("CARGO_BIN_EXE_callrec-server")),
    ("callrec-sim", env!("CARGO_BIN_EXE_callrec-sim")),
    ("callrec-box", env!("CARGO_BIN_EXE_callrec-box")),
];

/// An option as `--help` names it.
#[derive(Debug)]
struct HelpOption {
    /// `-c` and `--config`, or only one of them.
    flags: Vec<String>,
    takes_value: bool,
}

fn stdout_of(program: &str, arguments: &[&str]) -> String {
    let output = run(program, arguments);
    assert!(output.status.success(), "{}", stderr_of(&output));
    String::from_utf8(output.stdout).unwrap()
}

fn commands(name: &str, program: &str) -> Vec<String> {
    let help = stdout_of(program, &["--help"]);
    let start = format!("  {name} ");
    let lines = help.lines().filter_map(|line| line.strip_prefix(&start));
    let names = lines.map(|line| line.split(' ').next().unwrap().to_owned());
    let commands: Vec<String> = names
        .filter(|name| name != "COMMAND" && name != "--version")
        .collect();
    assert!(commands.len() > 2, "{help}");
    commands
}

fn options(program: &str, command: &str) -> Vec<HelpOption> {
    let help = stdout_of(program, &[command, "--help"]);
    let (_, section) = help.split_once("\nOptions:\n").unwrap();
    let lines = section.lines().take_while(|line| !line.is_empty());
    let lines =
        lines.filter(|line| line.trim_start().starts_with('-') && !line.starts_with("       "));
    let option = |line: &str| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let flags = words.iter().filter(|word| word.starts_with('-'));
        let flags: Vec<String> = flags
            .map(|flag| flag.trim_end_matches(',').into())
            .collect();
        HelpOption {
            takes_value: words.len() > flags.len(),
            flags,
        }
    };
    lines.map(option).collect()
}

#[test]
fn help_of_a_command_is_that_of_the_command() {
    let program = env!("CARGO_BIN_EXE_callrec");
    let help = stdout_of(program, &["help", "list"]);
    assert_eq!(help, stdout_of(program, &["list", "--help"]));
    assert!(help != stdout_of(program, &["help"]));
    let output = run(program, &["help", "no-such"]);
    assert_eq!(output.status.code(), Some(2));
}

#[test]
fn every_option_in_the_help_is_accepted_and_an_unknown_one_is_not() {
    let folder = Folder::new();
    folder.file("0", b""); // for options that name a file
    let mut count = 0;
    for (name, program) in PROGRAMS {
        for command in commands(name, program) {
            let refuses = |arguments: &[&str]| {
                let output = crate::common::command(program)
                    .arg(&command)
                    .args(arguments)
                    .current_dir(&folder.0)
                    .output()
                    .unwrap();
                assert_eq!(output.status.code(), Some(2), "{command} {arguments:?}");
                stderr_of(&output)
            };
            if command == "completions" || command == "man" {
                continue; // they have no options
            }
            let message = refuses(&["--no-such-option"]);
            assert!(message.contains("--no-such-option"), "{message}");
            for option in options(program, &command) {
                for flag in option.flags.iter().filter(|flag| !flag.contains('h')) {
                    count += 1;
                    // The unknown option after it keeps the command from being carried out.
                    let value = option.takes_value.then_some("0");
                    let arguments: Vec<&str> = [flag.as_str()]
                        .into_iter()
                        .chain(value)
                        .chain(["--no-such-option"])
                        .collect();
                    let message = refuses(&arguments);
                    let is_unknown = message.contains(&format!("option '{flag}'"))
                        || message.contains(&format!("{flag} is no option"));
                    assert!(!is_unknown, "{command} {flag}: {message}");
                    let message = refuses(
                        &[flag, "--no-such-option"][..1 + usize::from(!option.takes_value)],
                    );
                    assert_eq!(
                        message.contains("missing argument"),
                        option.takes_value,
                        "{message}"
                    );
                }
            }
        }
    }
    assert!(count > 50, "only {count} options");
}

/// What stands in quotes after `before`, everywhere in the text.
fn quoted_after<'a>(text: &'a str, before: &str) -> BTreeSet<&'a str> {
    let rest = text.split(before).skip(1);
    rest.filter_map(|rest| rest.split('"').next()).collect()
}

/// The long options in the tables of a file.
fn table_options(text: &str) -> BTreeSet<&str> {
    let mut found = BTreeSet::new();
    for table in text.split("command! {").skip(1) {
        let table = table.split("\n};").next().unwrap();
        for option in table.split("\n        (\"").skip(1) {
            found.insert(option.split('"').nth(2).unwrap());
        }
    }
    found
}

/// A file without its tests.
fn code(path: &str) -> String {
    let text = fs::read_to_string(path).unwrap();
    text.split("#[cfg(test)]").next().unwrap().to_owned()
}

#[test]
fn every_option_that_is_read_is_in_a_table() {
    for file in [
        "run",
        "control",
        "export",
        "info",
        "list",
        "play",
        "repair",
        "verify",
        "fetch/arguments",
    ] {
        let text = code(&format!("src/cli/{file}.rs"));
        let mut read = quoted_after(&text, "Long(\"");
        read.remove("help");
        if text.contains("json_and_paths(") {
            read.insert("json");
        }
        assert_eq!(read, table_options(&text), "src/cli/{file}.rs");
    }
    let text = code("src/sim/options.rs");
    let mut read = quoted_after(&text, "Long(\"");
    read.remove("help");
    read.insert("far"); // `Long("near" | "far")`
    assert_eq!(read, table_options(&text), "src/sim/options.rs");
    // Its three commands share names: each is read where its own table says so.
    let text = code("src/sim/intercom/options.rs");
    let tables = text.split("command! {").skip(1);
    let readers = text.split("fn ").filter(|part| part.contains("Long(\""));
    for (table, reader) in tables.zip(readers) {
        let mut read = quoted_after(reader, "Long(\"");
        read.remove("help");
        let table = format!("command! {{{table}");
        let name = table.lines().nth(1).unwrap();
        assert_eq!(read, table_options(&table), "src/sim/intercom: {name}");
    }
    for file in [
        "home_box/run",
        "home_box/token_command",
        "home_box/firewall_command",
        "server/check",
        "sim/history",
        "sim/relay_load/options",
    ] {
        let text = code(&format!("src/{file}.rs"));
        let mut read = quoted_after(&text, "Long(\"");
        read.remove("help");
        assert_eq!(read, table_options(&text), "src/{file}.rs");
    }
    let mut servers = vec!["record", "rendezvous"];
    servers.extend(cfg!(feature = "archive").then_some("archive"));
    let oidc = code("src/server/archive/oidc_settings.rs");
    for server in servers {
        let text = code(&format!("src/server/{server}/settings.rs"));
        let mut read = set_by(&text);
        if server == "archive" {
            read.extend(set_by(&oidc));
        }
        // Which of several processes it is, for itself alone.
        read.remove("worker");
        read.insert("config");
        assert_eq!(read, table_options(&text), "{server}");
    }
}

/// The keys that this file's `set` takes.
fn set_by(text: &str) -> BTreeSet<&str> {
    let (_, set) = text.split_once("fn set(").unwrap();
    let set = set.split("\n    }\n").next().unwrap();
    quoted_after(set, "\n            \"")
}

/// What bash offers for the last of these words.
fn completed(name: &str, program: &str, words: &[&str]) -> BTreeSet<String> {
    let script = stdout_of(program, &["completions", "bash"]);
    let function = format!("_{}", name.replace('-', "_"));
    let body = format!(
        "{script}\nCOMP_WORDS=(\"$0\" \"$@\"); COMP_CWORD=$#; {function}; printf '%s\\n' \"${{COMPREPLY[@]}}\""
    );
    let folder = Folder::new();
    folder.file("a recording.wav", b"");
    let output = Command::new("bash")
        .args(["-c", &body, name])
        .args(words)
        .current_dir(&folder.0)
        .output()
        .unwrap();
    assert!(
        output.status.success() && output.stderr.is_empty(),
        "{}",
        stderr_of(&output)
    );
    let text = String::from_utf8(output.stdout).unwrap();
    let lines = text.lines().filter(|line| !line.is_empty());
    lines.map(str::to_owned).collect()
}

#[test]
fn bash_completes_commands_options_and_values() {
    let set = |words: &[&str]| {
        words
            .iter()
            .map(|word| (*word).to_owned())
            .collect::<BTreeSet<_>>()
    };
    let [recorder, server, sim, home_box] = PROGRAMS;
    for ((name, program), words, expected) in [
        (recorder, &["ex"][..], &["export"][..]),
        (recorder, &["c"], &["check", "completions", "ctl"]),
        (recorder, &["export", "--p"], &["--picture", "--pcm16"]),
        (recorder, &["export", "a"], &["a recording.wav"]),
        (recorder, &["export", "--from", ""], &[]),
        (recorder, &["run", "-c", "a"], &["a recording.wav"]),
        (recorder, &["fetch", ""], &["get", "ls"]),
        (recorder, &["completions", "f"], &["fish"]),
        (recorder, &["man", "ver"], &["verify"]),
        (server, &["r"], &["record", "rendezvous"]),
        (server, &["check", "a"], &["a recording.wav"]),
        (server, &["record", "--format", ""], &["phone", "wav"]),
        (server, &["record", "--message-end", "c"], &["crlf"]),
        (sim, &["call", "--codec", "PCM"], &["PCMA", "PCMU"]),
        (home_box, &["c"], &["check", "completions", "ctl"]),
        (sim, &["s"], &["screen"]),
        (sim, &["screen", "--token-file", "a"], &["a recording.wav"]),
        (sim, &["screen", "--a"], &["--answer"]),
        (home_box, &["token", "r"], &["revoke"]),
        (home_box, &["token", "new", "--type", ""], &["1", "2"]),
    ] {
        assert_eq!(
            completed(name, program, words),
            set(expected),
            "{name} {words:?}"
        );
    }
}

#[test]
fn every_script_has_every_option() {
    for (name, program) in PROGRAMS {
        for shell in ["bash", "zsh", "fish"] {
            let script = stdout_of(program, &["completions", shell]);
            for command in commands(name, program) {
                assert!(script.contains(&command), "{shell} {command}");
                for option in options(program, &command) {
                    let long = option.flags.last().unwrap();
                    let wanted = match shell {
                        "fish" if long == "--help" => continue,
                        "fish" => format!("-l {} ", &long[2..]),
                        _ => long.clone(),
                    };
                    assert!(script.contains(&wanted), "{shell}: {command} {long}");
                }
            }
        }
        let output = run(program, &["completions", "tcsh"]);
        assert_eq!(output.status.code(), Some(2));
    }
}

/// The warnings of the formatter; `None`: it is not installed.
fn formatter_warnings(page: &str) -> Option<String> {
    let mut groff = Command::new("groff")
        .args(["-man", "-Tutf8", "-ww", "-z"])
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .ok()?;
    groff
        .stdin
        .take()
        .unwrap()
        .write_all(page.as_bytes())
        .unwrap();
    let output = groff.wait_with_output().unwrap();
    Some(stderr_of(&output))
}

#[test]
fn manual_pages_are_whole_and_without_warnings() {
    for (name, program) in PROGRAMS {
        let overview = stdout_of(program, &["man"]);
        let mut pages = vec![overview.clone()];
        for command in commands(name, program) {
            assert!(
                overview.contains(&format!("\\fB{command}\\fR")),
                "{command}"
            );
            let page = stdout_of(program, &["man", &command]);
            for option in options(program, &command) {
                let flags = option.flags.join(", ").replace('-', "\\-");
                assert!(
                    page.contains(&format!("\\fB{flags}\\fR")),
                    "{command} {flags}"
                );
            }
            pages.push(page);
        }
        for page in pages {
            assert!(
                page.starts_with(".TH ") && page.contains("\n.SH NAME\n"),
                "{page}"
            );
            let warnings = formatter_warnings(&page).unwrap_or_default();
            assert!(warnings.is_empty(), "{warnings}{page}");
        }
        let output = run(program, &["man", "no-such-command"]);
        assert_eq!(output.status.code(), Some(2));
    }
}
