//! The time of a server: the field `Date` of a response, in its one form
//! `Sun, 06 Nov 1994 08:49:37 GMT` (RFC 9110 section 5.6.7).

use crate::wire::ascii;
use crate::wire::decimal::parse_decimal;

const MONTHS: [&[u8]; 12] = [
    b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec",
];

/// The `Date` in the head of a response, in Unix seconds.
pub fn date_of(head: &[u8]) -> Option<u64> {
    let mut lines = head.split(|byte| *byte == b'\n');
    let value = lines.find_map(|line| {
        let (name, value) = line.split_at_checked(5)?;
        ascii::is_same(name, b"date:").then_some(value)
    })?;
    parse_date(ascii::trim(value))
}

fn parse_date(text: &[u8]) -> Option<u64> {
    let number = |from: usize, to: usize| parse_decimal(text.get(from..to)?);
    let month = MONTHS
        .iter()
        .position(|month| text.get(8..11) == Some(*month))?;
    let (day, year) = (number(5, 7)?, number(12, 16)?);
    let time = [number(17, 19)?, number(20, 22)?, number(23, 25)?];
    if year < 1970 || text.get(26..) != Some(b"GMT") {
        return None;
    }
    let seconds = time[0] * 3600 + time[1] * 60 + time[2];
    Some(days(year, month as u64 + 1, day) * 86_400 + seconds)
}

/// Days from 1970 to a date of the Gregorian calendar.
fn days(year: u64, month: u64, day: u64) -> u64 {
    // Years begin in March: the leap day is their last.
    let (year, month) = if month > 2 {
        (year, month - 3)
    } else {
        (year - 1, month + 9)
    };
    let before = 365 * year + year / 4 - year / 100 + year / 400;
    (before + (153 * month + 2) / 5 + day).saturating_sub(719_469)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_date_is_unix_seconds() {
        for (date, seconds) in [
            ("Sun, 06 Nov 1994 08:49:37 GMT", Some(784_111_777)),
            ("Thu, 01 Jan 1970 00:00:00 GMT", Some(0)),
            ("Thu, 29 Feb 2024 23:59:59 GMT", Some(1_709_251_199)),
            ("Fri, 01 Mar 2024 00:00:00 GMT", Some(1_709_251_200)),
            ("Mon, 18 Jan 2038 03:14:08 GMT", Some(2_147_397_248)),
            ("Sunday, 06-Nov-94 08:49:37 GMT", None),
            ("", None),
        ] {
            let head = format!("HTTP/1.1 200 OK\r\nServer: x\r\nDATE: {date}\r\n\r\n");
            assert_eq!(date_of(head.as_bytes()), seconds, "{date}");
        }
        assert_eq!(date_of(b"HTTP/1.1 200 OK\r\n\r\n"), None);
    }
}
