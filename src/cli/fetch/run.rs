//! One run of `callrec fetch`: lists folders, fetches files, and goes on after what fails.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use crate::base::limits::fetch::{FOLDER_DEPTH, RUN_ENTRIES};
use crate::cli::console::{harmless, quote, shown, Console};
use crate::cli::failure::Failure;
use crate::cli::fetch::arguments::{FetchCommand, FetchOptions};
use crate::cli::fetch::progress_line::ProgressLine;
use crate::cli::fetch::remote::{is_safe, FetchError, Remote, RemoteEntry};
use crate::cli::fetch::transfer::{fetch, Fetched};
use crate::io::sys::local_time;

/// A run of the command.
pub(super) struct FetchRun<'a, 'b> {
    pub(super) remote: Remote,
    options: &'a FetchOptions,
    console: &'a mut Console<'b>,
    progress: ProgressLine,
    /// The entries of all listings so far.
    entries: usize,
    /// Failures that did not end the run.
    pub(super) problems: Vec<String>,
}

impl<'a, 'b> FetchRun<'a, 'b> {
    pub(super) fn new(
        remote: Remote,
        options: &'a FetchOptions,
        console: &'a mut Console<'b>,
    ) -> Self {
        Self {
            remote,
            options,
            console,
            progress: ProgressLine::new(),
            entries: 0,
            problems: vec![],
        }
    }

    /// Executes a command, up to an error that ends the run.
    pub(super) fn run(&mut self, command: &FetchCommand) -> Result<(), FetchError> {
        match command {
            FetchCommand::List(path) => self.list(path),
            FetchCommand::Get(paths) => paths.iter().try_for_each(|path| self.get(path)),
        }
    }

    fn list(&mut self, path: &str) -> Result<(), FetchError> {
        for entry in self.remote.list(path)? {
            let line = if self.options.json {
                json_line(&entry)
            } else {
                text_line(&entry)
            };
            self.print(&line)?;
        }
        Ok(())
    }

    fn get(&mut self, path: &str) -> Result<(), FetchError> {
        let path = path.trim_matches('/');
        let to = &self.options.to;
        if path.is_empty() {
            return self.get_folder(path, to, 0);
        }
        let Some(entry) = self.find(path)? else {
            return Ok(());
        };
        // With --all-new, DIR has the phone's folders; otherwise a file or folder keeps only its
        // own name.
        let name = if self.options.all_new {
            path
        } else {
            &entry.name
        };
        let relative: PathBuf = name.split('/').filter(is_safe).collect();
        let target = to.join(relative);
        if entry.is_folder {
            self.get_folder(path, &target, 0)
        } else {
            self.get_file(path, &entry, &target)
        }
    }

    /// The entry at a path; `None` if it does not exist, which is noted as a problem.
    fn find(&mut self, path: &str) -> Result<Option<RemoteEntry>, FetchError> {
        if let Some(entry) = self.remote.stat(path)? {
            return Ok(Some(entry));
        }
        // STAT has no error replies. GET_FILE tells whether the name or the password is wrong.
        let problem = match self.remote.read(path, 0).map(drop) {
            Err(FetchError::Refused(problem)) => problem,
            Err(error) => return Err(error),
            // The file was created between the two requests.
            Ok(()) => match self.remote.stat(path)? {
                None => format!("{path}: the file disappeared during the transfer"),
                entry => return Ok(entry),
            },
        };
        self.problems.push(problem);
        Ok(None)
    }

    fn get_folder(&mut self, path: &str, target: &Path, depth: u32) -> Result<(), FetchError> {
        let entries = match self.remote.list(path) {
            Err(FetchError::Refused(problem)) => {
                self.problems.push(problem);
                return Ok(());
            }
            entries => entries?,
        };
        self.entries += entries.len();
        if self.entries > RUN_ENTRIES {
            let problem = format!("{path}: more than {RUN_ENTRIES} files and folders in one run");
            return Err(FetchError::Lost(problem));
        }
        for entry in entries {
            let path = if path.is_empty() {
                entry.name.clone()
            } else {
                format!("{path}/{}", entry.name)
            };
            let target = target.join(&entry.name);
            if !entry.is_folder {
                self.get_file(&path, &entry, &target)?;
            } else if depth < FOLDER_DEPTH {
                self.get_folder(&path, &target, depth + 1)?;
            } else {
                let problem = format!("{path}: folders are nested too deeply");
                self.problems.push(problem);
            }
        }
        Ok(())
    }

    fn get_file(
        &mut self,
        path: &str,
        entry: &RemoteEntry,
        target: &Path,
    ) -> Result<(), FetchError> {
        let size = u64::from(entry.size);
        if self.options.all_new {
            let existing = std::fs::symlink_metadata(target);
            if existing.is_ok_and(|existing| existing.len() == size) {
                let kept = Fetched {
                    bytes: size,
                    resumed: 0,
                };
                return self.report(path, target, "kept", kept);
            }
        }
        self.progress.begin(&entry.name, size);
        let progress = &mut self.progress;
        let console = &mut *self.console;
        let show = |done| progress.show(console, done);
        let fetched = fetch(&mut self.remote, path, entry, target, show);
        self.progress.clear(self.console);
        match fetched {
            Ok(fetched) => {
                let outcome = if fetched.resumed > 0 {
                    "resumed"
                } else {
                    "fetched"
                };
                self.report(path, target, outcome, fetched)
            }
            Err(FetchError::Lost(problem)) => Err(FetchError::Lost(format!("{path}: {problem}"))),
            Err(error) => {
                self.problems.push(error.into_text());
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
    ) -> Result<(), FetchError> {
        let bytes = fetched.bytes;
        let mut line = String::new();
        if self.options.json {
            line.push_str("{\"path\":");
            quote(&mut line, path);
            line.push_str(",\"file\":");
            quote(&mut line, &target.to_string_lossy());
            let resumed_at = fetched.resumed;
            let _ = writeln!(
                line,
                ",\"outcome\":\"{outcome}\",\"bytes\":{bytes},\"resumed_at\":{resumed_at}}}"
            );
        } else if outcome != "kept" {
            let target = shown(target);
            let _ = writeln!(line, "{outcome} {target} ({bytes} bytes)");
        }
        self.print(&line)
    }

    fn print(&mut self, text: &str) -> Result<(), FetchError> {
        match self.console.print(text) {
            Ok(_) => Ok(()),
            Err(Failure::Failed(problem) | Failure::Usage(problem)) => {
                Err(FetchError::Local(problem))
            }
        }
    }
}

/// A line of `ls`.
fn text_line(entry: &RemoteEntry) -> String {
    let time = local_time(entry.time.into()).map(|t| {
        format!(
            "{:04}-{:02}-{:02} {:02}:{:02}:{:02}",
            t.year, t.month, t.day, t.hour, t.minute, t.second
        )
    });
    let time = time.unwrap_or_default();
    let name = harmless(&entry.name);
    if entry.is_folder {
        format!("dir  {:>10}  {time}  {name}\n", "-")
    } else {
        format!("file {:>10}  {time}  {name}\n", entry.size)
    }
}

/// A line of `ls --json`.
fn json_line(entry: &RemoteEntry) -> String {
    let mut line = String::from("{\"name\":");
    quote(&mut line, &entry.name);
    let (is_folder, size, time) = (entry.is_folder, entry.size, entry.time);
    let _ = writeln!(
        line,
        ",\"dir\":{is_folder},\"size\":{size},\"time\":{time}}}"
    );
    line
}
