//! A configuration whose keys are also checked against each other, with the line of the key in the
//! error.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use crate::cli::failure::Failure;
use crate::server::options::{read, read_file, ServerOptions};

/// What is wrong with a key, in view of the others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::server) struct KeyProblem {
    /// The key.
    pub(in crate::server) key: &'static str,
    /// Which of several lines with this key, from 0.
    pub(in crate::server) nth: usize,
    /// Continues the sentence that the key begins.
    pub(in crate::server) problem: String,
}

/// Options that are checked against each other.
pub(in crate::server) trait CheckedOptions: ServerOptions {
    /// The first problem.
    fn check(&self) -> Result<(), KeyProblem>;
}

impl KeyProblem {
    pub(in crate::server) fn new(key: &'static str, problem: impl Into<String>) -> Self {
        Self {
            key,
            nth: 0,
            problem: problem.into(),
        }
    }

    /// The failure, with the line if the key stands in the file.
    pub(in crate::server) fn failure(&self, file: Option<&Path>) -> Failure {
        let (key, problem) = (self.key, &self.problem);
        let Some(file) = file else {
            return Failure::Usage(format!("--{key} {problem}"));
        };
        let text = std::fs::read_to_string(file).unwrap_or_default();
        let has_key = |line: &str| {
            let name = line.split('#').next().and_then(|line| line.split_once('='));
            name.is_some_and(|(name, _)| name.trim() == key)
        };
        let mut lines = (1..).zip(text.lines()).filter(|(_, line)| has_key(line));
        // A key that the file leaves out is missed at its beginning.
        let line = lines.nth(self.nth).map_or(1, |(number, _)| number);
        Failure::Usage(format!("{}: line {line}: {key} {problem}", file.display()))
    }
}

/// Reads a command line and the file that it names, and checks all.
pub(in crate::server) fn read_checked<O: CheckedOptions>(
    arguments: Vec<OsString>,
) -> Result<Option<O>, Failure> {
    let file = config_file(&arguments);
    let Some(options) = read::<O>(arguments)? else {
        return Ok(None);
    };
    let checked = options.check();
    checked.map_err(|problem| problem.failure(file.as_deref()))?;
    Ok(Some(options))
}

/// The same for `check FILE`.
pub(in crate::server) fn check_file<O: CheckedOptions>(file: &Path) -> Result<O, Failure> {
    let mut options = O::default();
    read_file(file, &mut options)?;
    let checked = options.check();
    checked.map_err(|problem| problem.failure(Some(file)))?;
    Ok(options)
}

/// What `-c` or `--config` names.
fn config_file(arguments: &[OsString]) -> Option<PathBuf> {
    let mut words = arguments.iter().map(|word| word.to_string_lossy());
    while let Some(word) = words.next() {
        if word == "-c" || word == "--config" {
            return words.next().map(|file| PathBuf::from(&*file));
        }
        let joined = word
            .strip_prefix("--config=")
            .or_else(|| word.strip_prefix("-c"));
        if let Some(file) = joined {
            return Some(file.into());
        }
    }
    None
}
