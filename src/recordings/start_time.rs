//! When a recording began, as a list of several phones' recordings needs it.

use crate::io::clock::civil;
use crate::wire::recording::sidecar::Start;

/// Length of `YYYY-MM-DDTHH:MM:SS`.
const LOCAL_TIME_CHARS: usize = 19;

/// A local time, and whether its offset from UTC is known: a file's name has none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StartTime {
    /// With the offset of this computer's time zone if its own is unknown.
    pub start: Start,
    /// The offset is that of the phone.
    pub has_offset: bool,
}

impl StartTime {
    /// A local time with its offset.
    pub fn with_offset(start: Start) -> Self {
        Self {
            start,
            has_offset: true,
        }
    }

    /// A local time without an offset: that of this computer's time zone is assumed.
    pub fn without_offset(start: Start) -> Self {
        let utc = Start {
            offset_minutes: 0,
            ..start
        };
        let seconds = seconds(&utc);
        let near = seconds - civil(seconds).offset_minutes as i64 * 60;
        Self {
            start: Start {
                offset_minutes: civil(near).offset_minutes as i16,
                ..start
            },
            has_offset: false,
        }
    }

    /// Of seconds since 1970, in this computer's time zone.
    pub fn of_seconds(seconds: i64) -> Self {
        let c = civil(seconds);
        Self::with_offset(Start::new(
            [c.year, c.month, c.day],
            [c.hour, c.minute, c.second],
            c.offset_minutes,
        ))
    }

    /// Of seconds since 1970, at this offset from UTC in minutes.
    pub fn at_offset(seconds: i64, offset_minutes: i16) -> Self {
        let local = seconds + i64::from(offset_minutes) * 60;
        let second_of_day = local.rem_euclid(86_400) as i32;
        let time = [
            second_of_day / 3600,
            second_of_day / 60 % 60,
            second_of_day % 60,
        ];
        let date = date_of(local.div_euclid(86_400));
        Self::with_offset(Start::new(date, time, offset_minutes.into()))
    }

    /// Seconds since 1970.
    pub fn seconds(&self) -> i64 {
        seconds(&self.start)
    }

    /// The local time as if it were UTC, in seconds since 1970.
    pub fn local_seconds(&self) -> i64 {
        self.seconds() + i64::from(self.start.offset_minutes) * 60
    }

    /// `2026-11-21T10:15:00+01:00`, without the offset if that is only assumed.
    pub fn known(&self) -> String {
        let mut time = self.start.to_string();
        if !self.has_offset {
            time.truncate(LOCAL_TIME_CHARS);
        }
        time
    }

    /// The same for people: `2026-11-21 10:15:00 +01:00`.
    pub fn spaced(&self) -> String {
        let time = self.known();
        let (local, offset) = time.split_at(LOCAL_TIME_CHARS);
        format!("{} {offset}", local.replace('T', " "))
            .trim_end()
            .to_owned()
    }
}

/// Seconds since 1970 of a time with its offset. Days are counted from 1 March, so that a leap day
/// is a year's last.
fn seconds(time: &Start) -> i64 {
    let month = (i64::from(time.month) + 9) % 12;
    let year = i64::from(time.year) - i64::from(time.month < 3);
    let days_to_year =
        year * 365 + year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    let days_to_month = (month * 153 + 2) / 5;
    let days = days_to_year + days_to_month + i64::from(time.day) - 1 - DAYS_TO_1970;
    let minutes = i64::from(time.hour) * 60 + i64::from(time.minute);
    days * 86_400 + (minutes - i64::from(time.offset_minutes)) * 60 + i64::from(time.second)
}

/// Year, month and day of days since 1970: what `seconds` does, the other way round.
fn date_of(days: i64) -> [i32; 3] {
    let days = days + DAYS_TO_1970;
    let era = days.div_euclid(DAYS_OF_400_YEARS);
    let day = days.rem_euclid(DAYS_OF_400_YEARS);
    // Years of 365 days, less the leap days before this day.
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day_of_year = day - (year * 365 + year / 4 - year / 100);
    let month = (day_of_year * 5 + 2) / 153;
    let day_of_month = day_of_year - (month * 153 + 2) / 5 + 1;
    let calendar_month = if month < 10 { month + 3 } else { month - 9 };
    let calendar_year = era * 400 + year + i64::from(month >= 10);
    [calendar_year, calendar_month, day_of_month].map(|number| number as i32)
}

/// The calendar repeats after so many days.
const DAYS_OF_400_YEARS: i64 = 146_097;
/// From 1 March of the year 0 to 1 January 1970.
const DAYS_TO_1970: i64 = 719_468;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_are_those_of_the_calendar() {
        for (text, expected) in [
            ("1970-01-01T00:00:00Z", 0),
            ("2000-02-29T12:00:00Z", 951_825_600),
            ("2026-11-21T10:15:00+01:00", 1_795_252_500),
            ("2026-03-01T00:00:00-02:30", 1_772_332_200),
        ] {
            let time = StartTime::with_offset(Start::parse(text.as_bytes()).unwrap());
            assert_eq!(time.seconds(), expected, "{text}");
            let offset = time.start.offset_minutes;
            assert_eq!(StartTime::at_offset(expected, offset), time, "{text}");
        }
        for day in 0..60_000 {
            let seconds = day * 86_400 + day;
            assert_eq!(StartTime::at_offset(seconds, -90).seconds(), seconds);
        }
    }

    #[test]
    fn an_unknown_offset_is_that_of_this_computer_and_is_not_shown() {
        let now = StartTime::of_seconds(1_795_252_500);
        let bare = StartTime::without_offset(now.start);
        assert_eq!(bare.seconds(), 1_795_252_500);
        assert_eq!(bare.known().len(), LOCAL_TIME_CHARS);
        assert_eq!(bare.spaced(), now.spaced()[..LOCAL_TIME_CHARS]);
    }
}
