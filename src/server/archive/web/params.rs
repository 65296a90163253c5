//! Parameters of a search, and members of a body: what is unknown, double or malformed is refused,
//! with its name.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::Timestamp;
use serde_json::{Map, Value};

use super::error::ApiError;
use crate::server::archive::search::{NumberMatch, Query};
use crate::server::archive::text;

/// Results on a page.
const DEFAULT_LIMIT: usize = 50;
const MAX_LIMIT: usize = 500;
/// No value that anyone searches for is longer.
const MAX_CHARS: usize = 200;

/// A search, and what the catalogue does not know: devices by name, and where the page begins.
#[derive(Debug)]
pub(super) struct Search {
    pub(super) query: Query,
    pub(super) devices: Vec<String>,
    pub(super) cursor: Option<String>,
    /// Somebody searched for a number, a name or a word.
    pub(super) asks_for_people: bool,
    /// Only an administrator may see these.
    pub(super) asks_for_deleted: bool,
}

const STATES: [&str; 5] = [
    "running",
    "interrupted",
    "finished",
    "incomplete",
    "deleted",
];

/// Reads the parameters of a search.
pub(super) fn search(pairs: &[(String, String)]) -> Result<Search, ApiError> {
    let mut seen = vec![];
    for (key, value) in pairs {
        if value.chars().count() > MAX_CHARS {
            return Err(ApiError::bad("too-long", format!("{key}: is too long")));
        }
        if seen.contains(&key.as_str()) && !["device", "tag"].contains(&key.as_str()) {
            return Err(ApiError::bad("double", format!("{key}: is given twice")));
        }
        seen.push(key.as_str());
    }
    let one = |name: &str| {
        pairs
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    };
    let zone = zone(one("tz"))?;
    let mut search = Search {
        query: Query {
            limit: DEFAULT_LIMIT,
            ..Query::default()
        },
        devices: vec![],
        cursor: None,
        asks_for_people: false,
        asks_for_deleted: false,
    };
    for (key, value) in pairs {
        set(&mut search, key, value, &zone)?;
    }
    let query = &mut search.query;
    search.asks_for_people = query.any.is_some() || query.number.is_some() || query.name.is_some();
    search.asks_for_deleted = query.states.iter().any(|state| state == "deleted");
    let is_short = |number: &String| text::number(number).chars().count() < 3;
    if query.number_match == NumberMatch::Contains && query.number.as_ref().is_some_and(is_short) {
        return Err(ApiError::bad(
            "too-short",
            "number: three characters at least",
        ));
    }
    Ok(search)
}

fn set(search: &mut Search, key: &str, value: &str, zone: &TimeZone) -> Result<(), ApiError> {
    let wrong = |what: &str| ApiError::bad("bad-value", format!("{key}: {what}, not '{value}'"));
    let text = || Some(value.trim().to_owned()).filter(|text| !text.is_empty());
    let number = || {
        let number = value.parse::<i64>().ok().filter(|number| *number >= 0);
        number.ok_or_else(|| wrong("must be a number"))
    };
    let time = || time(value, zone).ok_or_else(|| wrong("must be a date or a time"));
    let query = &mut search.query;
    match key {
        "q" => query.any = text(),
        "number" => query.number = text(),
        "name" => query.name = text(),
        "number_match" => {
            let by = number_match(value);
            query.number_match =
                by.ok_or_else(|| wrong("must be exact, begins, ends or contains"))?;
        }
        "device" => search.devices.push(value.to_owned()),
        "tag" => query.tags.push(value.to_owned()),
        "dir" => query.dir = Some(direction(value).ok_or_else(|| wrong("must be in or out"))?),
        "from" => query.from = Some(time()?),
        "to" => query.to = Some(time()?),
        "tz" => {}
        "min_ms" => query.min_ms = Some(number()?),
        "max_ms" => query.max_ms = Some(number()?),
        "state" if STATES.contains(&value) => query.states.push(value.to_owned()),
        "state" => return Err(wrong(&format!("must be one of {}", STATES.join(", ")))),
        "lost" if value == "1" => query.flawed = true,
        "lost" => return Err(wrong("must be 1")),
        "limit" => {
            let limit = usize::try_from(number()?).unwrap_or(0);
            if !(1..=MAX_LIMIT).contains(&limit) {
                return Err(wrong("must be from 1 to 500"));
            }
            query.limit = limit;
        }
        "cursor" => search.cursor = Some(value.to_owned()),
        _ => {
            let words = format!("{key}: there is no such parameter");
            return Err(ApiError::bad("unknown", words));
        }
    }
    Ok(())
}

fn number_match(value: &str) -> Option<NumberMatch> {
    match value {
        "exact" => Some(NumberMatch::Exact),
        "begins" => Some(NumberMatch::Begins),
        "ends" => Some(NumberMatch::Ends),
        "contains" => Some(NumberMatch::Contains),
        _ => None,
    }
}

/// 1: incoming, 2: outgoing.
fn direction(value: &str) -> Option<i64> {
    match value {
        "in" => Some(1),
        "out" => Some(2),
        _ => None,
    }
}

/// The time zone with this name; without one the server's.
pub(super) fn zone(name: Option<&str>) -> Result<TimeZone, ApiError> {
    let Some(name) = name else {
        return Ok(TimeZone::system());
    };
    let wrong = |_| {
        ApiError::bad(
            "bad-value",
            format!("tz: must be a time zone such as Europe/Berlin, not '{name}'"),
        )
    };
    TimeZone::get(name).map_err(wrong)
}

/// Seconds since 1970 of a time (RFC 3339), or of a day's midnight.
fn time(value: &str, zone: &TimeZone) -> Option<i64> {
    if let Ok(time) = value.parse::<Timestamp>() {
        // The end of a range is not in it: a part of a second counts for the next one.
        let is_whole = time.subsec_nanosecond() == 0;
        return Some(time.as_second() + i64::from(!is_whole && time.as_second() >= 0));
    }
    let day: Date = value.parse().ok().filter(|_| value.len() == 10)?;
    let midnight = zone.to_zoned(day.at(0, 0, 0, 0)).ok()?;
    Some(midnight.timestamp().as_second())
}

/// The members of a JSON object, each of which is taken once.
pub(super) struct Members(Map<String, Value>);

impl Members {
    pub(super) fn new(body: &[u8]) -> Result<Self, ApiError> {
        match serde_json::from_slice(body) {
            Ok(Value::Object(members)) => Ok(Self(members)),
            _ => Err(ApiError::bad("json", "the body must be a JSON object")),
        }
    }

    pub(super) fn take(&mut self, key: &str) -> Option<Value> {
        self.0.remove(key)
    }

    /// A text; `None`: it is not there.
    pub(super) fn text(&mut self, key: &str) -> Result<Option<String>, ApiError> {
        match self.take(key) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(ApiError::bad(
                "bad-value",
                format!("{key}: must be a string"),
            )),
        }
    }

    /// Nothing may be left.
    pub(super) fn finish(self) -> Result<(), ApiError> {
        match self.0.keys().next() {
            None => Ok(()),
            Some(key) => Err(ApiError::bad(
                "unknown",
                format!("{key}: there is no such member"),
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Result<Search, ApiError> {
        let pairs = text.split('&').filter_map(|pair| pair.split_once('='));
        let pairs: Vec<(String, String)> = pairs
            .map(|(key, value)| (key.into(), value.into()))
            .collect();
        search(&pairs)
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (text, name) in [
            ("nmuber=5", "nmuber"),
            ("dir=sideways", "dir"),
            ("limit=0", "limit"),
            ("limit=501", "limit"),
            ("limit=5&limit=6", "limit"),
            ("from=yesterday", "from"),
            ("tz=Mars/Olympus", "tz"),
            ("state=gone", "state"),
            ("number_match=like", "number_match"),
            ("min_ms=-1", "min_ms"),
            ("number=12", "number"),
            ("number=1-2", "number"),
        ] {
            let error = of(text).unwrap_err();
            assert!(
                error.message().starts_with(name),
                "{text}: {}",
                error.message()
            );
        }
        assert!(of("number=12&number_match=ends").is_ok());
        assert_eq!(
            of("device=a&device=b&tag=x&tag=y").unwrap().devices,
            ["a", "b"]
        );
    }

    #[test]
    fn a_day_is_midnight_where_one_is() {
        let from = |text: &str| of(text).unwrap().query.from.unwrap();
        assert_eq!(from("tz=UTC&from=2026-01-02"), 1_767_312_000);
        assert_eq!(
            from("tz=Europe/Berlin&from=2026-01-02"),
            1_767_312_000 - 3600
        );
        assert_eq!(from("from=2026-01-02T00:00:00Z"), 1_767_312_000);
        assert_eq!(
            from(
                "from=2026-01-02T01:00:00%2B01:00"
                    .replace("%2B", "+")
                    .as_str()
            ),
            1_767_312_000
        );
    }
}
