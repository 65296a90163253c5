//! `coverOlderRecordings`: the oldest recording that nobody uses is deleted when the stick is full. A turn looks at some
//! names of the folder, or deletes one recording, whatever is on the stick: a folder of 20 000 names takes many turns.

use std::io;

use log::warn;

use crate::daemon::folder_walk::{FolderWalk, Found};
use crate::io::dir::Dir;
use crate::proto::recorder::Recorder;
use crate::wire::recording::name::{is_recording_name, sidecar_name};

/// The way through the folder, from the oldest recording on. It goes on with the next deletion.
#[derive(Default)]
pub(super) struct CoverOlder {
    sweep: Option<FolderWalk>,
    /// It has deleted something: what it has passed may be free by now.
    deleted: bool,
}

/// What a turn has done.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Progress {
    /// A recording is gone.
    Deleted,
    /// Nothing yet: another turn.
    Looking,
    /// There is nothing that may be deleted.
    NothingLeft,
}

impl CoverOlder {
    /// Looks for the oldest recording, or deletes it.
    pub(super) fn step(&mut self, dir: &Dir, recorder: &Recorder) -> io::Result<Progress> {
        let sweep = self
            .sweep
            .get_or_insert_with(|| FolderWalk::new(b"", false, is_recording_name));
        let name = match sweep.next(dir)? {
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
                // Others can still go.
                warn!(
                    "{}: not deleted to make room: {error}",
                    String::from_utf8_lossy(&name)
                );
                return Ok(Progress::Looking);
            }
        }
        let _ = sidecar_name(&name).map(|beside| dir.remove(&beside));
        self.deleted = true;
        Ok(Progress::Deleted)
    }
}

/// It says something of the stick, not of one file on it.
fn is_of_the_stick(error: &io::Error) -> bool {
    let errno = error.raw_os_error().unwrap_or(0);
    [libc::ENODEV, libc::ENXIO, libc::ESTALE, libc::EROFS].contains(&errno)
}
