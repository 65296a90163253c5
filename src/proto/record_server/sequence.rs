//! Sequence numbers of one source: which packets are new, late or duplicate, and how many are lost
//! (RFC 3550, appendices A.1 and A.3).

use crate::base::limits::{MAX_DROPOUT, MAX_MISORDER};

/// How a sequence number relates to those received before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SequenceOrder {
    /// This many after the newest: 1 is the next in sequence.
    Newer(u16),
    /// Out of order.
    Older,
    /// Received before.
    Duplicate,
    /// Too far off to be either.
    Odd,
    /// Too far off, but it follows the last such number: the sender has restarted its sequence.
    Restarted,
}

/// The first and the newest number, which of the last 64 have been received, and the counts.
#[derive(Debug)]
pub(super) struct Sequence {
    first: u16,
    newest: u16,
    /// Bit n: `newest - n` has been received.
    seen: u64,
    /// The number that would confirm a restart.
    after_odd: Option<u16>,
    expected: u64,
    received: u64,
}

impl Sequence {
    /// The state before the first packet, which has this number.
    pub(super) fn new(first: u16) -> Self {
        Self {
            first,
            newest: first.wrapping_sub(1),
            seen: 0,
            after_odd: None,
            expected: 0,
            received: 0,
        }
    }

    /// Classifies a number; changes nothing.
    pub(super) fn order(&self, number: u16) -> SequenceOrder {
        let ahead = i32::from(number.wrapping_sub(self.newest) as i16);
        match ahead {
            1.. if ahead < MAX_DROPOUT => SequenceOrder::Newer(ahead as u16),
            -63..=0 if self.seen >> -ahead & 1 != 0 => SequenceOrder::Duplicate,
            ..=0 if -ahead < MAX_MISORDER => SequenceOrder::Older,
            _ if self.after_odd == Some(number) => SequenceOrder::Restarted,
            _ => SequenceOrder::Odd,
        }
    }

    /// Counts a packet with this number, which `order` has classified.
    pub(super) fn note(&mut self, number: u16, order: SequenceOrder) {
        self.received += 1;
        match order {
            SequenceOrder::Newer(ahead) => {
                self.expected += u64::from(ahead);
                self.seen = self.seen.checked_shl(ahead.into()).unwrap_or(0) | 1;
                self.newest = number;
            }
            SequenceOrder::Older => {
                self.seen |= 1u64
                    .checked_shl(self.newest.wrapping_sub(number).into())
                    .unwrap_or(0)
            }
            SequenceOrder::Restarted => {
                self.expected += 1;
                self.newest = number;
                self.seen = 1;
                self.after_odd = None;
            }
            SequenceOrder::Duplicate | SequenceOrder::Odd => {}
        }
    }

    /// A packet that the first one has overtaken has this number; it is not yet noted.
    pub(super) fn begin_earlier(&mut self, number: u16) {
        let before = self.first.wrapping_sub(number);
        if (before as i16) > 0 {
            self.expected += u64::from(before);
            self.first = number;
        }
    }

    /// If the next packet follows this odd number, the sender has restarted.
    pub(super) fn expect_after(&mut self, number: u16) {
        self.after_odd = Some(number.wrapping_add(1));
    }

    /// Packets that were never received.
    pub(super) fn lost(&self) -> u64 {
        self.expected.saturating_sub(self.received)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn feed(sequence: &mut Sequence, number: u16) -> SequenceOrder {
        let order = sequence.order(number);
        match order {
            SequenceOrder::Odd => sequence.expect_after(number),
            SequenceOrder::Duplicate => {}
            order => sequence.note(number, order),
        }
        order
    }

    #[test]
    fn loss_reordering_and_doubles_are_told_apart_across_the_wrap() {
        for first in [0u16, 65_530, 100] {
            let mut sequence = Sequence::new(first);
            let mut feed = |ahead: u16| feed(&mut sequence, first.wrapping_add(ahead));
            assert_eq!(feed(0), SequenceOrder::Newer(1));
            assert_eq!(feed(3), SequenceOrder::Newer(3));
            assert_eq!(
                (feed(2), feed(2), feed(3)),
                (
                    SequenceOrder::Older,
                    SequenceOrder::Duplicate,
                    SequenceOrder::Duplicate
                )
            );
            assert_eq!(feed(80), SequenceOrder::Newer(77));
            assert_eq!(feed(3), SequenceOrder::Older, "too long ago to know");
            assert_eq!(
                (feed(79), feed(79)),
                (SequenceOrder::Older, SequenceOrder::Duplicate)
            );
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
        assert_eq!(feed(&mut sequence, 10), SequenceOrder::Newer(1));
        for stray in [20_000, 50_000, 9000] {
            assert_eq!(feed(&mut sequence, stray), SequenceOrder::Odd);
        }
        assert_eq!(feed(&mut sequence, 11), SequenceOrder::Newer(1));
        assert_eq!(
            (feed(&mut sequence, 40_000), feed(&mut sequence, 40_001)),
            (SequenceOrder::Odd, SequenceOrder::Restarted)
        );
        assert_eq!(
            (feed(&mut sequence, 40_002), sequence.lost()),
            (SequenceOrder::Newer(1), 0)
        );
    }
}
