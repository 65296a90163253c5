//! Keeps `Listen.html` on the stick: a page that plays the stick's recordings in a browser.
//!
//! The page lies in `share/callrec` beside the folder of the program: it is no part of the program,
//! which has no room for it. It is copied with the first recording on a stick, in small synced
//! pieces with long pauses, under a temporary name. A page on the stick of the same or of a higher
//! version stays, and so does one without a version, which is not ours. After a failure, which is
//! logged, nothing is copied until another stick comes; no recording waits for it or ends.

use std::io;

use log::warn;

use crate::base::limits::play::{PAGE_PIECE, PAGE_REST};
use crate::base::limits::{PATH_BYTES, PREALLOCATE_FLOOR};
use crate::base::time::{Duration, Instant};
use crate::daemon::context::Context;
use crate::daemon::disk::Disk;
use crate::daemon::service::Service;
use crate::daemon::turn::Work;
use crate::io::clock::{monotonic, Now};
use crate::io::dir::Dir;
use crate::io::file::{Input, Output};
use crate::io::sys::program_path;

const PAGE: &[u8] = b"Listen.html";
/// Its name until it is complete.
const NEW: &str = "Listen.new";
/// What a page of ours begins with; its version follows, four digits, so that pages compare as
/// text.
const BEGIN: &[u8] = b"<!DOCTYPE html>\n<meta name=\"version\" content=\"";
const VERSION_END: usize = BEGIN.len() + 4;

/// Copies the page.
#[derive(Default)]
pub(super) struct StickPlayer {
    state: CopyState,
    next_at: Instant,
}

#[derive(Default)]
enum CopyState {
    /// Nothing has been recorded on this stick yet.
    #[default]
    Waiting,
    Copying(PageCopy),
    /// The page is on the stick, or will not be.
    Done,
}

/// A copy that is not complete.
struct PageCopy {
    page: Input,
    new: Output,
    /// Bytes copied so far.
    at: u64,
}

impl Service for StickPlayer {
    fn handle_stick(&mut self, _context: &mut Context) {
        self.state = CopyState::Waiting;
    }

    /// Compares the pages, or copies a piece.
    fn turn(&mut self, now: &Now, context: &mut Context) -> Work {
        let disk = &mut context.disk;
        let began = monotonic();
        let next = match &mut self.state {
            CopyState::Waiting if disk.has_recorded() && context.config.stick_player => {
                begin(disk, context.recorder.reserve())
            }
            CopyState::Copying(copy) if now.monotonic >= self.next_at => match copy.step(disk) {
                Ok(true) => Ok(CopyState::Done),
                Ok(false) => {
                    let ended = monotonic();
                    let rest = ended.since(began).nanos() * PAGE_REST;
                    self.next_at = ended + Duration::from_nanos(rest);
                    return Work::Done;
                }
                Err(error) => {
                    let _ = disk.dir().and_then(|dir| dir.remove(NEW.as_bytes()));
                    Err(error)
                }
            },
            _ => return Work::Done,
        };
        self.state = next.unwrap_or_else(|error| {
            warn!("Listen.html: not copied to the stick: {error}");
            CopyState::Done
        });
        Work::Done
    }

    fn next_deadline(&self, _now: Instant, context: &Context) -> Instant {
        match self.state {
            // While recording, the loop wakes often enough.
            CopyState::Copying(_) if context.recorder.is_idle() => self.next_at,
            _ => Instant::NEVER,
        }
    }

    fn holds_stick(&mut self, _now: Instant, _context: &mut Context) -> bool {
        matches!(self.state, CopyState::Copying(_))
    }
}

impl PageCopy {
    /// Copies a piece; `true` when the page is complete.
    #[inline(never)] // so that its buffer is on the stack only while it is used
    fn step(&mut self, disk: &mut Disk) -> io::Result<bool> {
        let mut piece = [0; PAGE_PIECE];
        let read = self.page.read(self.at, &mut piece)?;
        if read == 0 {
            disk.dir()?.rename(NEW.as_bytes(), PAGE)?;
            return Ok(true);
        }
        self.at += self.new.write(self.at, &piece[..read])? as u64;
        self.new.sync()?;
        Ok(false)
    }
}

/// Begins to copy, if the stick has no page, or one of a lower version.
#[inline(never)] // its buffer
fn begin(disk: &mut Disk, reserve: u64) -> io::Result<CopyState> {
    let mut buffer = [0; PATH_BYTES];
    let (page, bytes) = Input::open(package_folder(&mut buffer)?.fd(), PAGE)?;
    let stick = disk.dir()?;
    // What cannot be read as a file is in the way, too: then the renaming fails.
    if let Ok((there, _)) = Input::open(stick.fd(), PAGE) {
        if !is_older(&first_bytes(&there)?, &first_bytes(&page)?) {
            return Ok(CopyState::Done);
        }
    }
    // The last megabytes are for recordings.
    if stick.free_bytes()? < reserve + bytes + PREALLOCATE_FLOOR {
        return Err(io::Error::from_raw_os_error(libc::ENOSPC));
    }
    let _ = stick.remove(NEW.as_bytes()); // left over from a power failure
    let new = Output::create(stick.fd(), NEW)?;
    Ok(CopyState::Copying(PageCopy { page, new, at: 0 }))
}

/// `../share/callrec`, seen from the folder of the program.
fn package_folder(buffer: &mut [u8]) -> io::Result<Dir> {
    const SHARE: &[u8] = b"share/callrec";
    let room = buffer.len() - SHARE.len();
    let path = program_path(&mut buffer[..room]);
    let mut folders = path.iter().rev();
    // The path without the last two names, the program and its folder.
    let _ = folders.position(|byte| *byte == b'/');
    let _ = folders.position(|byte| *byte == b'/');
    let end = folders.len() + 1;
    buffer[end..end + SHARE.len()].copy_from_slice(SHARE);
    Dir::open(&buffer[..end + SHARE.len()])
}

fn first_bytes(page: &Input) -> io::Result<[u8; VERSION_END]> {
    let mut bytes = [0; VERSION_END];
    page.read(0, &mut bytes)?;
    Ok(bytes)
}

/// The page on the stick is ours, and of a lower version.
fn is_older(there: &[u8; VERSION_END], page: &[u8; VERSION_END]) -> bool {
    there.starts_with(BEGIN) && there < page
}
