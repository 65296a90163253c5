//! Sequence numbers of one source: what is new, what is old, what came twice, how much is lost
//! (RFC 3550, appendices A.1 and A.3).

use crate::base::limits::{MAX_DROPOUT, MAX_MISORDER};

/// Where a packet stands among those before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    /// So many ahead of the newest: 1 is the next one.
    Newer(u16),
    /// It comes out of order.
    Older,
    /// It has come before.
    Duplicate,
    /// Too far off to be either.
    Odd,
    /// Too far off, but just what was to follow the last such one: the sender has begun anew.
    Restarted,
}

/// The first and the newest number, which of the 64 up to it have come, and the counts.
#[derive(Debug)]
pub(super) struct Sequence {
    first: u16,
    newest: u16,
    /// Bit n: `newest - n` has come.
    seen: u64,
    after_odd: Option<u16>,
    expected: u64,
    came: u64,
}

impl Sequence {
    /// Before the first packet, which has this number.
    pub(super) fn new(first: u16) -> Self {
        Self {
            first,
            newest: first.wrapping_sub(1),
            seen: 0,
            after_odd: None,
            expected: 0,
            came: 0,
        }
    }

    /// Where a number stands. Nothing changes.
    pub(super) fn order(&self, number: u16) -> Order {
        let ahead = i32::from(number.wrapping_sub(self.newest) as i16);
        match ahead {
            1.. if ahead < MAX_DROPOUT => Order::Newer(ahead as u16),
            -63..=0 if self.seen >> -ahead & 1 != 0 => Order::Duplicate,
            ..=0 if -ahead < MAX_MISORDER => Order::Older,
            _ if self.after_odd == Some(number) => Order::Restarted,
            _ => Order::Odd,
        }
    }

    /// Takes note of a packet that stands there.
    pub(super) fn note(&mut self, number: u16, order: Order) {
        self.came += 1;
        match order {
            Order::Newer(ahead) => {
                self.expected += u64::from(ahead);
                self.seen = self.seen.checked_shl(ahead.into()).unwrap_or(0) | 1;
                self.newest = number;
            }
            Order::Older => {
                self.seen |= 1u64
                    .checked_shl(self.newest.wrapping_sub(number).into())
                    .unwrap_or(0)
            }
            Order::Restarted => {
                self.expected += 1;
                (self.newest, self.seen, self.after_odd) = (number, 1, None);
            }
            Order::Duplicate | Order::Odd => {}
        }
    }

    /// What the first packet has overtaken came with this number, which is still to be noted.
    pub(super) fn begin_earlier(&mut self, number: u16) {
        let before = self.first.wrapping_sub(number);
        if (before as i16) > 0 {
            self.expected += u64::from(before);
            self.first = number;
        }
    }

    /// The packet after this odd one makes it a new beginning.
    pub(super) fn expect_after(&mut self, number: u16) {
        self.after_odd = Some(number.wrapping_add(1));
    }

    /// Packets that never came.
    pub(super) fn lost(&self) -> u64 {
        self.expected.saturating_sub(self.came)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn feed(sequence: &mut Sequence, number: u16) -> Order {
        let order = sequence.order(number);
        match order {
            Order::Odd => sequence.expect_after(number),
            Order::Duplicate => {}
            order => sequence.note(number, order),
        }
        order
    }

    #[test]
    fn loss_reordering_and_doubles_are_told_apart_across_the_wrap() {
        for first in [0u16, 65_530, 100] {
            let mut sequence = Sequence::new(first);
            let mut feed = |ahead: u16| feed(&mut sequence, first.wrapping_add(ahead));
            assert_eq!(feed(0), Order::Newer(1));
            assert_eq!(feed(3), Order::Newer(3));
            assert_eq!(
                (feed(2), feed(2), feed(3)),
                (Order::Older, Order::Duplicate, Order::Duplicate)
            );
            assert_eq!(feed(80), Order::Newer(77));
            assert_eq!(feed(3), Order::Older, "too long ago to know");
            assert_eq!((feed(79), feed(79)), (Order::Older, Order::Duplicate));
        }
        let mut sequence = Sequence::new(7);
        for number in [7, 8, 9, 12, 10] {
            feed(&mut sequence, number);
        }
        assert_eq!(sequence.lost(), 1);
    }

    #[test]
    fn a_number_far_off_counts_when_the_next_one_agrees() {
        let mut sequence = Sequence::new(10);
        assert_eq!(feed(&mut sequence, 10), Order::Newer(1));
        for stray in [20_000, 50_000, 9000] {
            assert_eq!(feed(&mut sequence, stray), Order::Odd);
        }
        assert_eq!(feed(&mut sequence, 11), Order::Newer(1));
        assert_eq!(
            (feed(&mut sequence, 40_000), feed(&mut sequence, 40_001)),
            (Order::Odd, Order::Restarted)
        );
        assert_eq!(
            (feed(&mut sequence, 40_002), sequence.lost()),
            (Order::Newer(1), 0)
        );
    }
}
