//! The numbers of requests that were answered: the same request is not answered again.

use std::collections::HashMap;

/// More are not remembered: a peer sends a few in a second, and each is kept for two minutes.
const MOST: usize = 65_536;

/// Numbers, and until when they are kept.
#[derive(Default)]
pub(super) struct Nonces(HashMap<String, i64>);

impl Nonces {
    /// It has not been used; from now on it has.
    pub(super) fn take(&mut self, nonce: &str, now: i64, until: i64) -> bool {
        if self.0.len() >= MOST {
            self.0.retain(|_, until| now <= *until);
        }
        // If there is no room, nobody could tell whether it is the first use.
        if self.0.len() >= MOST || self.0.contains_key(nonce) {
            return false;
        }
        self.0.insert(nonce.into(), until);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_good_once_and_room_is_made_of_old_ones() {
        let mut nonces = Nonces::default();
        assert!(nonces.take("a", 0, 60));
        assert!(!nonces.take("a", 1, 61));
        for number in 1..MOST {
            assert!(nonces.take(&number.to_string(), 0, 60));
        }
        assert!(!nonces.take("b", 60, 120), "all are still good");
        assert!(nonces.take("b", 61, 121));
        assert_eq!(nonces.0.len(), 1);
    }
}
