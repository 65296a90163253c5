//! One run of `callrec fetch`: lists folders, fetches files, and goes on after what fails.

use std::fs::{remove_file, File};
use std::path::{Path, PathBuf};

use crate::base::limits::fetch::{FOLDER_DEPTH, RUN_ENTRIES};
use crate::cli::console::{shown, Console};
use crate::cli::failure::Failure;
use crate::cli::fetch::arguments::{FetchCommand, FetchOptions};
use crate::cli::fetch::listing_line::{json_line, modified, text_line};
use crate::cli::fetch::phone_folder;
use crate::cli::fetch::phone_sidecars::{find_offset, KnownOffsets, SIDECAR_BYTES};
use crate::cli::fetch::placement::{find_known, find_with_sum, has_sum, place, Placement};
use crate::cli::fetch::progress_line::ProgressLine;
use crate::cli::fetch::remote::{is_safe, FetchError, Remote, RemoteEntry};
use crate::cli::fetch::transfer::{part_of, transfer, write_error, Fetched};
use crate::cli::json_line::JsonLine;
use crate::wire::json::Object;
use crate::wire::recording::name::{NAME_SUFFIX, SIDECAR_SUFFIX};

/// A run of the command.
pub(super) struct FetchRun<'a, 'b> {
    pub(super) remote: Remote,
    options: &'a FetchOptions,
    /// The name of the phone's folder if no sidecar has its MAC address.
    address: String,
    console: &'a mut Console<'b>,
    progress: ProgressLine,
    /// The entries of all listings so far.
    entries: usize,
    /// For the times of fetched files.
    offsets: KnownOffsets,
    /// Failures that did not end the run.
    pub(super) problems: Vec<String>,
}

impl<'a, 'b> FetchRun<'a, 'b> {
    pub(super) fn new(
        remote: Remote,
        options: &'a FetchOptions,
        address: String,
        console: &'a mut Console<'b>,
    ) -> Self {
        Self {
            remote,
            options,
            address,
            console,
            progress: ProgressLine::new(),
            entries: 0,
            offsets: KnownOffsets::default(),
            problems: vec![],
        }
    }

    /// Executes a command, up to an error that ends the run.
    pub(super) fn run(&mut self, command: &FetchCommand) -> Result<(), FetchError> {
        match command {
            FetchCommand::List(path) => self.list(path),
            FetchCommand::Get(paths) => {
                let to = phone_folder::open(&mut self.remote, self.options, &self.address)?;
                paths.iter().try_for_each(|path| self.get(path, &to))
            }
        }
    }

    fn list(&mut self, path: &str) -> Result<(), FetchError> {
        let path = path.trim_matches('/');
        let entries = self.remote.list(path)?;
        let has_times = entries.iter().any(|entry| !entry.is_folder);
        let offset = if has_times {
            find_offset(&mut self.remote, path, &entries)?
        } else {
            None
        };
        let offset = offset.unwrap_or(0); // UTC
        for entry in &entries {
            let line = if self.options.json {
                json_line(entry, offset)
            } else {
                text_line(entry, offset)
            };
            self.print(&line)?;
        }
        Ok(())
    }

    fn get(&mut self, path: &str, to: &Path) -> Result<(), FetchError> {
        let path = path.trim_matches('/');
        if path.is_empty() {
            return self.get_folder(path, to, 0);
        }
        let Some(entry) = self.find(path)? else {
            return Ok(());
        };
        // With --all-new, the phone's folders are kept; otherwise a file or folder keeps only its
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

    /// Fetches a file, or notes why that has failed.
    fn get_file(
        &mut self,
        path: &str,
        entry: &RemoteEntry,
        target: &Path,
    ) -> Result<(), FetchError> {
        // Before the transfer: a file that has been fetched is reported, whatever happens next.
        let modified = self.modified(path, entry)?;
        match self.fetch_file(path, entry, target) {
            Ok(outcome) => self.report(path, &outcome, modified.as_deref()),
            Err(FetchError::Lost(problem)) => Err(FetchError::Lost(format!("{path}: {problem}"))),
            Err(FetchError::Fatal(problem)) => Err(FetchError::Fatal(problem)),
            Err(FetchError::Refused(problem) | FetchError::Local(problem)) => {
                self.problems.push(problem);
                Ok(())
            }
        }
    }

    /// When the phone has written a file last, as RFC 3339. Only JSON lines tell it, and only for
    /// them the phone is asked for more than the file.
    fn modified(&mut self, path: &str, entry: &RemoteEntry) -> Result<Option<String>, FetchError> {
        if !self.options.json {
            return Ok(None);
        }
        let (folder, _) = path.rsplit_once('/').unwrap_or(("", path));
        let offset = self.offsets.find(&mut self.remote, folder)?;
        let time = modified(entry, offset.unwrap_or(0)); // UTC
        Ok(time.map(|time| time.start.to_string()))
    }

    fn fetch_file(
        &mut self,
        path: &str,
        entry: &RemoteEntry,
        target: &Path,
    ) -> Result<FileOutcome, FetchError> {
        let all_new = self.options.all_new;
        if let Some(known) = find_known(target, entry).filter(|_| all_new) {
            return Ok(FileOutcome::kept(known, entry));
        }
        let sum = self.read_sum(path)?;
        let known = sum.and_then(|sum| find_with_sum(target, entry, sum));
        if let Some(known) = known.filter(|_| all_new) {
            return Ok(FileOutcome::kept(known, entry));
        }
        let part = part_of(target);
        let local = |error| write_error(&part, &error);
        let mut fetched = self.transfer(path, entry, &part)?;
        let check = |sum| File::open(&part).and_then(|file| has_sum(&file, sum));
        let mut has_sum = sum.map(check).transpose().map_err(local)?;
        if has_sum == Some(false) {
            // FSP has a checksum of 8 bits: a datagram in 256 damaged ones is not noticed.
            remove_file(&part).map_err(local)?;
            fetched = self.transfer(path, entry, &part)?;
            has_sum = sum.map(check).transpose().map_err(local)?;
        }
        let placement = place(&part, target).map_err(|error| write_error(target, &error))?;
        if has_sum == Some(false) {
            let file = shown(&placement.path);
            self.problems.push(format!(
                "{path}: the audio is not the one that was recorded, also when fetched again: its SHA-256 is not \
                 that of the sidecar; the file on the phone is damaged, its copy is {file}"
            ));
        }
        Ok(FileOutcome {
            placement,
            fetched,
            has_sum,
        })
    }

    fn transfer(
        &mut self,
        path: &str,
        entry: &RemoteEntry,
        part: &Path,
    ) -> Result<Fetched, FetchError> {
        self.progress.begin(&entry.name, entry.size.into());
        let progress = &mut self.progress;
        let console = &mut *self.console;
        let show = |done| progress.show(console, done);
        let fetched = transfer(&mut self.remote, path, entry, part, show);
        self.progress.clear(self.console);
        fetched
    }

    /// The checksum in a recording's sidecar; `None` if the path is no recording, or has none.
    fn read_sum(&mut self, path: &str) -> Result<Option<[u8; 32]>, FetchError> {
        let Some(stem) = path.strip_suffix(NAME_SUFFIX) else {
            return Ok(None);
        };
        let sidecar = format!("{stem}{SIDECAR_SUFFIX}");
        let bytes = self.remote.read_short(&sidecar, SIDECAR_BYTES)?;
        let bytes = bytes.unwrap_or_default();
        Ok(Object::parse(&bytes)
            .ok()
            .and_then(|sidecar| sidecar.digest("sha256")))
    }

    fn report(
        &mut self,
        path: &str,
        outcome: &FileOutcome,
        modified: Option<&str>,
    ) -> Result<(), FetchError> {
        let line = if self.options.json {
            outcome.json_line(path, modified)
        } else {
            outcome.text_line()
        };
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

/// What has become of a file.
struct FileOutcome {
    placement: Placement,
    fetched: Fetched,
    /// Its audio has the checksum of the sidecar; `None`: there is none.
    has_sum: Option<bool>,
}

impl FileOutcome {
    /// It was here already, and was not transferred.
    fn kept(path: PathBuf, entry: &RemoteEntry) -> Self {
        Self {
            placement: Placement {
                path,
                is_known: true,
                other: None,
            },
            fetched: Fetched {
                bytes: entry.size.into(),
                resumed: 0,
            },
            has_sum: None,
        }
    }

    fn name(&self) -> &'static str {
        match self.fetched.resumed {
            _ if self.placement.is_known => "kept",
            0 => "fetched",
            _ => "resumed",
        }
    }

    /// A line for people; none if the file was here already.
    fn text_line(&self) -> String {
        if self.placement.is_known {
            return String::new();
        }
        let (file, bytes) = (shown(&self.placement.path), self.fetched.bytes);
        let other = match &self.placement.other {
            Some(other) => format!("; {} has other content and was kept", shown(other)),
            None => String::new(),
        };
        format!("{} {file} ({bytes} bytes){other}\n", self.name())
    }

    fn json_line(&self, path: &str, modified: Option<&str>) -> String {
        let mut line = JsonLine::new();
        line.text("path", path);
        line.text("file", &self.placement.path.to_string_lossy());
        line.text("outcome", self.name());
        line.number("size_bytes", self.fetched.bytes);
        line.number("resumed_bytes", self.fetched.resumed);
        if let Some(modified) = modified {
            line.text("modified", modified);
        }
        if let Some(other) = &self.placement.other {
            line.text("other_file", &other.to_string_lossy());
        }
        if let Some(has_sum) = self.has_sum {
            line.flag("verified", has_sum);
        }
        // The former names, until 2.0.
        line.number("bytes", self.fetched.bytes);
        line.number("resumed_at", self.fetched.resumed);
        line.finish()
    }
}
