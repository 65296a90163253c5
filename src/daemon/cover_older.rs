//! `coverOlderRecordings`: deletes the oldest unused recording when the stick is full. A turn reads
//! some names of the folder, or deletes one recording, whatever is on the stick: a folder of 20 000
//! names takes many turns.

use std::io;

use log::warn;

use crate::daemon::folder_walk::{FolderWalk, Found};
use crate::io::dir::Dir;
use crate::proto::recorder::Recorder;
use crate::wire::recording::name::{is_recording_name, sidecar_name};

/// The walk through the folder, from the oldest recording on. The next deletion continues it.
#[derive(Default)]
pub(super) struct CoverOlder {
    walk: Option<FolderWalk>,
    /// It has deleted something: recordings that it has passed may be unused by now.
    deleted: bool,
}

/// The result of a turn.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Progress {
    /// A recording was deleted.
    Deleted,
    /// No recording was found yet: another turn is needed.
    Looking,
    /// There is no recording that may be deleted.
    NothingLeft,
}

impl CoverOlder {
    /// Continues the search for the oldest recording, or deletes it.
    pub(super) fn step(&mut self, dir: &Dir, recorder: &Recorder) -> io::Result<Progress> {
        let walk = self
            .walk
            .get_or_insert_with(|| FolderWalk::new(b"", false, is_recording_name));
        let name = match walk.next(dir)? {
            Found::Name(name) => name,
            Found::Later => return Ok(Progress::Looking),
            Found::End => {
                let again = self.deleted;
                *self = Self::default();
                return Ok(if again {
                    Progress::Looking
                } else {
                    Progress::NothingLeft
                });
            }
        };
        if recorder.in_use(&name) || recorder.plays(&name) {
            return Ok(Progress::Looking);
        }
        match dir.remove(&name) {
            Ok(()) => {}
            Err(error) if is_of_the_stick(&error) => return Err(error),
            Err(error) => {
                // Other recordings may still be deleted.
                warn!(
                    "{}: not deleted to make room: {error}",
                    String::from_utf8_lossy(&name)
                );
                return Ok(Progress::Looking);
            }
        }
        let _ = sidecar_name(&name).map(|sidecar| dir.remove(&sidecar));
        self.deleted = true;
        Ok(Progress::Deleted)
    }
}

/// The error concerns the stick, not a single file on it.
fn is_of_the_stick(error: &io::Error) -> bool {
    let errno = error.raw_os_error().unwrap_or(0);
    [libc::ENODEV, libc::ENXIO, libc::ESTALE, libc::EROFS].contains(&errno)
}
