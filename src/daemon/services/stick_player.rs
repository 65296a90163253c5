//! Keeps `Listen.html` on the stick: a page that plays the stick's recordings in a browser.
//!
//! The page lies in `share/callrec` beside the folder of the program: it is no part of the program,
//! which has no room for it. It is copied with the first recording on a stick, in small synced
//! pieces with long pauses, under a temporary name. A page on the stick of the same or of a higher
//! version stays, and so does one without a version, which is not ours. After a failure, which is
//! logged, nothing is copied until another stick comes; no recording waits for it or ends.
//!
//! Neither the folder nor a file is kept open between two pieces, as in `sidecar_writer`.

use std::io;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::FileExt;

use log::{info, warn};

use crate::base::limits::play::{PAGE_PIECE, PAGE_REST};
use crate::base::time::{Duration, Instant};
use crate::daemon::context::Context;
use crate::daemon::disk::Disk;
use crate::daemon::service::Service;
use crate::daemon::turn::Work;
use crate::io::clock::{monotonic, Now};
use crate::io::dir::Dir;
use crate::io::file::{Input, Output};
use crate::wire::decimal::parse_decimal;

const PAGE: &[u8] = b"Listen.html";
/// Its name until it is complete.
const NEW: &str = "Listen.new";
/// What stands before the version in a page; both are within its first bytes.
const VERSION: &[u8] = b"<meta name=\"version\" content=\"";
const HEAD_BYTES: usize = 256;

/// Copies the page.
pub(super) struct StickPlayer {
    /// The package's folder; empty if the program does not know where it is itself.
    folder: Vec<u8>,
    state: CopyState,
    next_at: Instant,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum CopyState {
    /// Nothing has been recorded on this stick yet.
    Waiting,
    /// This many bytes have been copied.
    Copying(u64),
    /// The page is on the stick, or will not be.
    Done,
}

impl StickPlayer {
    pub(super) fn new() -> Self {
        Self {
            folder: package_folder().unwrap_or_default(),
            state: CopyState::Waiting,
            next_at: Instant::default(),
        }
    }

    fn is_copying(&self) -> bool {
        matches!(self.state, CopyState::Copying(_))
    }

    /// Copies a piece. The first one is preceded by a comparison of the two pages.
    #[inline(never)] // so that its buffer is on the stack only while it is used
    fn copy(&self, at: u64, disk: &mut Disk, reserve: u64) -> io::Result<CopyState> {
        let (page, bytes) = Input::open(Dir::open(&self.folder)?.fd(), PAGE)?;
        let stick = disk.dir()?;
        let mut piece = [0; PAGE_PIECE];
        if at == 0 {
            if !is_wanted(&page, stick, &mut piece)? {
                return Ok(CopyState::Done);
            }
            if stick.free_bytes()? < reserve + bytes {
                return Err(io::Error::from_raw_os_error(libc::ENOSPC));
            }
            let _ = stick.remove(NEW.as_bytes()); // left over from a power failure
            Output::create(stick.fd(), NEW)?;
        }
        let read = page.read(at, &mut piece)?;
        if read > 0 {
            let new = stick.open_file(NEW.as_bytes())?;
            new.write_all_at(&piece[..read], at)?;
            new.sync_data()?;
            return Ok(CopyState::Copying(at + read as u64));
        }
        stick.rename(NEW.as_bytes(), PAGE)?;
        info!("Listen.html: copied to the stick");
        Ok(CopyState::Done)
    }
}

impl Service for StickPlayer {
    fn handle_stick(&mut self, _context: &mut Context) {
        self.state = CopyState::Waiting;
    }

    fn turn(&mut self, now: &Now, context: &mut Context) -> Work {
        let disk = &mut context.disk;
        if self.state == CopyState::Waiting && disk.has_recorded() && context.config.stick_player {
            self.state = CopyState::Copying(0);
        }
        let CopyState::Copying(at) = self.state else {
            return Work::Done;
        };
        if now.monotonic < self.next_at {
            return Work::Done;
        }
        let began = monotonic();
        self.state = self
            .copy(at, disk, context.recorder.reserve())
            .unwrap_or_else(|error| {
                warn!("Listen.html: not copied to the stick: {error}");
                let _ = disk.dir().and_then(|dir| dir.remove(NEW.as_bytes()));
                CopyState::Done
            });
        let ended = monotonic();
        self.next_at = ended + Duration::from_nanos(ended.since(began).nanos() * PAGE_REST);
        Work::Done
    }

    fn next_deadline(&self, _now: Instant, context: &Context) -> Instant {
        if self.is_copying() && context.recorder.is_idle() {
            return self.next_at;
        }
        Instant::NEVER // while recording, the loop wakes often enough
    }
}

/// `../share/callrec`, seen from the folder of the program.
fn package_folder() -> Option<Vec<u8>> {
    let mut path = std::env::current_exe().ok()?.into_os_string().into_vec();
    for _ in 0..2 {
        let slash = path.iter().rposition(|byte| *byte == b'/')?;
        path.truncate(slash);
    }
    path.extend_from_slice(b"/share/callrec");
    Some(path)
}

/// The stick has no page, or one of a lower version.
fn is_wanted(page: &Input, stick: &Dir, buffer: &mut [u8]) -> io::Result<bool> {
    let head = &mut buffer[..HEAD_BYTES];
    let there = match Input::open(stick.fd(), PAGE) {
        Ok((there, _)) => there.read(0, head).map(|len| version(&head[..len]))?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(true),
        Err(error) => return Err(error),
    };
    let ours = page.read(0, head).map(|len| version(&head[..len]))?;
    Ok(there.is_some() && there < ours)
}

/// The version of a page, from its first bytes.
fn version(head: &[u8]) -> Option<u64> {
    let mut places = head.windows(VERSION.len());
    let at = places.position(|bytes| bytes == VERSION)? + VERSION.len();
    parse_decimal(head[at..].split(|byte| *byte == b'"').next()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_found_or_not() {
        let page = |content: &str| format!("<html>\n<meta name=\"version\" content=\"{content}");
        assert_eq!(version(page("12\">\n").as_bytes()), Some(12));
        for other in ["\"", "x\"", "1.2\""] {
            assert_eq!(version(page(other).as_bytes()), None, "{other}");
        }
        assert_eq!(version(b"<html><title>My own page</title>"), None);
        assert_eq!(version(b""), None);
    }
}
