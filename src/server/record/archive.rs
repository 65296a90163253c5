//! The folder of recordings: `<dir>/<device>/Record_YYYYMMDD_HHMMSS_<id>.wav`, each with a sidecar.
//!
//! While a part of a recording is being written, its sidecar is named `....json.part`; `....json`
//! exists only once the part is finished. So a search for `.json` finds whole recordings, and a
//! server that starts finds those that an earlier one has left unfinished.

use core::fmt;
use std::fs::File;
use std::io;

use crate::base::limits::server::PROBE_BYTES;
use crate::io::dir::Dir;
use crate::io::sys::Civil;
use crate::wire::recording::name::{Stem, NAME_SUFFIX, RUNNING_SIDECAR_SUFFIX, SIDECAR_SUFFIX};

/// The suffix of an unfinished recording's sidecar, in place of `.wav`.
pub(super) const UNFINISHED: &str = RUNNING_SIDECAR_SUFFIX;
/// The suffix of a whole recording's sidecar.
pub(super) const FINISHED: &str = SIDECAR_SUFFIX;

/// File names tried for one time and id.
const MAX_NAMES: u32 = 99;

/// The folder of all recordings.
pub(super) struct Archive {
    root: Dir,
}

/// The path of one part: the folder of its phone, and the name of its files without a suffix. Shown
/// with the recording's.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct RecordingPath {
    pub(super) folder: String,
    pub(super) stem: String,
}

impl Archive {
    /// Opens the folder, and creates it if it does not exist.
    pub(super) fn open(path: &str) -> io::Result<Self> {
        std::fs::create_dir_all(path)?;
        Self::open_existing(path)
    }

    /// Opens the folder; an error if it does not exist.
    pub(super) fn open_existing(path: &str) -> io::Result<Self> {
        Ok(Self {
            root: Dir::open(path.as_bytes())?,
        })
    }

    /// It is the folder with this identity (`mounts::identity`).
    pub(super) fn is(&self, identity: (u64, u64)) -> bool {
        self.root.identity().is_ok_and(|own| own == identity)
    }

    /// Writes a file and deletes it again. An error says why recordings cannot be stored.
    pub(super) fn probe(&self) -> io::Result<()> {
        let name = format!(".probe-{}", std::process::id()); // each worker has its own
        self.root.put_file(name.as_bytes(), &[0; PROBE_BYTES])?;
        self.root.remove(name.as_bytes())
    }

    pub(super) fn root(&self) -> &Dir {
        &self.root
    }

    /// Visits each file with this suffix; its folder is opened.
    pub(super) fn each(
        &self,
        ending: &str,
        mut visit: impl FnMut(&Dir, RecordingPath),
    ) -> io::Result<()> {
        let mut folders = self.root.names()?;
        while let Some(folder) = folders.next_folder()? {
            let Ok(folder) = String::from_utf8(folder.to_vec()) else {
                continue;
            };
            let Ok(dir) = self.root.folder(folder.as_bytes()) else {
                continue;
            };
            let mut names = dir.names()?;
            while let Some(name) = names.next_file()? {
                let stem = core::str::from_utf8(name)
                    .ok()
                    .and_then(|name| name.strip_suffix(ending));
                if let Some(stem) = stem {
                    visit(
                        &dir,
                        RecordingPath {
                            folder: folder.clone(),
                            stem: stem.into(),
                        },
                    );
                }
            }
        }
        Ok(())
    }

    /// Creates the file of a part that begins at this time. Device and id may be any bytes.
    pub(super) fn create(
        &self,
        device: &[u8],
        id: &[u8],
        time: &Civil,
    ) -> io::Result<(RecordingPath, File)> {
        let folder = clean(device, "unknown");
        let Civil {
            year,
            month,
            day,
            hour,
            minute,
            second,
            ..
        } = time;
        let id = clean(id, "0");
        let stem = Stem {
            date: [*year, *month, *day],
            time: [*hour, *minute, *second],
        };
        let first = format!("{stem}_{id}");
        let dir = self.root.make_folder(folder.as_bytes())?;
        for number in 1..=MAX_NAMES {
            let stem = if number == 1 {
                first.clone()
            } else {
                format!("{first}_{number}")
            };
            match dir.create_file((stem.clone() + NAME_SUFFIX).as_bytes()) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
                Ok(file) => return Ok((RecordingPath { folder, stem }, file)),
            }
        }
        Err(io::ErrorKind::AlreadyExists.into())
    }

    /// Writes the sidecar of a part that is being written.
    pub(super) fn begin(&self, path: &RecordingPath, sidecar: &[u8]) -> io::Result<()> {
        self.folder(path)?
            .put_file(path.name(UNFINISHED).as_bytes(), sidecar)
    }

    /// Writes the sidecar of a part that is whole.
    pub(super) fn finish(&self, path: &RecordingPath, sidecar: &[u8]) -> io::Result<()> {
        let folder = self.folder(path)?;
        folder.put_file(path.name(FINISHED).as_bytes(), sidecar)?;
        match folder.remove(path.name(UNFINISHED).as_bytes()) {
            // Its first sidecar could not be written, or it is being finished for the second time.
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            removed => removed,
        }
    }

    /// Deletes a part that could not be begun.
    pub(super) fn discard(&self, path: &RecordingPath) {
        if let Ok(folder) = self.folder(path) {
            let _ = folder.remove(path.recording().as_bytes());
            let _ = folder.remove(path.name(UNFINISHED).as_bytes());
        }
    }

    pub(super) fn folder(&self, path: &RecordingPath) -> io::Result<Dir> {
        self.root.folder(path.folder.as_bytes())
    }
}

impl RecordingPath {
    pub(super) fn name(&self, ending: &str) -> String {
        self.stem.clone() + ending
    }

    /// The recording's file name.
    pub(super) fn recording(&self) -> String {
        self.name(NAME_SUFFIX)
    }
}

impl fmt::Display for RecordingPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}{NAME_SUFFIX}", self.folder, self.stem)
    }
}

/// Text from the network as a part of a file name: letters, digits, `-` and `_`; other bytes become
/// `_`. Without dots there is neither a hidden file nor a parent folder.
fn clean(text: &[u8], otherwise: &str) -> String {
    let kept = |byte: &u8| match byte {
        b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' | b'-' | b'_' => char::from(*byte),
        _ => '_',
    };
    if text.is_empty() {
        otherwise.into()
    } else {
        text.iter().map(kept).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIME: Civil = Civil {
        year: 2026,
        month: 1,
        day: 2,
        hour: 3,
        minute: 4,
        second: 5,
        offset_minutes: 60,
    };

    #[test]
    fn strangers_names_stay_in_the_folder() {
        let root =
            std::env::temp_dir().join(format!("callrec-archive-server-{}", std::process::id()));
        let archive = Archive::open(root.to_str().unwrap()).unwrap();
        for (device, id, folder, stem) in [
            (
                "0c383e000001",
                "17",
                "0c383e000001",
                "Record_20260102_030405_17",
            ),
            (
                "0c383e000001",
                "17",
                "0c383e000001",
                "Record_20260102_030405_17_2",
            ),
            (
                "../..",
                "../../etc/passwd",
                "_____",
                "Record_20260102_030405_______etc_passwd",
            ),
            ("", "", "unknown", "Record_20260102_030405_0"),
            (
                "a/b\n",
                "\u{e9}\u{0}*",
                "a_b_",
                "Record_20260102_030405_____",
            ),
        ] {
            let (path, _) = archive
                .create(device.as_bytes(), id.as_bytes(), &TIME)
                .unwrap();
            assert_eq!((path.folder.as_str(), path.stem.as_str()), (folder, stem));
            assert!(root.join(folder).join(path.recording()).is_file());
        }
        std::fs::remove_dir_all(&root).unwrap();
    }

    #[test]
    fn a_sidecar_is_called_json_only_when_all_is_there() {
        let root =
            std::env::temp_dir().join(format!("callrec-archive-sidecar-{}", std::process::id()));
        let archive = Archive::open(root.to_str().unwrap()).unwrap();
        let (path, _file) = archive.create(b"d", b"1", &TIME).unwrap();
        let names = || {
            let mut names: Vec<String> = std::fs::read_dir(root.join("d"))
                .unwrap()
                .map(|entry| entry.unwrap().file_name().into_string().unwrap())
                .collect();
            names.sort();
            names
        };
        archive.begin(&path, b"{}").unwrap();
        assert_eq!(names(), [path.name(".json.part"), path.name(".wav")]);
        archive.finish(&path, b"{}").unwrap();
        assert_eq!(names(), [path.name(".json"), path.name(".wav")]);
        archive.finish(&path, b"{}").unwrap(); // once more does no harm
        archive.discard(&path);
        assert_eq!(names(), [path.name(".json")]);
        std::fs::remove_dir_all(&root).unwrap();
    }
}
