//! A cache of open files: recordings that FSP clients read repeatedly stay open between reads for a
//! short time. Sidecars do not: they are replaced while they may be read, and have only one piece.

use std::io;

use crate::base::limits::fsp::{FILES_IDLE, OPEN_FILES};
use crate::base::time::Instant;
use crate::io::dir::Dir;
use crate::io::file::Input;
use crate::proto::fsp::server::File;

/// The open files.
#[derive(Default)]
pub(super) struct FileCache {
    files: [Option<(File, Input)>; OPEN_FILES],
    /// The index of the next entry to replace.
    next: usize,
    /// When the stick was last used for a client; `None` after it was released.
    used_at: Option<Instant>,
}

impl FileCache {
    /// Reads from a file; `dir` is called if the file must be opened.
    pub(super) fn read<'a>(
        &mut self,
        file: File,
        at: u64,
        buffer: &mut [u8],
        dir: impl FnOnce() -> io::Result<&'a Dir>,
    ) -> io::Result<usize> {
        for (open, input) in self.files.iter().flatten() {
            if *open == file {
                return input.read(at, buffer);
            }
        }
        let (input, _) = Input::open(dir()?.fd(), file.name().as_bytes())?;
        let read = input.read(at, buffer);
        if file.is_recording() {
            self.files[self.next % OPEN_FILES] = Some((file, input));
            self.next += 1;
        }
        read
    }

    /// Closes all files: the next read opens its file again.
    pub(super) fn close(&mut self) {
        self.files = Default::default();
    }

    /// Notes that the stick is in use.
    pub(super) fn touch(&mut self, now: Instant) {
        self.used_at = Some(now);
    }

    /// Closes all files when nobody has read for a while; `true` while the stick is in use.
    pub(super) fn hold(&mut self, now: Instant) -> bool {
        if self.idle_at().is_some_and(|at| now >= at) {
            self.close();
            self.used_at = None;
        }
        self.used_at.is_some()
    }

    /// When the files will be closed.
    pub(super) fn idle_at(&self) -> Option<Instant> {
        self.used_at.map(|at| at + FILES_IDLE)
    }
}
