//! How often strangers are answered: a budget for each source and one for all of them together.
//!
//! A source that has not shown that it gets our replies may be a victim's address (a reflected flood), and one that has not
//! given the password may be guessing. Both are answered from a budget that refills with time, and when it
//! is spent, not at all: neither is the password looked at then. Who has given the password is never counted.

use crate::base::limits::fsp::{BURST, SOURCES, STRANGER, STRANGERS, WRONG, WRONGS, WRONG_PROVEN};
use crate::base::time::{Duration, Instant};

/// Whose they are: an address, whatever the port.
type Host = [u8; 16];

/// All budgets. A budget is the time at which it will be full again.
pub(super) struct Guard {
    seed: u32,
    everyone: Instant,
    sources: [Instant; SOURCES],
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
    /// Full budgets; the seed keeps others from choosing addresses that share one with a victim.
    pub(super) fn new(seed: u32) -> Self {
        Self { seed, everyone: Instant::default(), sources: [Instant::default(); SOURCES] }
    }

    /// The source may be answered.
    pub(super) fn allows(&self, now: Instant, source: &Host) -> bool {
        let spent = |full_at: Instant| full_at.since(now) > BURST;
        !spent(self.everyone) && !spent(self.sources[self.place(source)])
    }

    /// Takes an answer from the budgets.
    pub(super) fn charge(&mut self, now: Instant, source: &Host, charge: Charge) {
        let (own, all) = match charge {
            Charge::Unproven => (STRANGER, STRANGERS),
            Charge::Wrong => (WRONG, WRONGS),
            Charge::WrongProven => (WRONG_PROVEN, WRONGS),
        };
        let spend = |full_at: &mut Instant, cost: Duration| *full_at = (*full_at).max(now) + cost;
        spend(&mut self.everyone, all);
        spend(&mut self.sources[self.place(source)], own);
    }

    fn place(&self, source: &Host) -> usize {
        let mixed = source.iter().fold(self.seed, |hash, byte| (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193));
        // The upper bits of a product depend on all bits of its factors.
        (mixed.wrapping_mul(0x9E37_79B1) >> 16) as usize % SOURCES
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

    fn answered(guard: &mut Guard, charge: Charge, from: u64, to: u64, mut source: impl FnMut(u64) -> Host) -> u64 {
        let mut answers = 0;
        for millis in from..to {
            let now = Instant::from_nanos(millis * 1_000_000);
            let source = source(millis);
            if guard.allows(now, &source) {
                guard.charge(now, &source, charge);
                answers += 1;
            }
        }
        answers
    }

    #[test]
    fn a_source_is_answered_in_a_burst_and_then_at_its_rate() {
        for (charge, least, most) in [(Charge::Unproven, 128, 33), (Charge::Wrong, 8, 2), (Charge::WrongProven, 2, 1)] {
            let mut guard = Guard::new(1);
            let burst = answered(&mut guard, charge, 10_000, 10_500, |_| ANN);
            assert!((least..=least + 18).contains(&burst), "{charge:?}: {burst}");
            let later = answered(&mut guard, charge, 10_500, 20_500, |_| ANN);
            assert!(later <= most * 10 && later >= 3, "{charge:?}: {later}");
        }
    }

    #[test]
    fn all_sources_together_are_bounded() {
        for (charge, most) in [(Charge::Unproven, 251), (Charge::Wrong, 33), (Charge::WrongProven, 33)] {
            let mut guard = Guard::new(1);
            let anyone = |millis: u64| host((millis as u32).wrapping_mul(0x9E37_79B1));
            answered(&mut guard, charge, 0, 20_000, anyone);
            let later = answered(&mut guard, charge, 20_000, 30_000, anyone);
            assert!(later <= most * 10, "{charge:?}: {later}");
        }
    }

    #[test]
    fn one_source_does_not_spend_what_others_have() {
        let mut guard = Guard::new(7);
        answered(&mut guard, Charge::Wrong, 0, 900, |_| ANN);
        let now = Instant::from_nanos(900_000_000);
        assert!(!guard.allows(now, &ANN));
        let others = (1..=200).filter(|n| guard.allows(now, &host(10 << 24 | *n))).count();
        assert!(others >= 190, "{others}");
    }
}
