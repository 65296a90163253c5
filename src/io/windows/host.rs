//! The names of `io/host.rs`, in what Windows has.

use std::ffi::OsStr;
use std::fs::{File, FileTimes, Metadata, OpenOptions};
use std::io::{self, ErrorKind, Seek, SeekFrom};
use std::os::windows::fs::FileExt as _;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

/// Names as bytes.
pub trait OsStrExt {
    /// UTF-8, and more for what is none.
    fn as_bytes(&self) -> &[u8];
}

impl OsStrExt for OsStr {
    fn as_bytes(&self) -> &[u8] {
        self.as_encoded_bytes()
    }
}

/// Reading and writing at a position. The file's own position stays.
pub trait FileExt {
    /// Reads at least one byte, if there is one.
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize>;

    /// Writes at least one byte.
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize>;

    /// Fills the buffer.
    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        let mut done = 0;
        while done < buffer.len() {
            match self.read_at(&mut buffer[done..], offset + done as u64)? {
                0 => return Err(ErrorKind::UnexpectedEof.into()),
                more => done += more,
            }
        }
        Ok(())
    }

    /// Writes all bytes.
    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let mut done = 0;
        while done < bytes.len() {
            match self.write_at(&bytes[done..], offset + done as u64)? {
                0 => return Err(ErrorKind::WriteZero.into()),
                more => done += more,
            }
        }
        Ok(())
    }
}

impl FileExt for File {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let mut file = self;
        let position = file.stream_position()?;
        let read = self.seek_read(buffer, offset);
        file.seek(SeekFrom::Start(position))?;
        read
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        let mut file = self;
        let position = file.stream_position()?;
        let written = self.seek_write(bytes, offset);
        file.seek(SeekFrom::Start(position))?;
        written
    }
}

/// Times as seconds.
pub trait MetadataExt {
    /// Of the last change, since 1970.
    fn mtime(&self) -> i64;
}

impl MetadataExt for Metadata {
    fn mtime(&self) -> i64 {
        let changed = self.modified().unwrap_or(UNIX_EPOCH);
        match changed.duration_since(UNIX_EPOCH) {
            Ok(after) => after.as_secs() as i64,
            Err(before) => -(before.duration().as_secs() as i64),
        }
    }
}

/// The time of a file's last change.
pub struct Modified(SystemTime);

/// Reads it.
pub fn modified(file: &File) -> io::Result<Modified> {
    file.metadata()?.modified().map(Modified)
}

/// Sets it.
pub fn set_modified(file: &File, time: &Modified) -> io::Result<()> {
    file.set_times(FileTimes::new().set_modified(time.0))
}

/// New files have the permissions of their folder.
pub fn with_mode(options: &mut OpenOptions, _: u32) -> &mut OpenOptions {
    options
}

/// There are no permission bits.
pub fn limit_mode(_: &File, _: u32) -> io::Result<()> {
    Ok(())
}

/// The program of this name in a folder.
pub fn is_program(folder: &Path, name: &str) -> bool {
    folder.join(name).with_extension("exe").is_file()
}
