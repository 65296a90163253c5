//! The names of recordings: `Record_YYYYMMDD_HHMMSS.wav`, with `_2`, `_3` and so on after the time
//! when several begin in one second. A server puts the recording's id in that place. The sidecar
//! has the same name with `.json`.
//!
//! This is the only file that knows this grammar.

use core::fmt::{self, Write as _};

use crate::wire::ascii;
use crate::wire::decimal::parse_decimal;
use crate::wire::recording::sidecar::Start;

/// What the name of every recording begins with.
pub const NAME_PREFIX: &str = "Record_";
/// The phone family's extension, although the file is not a RIFF file.
pub const NAME_SUFFIX: &str = ".wav";
/// The extension of a sidecar, in the place of `NAME_SUFFIX`.
pub const SIDECAR_SUFFIX: &str = ".json";
/// The extension of a sidecar that a server writes while the recording runs.
pub const RUNNING_SIDECAR_SUFFIX: &str = ".json.part";
/// The highest number that distinguishes recordings of the same second.
const MAX_NUMBER: u32 = 999;
/// Length of `YYYYMMDD_HHMMSS`.
const TIME_BYTES: usize = 15;

/// The name has the form `Record_*.wav`; the extension in any case.
pub fn is_recording_name(name: &[u8]) -> bool {
    name.starts_with(NAME_PREFIX.as_bytes())
        && name.len() > NAME_PREFIX.len() + NAME_SUFFIX.len()
        && has_recording_suffix(name)
}

/// The name ends in `.wav`, in any case, as names of recordings do that were renamed.
pub fn has_recording_suffix(name: &[u8]) -> bool {
    has_suffix(name, NAME_SUFFIX)
}

/// The name ends in `.json`, in any case.
pub fn has_sidecar_suffix(name: &[u8]) -> bool {
    has_suffix(name, SIDECAR_SUFFIX)
}

fn has_suffix(name: &[u8], suffix: &str) -> bool {
    let Some((_, end)) = name
        .len()
        .checked_sub(suffix.len())
        .map(|at| name.split_at(at))
    else {
        return false;
    };
    ascii::is_same(end, suffix.as_bytes())
}

/// `Record_YYYYMMDD_HHMMSS`: what a name begins with, of a recording that begins at this local
/// time.
pub struct Stem {
    /// Year, month and day.
    pub date: [i32; 3],
    /// Hour, minute and second.
    pub time: [i32; 3],
}

impl fmt::Display for Stem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [year, month, day] = self.date;
        let [hour, minute, second] = self.time;
        write!(
            f,
            "{NAME_PREFIX}{year:04}{month:02}{day:02}_{hour:02}{minute:02}{second:02}"
        )
    }
}

/// Which of the two files a name belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileKind {
    /// `.wav`
    Recording,
    /// `.json`
    Sidecar,
}

/// A name exactly as the recorder gives it: `Record_YYYYMMDD_HHMMSS[_N].wav` or `.json`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NameParts {
    /// YYYYMMDD, as a decimal number.
    pub date: u32,
    /// HHMMSS, as a decimal number.
    pub time: u32,
    /// The number after the time, 2 to `MAX_NUMBER`; 0 if there is none.
    pub number: u32,
    /// The extension.
    pub kind: FileKind,
}

impl NameParts {
    /// Parses a name; `None` for any that the recorder does not give.
    pub fn parse(name: &[u8]) -> Option<Self> {
        let (stem, kind) = match name.strip_suffix(NAME_SUFFIX.as_bytes()) {
            Some(stem) => (stem, FileKind::Recording),
            None => (
                name.strip_suffix(SIDECAR_SUFFIX.as_bytes())?,
                FileKind::Sidecar,
            ),
        };
        let stem = stem.strip_prefix(NAME_PREFIX.as_bytes())?;
        let (date, rest) = stem.split_at_checked(8)?;
        let (time, rest) = rest.strip_prefix(b"_")?.split_at_checked(6)?;
        let number = match rest {
            [] => 0,
            // The first recording of a second has no number, so that numbers begin at 2.
            [b'_', digits @ ..] if digits.first() != Some(&b'0') => {
                parse_u32(digits).filter(|number| (2..=MAX_NUMBER).contains(number))?
            }
            _ => return None,
        };
        Some(Self {
            date: parse_date(date)?,
            time: parse_u32(time)?,
            number,
            kind,
        })
    }
}

impl fmt::Display for NameParts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{NAME_PREFIX}{:08}_{:06}", self.date, self.time)?;
        if self.number > 0 {
            write!(f, "_{}", self.number)?;
        }
        f.write_str(match self.kind {
            FileKind::Recording => NAME_SUFFIX,
            FileKind::Sidecar => SIDECAR_SUFFIX,
        })
    }
}

/// Parses a date of eight digits, YYYYMMDD. A month has at most 31 days here.
pub fn parse_date(digits: &[u8]) -> Option<u32> {
    let date = parse_u32(digits).filter(|_| digits.len() == 8)?;
    let is_month = (1..=12).contains(&(date / 100 % 100));
    let is_day = (1..=31).contains(&(date % 100));
    (is_month && is_day).then_some(date)
}

/// Parses up to nine digits.
fn parse_u32(digits: &[u8]) -> Option<u32> {
    let number = parse_decimal(digits).filter(|_| digits.len() <= 9)?;
    u32::try_from(number).ok()
}

/// The name of a recording's sidecar: `.json` replaces `.wav`. `None`: the name is too long or too
/// short.
pub fn sidecar_name(recording: &[u8]) -> Option<heapless::Vec<u8, 64>> {
    let stem = recording.get(..recording.len().checked_sub(NAME_SUFFIX.len())?)?;
    let mut name = heapless::Vec::from_slice(stem).ok()?;
    name.extend_from_slice(SIDECAR_SUFFIX.as_bytes()).ok()?;
    Some(name)
}

/// A key that orders names by age: the time in the name, and the number after it (`_2` before
/// `_10`).
pub fn age_key(name: &[u8]) -> ([u8; TIME_BYTES], u32) {
    let mut time = [0; TIME_BYTES];
    let stem = name
        .get(NAME_PREFIX.len()..name.len().saturating_sub(NAME_SUFFIX.len()))
        .unwrap_or_default();
    let (head, tail) = stem.split_at(stem.len().min(TIME_BYTES));
    time[..head.len()].copy_from_slice(head);
    let digits = tail
        .strip_prefix(b"_")
        .unwrap_or_default()
        .iter()
        .take_while(|b| b.is_ascii_digit());
    let number = digits.fold(0u32, |n, digit| {
        n.saturating_mul(10).saturating_add(u32::from(digit - b'0'))
    });
    (time, number)
}

/// The local time in a recording's name, with an offset of 0; `None` if the name does not hold a
/// time.
pub fn time_in_name(name: &[u8]) -> Option<Start> {
    if !is_recording_name(name) {
        return None;
    }
    let mut text = heapless::String::<32>::new();
    let (time, _) = age_key(name);
    write!(text, "{}Z", LocalTime(time)).ok()?;
    Start::parse(text.as_bytes())
}

/// `YYYYMMDD_HHMMSS` from a name (see `age_key`), displayed as `YYYY-MM-DDTHH:MM:SS`.
pub struct LocalTime(pub [u8; TIME_BYTES]);

impl fmt::Display for LocalTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, digit) in self
            .0
            .iter()
            .enumerate()
            .filter(|(_, digit)| digit.is_ascii_digit())
        {
            f.write_str(match at {
                4 | 6 => "-",
                9 => "T",
                11 | 13 => ":",
                _ => "",
            })?;
            fmt::Write::write_char(f, char::from(*digit))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orders_names_by_age() {
        let mut names = [
            "Record_20260102_000000.wav",
            "Record_20260101_120000_10.wav",
            "Record_20260101_120000.wav",
            "Record_20260101_120000_2.wav",
            "Record_19700101_000007.wav",
        ];
        names.sort_by_key(|name| age_key(name.as_bytes()));
        assert_eq!(names[0], "Record_19700101_000007.wav");
        assert_eq!(names[1], "Record_20260101_120000.wav");
        assert_eq!(names[2], "Record_20260101_120000_2.wav");
        assert_eq!(names[4], "Record_20260102_000000.wav");
        assert!(names.iter().all(|name| is_recording_name(name.as_bytes())));
        assert!(["Record_.wav", "record_1.wav", "Record_1.txt", ".wav", ""]
            .iter()
            .all(|n| !is_recording_name(n.as_bytes())));
    }

    #[test]
    fn only_exact_names_are_parsed() {
        for name in [
            "Record_20260102_101500.wav",
            "Record_20260102_101500.json",
            "Record_20260102_000000_2.wav",
            "Record_19700101_000007_10.wav",
            "Record_20991231_235959_999.json",
        ] {
            assert_eq!(NameParts::parse(name.as_bytes()).unwrap().to_string(), name);
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
            assert_eq!(NameParts::parse(name.as_bytes()), None, "{name:?}");
        }
    }

    #[test]
    fn a_sidecar_has_the_name_of_its_recording() {
        assert_eq!(
            sidecar_name(b"Record_20261121_101500_2.wav").unwrap(),
            b"Record_20261121_101500_2.json"
        );
        assert_eq!(
            (sidecar_name(&[b'x'; 64]), sidecar_name(b"wav")),
            (None, None)
        );
    }

    #[test]
    fn a_name_holds_the_time_that_it_was_made_of() {
        let stem = Stem {
            date: [2026, 1, 2],
            time: [3, 4, 5],
        };
        let name = format!("{stem}_2{NAME_SUFFIX}");
        assert_eq!(name, "Record_20260102_030405_2.wav");
        let time = time_in_name(name.as_bytes()).unwrap();
        assert_eq!(time.to_string(), "2026-01-02T03:04:05+00:00");
        for other in ["Record_2026.wav", "Record_20261302_030405.wav", "x.wav"] {
            assert_eq!(time_in_name(other.as_bytes()), None);
        }
    }
}
