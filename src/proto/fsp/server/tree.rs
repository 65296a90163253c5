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

use crate::proto::recording::file_writer::RecordingName;
use crate::wire::decimal::parse_decimal;
use crate::wire::recording::{NAME_PREFIX, NAME_SUFFIX};

/// The folder of all recordings; the name is that of OM phones.
pub(super) const RECORDER: &str = "Recorder";
/// The suffix of a sidecar.
const SIDECAR_SUFFIX: &str = ".json";
/// The highest number that distinguishes recordings of the same second, see `daemon::disk`.
const MAX_NUMBER: u32 = 999;

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
        let (name, suffix) = match name.strip_suffix(NAME_SUFFIX.as_bytes()) {
            Some(name) => (name, 0),
            None => (name.strip_suffix(SIDECAR_SUFFIX.as_bytes())?, 1),
        };
        let (date, rest) = name
            .strip_prefix(NAME_PREFIX.as_bytes())?
            .split_at_checked(8)?;
        let (time, rest) = rest.strip_prefix(b"_")?.split_at_checked(6)?;
        let number = match rest {
            [] => 0,
            // The first recording of a second has no number, so that numbers begin at 2.
            [b'_', digits @ ..] if digits.first() != Some(&b'0') => {
                decimal(digits).filter(|number| (2..=MAX_NUMBER).contains(number))?
            }
            _ => return None,
        };
        Some(Self {
            date: parse_date(date)?,
            stamp: decimal(time)? << 12 | number << 2 | suffix,
        })
    }

    /// The file name.
    pub fn name(&self) -> RecordingName {
        let mut name = RecordingName::new();
        let _ = name.push_str(NAME_PREFIX);
        push_decimal(&mut name, self.date, 8);
        let _ = name.push('_');
        push_decimal(&mut name, self.stamp >> 12, 6);
        let number = self.stamp >> 2 & 0x3FF;
        if number > 0 {
            let _ = name.push('_');
            let digits = 1 + u32::from(number > 9) + u32::from(number > 99);
            push_decimal(&mut name, number, digits);
        }
        let _ = name.push_str(if self.is_recording() {
            NAME_SUFFIX
        } else {
            SIDECAR_SUFFIX
        });
        name
    }

    /// Whether it is a recording, not a sidecar.
    pub(super) fn is_recording(&self) -> bool {
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
            Self::Folder(Folder::Day(date)) => push_decimal(&mut name, date, 8),
            Self::Folder(Folder::Recorder) => _ = name.push_str(RECORDER),
            Self::Folder(Folder::Root) | Self::Nothing => {}
        }
        name
    }
}

fn parse_date(digits: &[u8]) -> Option<u32> {
    let date = decimal(digits).filter(|_| digits.len() == 8)?;
    ((1..=12).contains(&(date / 100 % 100)) && (1..=31).contains(&(date % 100))).then_some(date)
}

/// Parses up to nine digits.
fn decimal(digits: &[u8]) -> Option<u32> {
    let number = parse_decimal(digits).filter(|_| digits.len() <= 9)?;
    u32::try_from(number).ok()
}

fn push_decimal(name: &mut RecordingName, number: u32, digits: u32) {
    for place in (0..digits).rev() {
        let digit = number / 10u32.pow(place) % 10;
        let _ = name.push(char::from(b'0' + digit as u8));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_exact_names_are_parsed() {
        for name in [
            "Record_20260102_101500.wav",
            "Record_20260102_101500.json",
            "Record_20260102_000000_2.wav",
            "Record_19700101_000007_10.wav",
            "Record_20991231_235959_999.json",
        ] {
            assert_eq!(File::parse(name.as_bytes()).unwrap().name(), name);
        }
        for name in [
            "",
            ".wav",
            "Record_.wav",
            "record_20260102_101500.wav",
            "Record_20260102_101500.WAV",
            "Record_20260102_101500.txt",
            "Record_20260102_101500_.wav",
            "Record_20260102_101500_1.wav",
            "Record_20260102_101500_02.wav",
            "Record_20260102_101500_1000.wav",
            "Record_20260102_101500_2_3.wav",
            "Record_20261302_101500.wav",
            "Record_20260100_101500.wav",
            "Record_2026010a_101500.wav",
            "Record_20260102-101500.wav",
            "Record_20260102_10150.wav",
            "Record_20260102_101500.wav.wav",
            "Record_20260102_101500.wav\0",
            "Record_../../etc/passwd.wav",
        ] {
            assert_eq!(File::parse(name.as_bytes()), None, "{name:?}");
        }
    }

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
