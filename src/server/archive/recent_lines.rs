//! Lines of the audit log that are enough for some time: a player asks many times for one recording,
//! and a proxy names its people with each request.

use std::collections::HashMap;

/// More are not remembered: then there are more lines than needed.
const MOST: usize = 10_000;

/// What was logged, and until when that is enough.
#[derive(Default)]
pub(super) struct RecentLines(HashMap<String, i64>);

impl RecentLines {
    /// It is to be logged; then not again for so many seconds.
    pub(super) fn is_new(&mut self, what: &str, now: i64, seconds: i64) -> bool {
        if self.0.get(what).is_some_and(|until| now < *until) {
            return false;
        }
        if self.0.len() >= MOST {
            self.0.retain(|_, until| now < *until);
            if self.0.len() >= MOST {
                self.0.clear();
            }
        }
        self.0.insert(what.into(), now + seconds);
        true
    }

    /// It could not be logged.
    pub(super) fn forget(&mut self, what: &str) {
        self.0.remove(what);
    }
}
