//! Guesses at passwords are slowed down: by account and address together, by address, and a little
//! by account. Sessions are not touched, so that nobody can lock others out.

use std::collections::HashMap;

/// Failures count for so many seconds.
const WINDOW: i64 = 60;
/// Failures of an account and an address before one has to wait.
const OF_BOTH: usize = 5;
/// Failures of an address.
const OF_ADDRESS: usize = 50;
/// The longest wait.
const MOST_SECONDS: i64 = 30;
/// Failures of an account, from everywhere.
const OF_ACCOUNT: usize = 20;
/// An account that is guessed at from everywhere waits so long.
const OF_ACCOUNT_SECONDS: i64 = 2;
/// Keys that are remembered.
const MOST: usize = 100_000;

#[derive(Default)]
pub(super) struct LoginGuard(HashMap<String, Failures>);

#[derive(Default)]
struct Failures {
    /// Within the window.
    at: Vec<i64>,
    /// How often one had to wait.
    waits: u32,
    until: i64,
}

impl LoginGuard {
    /// Seconds to wait before another attempt; 0: none.
    pub(super) fn wait(&self, user: &str, address: &str, now: i64) -> u64 {
        let until = keys(user, address)
            .iter()
            .filter_map(|key| self.0.get(key))
            .map(|of| of.until)
            .max();
        u64::try_from(until.unwrap_or(0) - now).unwrap_or(0)
    }

    /// A wrong password.
    pub(super) fn fail(&mut self, user: &str, address: &str, now: i64) {
        if self.0.len() >= MOST {
            self.0
                .retain(|_, of| of.until > now || of.at.last().is_some_and(|at| now - at < WINDOW));
        }
        let limits = [OF_BOTH, OF_ADDRESS, OF_ACCOUNT];
        for (number, (key, limit)) in keys(user, address).into_iter().zip(limits).enumerate() {
            let of = self.0.entry(key).or_default();
            of.at.retain(|at| now - at < WINDOW);
            if of.at.is_empty() && of.until <= now {
                of.waits = 0;
            }
            of.at.push(now);
            if of.at.len() < limit {
                continue;
            }
            let seconds = if number == 2 {
                OF_ACCOUNT_SECONDS
            } else {
                (1_i64 << of.waits.min(5)).min(MOST_SECONDS)
            };
            of.waits += 1;
            of.until = now + seconds;
        }
    }

    /// The right password.
    pub(super) fn succeed(&mut self, user: &str, address: &str) {
        let [both, _, account] = keys(user, address);
        self.0.remove(&both);
        self.0.remove(&account);
    }
}

fn keys(user: &str, address: &str) -> [String; 3] {
    [
        format!("b{address}\n{user}"),
        format!("a{address}"),
        format!("u{user}"),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_for_both_and_stay_short_for_an_account() {
        let mut guard = LoginGuard::default();
        for _ in 0..4 {
            guard.fail("ann", "10.0.0.1", 100);
        }
        assert_eq!(guard.wait("ann", "10.0.0.1", 100), 0);
        let mut waits = vec![];
        let mut now = 100;
        for _ in 0..7 {
            guard.fail("ann", "10.0.0.1", now);
            let wait = guard.wait("ann", "10.0.0.1", now);
            waits.push(wait);
            now += wait as i64;
        }
        assert_eq!(waits, [1, 2, 4, 8, 16, 30, 30]);
        assert!(
            guard.wait("ann", "10.0.0.2", now) <= 2,
            "from elsewhere never more than 2 s"
        );
        assert_eq!(guard.wait("bob", "10.0.0.1", now), 0);
        guard.succeed("ann", "10.0.0.1");
        assert_eq!(guard.wait("ann", "10.0.0.1", now), 0);
    }

    #[test]
    fn an_address_that_tries_many_accounts_waits_as_well() {
        let mut guard = LoginGuard::default();
        for number in 0..50 {
            guard.fail(&format!("user{number}"), "10.0.0.1", 100);
        }
        assert_eq!(guard.wait("another", "10.0.0.1", 100), 1);
        assert_eq!(guard.wait("another", "10.0.0.2", 100), 0);
    }
}
