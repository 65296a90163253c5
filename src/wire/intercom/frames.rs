//! Splits a stream into frames: bytes up to a NUL.

use crate::wire::intercom::message::FRAME_BYTES;

/// More than `FRAME_BYTES` without a NUL: the connection must be closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooLong;

/// The bytes of one connection that have not been used yet. Its buffer is allocated once.
#[derive(Clone, Debug)]
pub struct FrameReader {
    buffer: Box<[u8]>,
    /// Bytes at the beginning that belong to frames already returned.
    used: usize,
    filled: usize,
}

impl FrameReader {
    /// A connection begins.
    pub fn new() -> Self {
        Self {
            buffer: vec![0; FRAME_BYTES + 1].into_boxed_slice(),
            used: 0,
            filled: 0,
        }
    }

    /// Discards everything: another connection begins.
    pub fn clear(&mut self) {
        self.used = 0;
        self.filled = 0;
    }

    /// Where the next bytes of the connection are to be read to; never empty after `next_frame` has
    /// returned `Ok(None)`.
    pub fn space(&mut self) -> &mut [u8] {
        self.buffer.copy_within(self.used..self.filled, 0);
        self.filled -= self.used;
        self.used = 0;
        &mut self.buffer[self.filled..]
    }

    /// So many bytes were read into `space`.
    pub fn advance(&mut self, count: usize) {
        self.filled = (self.filled + count).min(self.buffer.len());
    }

    /// The next frame without its NUL; it may be empty. `None`: more bytes are needed.
    pub fn next_frame(&mut self) -> Result<Option<&[u8]>, TooLong> {
        let waiting = &self.buffer[self.used..self.filled];
        let Some(end) = waiting.iter().position(|byte| *byte == 0) else {
            let is_full = waiting.len() > FRAME_BYTES;
            return if is_full { Err(TooLong) } else { Ok(None) };
        };
        let start = self.used;
        self.used += end + 1;
        Ok(Some(&self.buffer[start..start + end]))
    }
}

impl Default for FrameReader {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Feeds the bytes in pieces of `step`, and collects the frames.
    fn frames(bytes: &[u8], step: usize) -> Result<Vec<Vec<u8>>, TooLong> {
        let mut reader = FrameReader::new();
        let mut found = vec![];
        for piece in bytes.chunks(step) {
            let mut rest = piece;
            while !rest.is_empty() {
                let space = reader.space();
                let count = space.len().min(rest.len());
                space[..count].copy_from_slice(&rest[..count]);
                reader.advance(count);
                rest = &rest[count..];
                while let Some(frame) = reader.next_frame()? {
                    found.push(frame.trim_ascii().to_vec());
                }
            }
        }
        Ok(found)
    }

    #[test]
    fn frames_are_the_same_however_the_stream_is_cut() {
        let stream = b"{\"a\":1}\0 \n{}\n\0\0{\"b\":\"\xFF\"}\0unfinished";
        let whole = [&b"{\"a\":1}"[..], b"{}", b"", b"{\"b\":\"\xFF\"}"];
        for step in 1..=stream.len() {
            assert_eq!(frames(stream, step).unwrap(), whole, "pieces of {step}");
        }
    }

    #[test]
    fn the_longest_frame_is_accepted_and_a_longer_one_is_not() {
        let mut stream = vec![b'x'; FRAME_BYTES];
        stream.push(0);
        assert_eq!(frames(&stream, 1000).unwrap()[0].len(), FRAME_BYTES);
        stream.insert(0, b'x');
        assert_eq!(frames(&stream, 1000), Err(TooLong));
    }
}
