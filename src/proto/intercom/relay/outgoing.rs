//! What waits to be sent on a connection: shared pieces, so that a tag has one copy for all players.

use std::collections::VecDeque;
use std::sync::Arc;

/// The queue of one connection.
#[derive(Debug, Default)]
pub struct Outgoing {
    pieces: VecDeque<Arc<[u8]>>,
    /// Bytes of the first piece that were sent.
    sent: usize,
    /// Bytes of all pieces.
    bytes: usize,
}

impl Outgoing {
    /// There is nothing to send.
    pub fn is_empty(&self) -> bool {
        self.pieces.is_empty()
    }

    /// The pieces in order, without what was sent.
    pub fn slices(&self) -> impl Iterator<Item = &[u8]> {
        let mut skipped = self.sent;
        self.pieces.iter().map(move |piece| {
            let from = std::mem::take(&mut skipped);
            &piece[from..]
        })
    }

    /// So many bytes were sent.
    pub fn consume(&mut self, mut count: usize) {
        self.bytes -= count.min(self.bytes);
        while let Some(first) = self.pieces.front() {
            let left = first.len() - self.sent;
            if count < left {
                self.sent += count;
                return;
            }
            count -= left;
            self.sent = 0;
            self.pieces.pop_front();
        }
    }

    pub(super) fn push(&mut self, piece: Arc<[u8]>) {
        self.bytes += piece.len();
        self.pieces.push_back(piece);
    }

    /// Bytes that wait.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Drops all pieces but the first if that is sent in part: it must be finished. Returns their
    /// number.
    pub(super) fn drop_waiting(&mut self) -> usize {
        let kept = usize::from(self.sent > 0);
        let dropped = self.pieces.len().saturating_sub(kept);
        self.pieces.truncate(kept);
        self.bytes = self
            .pieces
            .front()
            .map_or(0, |first| first.len() - self.sent);
        dropped
    }
}
