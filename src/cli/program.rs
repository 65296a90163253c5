//! What all programs of this package have in common: `completions`, `man` and `--version`.

use std::ffi::OsString;
use std::process::ExitCode;

use crate::cli::command::{CommandSpec, CommandTable};
use crate::cli::completions::{script, SHELLS};
use crate::cli::console::print;
use crate::cli::failure::{usage, Failure};
use crate::cli::manual::{command_page, program_page};

/// A program and its commands.
pub(crate) struct Program {
    pub(crate) name: &'static str,
    pub(crate) summary: &'static str,
    /// What `--help` prints.
    pub(crate) help: &'static str,
    pub(crate) commands: &'static [&'static CommandSpec],
}

/// Makes a `Program`; the commands `completions` and `man` are added to its own.
macro_rules! program {
    ($program:tt, $summary:tt, [$($command:expr),+ $(,)?]) => {{
        const COMPLETIONS: $crate::cli::command::CommandSpec =
            $crate::cli::completions::completions_command!($program);
        const MAN: $crate::cli::command::CommandSpec = $crate::cli::manual::man_command!($program);
        $crate::cli::program::Program {
            name: $program,
            summary: $summary,
            help: $crate::cli::command::program_help!(
                $program, $summary, [$($command,)+ COMPLETIONS, MAN]
            ),
            commands: &[$(&$command,)+ &COMPLETIONS, &MAN],
        }
    }};
}

pub(crate) use program;

impl Program {
    /// `completions SHELL`.
    pub(crate) fn completions(&self, arguments: &[OsString]) -> Result<ExitCode, Failure> {
        let shell = match arguments {
            [shell] => shell.to_string_lossy(),
            _ => return usage(&format!("completions: which shell? {}", SHELLS.join(", "))),
        };
        if is_help(&shell) {
            return print(self.help_of("completions"));
        }
        match script(&shell, self.name, &self.tables()) {
            Some(script) => print(&script),
            None => usage(&format!(
                "completions: no completions for '{shell}', only for {}",
                SHELLS.join(", ")
            )),
        }
    }

    /// `man [COMMAND]`.
    pub(crate) fn man(&self, arguments: &[OsString]) -> Result<ExitCode, Failure> {
        let name = match arguments {
            [] => return print(&program_page(self.name, self.summary, &self.tables())),
            [name] => name.to_string_lossy(),
            _ => return usage("man: only one COMMAND"),
        };
        if is_help(&name) {
            return print(self.help_of("man"));
        }
        let tables = self.tables();
        match tables.iter().find(|table| table.name == name) {
            Some(table) => print(&command_page(self.name, table)),
            None => usage(&format!("man: unknown command '{name}'")),
        }
    }

    /// `--help`, of one of its commands.
    fn help_of(&self, name: &str) -> &'static str {
        let command = self
            .commands
            .iter()
            .find(|command| command.table.name == name);
        command.map_or("", |command| command.help)
    }

    fn tables(&self) -> Vec<CommandTable> {
        self.commands.iter().map(|command| command.table).collect()
    }
}

fn is_help(argument: &str) -> bool {
    argument == "-h" || argument == "--help"
}
