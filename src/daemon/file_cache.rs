//! Files of the stick that are read again and again: kept open between reads, a few of them, for a short time.

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
    /// The place for the next one.
    next: usize,
    /// When the stick was last used for a client; `None` when it is let go.
    used_at: Option<Instant>,
}

impl FileCache {
    /// Reads from a file; `dir` is called when it has to be opened.
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
        self.files[self.next % OPEN_FILES] = Some((file, input));
        self.next += 1;
        read
    }

    /// Closes them: the next read opens its file again.
    pub(super) fn close(&mut self) {
        self.files = Default::default();
    }

    /// The stick is being used.
    pub(super) fn touch(&mut self, now: Instant) {
        self.used_at = Some(now);
    }

    /// Closes them when nobody has read for a while; `true` when the stick is still being used.
    pub(super) fn hold(&mut self, now: Instant) -> bool {
        if self.idle_at().is_some_and(|at| now >= at) {
            self.close();
            self.used_at = None;
        }
        self.used_at.is_some()
    }

    /// When that will be.
    pub(super) fn idle_at(&self) -> Option<Instant> {
        self.used_at.map(|at| at + FILES_IDLE)
    }
}
