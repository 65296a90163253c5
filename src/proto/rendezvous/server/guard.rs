//! Bounds on what strangers can cost: names and keys that are not stored, and a rate for each
//! source.

use core::net::Ipv4Addr;

use crate::base::time::{Duration, Instant};
use crate::proto::rendezvous::{Identity, Name};
use crate::wire::rendezvous::cipher::Key;

/// Slots of a rate limiter. Two sources may share a slot by chance; then they share the rate.
const SLOTS: usize = 4096;
/// How long an issued name is valid: a transfer that takes a night is one call.
const ISSUED_FOR: Duration = Duration::from_millis(24 * 3_600_000);

/// A random number generator: AES of a counter, with the seed as the key.
pub(super) struct SeededRandom {
    key: Key,
    count: u64,
}

impl SeededRandom {
    pub(super) fn new(seed: [u8; 16]) -> Self {
        Self {
            key: Key::of_bits(seed),
            count: 0,
        }
    }

    /// Sixteen random bytes.
    pub(super) fn bytes(&mut self) -> [u8; 16] {
        self.count += 1;
        let mut block = [0; 16];
        block[..8].copy_from_slice(&self.count.to_be_bytes());
        self.key.encrypt(&mut block);
        block
    }

    /// A name that cannot be guessed: 32 hex digits.
    pub(super) fn name(&mut self) -> Name {
        Name::from_slice(Key::of_bits(self.bytes()).text()).unwrap_or_default()
    }
}

/// Issues names and keys to callers. A key is a function of its name and a secret, so that nothing
/// is stored for callers that never use it.
pub(super) struct Issuer {
    secret: Key,
}

impl Issuer {
    pub(super) fn new(seed: [u8; 16]) -> Self {
        Self {
            secret: Key::of_bits(seed),
        }
    }

    /// A new name and its key. The name has the form of a UUID; its first four bytes are the time
    /// of issue.
    pub(super) fn issue(&self, now: Instant, random: &mut SeededRandom) -> Identity {
        let mut bits = random.bytes();
        bits[..4].copy_from_slice(&seconds(now).to_be_bytes());
        let hex = Key::of_bits(bits);
        let mut cid = Name::new();
        for (i, digit) in hex.text().iter().enumerate() {
            if matches!(i, 8 | 12 | 16 | 20) {
                let _ = cid.push(b'-');
            }
            let _ = cid.push(*digit);
        }
        Identity {
            cid,
            key: self.key(bits),
        }
    }

    /// The key of a name that was issued within `ISSUED_FOR`. A name that was never issued has a
    /// key that nobody knows.
    pub(super) fn key_of(&self, now: Instant, cid: &[u8]) -> Option<Key> {
        let mut bits = [0; 16];
        let mut digits = cid
            .iter()
            .filter(|c| **c != b'-')
            .map(|c| char::from(*c).to_digit(16));
        for byte in &mut bits {
            *byte = (digits.next()?? << 4 | digits.next()??) as u8;
        }
        let issued = u32::from_be_bytes([bits[0], bits[1], bits[2], bits[3]]);
        let age = u64::from(seconds(now).checked_sub(issued)?);
        (digits.next().is_none() && cid.len() == 36 && age * 1000 < ISSUED_FOR.millis())
            .then(|| self.key(bits))
    }

    fn key(&self, mut bits: [u8; 16]) -> Key {
        self.secret.encrypt(&mut bits);
        Key::of_bits(bits)
    }
}

fn seconds(now: Instant) -> u32 {
    (now.nanos() / 1_000_000_000) as u32
}

/// Limits the rate of each source: `burst` at once, then one per `interval`.
pub(super) struct RateLimiter {
    slots: Vec<Instant>,
    factor: u64,
    interval: Duration,
    burst: Duration,
}

impl RateLimiter {
    pub(super) fn new(interval: Duration, burst: u64, random: &mut SeededRandom) -> Self {
        let [a, b, c, d, e, f, g, h, ..] = random.bytes();
        let factor = u64::from_be_bytes([a, b, c, d, e, f, g, h]) | 1;
        let burst = Duration::from_nanos(interval.nanos() * burst);
        Self {
            slots: vec![Instant::default(); SLOTS],
            factor,
            interval,
            burst,
        }
    }

    /// Whether a source has one left; it is not used.
    pub(super) fn allows(&self, now: Instant, source: Ipv4Addr) -> bool {
        (self.slots[self.slot(source)] + self.interval)
            .since(now)
            .nanos()
            <= self.burst.nanos()
    }

    /// Uses one, if the source has one left.
    pub(super) fn take(&mut self, now: Instant, source: Ipv4Addr) -> bool {
        let allowed = self.allows(now, source);
        let slot = self.slot(source);
        if allowed {
            self.slots[slot] = self.slots[slot].max(now) + self.interval;
        }
        allowed
    }

    fn slot(&self, source: Ipv4Addr) -> usize {
        (u64::from(source.to_bits()).wrapping_mul(self.factor) >> 32) as usize % SLOTS
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Instant {
        Instant::from_nanos(seconds * 1_000_000_000)
    }

    #[test]
    fn a_name_that_was_given_has_its_key_and_no_other_has_one_that_is_known() {
        let (issuer, mut random) = (Issuer::new([1; 16]), SeededRandom::new([2; 16]));
        let one = issuer.issue(at(100), &mut random);
        let other = issuer.issue(at(100), &mut random);
        assert!(one != other && one.key != other.key && one.cid.len() == 36);
        assert_eq!(issuer.key_of(at(100), &one.cid), Some(one.key.clone()));
        assert_eq!(
            issuer.key_of(at(100 + 86_399), &one.cid),
            Some(one.key.clone())
        );
        assert_eq!(issuer.key_of(at(100 + 86_400), &one.cid), None, "too old");
        assert_eq!(issuer.key_of(at(99), &one.cid), None, "from the future");
        assert_ne!(
            Issuer::new([3; 16]).key_of(at(100), &one.cid),
            Some(one.key)
        );
        for cid in [
            "",
            "-",
            "0015651a2b3c",
            "00000000-0000-0000-0000-00000000000g",
            &"0".repeat(37),
            &"0".repeat(32),
        ] {
            assert_eq!(issuer.key_of(at(100), cid.as_bytes()), None, "{cid}");
        }
    }

    #[test]
    fn each_source_has_its_rate() {
        let mut rate = RateLimiter::new(
            Duration::from_millis(500),
            10,
            &mut SeededRandom::new([5; 16]),
        );
        let (one, other) = (Ipv4Addr::new(203, 0, 113, 1), Ipv4Addr::new(203, 0, 113, 2));
        let taken = |rate: &mut RateLimiter, now, source| {
            (0..100).filter(|_| rate.take(now, source)).count()
        };
        assert_eq!(taken(&mut rate, at(1), one), 10);
        assert_eq!(
            (rate.allows(at(1), one), rate.allows(at(1), other)),
            (false, true)
        );
        assert_eq!(taken(&mut rate, at(1), other), 10);
        assert_eq!(taken(&mut rate, at(3), one), 4, "two a second");
        assert_eq!(taken(&mut rate, at(1000), one), 10);
    }
}
