//! Who has listened to what in the last ten minutes: a player asks many times for one recording.

use std::collections::HashMap;

/// Seconds in which one line is enough.
const SECONDS: i64 = 600;
/// More are not remembered: then there are more lines than needed.
const MOST: usize = 10_000;

#[derive(Default)]
pub(super) struct RecentListens(HashMap<String, i64>);

impl RecentListens {
    /// It is to be logged.
    pub(super) fn is_new(&mut self, what: &str, now: i64) -> bool {
        if self.0.get(what).is_some_and(|at| now - at < SECONDS) {
            return false;
        }
        if self.0.len() >= MOST {
            self.0.retain(|_, at| now - *at < SECONDS);
            if self.0.len() >= MOST {
                self.0.clear();
            }
        }
        self.0.insert(what.into(), now);
        true
    }

    /// It could not be logged.
    pub(super) fn forget(&mut self, what: &str) {
        self.0.remove(what);
    }
}
