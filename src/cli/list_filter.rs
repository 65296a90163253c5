//! Which recordings `callrec list` shows: `--number`, `--since`, `--until`, `--device`.

use std::ffi::OsStr;
use std::path::Path;

use crate::cli::console::shown;
use crate::cli::failure::{usage, Failure};
use crate::recordings::call::Call;
use crate::recordings::entry::RecordingEntry;
use crate::recordings::start_time::StartTime;
use crate::wire::recording::sidecar::Start;

/// Numbers that agree in so many last digits are the same, with and without a prefix for the
/// country.
const NUMBER_DIGITS: usize = 6;

/// What was asked for; by default everything.
#[derive(Default)]
pub(super) struct ListFilter {
    pub(super) number: Option<String>,
    pub(super) device: Option<String>,
    pub(super) since: Option<TimeLimit>,
    pub(super) until: Option<TimeLimit>,
}

/// A time that a person wrote.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TimeLimit {
    /// First second that it stands for, and the last one: a day has many.
    first: i64,
    last: i64,
    /// The seconds are since 1970; otherwise they are the local time of the phone as if that were
    /// UTC.
    has_offset: bool,
}

impl ListFilter {
    /// The call is one that was asked for.
    pub(super) fn accepts(&self, call: &Call) -> bool {
        let Some(first) = call.parts.first() else {
            return false;
        };
        let numbers = || ["remote_number", "local_number"].map(|key| call.text(key));
        let has_number = |wanted: &String| numbers().iter().any(|number| is_same(number, wanted));
        let has_device = |wanted: &String| is_of_device(call, first, wanted);
        self.number.as_ref().is_none_or(has_number)
            && self.device.as_ref().is_none_or(has_device)
            && self
                .since
                .is_none_or(|limit| limit.of(&first.time) >= limit.first)
            && self
                .until
                .is_none_or(|limit| limit.of(&first.time) <= limit.last)
    }
}

impl TimeLimit {
    /// `YYYY-MM-DD`, or that with `HH:MM` or `HH:MM:SS` after a blank or a `T`, and perhaps with an
    /// offset from UTC.
    pub(super) fn parse(text: &OsStr) -> Result<Self, Failure> {
        let text = text.to_string_lossy();
        match parse(text.trim()) {
            Some(limit) => Ok(limit),
            None => usage(&format!(
                "list: '{}' is not a time; write 2026-01-31, '2026-01-31 14:30' or 2026-01-31T14:30:00+01:00",
                shown(Path::new(&*text))
            )),
        }
    }

    fn of(&self, time: &StartTime) -> i64 {
        if self.has_offset {
            time.seconds()
        } else {
            time.local_seconds()
        }
    }
}

fn parse(text: &str) -> Option<TimeLimit> {
    let text = text.replacen(' ', "T", 1).replace(' ', "");
    // What a day and a minute leave out.
    let (full, length) = match text.len() {
        10 => (format!("{text}T00:00:00"), 86_400),
        16 => (format!("{text}:00"), 60),
        _ => (text, 1),
    };
    let with_zone = Start::parse(full.as_bytes());
    let start = with_zone.or_else(|| Start::parse(format!("{full}Z").as_bytes()))?;
    let first = StartTime::with_offset(start).seconds();
    Some(TimeLimit {
        first,
        last: first + length - 1,
        has_offset: with_zone.is_some(),
    })
}

/// The number is the wanted one, perhaps written otherwise.
fn is_same(number: &str, wanted: &str) -> bool {
    if number.is_empty() || number.eq_ignore_ascii_case(wanted.trim()) {
        return !number.is_empty();
    }
    let (Some(one), Some(other)) = (digits(number), digits(wanted)) else {
        return false;
    };
    let (short, long) = if one.len() < other.len() {
        (one, other)
    } else {
        (other, one)
    };
    short == long || short.len() >= NUMBER_DIGITS && long.ends_with(&short)
}

/// The digits of a telephone number without leading zeros; `None` if it has letters.
fn digits(number: &str) -> Option<String> {
    let is_part = |c: char| c.is_ascii_digit() || " +-/().".contains(c);
    if !number.chars().all(is_part) {
        return None;
    }
    let digits: String = number.chars().filter(char::is_ascii_digit).collect();
    let significant = digits.trim_start_matches('0');
    (!significant.is_empty()).then(|| significant.to_owned())
}

/// The phone's MAC address, in any spelling, or the name of a folder that the recording is in.
fn is_of_device(call: &Call, first: &RecordingEntry, wanted: &str) -> bool {
    let plain = |text: &str| text.replace([':', '-', '.'], "").to_lowercase();
    let device = call.text("device");
    let folders = first.path.parent().into_iter().flat_map(Path::components);
    let mut folders = folders.map(|folder| folder.as_os_str().to_string_lossy().into_owned());
    !device.is_empty() && plain(&device) == plain(wanted) || folders.any(|folder| folder == wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_compared_as_a_telephone_does() {
        for (number, wanted) in [
            ("100", "100"),
            ("+49 30 123456", "030/123456"),
            ("004930123456", "+4930123456"),
            ("anonymous", "Anonymous"),
            ("0", "0"),
        ] {
            assert!(is_same(number, wanted), "{number} {wanted}");
            assert!(is_same(wanted, number), "{wanted} {number}");
        }
        for (number, wanted) in [
            ("1001", "100"),
            ("5100", "100"),
            ("", ""),
            ("", "100"),
            ("ann", "bob"),
            ("00", "0"),
        ] {
            assert!(!is_same(number, wanted), "{number} {wanted}");
        }
    }

    #[test]
    fn a_day_and_a_minute_are_many_seconds() {
        let limit = |text: &str| parse(text).unwrap();
        let day = limit("2026-11-21");
        assert_eq!((day.last - day.first, day.has_offset), (86_399, false));
        let minute = limit("2026-11-21 00:00");
        assert_eq!((minute.first, minute.last), (day.first, day.first + 59));
        let second = limit("2026-11-21T01:00:00+01:00");
        assert_eq!((second.first, second.last), (day.first, day.first));
        assert!(second.has_offset);
        for bad in [
            "",
            "yesterday",
            "2026-13-01",
            "2026-11-21 25:00",
            "21.11.2026",
        ] {
            assert_eq!(parse(bad), None, "{bad}");
        }
    }
}
