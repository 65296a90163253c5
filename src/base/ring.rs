//! A byte ring: whole frames go in at one end, runs of bytes come out at the other. No heap after `new`.

/// A ring that holds little goes back to its beginning from here on: a long one that is never quite empty would
/// otherwise touch all of its pages.
const WINDOW: usize = 16 * 1024;
/// So little is moved for it.
const SMALL: usize = 4096;

/// A first-in first-out queue of bytes with a fixed capacity.
pub struct Ring {
    bytes: Box<[u8]>,
    start: usize,
    len: usize,
}

impl Ring {
    /// An empty ring. The only allocation; `vec![0; n]` leaves the pages untouched until they are used.
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
        let at = if end < capacity { end } else { end - capacity }; // an ARMv7 divides in a hundred instructions
        let first = bytes.len().min(capacity - at);
        let (head, tail) = bytes.split_at(first);
        self.bytes[at..at + first].copy_from_slice(head);
        self.bytes[..tail.len()].copy_from_slice(tail);
        self.len += bytes.len();
        true
    }

    /// The longest run of waiting bytes that lies in one piece, at most `limit` of them.
    pub fn front(&self, limit: usize) -> &[u8] {
        self.piece(0, limit)
    }

    /// `len` bytes from `skip` bytes behind the front; fewer where the ring or what is in it ends.
    pub fn piece(&self, skip: usize, len: usize) -> &[u8] {
        let capacity = self.bytes.len();
        let at = (self.start + skip) % capacity;
        &self.bytes[at..at + len.min(self.len.saturating_sub(skip)).min(capacity - at)]
    }

    /// Forgets the first `count` bytes. An emptied ring starts over, so that it touches few pages.
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

    /// Takes as many bytes as `place` has room for; `false` when there are fewer.
    #[must_use]
    pub fn take(&mut self, place: &mut [u8]) -> bool {
        let mut done = 0;
        while done < place.len() {
            let run = self.front(place.len() - done);
            if run.is_empty() {
                return false;
            }
            let len = run.len();
            place[done..done + len].copy_from_slice(run);
            self.consume(len);
            done += len;
        }
        true
    }

    /// Forgets everything.
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
