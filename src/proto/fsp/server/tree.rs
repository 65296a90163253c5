//! The tree of folders and files that clients see: one folder for each day, although the stick has
//! no folders.
//!
//! ```text
//! /                                        Recorder
//! /Recorder                                20260102, a folder for each day with recordings
//! /Recorder/20260102                       Record_20260102_101500.wav, and its .json if it exists
//! ```
//! Names are kept as numbers, not as text: a name that is not a recording's can never reach the
//! stick.

use core::fmt::Write;

use crate::proto::recording::file_writer::RecordingName;
use crate::wire::recording::name::{parse_date, FileKind, NameParts};

/// The folder of all recordings; the name is that of OM phones.
pub(super) const RECORDER: &str = "Recorder";

/// A recording or its sidecar: `Record_YYYYMMDD_HHMMSS[_N].wav` or `.json`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct File {
    /// YYYYMMDD, as a decimal number.
    date: u32,
    /// HHMMSS, then the number after it (0: none), then the suffix, so that stamps sort by age.
    stamp: u32,
}

/// A folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Folder {
    Root,
    Recorder,
    /// YYYYMMDD.
    Day(u32),
}

/// What a path names, if it exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Node {
    Folder(Folder),
    File(File),
    /// The path is not in the tree.
    Nothing,
}

impl File {
    /// Parses a file name.
    pub fn parse(name: &[u8]) -> Option<Self> {
        let parts = NameParts::parse(name)?;
        let kind = match parts.kind {
            FileKind::Recording => 0,
            FileKind::Sidecar => 1,
        };
        Some(Self {
            date: parts.date,
            stamp: parts.time << 12 | parts.number << 2 | kind,
        })
    }

    /// The file name.
    pub fn name(&self) -> RecordingName {
        let kind = if self.is_recording() {
            FileKind::Recording
        } else {
            FileKind::Sidecar
        };
        let parts = NameParts {
            date: self.date,
            time: self.stamp >> 12,
            number: self.stamp >> 2 & 0x3FF,
            kind,
        };
        let mut name = RecordingName::new();
        let _ = write!(name, "{parts}");
        name
    }

    /// Whether it is a recording, not a sidecar.
    pub fn is_recording(&self) -> bool {
        self.stamp & 3 == 0
    }
}

impl Folder {
    /// The key of this file in a listing of the folder, if it belongs there.
    pub(super) fn key_of(self, file: File) -> Option<u32> {
        match self {
            Self::Root => None,
            Self::Recorder => Some(file.date),
            Self::Day(date) => (file.date == date).then_some(file.stamp),
        }
    }

    /// The node that a key of a listing stands for.
    pub(super) fn child(self, key: u32) -> Node {
        match self {
            Self::Root => Node::Folder(Self::Recorder),
            Self::Recorder => Node::Folder(Self::Day(key)),
            Self::Day(date) => Node::File(File { date, stamp: key }),
        }
    }

    /// Midnight of the folder's day in seconds since 1970, the only time that a virtual folder has.
    pub(super) fn time(self) -> u32 {
        let Self::Day(date) = self else { return 0 };
        let (year, month, day) = (date / 10_000, date / 100 % 100, date % 100);
        // Years begin in March here, so that the leap day is the last day of a year.
        let (year, month) = if month > 2 {
            (year, month - 3)
        } else {
            (year.saturating_sub(1), month + 9)
        };
        let days =
            year * 365 + year / 4 - year / 100 + year / 400 + (month * 153 + 2) / 5 + day - 1;
        days.saturating_sub(719_468).saturating_mul(86_400)
    }
}

impl Node {
    /// Parses a path. Leading, trailing and repeated slashes are ignored.
    pub(super) fn parse(path: &[u8]) -> Self {
        let mut parts = [None; 3];
        let mut depth = 0;
        for part in path
            .split(|byte| *byte == b'/')
            .filter(|part| !part.is_empty())
        {
            let Some(place) = parts.get_mut(depth) else {
                return Self::Nothing;
            };
            *place = Some(part);
            depth += 1;
        }
        let [first, day, name] = parts;
        if first.is_some_and(|first| first != RECORDER.as_bytes()) {
            return Self::Nothing;
        }
        let Some(day) = day else {
            return Self::Folder(if depth == 0 {
                Folder::Root
            } else {
                Folder::Recorder
            });
        };
        match (parse_date(day), name.map(File::parse)) {
            (Some(date), None) => Self::Folder(Folder::Day(date)),
            (Some(date), Some(Some(file))) if file.date == date => Self::File(file),
            _ => Self::Nothing,
        }
    }

    /// The name within the parent folder.
    pub(super) fn name(self) -> RecordingName {
        let mut name = RecordingName::new();
        match self {
            Self::File(file) => return file.name(),
            Self::Folder(Folder::Day(date)) => _ = write!(name, "{date:08}"),
            Self::Folder(Folder::Recorder) => _ = name.push_str(RECORDER),
            Self::Folder(Folder::Root) | Self::Nothing => {}
        }
        name
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_sort_by_age_and_a_sidecar_follows_its_recording() {
        let names = [
            "Record_20260102_000000.wav",
            "Record_20260102_101500.wav",
            "Record_20260102_101500.json",
            "Record_20260102_101500_2.wav",
            "Record_20260102_101500_10.wav",
            "Record_20260102_235959.wav",
        ];
        let keys = names.map(|name| {
            Folder::Day(20_260_102)
                .key_of(File::parse(name.as_bytes()).unwrap())
                .unwrap()
        });
        assert!(keys.is_sorted());
        let children = keys.map(|key| Folder::Day(20_260_102).child(key).name());
        assert_eq!(children.each_ref().map(|name| name.as_str()), names);
        assert_eq!(
            Folder::Day(20_260_103).key_of(File::parse(names[0].as_bytes()).unwrap()),
            None
        );
    }

    #[test]
    fn only_paths_in_the_tree_are_parsed() {
        let day = Node::Folder(Folder::Day(20_260_102));
        let file = Node::File(File::parse(b"Record_20260102_101500.wav").unwrap());
        for (path, node) in [
            ("", Node::Folder(Folder::Root)),
            ("/", Node::Folder(Folder::Root)),
            ("///", Node::Folder(Folder::Root)),
            ("Recorder", Node::Folder(Folder::Recorder)),
            ("//Recorder/", Node::Folder(Folder::Recorder)),
            ("/Recorder/20260102", day),
            ("Recorder//20260102/", day),
            ("Recorder/20260102/Record_20260102_101500.wav", file),
            (
                "Recorder/20260103/Record_20260102_101500.wav",
                Node::Nothing,
            ),
            ("Recorder/Record_20260102_101500.wav", Node::Nothing),
            ("Record_20260102_101500.wav", Node::Nothing),
            (
                "Recorder/20260102/Record_20260102_101500.wav/x",
                Node::Nothing,
            ),
            ("Recorder/..", Node::Nothing),
            ("Recorder/./20260102", Node::Nothing),
            ("../etc/passwd", Node::Nothing),
            (".", Node::Nothing),
            ("recorder", Node::Nothing),
            ("Recorder/20260132", Node::Nothing),
        ] {
            assert_eq!(Node::parse(path.as_bytes()), node, "{path}");
        }
    }

    #[test]
    fn a_days_folder_has_the_time_of_its_midnight() {
        for (date, time) in [
            (19_700_101, 0),
            (19_700_102, 86_400),
            (20_000_229, 951_782_400),
            (20_000_301, 951_868_800),
            (20_260_102, 1_767_312_000),
            (20_400_101, 2_208_988_800),
            (19_000_101, 0),
            (99_991_231, u32::MAX),
        ] {
            assert_eq!(Folder::Day(date).time(), time, "{date}");
        }
    }
}
