//! The codes of one source on its axis: a ring, and a bit per position that tells whether it was
//! written.
//!
//! Packets are kept as received, one byte per sample: only what must be decoded is decoded, and
//! wiping a position clears one bit.

use core::ops::Range;

use crate::base::limits::LEG_SAMPLES;

/// Bits in a word of `written`.
const BITS: usize = u32::BITS as usize;
const WORDS: usize = LEG_SAMPLES / BITS;
const MASK: usize = LEG_SAMPLES - 1;

/// The ring of one source, passed to each call so that a jitter buffer itself is small. Positions
/// are samples on the source axis; positions that are `LEG_SAMPLES` apart share an index.
#[derive(Debug)]
pub struct SampleRing<'a> {
    // Arrays, not slices: an index into the ring is never out of bounds, so that no check is needed
    // per sample.
    codes: &'a mut [u8; LEG_SAMPLES],
    written: &'a mut [u32; WORDS],
}

/// The memory of several rings; unused rings are never touched.
#[derive(Debug)]
pub struct SampleRings {
    codes: Box<[u8]>,
    written: Box<[u32]>,
}

impl SampleRings {
    /// Allocates `count` rings. This is the only allocation.
    pub fn new(count: usize) -> Self {
        let codes = vec![0; count * LEG_SAMPLES].into_boxed_slice();
        Self {
            codes,
            written: vec![0; count * WORDS].into_boxed_slice(),
        }
    }

    /// The ring with this index, if it exists.
    pub fn ring(&mut self, place: usize) -> Option<SampleRing<'_>> {
        let codes = self.codes.get_mut(place * LEG_SAMPLES..)?;
        let codes = codes.first_chunk_mut()?;
        let written = self.written.get_mut(place * WORDS..)?.first_chunk_mut()?;
        Some(SampleRing { codes, written })
    }
}

impl SampleRing<'_> {
    /// Marks all positions as not written.
    pub fn clear(&mut self) {
        self.written.fill(0);
    }

    /// The position was written.
    pub fn has(&self, at: i64) -> bool {
        let place = index(at);
        self.written[place / BITS] >> (place % BITS) & 1 != 0
    }

    /// The code at a position, if it was written.
    pub fn code(&self, at: i64) -> Option<u8> {
        self.has(at).then(|| self.codes[index(at)])
    }

    /// Writes codes, starting at `at`.
    pub fn store(&mut self, at: i64, codes: &[u8]) {
        let place = index(at);
        let (head, tail) = codes.split_at(codes.len().min(LEG_SAMPLES - place));
        self.codes[place..place + head.len()].copy_from_slice(head);
        if !tail.is_empty() {
            self.codes[..tail.len()].copy_from_slice(tail);
        }
        self.mark(at, codes.len(), true);
    }

    /// Writes one code to all positions of a range.
    pub fn fill(&mut self, range: Range<i64>, code: u8) {
        let count = length(&range);
        for at in range.start..range.start + count as i64 {
            self.codes[index(at)] = code;
        }
        self.mark(range.start, count, true);
    }

    /// Marks a range as not written.
    #[inline(always)] // for each frame
    pub fn wipe(&mut self, range: Range<i64>) {
        self.mark(range.start, length(&range), false);
    }

    /// Copies the codes from `at` on, including those of positions that were never written.
    pub fn copy(&self, at: i64, codes: &mut [u8]) {
        let place = index(at);
        let (head, tail) = codes.split_at_mut(codes.len().min(LEG_SAMPLES - place));
        head.copy_from_slice(&self.codes[place..place + head.len()]);
        if !tail.is_empty() {
            tail.copy_from_slice(&self.codes[..tail.len()]);
        }
    }

    fn mark(&mut self, at: i64, count: usize, written: bool) {
        let start = index(at);
        let end = start + count;
        self.mark_run(start, end.min(LEG_SAMPLES), written);
        if end > LEG_SAMPLES {
            self.mark_run(0, end - LEG_SAMPLES, written);
        }
    }

    fn mark_run(&mut self, start: usize, end: usize, written: bool) {
        let bits = if written { u32::MAX } else { 0 };
        let head = u32::MAX << (start % BITS);
        let tail = !(u32::MAX << (end % BITS));
        let put = |word: &mut u32, mask: u32| *word = *word & !mask | bits & mask;
        match self.written.get_mut(start / BITS..end.div_ceil(BITS)) {
            Some([one]) if tail != 0 => put(one, head & tail),
            Some([first, between @ .., last]) if tail != 0 => {
                put(first, head);
                between.fill(bits);
                put(last, tail);
            }
            Some([first, others @ ..]) => {
                put(first, head);
                others.fill(bits);
            }
            _ => {}
        }
    }
}

/// The length of a range: 0 if it is reversed, at most the length of the ring.
fn length(range: &Range<i64>) -> usize {
    usize::try_from(range.end - range.start)
        .unwrap_or(0)
        .min(LEG_SAMPLES)
}

/// The index in the ring of a position on the source axis.
fn index(position: i64) -> usize {
    position as usize & MASK
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_written_and_wiped_around_the_end() {
        let mut rings = SampleRings::new(2);
        for start in [0, 5, LEG_SAMPLES as i64 - 2, -3, 1 << 40] {
            let mut ring = rings.ring(1).unwrap();
            ring.clear();
            ring.store(start, &[1, 2, 3, 4, 5, 6]);
            let mut codes = [0; 6];
            ring.copy(start, &mut codes);
            assert_eq!(codes, [1, 2, 3, 4, 5, 6]);
            ring.wipe(start + 1..start + 3);
            ring.wipe(start + 3..start);
            let seen: Vec<_> = (start - 1..start + 7).map(|at| ring.code(at)).collect();
            assert_eq!(
                seen,
                [None, Some(1), None, None, Some(4), Some(5), Some(6), None],
                "{start}"
            );
        }
        assert!(
            (0..LEG_SAMPLES as i64).all(|at| !rings.ring(0).unwrap().has(at)),
            "the other ring is untouched"
        );
    }

    #[test]
    fn any_range_is_marked_and_nothing_else() {
        let mut rings = SampleRings::new(1);
        let mut ring = rings.ring(0).unwrap();
        for from in 0..70 {
            for to in from..140 {
                ring.clear();
                ring.fill(from..to, 7);
                assert!(
                    (-64..256).all(|at| ring.has(at) == (from..to).contains(&at)),
                    "{from} {to}"
                );
            }
        }
        ring.fill(0..1 << 20, 9);
        assert!((0..LEG_SAMPLES as i64).all(|at| ring.code(at) == Some(9)));
        ring.wipe(0..1 << 20);
        assert!((0..LEG_SAMPLES as i64).all(|at| !ring.has(at)));
    }
}
