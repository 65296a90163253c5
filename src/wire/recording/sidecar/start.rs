//! When a recording began: `2026-11-21T10:15:00+01:00` (RFC 3339).

use core::fmt;

use crate::wire::decimal::parse_decimal;

/// A local time of day with its distance from UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Start {
    /// 0 to 9999.
    pub year: u16,
    /// 1 to 12.
    pub month: u8,
    /// 1 to 31.
    pub day: u8,
    /// 0 to 23.
    pub hour: u8,
    /// 0 to 59.
    pub minute: u8,
    /// 0 to 60.
    pub second: u8,
    /// Local time minus UTC, in minutes.
    pub offset_minutes: i16,
}

impl Start {
    /// Of a calendar's numbers: year, month and day; hour, minute and second; local time minus UTC
    /// in minutes.
    pub fn new(
        [year, month, day]: [i32; 3],
        [hour, minute, second]: [i32; 3],
        offset_minutes: i32,
    ) -> Self {
        Self {
            year: year.clamp(0, 9999) as u16,
            month: month as u8,
            day: day as u8,
            hour: hour as u8,
            minute: minute as u8,
            second: second as u8,
            offset_minutes: offset_minutes as i16,
        }
    }

    /// Reads what `Display` writes; also with `Z`, with fractions of a second, or without the last
    /// colon.
    pub fn parse(text: &[u8]) -> Option<Self> {
        let (date, zone) = text.split_at_checked(19)?;
        let punctuation = [(4, b'-'), (7, b'-'), (10, b'T'), (13, b':'), (16, b':')];
        if punctuation.iter().any(|(at, mark)| date[*at] != *mark) {
            return None;
        }
        let two = |bytes: &[u8], at: usize| {
            parse_decimal(bytes.get(at..at + 2)?).and_then(|n| u8::try_from(n).ok())
        };
        let fraction = if zone.first() == Some(&b'.') { 1 } else { 0 };
        let fraction = fraction
            + zone[fraction..]
                .iter()
                .take_while(|b| fraction == 1 && b.is_ascii_digit())
                .count();
        let offset_minutes = match zone[fraction..] {
            [b'Z'] => 0,
            [sign @ (b'+' | b'-'), ref offset @ ..] => {
                let colon = usize::from(offset.get(2) == Some(&b':'));
                let minutes = i16::from(two(offset, 0)?) * 60 + i16::from(two(offset, 2 + colon)?);
                (offset.len() == 4 + colon).then_some(if sign == b'-' {
                    -minutes
                } else {
                    minutes
                })?
            }
            _ => return None,
        };
        let year = u16::try_from(parse_decimal(&date[..4])?).ok()?;
        let [month, day] = [two(date, 5)?, two(date, 8)?];
        let [hour, minute, second] = [two(date, 11)?, two(date, 14)?, two(date, 17)?];
        let sensible = (1..=12).contains(&month)
            && (1..=31).contains(&day)
            && hour < 24
            && minute < 60
            && second <= 60;
        sensible.then_some(Self {
            year,
            month,
            day,
            hour,
            minute,
            second,
            offset_minutes,
        })
    }
}

impl fmt::Display for Start {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            year,
            month,
            day,
            hour,
            minute,
            second,
            offset_minutes,
        } = self;
        let (sign, offset) = (
            if *offset_minutes < 0 { '-' } else { '+' },
            offset_minutes.unsigned_abs(),
        );
        write!(
            f,
            "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}"
        )?;
        write!(f, "{sign}{:02}:{:02}", offset / 60, offset % 60)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Start = Start {
        year: 2026,
        month: 11,
        day: 21,
        hour: 10,
        minute: 15,
        second: 0,
        offset_minutes: 60,
    };

    #[test]
    fn reads_times_of_others() {
        for (text, minutes) in [
            ("Z", 0),
            (".123456+01:00", 60),
            ("-0330", -210),
            ("+00:00", 0),
        ] {
            let parsed = Start::parse(format!("2026-11-21T10:15:00{text}").as_bytes());
            assert_eq!(
                parsed,
                Some(Start {
                    offset_minutes: minutes,
                    ..START
                }),
                "{text}"
            );
        }
        let written = Start {
            offset_minutes: -210,
            ..START
        }
        .to_string();
        assert_eq!(
            (written.as_str(), START.to_string().as_bytes()),
            (
                "2026-11-21T10:15:00-03:30",
                &b"2026-11-21T10:15:00+01:00"[..]
            )
        );
        for cut in 0..25 {
            assert_eq!(Start::parse(&b"2026-11-21T10:15:00+01:00"[..cut]), None);
        }
        for bad in [
            "2026-13-21T10:15:00Z",
            "2026-11-21 10:15:00Z",
            "2026-11-21T10:15:00+01:00x",
            "2026-11-21T24:00:00Z",
        ] {
            assert_eq!(Start::parse(bad.as_bytes()), None, "{bad}");
        }
    }
}
