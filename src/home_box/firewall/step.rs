//! One step of an installation: a command, or the switch `ip_forward`.

use core::fmt::{self, Display};
use std::process::{Command as Program, Stdio};

use crate::home_box::firewall::forwarding::SWITCH;

/// A step of an installation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    Run(Command),
    /// Sets `ip_forward` to 1.
    EnableForwarding,
}

impl Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Run(command) => command.fmt(f),
            Self::EnableForwarding => write!(f, "echo 1 > {SWITCH}"),
        }
    }
}

/// A program and its arguments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Command {
    words: Vec<String>,
    /// It removes what may not be there.
    may_fail: bool,
}

impl Command {
    /// A command whose failure ends the installation.
    pub(super) fn new(words: Vec<String>) -> Self {
        Self {
            words,
            may_fail: false,
        }
    }

    /// A command that removes what may not be there.
    pub(super) fn optional(words: Vec<String>) -> Self {
        Self {
            words,
            may_fail: true,
        }
    }

    /// Runs it to its end.
    pub(super) fn run(&self) -> Result<(), String> {
        let [program, arguments @ ..] = &self.words[..] else {
            return Ok(());
        };
        let output = Program::new(program)
            .args(arguments)
            .stdin(Stdio::null())
            .output()
            .map_err(|problem| format!("{program}: {problem}"))?;
        if output.status.success() || self.may_fail {
            return Ok(());
        }
        let errors = String::from_utf8_lossy(&output.stderr);
        let first = errors.lines().find(|line| !line.trim().is_empty());
        Err(format!(
            "'{self}' failed: {}",
            first.unwrap_or("without a message").trim()
        ))
    }

    /// Runs it; whether it succeeded.
    pub(super) fn succeeds(&self) -> bool {
        self.run().is_ok()
    }
}

/// As a line for a shell.
impl Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, word) in self.words.iter().enumerate() {
            let blank = if number == 0 { "" } else { " " };
            let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-@/:,".contains(&byte);
            if word.bytes().all(is_plain) {
                write!(f, "{blank}{word}")?;
            } else {
                // No word has a single quote in it: see `side` for the names of interfaces.
                write!(f, "{blank}'{word}'")?;
            }
        }
        Ok(())
    }
}
