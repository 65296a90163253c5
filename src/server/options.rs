//! A server's configuration: long options, and a file of `key = value` lines whose keys are the
//! options' names.

use std::ffi::OsString;
use std::fmt::Display;
use std::path::{Path, PathBuf};

use lexopt::prelude::{Long, Short};

use crate::cli::arguments::parser;
use crate::cli::failure::{usage, Failure};
use crate::config::each_pair;

/// The options of one server, with their defaults.
pub(super) trait ServerOptions: Default {
    /// Options that may be repeated; each occurrence adds a value.
    const REPEATABLE: &'static [&'static str] = &[];

    /// Sets an option. An error continues the sentence that the option's name begins.
    fn set(&mut self, key: &str, value: &str) -> Result<(), String>;

    /// All options with their values, in the order of the help; none: it is not set.
    fn pairs(&self) -> Vec<(&'static str, Vec<String>)>;
}

/// An option's value, for `ServerOptions::pairs`.
pub(super) fn one(value: impl Display) -> Vec<String> {
    vec![value.to_string()]
}

/// The values of an option that has none, one or several.
pub(super) fn all<T: Display>(values: impl IntoIterator<Item = T>) -> Vec<String> {
    values.into_iter().map(|value| value.to_string()).collect()
}

/// What `check` prints in place of a secret.
pub(super) const HIDDEN: &str = "(hidden)";

/// Sets an option, whose value must not be what `check` prints in place of a secret.
fn set<O: ServerOptions>(options: &mut O, key: &str, value: &str) -> Result<(), String> {
    if value == HIDDEN {
        return Err(format!(
            "must have its value; '{HIDDEN}' is what 'check' prints in place of a secret"
        ));
    }
    options.set(key, value)
}

/// The error of `set` for an unknown key.
pub(super) fn unknown() -> Result<(), String> {
    Err("is not an option of this program".into())
}

/// Reads a command line, and the file that `-c FILE` names. The command line overrides the file;
/// repeatable options add to it. `None`: `--help` was given.
pub(super) fn read<O: ServerOptions>(arguments: Vec<OsString>) -> Result<Option<O>, Failure> {
    let mut parser = parser(arguments);
    let mut file: Option<PathBuf> = None;
    let mut given = vec![];
    while let Some(argument) = parser.next()? {
        match argument {
            Short('h') | Long("help") => return Ok(None),
            Short('c') | Long("config") => file = Some(parser.value()?.into()),
            Long(key) => {
                let key = key.to_owned();
                let value = match parser.value() {
                    Ok(value) => value.to_string_lossy().into_owned(),
                    // A mistyped option is reported as unknown, not as one without a value.
                    Err(_) if O::default().set(&key, "") == unknown() => String::new(),
                    Err(missing) => return Err(missing.into()),
                };
                given.push((key, value));
            }
            other => return Err(other.unexpected().into()),
        }
    }
    let mut options = O::default();
    if let Some(file) = file {
        read_file(&file, &mut options)?;
    }
    for (key, value) in given {
        if let Err(problem) = set(&mut options, &key, &value) {
            return usage(&format!("--{key} {problem}"));
        }
    }
    Ok(Some(options))
}

/// Reads a file of `key = value` lines.
pub(super) fn read_file<O: ServerOptions>(file: &Path, options: &mut O) -> Result<(), Failure> {
    let shown = file.display();
    let text =
        std::fs::read(file).map_err(|problem| Failure::Usage(format!("{shown}: {problem}")))?;
    let text = String::from_utf8(text)
        .map_err(|_| Failure::Usage(format!("{shown}: is not UTF-8 text")))?;
    each_pair(&text, O::REPEATABLE, |key, value| set(options, key, value))
        .map_err(|problem| Failure::Usage(format!("{shown}: {problem}")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::number;

    #[derive(Debug, Default, PartialEq)]
    struct Few {
        port: u16,
        names: Vec<String>,
    }

    impl ServerOptions for Few {
        const REPEATABLE: &'static [&'static str] = &["name"];

        fn set(&mut self, key: &str, value: &str) -> Result<(), String> {
            match key {
                "port" => self.port = number(value, 1, 65535)?,
                "name" => self.names.push(value.into()),
                _ => return unknown(),
            }
            Ok(())
        }

        fn pairs(&self) -> Vec<(&'static str, Vec<String>)> {
            vec![
                ("port", vec![self.port.to_string()]),
                ("name", self.names.clone()),
            ]
        }
    }

    fn words(words: &[&str]) -> Result<Option<Few>, Failure> {
        read(words.iter().map(OsString::from).collect())
    }

    #[test]
    fn the_command_line_wins_over_the_file_and_adds_to_it() {
        let file = std::env::temp_dir().join(format!("callrec-options-{}", std::process::id()));
        let path = file.to_str().unwrap();
        std::fs::write(&file, "port = 5\nname = a # first\nname = b\n").unwrap();
        let found = words(&["--port", "7", "-c", path, "--name=c"]);
        let names = ["a", "b", "c"].map(String::from).to_vec();
        assert_eq!(found, Ok(Some(Few { port: 7, names })));
        std::fs::write(&file, "port = 5\nport = 6\n").unwrap();
        let twice = format!("{path}: line 2: port is set already on line 1");
        assert_eq!(words(&["-c", path]), Err(Failure::Usage(twice)));
        std::fs::remove_file(&file).unwrap();
    }

    #[test]
    fn errors_name_the_option() {
        assert_eq!(words(&["--help"]), Ok(None));
        for (line, problem) in [
            (
                &["--port", "x"][..],
                "--port must be a number from 1 to 65535, not 'x'",
            ),
            (&["--prot", "5"], "--prot is not an option of this program"),
            (
                &["--name", "(hidden)"],
                "--name must have its value; '(hidden)' is what 'check' prints in place of a secret",
            ),
            (&["--prot"], "--prot is not an option of this program"),
            (&["--port"], "missing argument for option '--port'"),
        ] {
            assert_eq!(words(line), Err(Failure::Usage(problem.into())));
        }
        assert!(matches!(words(&["stray"]), Err(Failure::Usage(_))));
        assert!(matches!(
            words(&["-c", "/no/such/file"]),
            Err(Failure::Usage(_))
        ));
    }
}
