//! Where the next page begins: good for a day, and for nothing else. It gives no right.

use super::error::ApiError;
use crate::base::constant_time::is_equal;
use crate::server::archive::id::{base32, IdKey};
use crate::server::archive::scan::now;

const SECONDS: i64 = 24 * 3600;

/// Makes a cursor.
pub(super) fn make(key: &IdKey, before: i64) -> String {
    let plain = format!("{before}.{}", now());
    let sum = sum(key, &plain);
    format!("{plain}.{sum}")
}

/// The key below which the page begins.
pub(super) fn read(key: &IdKey, cursor: &str) -> Result<i64, ApiError> {
    let wrong = || ApiError::bad("cursor", "cursor: is none of this server, or too old");
    let (plain, given) = cursor.rsplit_once('.').ok_or_else(wrong)?;
    if !is_equal(given.as_bytes(), sum(key, plain).as_bytes()) {
        return Err(wrong());
    }
    let (before, made) = plain.split_once('.').ok_or_else(wrong)?;
    let is_fresh = made.parse::<i64>().is_ok_and(|made| now() - made < SECONDS);
    before.parse().ok().filter(|_| is_fresh).ok_or_else(wrong)
}

fn sum(key: &IdKey, plain: &str) -> String {
    base32(&key.sum(&[b"cursor\n", plain.as_bytes()])[..10])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_own_are_read() {
        let key = IdKey::new([1; 32]);
        let cursor = make(&key, -5);
        assert_eq!(read(&key, &cursor).unwrap(), -5);
        for wrong in [
            "",
            "5",
            "5.6.7",
            &cursor.replace("-5", "-6"),
            &make(&IdKey::new([2; 32]), -5),
        ] {
            assert!(read(&key, wrong).is_err(), "{wrong}");
        }
    }
}
