//! A byte ring: whole frames are pushed at one end, runs of bytes are consumed at the other. No
//! heap after `new`.

/// Once the read position is beyond this, a ring with few bytes moves them back to its beginning.
/// Otherwise a long ring that is never quite empty would touch all of its pages.
const WINDOW: usize = 16 * 1024;
/// The most bytes that are moved back to the beginning.
const SMALL: usize = 4096;

/// A first-in first-out queue of bytes with a fixed capacity.
pub struct Ring {
    bytes: Box<[u8]>,
    start: usize,
    len: usize,
}

impl Ring {
    /// An empty ring. This is the only allocation; the pages of `vec![0; n]` stay untouched until
    /// they are used.
    pub fn new(capacity: usize) -> Self {
        Self {
            bytes: vec![0; capacity].into_boxed_slice(),
            start: 0,
            len: 0,
        }
    }

    /// Bytes waiting.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Nothing is waiting.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Bytes that still fit.
    pub fn room(&self) -> usize {
        self.bytes.len() - self.len
    }

    /// Appends all of `bytes`, or nothing and `false` when they do not fit.
    #[must_use]
    pub fn push(&mut self, bytes: &[u8]) -> bool {
        if bytes.len() > self.room() {
            return false;
        }
        let capacity = self.bytes.len();
        let end = self.start + self.len;
        // Not `%`: a division takes an ARMv7 without a divider a hundred instructions.
        let at = if end < capacity { end } else { end - capacity };
        let first = bytes.len().min(capacity - at);
        let (head, tail) = bytes.split_at(first);
        self.bytes[at..at + first].copy_from_slice(head);
        self.bytes[..tail.len()].copy_from_slice(tail);
        self.len += bytes.len();
        true
    }

    /// The longest contiguous run of waiting bytes, at most `limit` of them.
    pub fn front(&self, limit: usize) -> &[u8] {
        self.piece(0, limit)
    }

    /// `len` bytes, starting `skip` bytes after the front; fewer where the ring wraps around or its
    /// content ends.
    pub fn piece(&self, skip: usize, len: usize) -> &[u8] {
        let capacity = self.bytes.len();
        let at = (self.start + skip) % capacity;
        let waiting = self.len.saturating_sub(skip);
        let contiguous = capacity - at;
        &self.bytes[at..at + len.min(waiting).min(contiguous)]
    }

    /// Discards the first `count` bytes. An emptied ring starts again at its beginning, so that it
    /// touches few pages.
    pub fn consume(&mut self, count: usize) {
        debug_assert!(count <= self.len);
        let count = count.min(self.len);
        self.len -= count;
        self.start = if self.len == 0 {
            0
        } else {
            (self.start + count) % self.bytes.len()
        };
        if self.start >= WINDOW && self.len <= SMALL {
            let end = (self.start + self.len).min(self.bytes.len());
            if end == self.start + self.len {
                self.bytes.copy_within(self.start..end, 0);
                self.start = 0;
            }
        }
    }

    /// Fills `out` from the front of the ring; `false` when the ring holds fewer bytes.
    #[must_use]
    pub fn take(&mut self, out: &mut [u8]) -> bool {
        let mut done = 0;
        while done < out.len() {
            let run = self.front(out.len() - done);
            if run.is_empty() {
                return false;
            }
            let len = run.len();
            out[done..done + len].copy_from_slice(run);
            self.consume(len);
            done += len;
        }
        true
    }

    /// Discards everything.
    pub fn clear(&mut self) {
        self.consume(self.len);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_goes_in_comes_out_in_order_across_the_end() {
        let mut ring = Ring::new(10);
        let (mut sent, mut got) = (0u8, 0u8);
        for round in 1..200usize {
            let bytes: Vec<u8> = (0..round % 7).map(|i| sent.wrapping_add(i as u8)).collect();
            if ring.push(&bytes) {
                sent = sent.wrapping_add(bytes.len() as u8);
            }
            let run = ring.front(round % 5).to_vec();
            assert!(run
                .iter()
                .enumerate()
                .all(|(i, b)| *b == got.wrapping_add(i as u8)));
            got = got.wrapping_add(run.len() as u8);
            ring.consume(run.len());
            assert_eq!(ring.len(), usize::from(sent.wrapping_sub(got)));
        }
        assert!(got > 100);
    }

    #[test]
    fn a_full_ring_takes_nothing_of_what_does_not_fit() {
        let mut ring = Ring::new(4);
        assert!(ring.push(&[1, 2, 3]));
        assert!(!ring.push(&[4, 5]));
        assert_eq!(ring.front(9), [1, 2, 3]);
        ring.clear();
        assert!(ring.is_empty() && ring.room() == 4);
    }
}
