//! Where recordings are kept: `<dir>/<device>/Record_YYYYMMDD_HHMMSS_<id>.wav`, each with a sidecar beside it.
//!
//! While a part of a recording is being written its sidecar is called `....json.part`; `....json` stands there once
//! the part is finished, and only then. So whoever looks for `.json` finds whole recordings, and a server that
//! starts anew finds those that the last one left.

use std::fs::File;
use std::io;

use crate::base::limits::server::PROBE_BYTES;
use crate::io::dir::Dir;
use crate::io::sys::Civil;
use crate::wire::recording::name::{Stem, NAME_SUFFIX, SIDECAR_SUFFIX};

/// What a sidecar is called behind the recording's name without `.wav`, before the recording is whole.
pub(super) const UNFINISHED: &str = ".json.part";
/// What it is called when it is.
pub(super) const FINISHED: &str = SIDECAR_SUFFIX;

/// Names tried for one second and id.
const MOST_OF_A_NAME: u32 = 99;

/// The folder of all recordings.
pub(super) struct Archive {
    root: Dir,
}

/// The place of one part: its phone's folder, and its files' name without an ending.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Place {
    pub(super) folder: String,
    pub(super) stem: String,
}

impl Archive {
    /// Opens the folder, made if there is none.
    pub(super) fn open(path: &str) -> io::Result<Self> {
        std::fs::create_dir_all(path)?;
        Self::open_existing(path)
    }

    /// Opens the folder that is there.
    pub(super) fn open_existing(path: &str) -> io::Result<Self> {
        Ok(Self {
            root: Dir::open(path.as_bytes())?,
        })
    }

    /// It is the folder that is at the path with this identity.
    pub(super) fn is(&self, identity: (u64, u64)) -> bool {
        self.root.identity().is_ok_and(|own| own == identity)
    }

    /// Writes a file and deletes it again: an error says why recordings cannot be stored.
    pub(super) fn probe(&self) -> io::Result<()> {
        let name = format!(".probe-{}", std::process::id()); // other workers have their own
        self.root.put_file(name.as_bytes(), &[0; PROBE_BYTES])?;
        self.root.remove(name.as_bytes())
    }

    pub(super) fn root(&self) -> &Dir {
        &self.root
    }

    /// Visits the place of each file whose name ends so, with its folder opened.
    pub(super) fn each(&self, ending: &str, mut visit: impl FnMut(&Dir, Place)) -> io::Result<()> {
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
                        Place {
                            folder: folder.clone(),
                            stem: stem.into(),
                        },
                    );
                }
            }
        }
        Ok(())
    }

    /// Creates the file of a part that begins at this time; names and ids may be a stranger's.
    pub(super) fn create(
        &self,
        device: &[u8],
        id: &[u8],
        time: &Civil,
    ) -> io::Result<(Place, File)> {
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
        for number in 1..=MOST_OF_A_NAME {
            let stem = if number == 1 {
                first.clone()
            } else {
                format!("{first}_{number}")
            };
            match dir.create_file((stem.clone() + NAME_SUFFIX).as_bytes()) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
                Ok(file) => return Ok((Place { folder, stem }, file)),
            }
        }
        Err(io::ErrorKind::AlreadyExists.into())
    }

    /// Writes the sidecar of a part that is being written.
    pub(super) fn begin(&self, place: &Place, sidecar: &[u8]) -> io::Result<()> {
        self.folder(place)?
            .put_file(place.name(UNFINISHED).as_bytes(), sidecar)
    }

    /// Writes the sidecar of a part that is whole.
    pub(super) fn finish(&self, place: &Place, sidecar: &[u8]) -> io::Result<()> {
        let folder = self.folder(place)?;
        folder.put_file(place.name(FINISHED).as_bytes(), sidecar)?;
        match folder.remove(place.name(UNFINISHED).as_bytes()) {
            // A part whose first sidecar could not be written, or one that is finished at the second try.
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            removed => removed,
        }
    }

    /// Deletes a part that never became one.
    pub(super) fn discard(&self, place: &Place) {
        if let Ok(folder) = self.folder(place) {
            let _ = folder.remove(place.recording().as_bytes());
            let _ = folder.remove(place.name(UNFINISHED).as_bytes());
        }
    }

    pub(super) fn folder(&self, place: &Place) -> io::Result<Dir> {
        self.root.folder(place.folder.as_bytes())
    }
}

impl Place {
    pub(super) fn name(&self, ending: &str) -> String {
        self.stem.clone() + ending
    }

    /// The recording's file name.
    pub(super) fn recording(&self) -> String {
        self.name(NAME_SUFFIX)
    }
}

/// A stranger's text as a part of a file name: letters, digits, `-` and `_`; anything else becomes `_`. No dots: then
/// there is neither a hidden file nor a way up.
fn clean(text: &[u8], otherwise: &str) -> String {
    let kept = |byte: &u8| match byte {
        b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' | b'-' | b'_' => char::from(*byte),
        _ => '_',
    };
    match text.is_empty() {
        true => otherwise.into(),
        false => text.iter().map(kept).collect(),
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
        let path =
            std::env::temp_dir().join(format!("callrec-archive-server-{}", std::process::id()));
        let archive = Archive::open(path.to_str().unwrap()).unwrap();
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
            let (place, _) = archive
                .create(device.as_bytes(), id.as_bytes(), &TIME)
                .unwrap();
            assert_eq!((place.folder.as_str(), place.stem.as_str()), (folder, stem));
            assert!(path.join(folder).join(place.recording()).is_file());
        }
        std::fs::remove_dir_all(&path).unwrap();
    }

    #[test]
    fn a_sidecar_is_called_json_only_when_all_is_there() {
        let path =
            std::env::temp_dir().join(format!("callrec-archive-sidecar-{}", std::process::id()));
        let archive = Archive::open(path.to_str().unwrap()).unwrap();
        let (place, _file) = archive.create(b"d", b"1", &TIME).unwrap();
        let names = || {
            let mut names: Vec<String> = std::fs::read_dir(path.join("d"))
                .unwrap()
                .map(|entry| entry.unwrap().file_name().into_string().unwrap())
                .collect();
            names.sort();
            names
        };
        archive.begin(&place, b"{}").unwrap();
        assert_eq!(names(), [place.name(".json.part"), place.name(".wav")]);
        archive.finish(&place, b"{}").unwrap();
        assert_eq!(names(), [place.name(".json"), place.name(".wav")]);
        archive.finish(&place, b"{}").unwrap(); // once more does no harm
        archive.discard(&place);
        assert_eq!(names(), [place.name(".json")]);
        std::fs::remove_dir_all(&path).unwrap();
    }
}
