//! A first-time walk through a README: every command that it prints is run, in the order of its
//! text, in a folder that stands in for the reader's computer.
//!
//! What the text takes from the reader's computer (paths, addresses, placeholders) is replaced
//! according to a table; what cannot be run here is in a table of exceptions. An entry of a table
//! that no command needs is an error: the text has changed.
#![allow(
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr
)]

pub mod document;
mod integrator;
mod keeper;
mod made;
mod owner;
mod shape;

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{symlink, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Command as Program, Output, Stdio};

use nix::sys::signal::Signal;

use crate::common::made::Folder;
use crate::common::{wait_for, Process};
use document::{Block, Command};

const PROGRAMS: [(&str, &str); 3] = [
    ("callrec", env!("CARGO_BIN_EXE_callrec")),
    ("callrec-server", env!("CARGO_BIN_EXE_callrec-server")),
    ("callrec-sim", env!("CARGO_BIN_EXE_callrec-sim")),
];

/// An entry of a table.
struct Entry {
    /// What a command contains, or begins with.
    text: String,
    /// What it is replaced by, or why it is not run.
    meaning: String,
    /// A command has it.
    is_used: bool,
}

/// A program that the reader has left running.
struct Running {
    name: String,
    process: Process,
}

pub struct Walk {
    pub folder: Folder,
    /// Where the reader types.
    pub here: PathBuf,
    commands: std::vec::IntoIter<Command>,
    blocks: Vec<Block>,
    /// What is replaced in commands.
    replaced: Vec<Entry>,
    /// How commands begin that are not run.
    left_out: Vec<Entry>,
    /// The beginnings of commands that the walk does something about.
    awaited: BTreeMap<&'static str, bool>,
    running: Vec<Running>,
    /// Variables of all programs.
    pub environment: Vec<(&'static str, String)>,
}

impl Entry {
    fn new(text: &str, meaning: &str) -> Self {
        Self {
            text: text.to_owned(),
            meaning: meaning.to_owned(),
            is_used: false,
        }
    }
}

impl Walk {
    pub fn new(path: &str) -> Self {
        let folder = Folder::new();
        let bin = folder.0.join("bin");
        fs::create_dir(&bin).unwrap();
        for (name, program) in PROGRAMS {
            symlink(program, bin.join(name)).unwrap();
        }
        let (commands, blocks) = document::read(path);
        Self {
            here: folder.0.clone(),
            folder,
            commands: commands.into_iter(),
            blocks,
            replaced: vec![],
            left_out: vec![],
            awaited: BTreeMap::new(),
            running: vec![],
            environment: vec![],
        }
    }

    /// From now on, this text stands for that one. Texts are replaced in the order in which they
    /// were named first.
    pub fn replace(&mut self, text: &str, by: &str) {
        let known = self.replaced.iter_mut().find(|entry| entry.text == text);
        match known {
            Some(entry) => by.clone_into(&mut entry.meaning),
            None => self.replaced.push(Entry::new(text, by)),
        }
    }

    /// Commands that begin so are not run, for this reason.
    pub fn leave_out(&mut self, exceptions: &[(&str, &str)]) {
        let entries = exceptions
            .iter()
            .map(|(begin, reason)| Entry::new(begin, reason));
        self.left_out.extend(entries);
    }

    /// A program in the reader's PATH that only keeps its input, in the file of this name.
    pub fn fake(&self, name: &str, heard: &str) {
        let script = format!("#!/bin/sh\nexec cat >{}\n", self.folder.path(heard));
        let path = self.folder.file(&format!("bin/{name}"), script.as_bytes());
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    }

    /// The lines of the block that begins so, which holds no commands.
    pub fn block(&mut self, begin: &str) -> Vec<String> {
        let is_it = |block: &Block| block.lines[0].starts_with(begin);
        let at = self.blocks.iter().position(is_it);
        let at = at.unwrap_or_else(|| panic!("no code block begins with '{begin}'"));
        self.blocks.remove(at).lines
    }

    /// The next command that can be run here.
    pub fn next(&mut self) -> Option<Command> {
        loop {
            let command = self.commands.next()?;
            let mut exceptions = self.left_out.iter_mut();
            let begins = |entry: &&mut Entry| command.text.starts_with(&entry.text);
            let Some(exception) = exceptions.find(begins) else {
                assert!(command.is_harmless(), "run, or an exception? {command:?}");
                return Some(command);
            };
            exception.is_used = true;
            eprintln!("not run: {}: {}", command.text, exception.meaning);
        }
    }

    /// The command begins so. One that never comes is an error.
    pub fn is_at(&mut self, command: &Command, begin: &'static str) -> bool {
        let is_here = command.text.starts_with(begin);
        *self.awaited.entry(begin).or_default() |= is_here;
        is_here
    }

    /// Text of the document as it is meant here.
    pub fn here(&mut self, text: &str) -> String {
        let mut text = text.to_owned();
        for entry in &mut self.replaced {
            entry.is_used |= text.contains(&entry.text);
            text = text.replace(&entry.text, &entry.meaning);
        }
        text
    }

    /// A shell that reads this line, which names no folder but those of this test.
    fn shell(&self, text: &str) -> Program {
        let folder = self.folder.path("");
        let (folders, _) = folder.rsplit_once('-').unwrap();
        let words = text.split([' ', '\'', '"', '=', '<', '>', '(']);
        for path in words.filter(|word| word.starts_with('/')) {
            let is_ours = path.starts_with(folders);
            assert!(is_ours, "{path} would be changed: {text}");
        }
        let path = std::env::var("PATH").unwrap_or_default();
        let path = format!("{}:{path}", self.folder.path("bin"));
        let mut shell = Program::new("bash");
        shell
            .args(["-o", "pipefail", "-c", text])
            .current_dir(&self.here)
            .env("PATH", path)
            .env("TZ", "UTC")
            .envs(self.environment.iter().map(|(key, value)| (key, value)))
            .stdin(Stdio::null());
        shell
    }

    /// Does what a first reader would do: runs the command, which must succeed and print what is
    /// shown; or asks a program that is only named for its help. Returns what was printed.
    pub fn follow(&mut self, command: &Command) -> String {
        if command.program().starts_with("scripts/") {
            return check_script(command);
        }
        if command.is_name() {
            return self.ask_for_help(command);
        }
        self.run(command, "")
    }

    /// Runs a command; `more` is typed behind it.
    pub fn run(&mut self, command: &Command, more: &str) -> String {
        let text = self.here(&command.text) + more;
        let output = self.shell(&text).output().unwrap();
        let printed = succeeded(command, &text, &output);
        if !command.shown.is_empty() {
            self.compare(command, &printed);
            self.learn_id(command, &printed);
        }
        printed
    }

    fn compare(&mut self, command: &Command, printed: &str) {
        let shown = command.shown.iter().map(|line| self.here(line));
        let mut shown: Vec<String> = shown.collect();
        let mut printed: Vec<String> = printed.lines().map(str::to_owned).collect();
        if command.text.starts_with("callrec fetch") {
            // The order is that of the stick's file system.
            shown = shape::sorted(&shown);
            printed = shape::sorted(&printed);
        }
        shape::assert_agree(&command.place, &shown, &printed.join("\n"));
    }

    /// The id in what a document shows is from now on the one that was printed.
    fn learn_id(&mut self, command: &Command, printed: &str) {
        let id = |line: &str| {
            let mut keys = line.split('&');
            keys.find(|key| key.starts_with("id=")).map(str::to_owned)
        };
        let shown = command.shown.iter().find_map(|line| id(line));
        if let (Some(shown), Some(printed)) = (shown, printed.lines().find_map(id)) {
            self.replace(&shown, &printed);
            let mut entries = self.replaced.iter_mut();
            let entry = entries.find(|entry| entry.text == shown).unwrap();
            entry.is_used = true; // the command may be the last one with it
        }
    }

    /// The program and its command exist, and it knows the options.
    fn ask_for_help(&mut self, command: &Command) -> String {
        let text = self.here(&command.text);
        let words = text.split(' ');
        let (options, words): (Vec<&str>, Vec<&str>) =
            words.partition(|word| word.starts_with("--"));
        let text = words.join(" ") + " --help";
        let output = self.shell(&text).output().unwrap();
        let help = succeeded(command, &text, &output);
        for option in options {
            let is_known = help.split_whitespace().any(|word| word == option);
            assert!(is_known, "{command:?} is not what --help says: {help}");
        }
        help
    }

    /// Starts a command that does not end by itself; the path of what it prints.
    pub fn start(&mut self, command: &Command) -> PathBuf {
        let text = self.here(&command.text);
        let text = format!("exec env {}", text.trim_end_matches('&').trim_end());
        let log = self.folder.0.join(format!("log{}", self.running.len()));
        let both = format!("{text} >{} 2>&1", log.display());
        let mut process = Process::default();
        let file = fs::File::create(&log).unwrap();
        process.start(&mut self.shell(&both), file);
        let name = format!("{}: {text}", command.place);
        self.running.push(Running { name, process });
        log
    }

    /// Waits until the program that was started last says so; everything that it has said.
    pub fn wait_until_said(&mut self, log: &Path, words: &str) -> String {
        let mut said = String::new();
        let running = self.running.last_mut().unwrap();
        wait_for(words, || {
            said = fs::read_to_string(log).unwrap();
            let lives = running.process.lives() || said.contains(words);
            assert!(lives, "{} has ended: {said}", running.name);
            said.contains(words)
        });
        said
    }

    /// Ends the program that was started last, which may die of the signal.
    pub fn interrupt(&mut self) {
        let mut running = self.running.pop().unwrap();
        running.process.signal(Signal::SIGTERM);
        running.process.wait();
    }

    /// Ends the program that was started last, which has to end in order.
    pub fn stop(&mut self) {
        let mut running = self.running.pop().unwrap();
        running.process.signal(Signal::SIGTERM);
        assert_eq!(running.process.wait(), Some(0), "{}", running.name);
    }

    /// Ends the walk: everything was read, and every entry of the tables was needed.
    pub fn end(mut self) {
        while !self.running.is_empty() {
            self.stop();
        }
        let rest: Vec<Command> = self.commands.collect();
        assert!(rest.is_empty(), "not followed: {rest:?}");
        let blocks = &self.blocks;
        assert!(blocks.is_empty(), "blocks that nobody looks at: {blocks:?}");
        let entries = self.replaced.iter().chain(&self.left_out);
        let entries = entries.filter(|entry| !entry.is_used);
        let awaited = self.awaited.iter().filter(|(_, has_come)| !**has_come);
        let unused: Vec<&str> = entries
            .map(|entry| &*entry.text)
            .chain(awaited.map(|(begin, _)| *begin))
            .collect();
        assert!(unused.is_empty(), "no command has: {unused:?}");
    }
}

/// What a program printed that must have succeeded.
fn succeeded(command: &Command, text: &str, output: &Output) -> String {
    let said = String::from_utf8_lossy(&output.stderr);
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        output.status.success(),
        "{}: {text}: {}\n{said}{printed}",
        command.place,
        output.status
    );
    printed
}

/// Scripts build, install, or measure for minutes: they are not run. The script exists, its
/// `--help` says what it is called with, and a board that is named exists.
fn check_script(command: &Command) -> String {
    let words: Vec<&str> = command.text.split(' ').collect();
    let output = Program::new(words[0]).arg("--help").output();
    let output = output.unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let help = succeeded(command, "--help", &output);
    assert!(help.contains(words[0]), "{command:?}: {help}");
    if let Some(word) = words.get(1) {
        assert!(help.contains(word), "{command:?}: {help}");
    }
    if let ["--board", board] = words[1..] {
        let exists = board == "NAME" || Path::new("board").join(board).is_dir();
        assert!(exists, "{command:?}");
    }
    help
}
