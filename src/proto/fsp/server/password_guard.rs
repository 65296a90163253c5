//! How many passwords strangers may try, and how often they are answered.
//!
//! Addresses can be forged, so nothing that all strangers share may decide whether a password is looked at: whoever sends
//! enough wrong ones would keep everybody out. A client's first request carries the password, and any answer to it that is
//! not the real one ends the client's attempt; so its address cannot be made to prove itself before. Hence:
//! - Trying is limited for each source alone: an address, or an IPv6 network (/64). While its budget is spent, its
//!   passwords are not looked at. Guessing is worth something only from an address that gets the replies, and each such
//!   address has its budget: the rate of all guesses is that of one, times the addresses that a guesser owns.
//! - Comparing costs little and says nothing; only replies help a guesser or hit a victim (a reflected flood). The replies to
//!   those who do not know the password have a budget together. Who knows it is not kept out by them.
//!
//! The budgets of the sources are a count-min sketch: a source has one in each of two rows, by two hashes, and may try while
//! one of them allows it. It takes the same memory for any number of sources, and nothing is pushed out. Forged sources can
//! only spend budgets that refill in seconds; that they hit both of one client takes about 8000 a second.
//! All sources together have `2 * BUDGETS` tries a second at the most, since each try is charged in a row.

use crate::base::limits::fsp::{
    BUDGETS, BUDGET_TICK, BURST, STRANGER, STRANGERS, WRONG, WRONG_PROVEN,
};
use crate::base::time::{Duration, Instant};

/// Whose they are: an address, whatever the port; one of IPv4 as IPv6 has it.
type Host = [u8; 16];

/// How the addresses of IPv4 begin.
const IPV4: [u8; 12] = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF];
/// Bytes of an IPv6 address that its owner does not choose.
const NETWORK_BYTES: usize = 8;
/// No budget is overdrawn by more than this.
const MOST_AHEAD: u16 = ticks(BURST) + ticks(WRONG_PROVEN);

/// All budgets. A budget is the time at which it will be full again.
pub(super) struct Guard {
    seed: u32,
    /// Replies to all who do not know the password, and to all who do.
    replies: [Instant; 2],
    /// Of the sources, in ticks: one row behind the other.
    sources: Vec<u16>,
}

/// What a stranger's request cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Charge {
    /// A reply to an address that may not be the sender's.
    Unproven,
    /// A wrong password from such an address.
    Wrong,
    /// A wrong password from an address that gets our replies: nobody else's.
    WrongProven,
}

impl Guard {
    /// Full budgets; the seed keeps others from choosing addresses that share one with a victim. The only allocation.
    pub(super) fn new(seed: u32) -> Self {
        Self {
            seed,
            replies: [Instant::default(); 2],
            sources: vec![0; 2 * BUDGETS],
        }
    }

    /// The source's password may be looked at.
    pub(super) fn may_try(&self, now: Instant, source: &Host) -> bool {
        self.ahead(now, source) <= ticks(BURST)
    }

    /// Takes a request from the source's budgets.
    pub(super) fn charge(&mut self, now: Instant, source: &Host, charge: Charge) {
        let cost = match charge {
            Charge::Unproven => STRANGER,
            Charge::Wrong => WRONG,
            Charge::WrongProven => WRONG_PROVEN,
        };
        let ahead = self.ahead(now, source) + ticks(cost);
        // A row that others have overdrawn stays as it is: their tries are not ours.
        for place in self.places(source) {
            if ahead_of(self.sources[place], now) < ahead {
                self.sources[place] = tick(now).wrapping_add(ahead);
            }
        }
    }

    /// Takes a reply to an address that may be forged from the budget of those who know the password, or of all others;
    /// `false`: there is none left.
    pub(super) fn may_reply(&mut self, now: Instant, knows: bool) -> bool {
        let full_at = &mut self.replies[usize::from(knows)];
        let allowed = full_at.since(now) <= BURST;
        if allowed {
            *full_at = (*full_at).max(now) + STRANGERS;
        }
        allowed
    }

    /// How far a source's budgets are overdrawn: the better one counts.
    fn ahead(&self, now: Instant, source: &Host) -> u16 {
        let [one, other] = self
            .places(source)
            .map(|place| ahead_of(self.sources[place], now));
        one.min(other)
    }

    fn places(&self, source: &Host) -> [usize; 2] {
        let known = if source.starts_with(&IPV4) {
            &source[..]
        } else {
            &source[..NETWORK_BYTES]
        };
        let hash = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01B3);
        let mixed = known
            .iter()
            .fold(u64::from(self.seed) << 16, hash)
            .wrapping_mul(0x9E37_79B9_7F4A_7C15);
        // The upper bits of a product depend on all bits of its factors.
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

/// How far a budget is overdrawn; one that cannot be is old, and full again.
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

    const ANN: Host = host(192 << 24 | 2 << 8 | 1);

    const fn host(number: u32) -> Host {
        let [a, b, c, d] = number.to_be_bytes();
        [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF, a, b, c, d]
    }

    fn at(millis: u64) -> Instant {
        Instant::from_nanos(millis * 1_000_000)
    }

    /// One of any number of addresses.
    fn anyone(n: u64) -> Host {
        host((n as u32).wrapping_mul(0x9E37_79B1))
    }

    /// Tries of one source in a millisecond each.
    fn tried(guard: &mut Guard, charge: Charge, from: u64, to: u64, source: Host) -> u64 {
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
            // Also when the ticks' 16 bits are used up.
            for start in [0, 10_000, 65_535 * 32, 700_000_000] {
                let mut guard = Guard::new(1);
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
        let (mut guard, mut shut_out) = (Guard::new(7), 0);
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
        let (mut guard, mut tries) = (Guard::new(1), 0);
        for n in 0..200_000 * 4u64 {
            let now = at(10_000 + n / 200);
            if guard.may_try(now, &anyone(n)) {
                guard.charge(now, &anyone(n), Charge::Wrong);
                tries += 1;
            }
        }
        // What all may have at once, then their rate.
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
        let mut guard = Guard::new(3);
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
        let mut guard = Guard::new(1);
        let replies = |guard: &mut Guard, knows| {
            (0..20_000)
                .filter(|n| guard.may_reply(at(n / 2), knows))
                .count()
        };
        assert!(
            (2500..=3600).contains(&replies(&mut guard, false)),
            "250 a second after a burst"
        );
        assert!(guard.may_reply(at(0), true), "of others nothing is taken");
        assert!((2500..=3600).contains(&replies(&mut guard, true)));
    }
}
