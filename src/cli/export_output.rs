//! Where an export goes: a new file, or standard output.

use std::fs::File;
use std::io::{ErrorKind, Write};
use std::path::Path;
use std::process::ExitCode;

use crate::cli::console::{shown, ByteSink, Console};
use crate::cli::failure::Failure;

/// Bytes written at once.
const WRITE_BYTES: usize = 64 * 1024;

/// Collects bytes and writes them in large pieces.
pub(crate) struct ExportOutput<'a> {
    sink: &'a mut dyn ByteSink,
    name: String,
    buffer: Vec<u8>,
    /// The reader has gone away (`| head`), which is not a failure.
    unread: bool,
}

impl ExportOutput<'_> {
    pub(super) fn extend(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        self.buffer.extend_from_slice(bytes);
        if self.buffer.len() < WRITE_BYTES {
            return Ok(());
        }
        self.flush()
    }

    pub(super) fn repeat(&mut self, byte: u8, count: u64) -> Result<(), Failure> {
        (0..count).try_for_each(|_| self.extend(&[byte]))
    }

    fn flush(&mut self) -> Result<(), Failure> {
        let written = self.sink.put(&self.buffer);
        self.buffer.clear();
        self.unread = written
            .as_ref()
            .is_err_and(|error| error.kind() == ErrorKind::BrokenPipe);
        written.map_err(|error| Failure::Failed(format!("{}: {error}", self.name)))
    }
}

/// Writes to an open file or pipe.
pub(crate) fn write_to(
    sink: &mut dyn ByteSink,
    name: String,
    write: &mut dyn FnMut(&mut ExportOutput) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let mut output = ExportOutput {
        sink,
        name,
        buffer: Vec::with_capacity(WRITE_BYTES + 64),
        unread: false,
    };
    let written = write(&mut output).and_then(|()| output.flush());
    written.or_else(|failure| if output.unread { Ok(()) } else { Err(failure) })
}

/// Writes a new file, or to standard output for `-`. After a failure no file is left.
pub(super) fn write_out(
    out: &Path,
    console: &mut Console,
    write: &mut dyn FnMut(&mut ExportOutput) -> Result<(), Failure>,
) -> Result<ExitCode, Failure> {
    if out.as_os_str() == "-" {
        return write_to(console.out, "standard output".into(), write).map(|()| ExitCode::SUCCESS);
    }
    let mut file = File::create_new(out).map_err(|error| {
        let name = shown(out);
        Failure::Failed(if error.kind() != ErrorKind::AlreadyExists {
            format!("{name}: {error}")
        } else if out.symlink_metadata().is_ok_and(|entry| entry.is_file()) {
            format!("{name}: exists already; choose another name or delete it first")
        } else {
            format!("{name}: exists already and is not a regular file; `-` is standard output")
        })
    })?;
    let written = write_to(&mut file, shown(out), write);
    if written.is_err() {
        drop(file.flush());
        let _ = std::fs::remove_file(out);
    }
    written.map(|()| ExitCode::SUCCESS)
}
