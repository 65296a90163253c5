//! Limits how many passwords strangers may try, and how often they get a reply.
//!
//! Addresses can be forged, so nothing that all strangers share may decide whether a password is
//! checked: whoever sends enough wrong ones would lock everybody out. A client's first request has
//! the password, and any reply to it other than the real one ends the client's attempt, so the
//! client cannot be made to prove its address first. Therefore:
//! - Tries are limited for each source separately: an IPv4 address, or an IPv6 network (/64). While
//!   the budget of a source is spent, its passwords are not checked. Guessing pays only from an
//!   address that receives the replies, and each such address has its budget: the rate of all
//!   guesses is the rate of one address, times the addresses that the guesser owns.
//! - A check costs little and reveals nothing; only replies help a guesser or hit a victim (a
//!   reflected flood). Replies to clients that do not know the password share one budget. Clients
//!   that know it have another one, and are not locked out.
//!
//! The budgets of the sources are a count-min sketch: a source has one budget in each of two rows,
//! chosen by two hashes, and may try while one of them allows it. The memory is the same for any
//! number of sources, and no source is evicted. Forged sources can only spend budgets that refill
//! in seconds; about 8000 a second are needed to hit both budgets of one client. All sources
//! together have at most `2 * BUDGETS` tries a second, since each try is charged in a row.

use crate::base::limits::fsp::{
    BUDGETS, BUDGET_TICK, BURST, STRANGER, STRANGERS, WRONG, WRONG_PROVEN,
};
use crate::base::time::{Duration, Instant};

/// An address without its port; an IPv4 address is mapped to IPv6.
type SourceHost = [u8; 16];

/// The prefix of IPv4-mapped addresses (RFC 4291, section 2.5.5.2).
const IPV4: [u8; 12] = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF];
/// The bytes of an IPv6 address that its owner cannot choose.
const NETWORK_BYTES: usize = 8;
/// The most that a budget can be overdrawn.
const MOST_AHEAD: u16 = ticks(BURST) + ticks(WRONG_PROVEN);

/// The budgets. A budget is stored as the time at which it will be full again.
pub(super) struct PasswordGuard {
    seed: u32,
    /// The budgets for replies to clients that do not know the password, and to those that do.
    replies: [Instant; 2],
    /// The budgets of the sources, in ticks: two rows, one after the other.
    sources: Vec<u16>,
}

/// What a stranger's request costs its source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Charge {
    /// A reply to an address that may not be the sender's.
    Unproven,
    /// A wrong password from such an address.
    Wrong,
    /// A wrong password from an address that receives our replies, and therefore is the sender's.
    WrongProven,
}

impl PasswordGuard {
    /// Full budgets. The seed keeps others from choosing addresses that share a budget with a
    /// victim. This is the only allocation.
    pub(super) fn new(seed: u32) -> Self {
        Self {
            seed,
            replies: [Instant::default(); 2],
            sources: vec![0; 2 * BUDGETS],
        }
    }

    /// Whether a password of this source may be checked.
    pub(super) fn may_try(&self, now: Instant, source: &SourceHost) -> bool {
        self.ahead(now, source) <= ticks(BURST)
    }

    /// Charges a request to the budgets of its source.
    pub(super) fn charge(&mut self, now: Instant, source: &SourceHost, charge: Charge) {
        let cost = match charge {
            Charge::Unproven => STRANGER,
            Charge::Wrong => WRONG,
            Charge::WrongProven => WRONG_PROVEN,
        };
        let ahead = self.ahead(now, source) + ticks(cost);
        // A budget that other sources have overdrawn further stays as it is.
        for index in self.indices(source) {
            if ahead_of(self.sources[index], now) < ahead {
                self.sources[index] = tick(now).wrapping_add(ahead);
            }
        }
    }

    /// Takes a reply to an address that may be forged from the budget of clients that know the
    /// password, or from the budget of all others. `false`: the budget is spent.
    pub(super) fn take_reply(&mut self, now: Instant, knows_password: bool) -> bool {
        let full_at = &mut self.replies[usize::from(knows_password)];
        let is_allowed = full_at.since(now) <= BURST;
        if is_allowed {
            *full_at = (*full_at).max(now) + STRANGERS;
        }
        is_allowed
    }

    /// How far the budgets of a source are overdrawn: the smaller of the two values.
    fn ahead(&self, now: Instant, source: &SourceHost) -> u16 {
        let [one, other] = self
            .indices(source)
            .map(|index| ahead_of(self.sources[index], now));
        one.min(other)
    }

    /// The source's budget in each row.
    fn indices(&self, source: &SourceHost) -> [usize; 2] {
        let identity = if source.starts_with(&IPV4) {
            &source[..]
        } else {
            &source[..NETWORK_BYTES]
        };
        let hash = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01B3);
        let folded = identity.iter().fold(u64::from(self.seed) << 16, hash);
        // The upper bits of a product depend on all bits of its factors.
        let mixed = folded.wrapping_mul(0x9E37_79B9_7F4A_7C15);
        [
            (mixed >> 48) as usize % BUDGETS,
            BUDGETS + (mixed >> 32) as usize % BUDGETS,
        ]
    }
}

const fn ticks(time: Duration) -> u16 {
    (time.millis() / BUDGET_TICK.millis()) as u16
}

fn tick(now: Instant) -> u16 {
    (now.nanos() / BUDGET_TICK.nanos()) as u16
}

/// How far a budget is overdrawn. A value that no budget can have is old: the budget is full again.
fn ahead_of(full_at: u16, now: Instant) -> u16 {
    let ahead = full_at.wrapping_sub(tick(now));
    if ahead <= MOST_AHEAD {
        ahead
    } else {
        0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANN: SourceHost = host(192 << 24 | 2 << 8 | 1);

    const fn host(number: u32) -> SourceHost {
        let [a, b, c, d] = number.to_be_bytes();
        [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF, a, b, c, d]
    }

    fn at(millis: u64) -> Instant {
        Instant::from_nanos(millis * 1_000_000)
    }

    /// The `n`-th of many addresses.
    fn anyone(n: u64) -> SourceHost {
        host((n as u32).wrapping_mul(0x9E37_79B1))
    }

    /// The number of tries that a source has, when it tries each millisecond.
    fn tried(
        guard: &mut PasswordGuard,
        charge: Charge,
        from: u64,
        to: u64,
        source: SourceHost,
    ) -> u64 {
        let mut tries = 0;
        for millis in from..to {
            if guard.may_try(at(millis), &source) {
                guard.charge(at(millis), &source, charge);
                tries += 1;
            }
        }
        tries
    }

    #[test]
    fn a_source_tries_in_a_burst_and_then_at_its_rate() {
        for (charge, burst, in_ten_seconds) in [
            (Charge::Unproven, 126, 313),
            (Charge::Wrong, 5, 11),
            (Charge::WrongProven, 3, 6),
        ] {
            // Also when the 16 bits of the ticks wrap around.
            for start in [0, 10_000, 65_535 * 32, 700_000_000] {
                let mut guard = PasswordGuard::new(1);
                let first = tried(&mut guard, charge, start, start + 500, ANN);
                assert!((burst..=burst + 16).contains(&first), "{charge:?}: {first}");
                let later = tried(&mut guard, charge, start + 500, start + 10_500, ANN);
                assert!(
                    later <= in_ten_seconds && later >= in_ten_seconds * 3 / 5,
                    "{charge:?}: {later}"
                );
                let after = start + 10_500 + 6100;
                assert!(
                    guard.may_try(at(after), &ANN)
                        && tried(&mut guard, charge, after, after + 1, ANN) == 1
                );
            }
        }
    }

    #[test]
    fn forged_sources_do_not_spend_what_others_have() {
        let (mut guard, mut shut_out) = (PasswordGuard::new(7), 0);
        for n in 0..5000 * 60 {
            let now = at(n / 5);
            if guard.may_try(now, &anyone(n)) {
                guard.charge(now, &anyone(n), Charge::Wrong);
            }
            shut_out += u64::from(n % 50 == 0 && !guard.may_try(now, &host(10 << 24 | n as u32)));
        }
        assert!(shut_out <= 3, "{shut_out} of 6000 strangers");
    }

    #[test]
    fn all_sources_together_have_a_bound() {
        let (mut guard, mut tries) = (PasswordGuard::new(1), 0);
        for n in 0..200_000 * 4u64 {
            let now = at(10_000 + n / 200);
            if guard.may_try(now, &anyone(n)) {
                guard.charge(now, &anyone(n), Charge::Wrong);
                tries += 1;
            }
        }
        // The burst of all sources, then their rate.
        assert!(tries <= 2 * BUDGETS as u64 * (5 + 4), "{tries} in 4 s");
        let later = (0..200_000 * 4u64).filter(|n| {
            let (now, source) = (at(14_000 + n / 200), anyone(n + 7));
            let tries = guard.may_try(now, &source);
            if tries {
                guard.charge(now, &source, Charge::Wrong);
            }
            tries
        });
        let later = later.count();
        assert!(later <= 2 * BUDGETS * 5, "{later} in 4 s");
    }

    #[test]
    fn networks_of_ipv6_are_one_source() {
        let mut guard = PasswordGuard::new(3);
        let network =
            |last: u8, net: u8| [0x20, 1, 0xD, 0xB8, 0, 0, 0, net, 9, 9, 9, 9, 9, 9, 9, last];
        for last in 0..5 {
            assert!(guard.may_try(at(0), &network(last, 1)));
            guard.charge(at(0), &network(last, 1), Charge::Wrong);
        }
        assert!(!guard.may_try(at(0), &network(77, 1)) && guard.may_try(at(0), &network(77, 2)));
    }

    #[test]
    fn replies_have_a_budget_for_those_who_know_and_one_for_all_others() {
        let mut guard = PasswordGuard::new(1);
        let replies = |guard: &mut PasswordGuard, knows| {
            (0..20_000)
                .filter(|n| guard.take_reply(at(n / 2), knows))
                .count()
        };
        assert!(
            (2500..=3600).contains(&replies(&mut guard, false)),
            "250 a second after a burst"
        );
        assert!(
            guard.take_reply(at(0), true),
            "the two budgets are separate"
        );
        assert!((2500..=3600).contains(&replies(&mut guard, true)));
    }
}
