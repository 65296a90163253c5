//! Clients that have stopped all recordings and wait for them to end.

use crate::base::limits::MAX_CLIENTS;
use crate::proto::recorder::outbox::ClientId;

/// One entry for each of these clients; they send nothing else meanwhile.
#[derive(Default)]
pub(super) struct StopAlls {
    all: heapless::Vec<StopAll, MAX_CLIENTS>,
}

struct StopAll {
    client: ClientId,
    /// Recordings that have not ended yet.
    left: usize,
    count: usize,
}

impl StopAlls {
    /// No further client can wait.
    pub(super) fn is_full(&self) -> bool {
        self.all.is_full()
    }

    /// A client waits for so many recordings.
    pub(super) fn add(&mut self, client: ClientId, count: usize) {
        let left = count;
        let added = self.all.push(StopAll {
            client,
            left,
            count,
        });
        debug_assert!(added.is_ok(), "bug: room was checked");
    }

    /// This client waits.
    pub(super) fn has(&self, client: ClientId) -> bool {
        self.all.iter().any(|all| all.client == client)
    }

    /// One of its recordings has ended; the number of all when it was the last one.
    pub(super) fn handle_ended(&mut self, client: ClientId) -> Option<usize> {
        let position = self.all.iter().position(|all| all.client == client)?;
        self.all[position].left -= 1;
        if self.all[position].left > 0 {
            return None;
        }
        Some(self.all.swap_remove(position).count)
    }
}
