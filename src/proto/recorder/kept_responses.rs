//! The figures of recordings that have ended without a stop request of their own: by a limit, by
//! `RecordStopAllRequest`, or because the stick was ejected. A later stop gets them.

use crate::base::limits::{KEPT_RESPONSES, KEPT_RESPONSE_BYTES};

/// The last of them, oldest first.
#[derive(Default)]
pub(super) struct KeptResponses {
    all: heapless::Deque<KeptResponse, KEPT_RESPONSES>,
}

struct KeptResponse {
    id: u32,
    text: heapless::Vec<u8, KEPT_RESPONSE_BYTES>,
}

impl KeptResponses {
    /// Keeps the response to a stop of this recording.
    pub(super) fn keep(&mut self, id: u32, text: &[u8]) {
        let Ok(text) = heapless::Vec::from_slice(text) else {
            return;
        };
        if self.all.is_full() {
            self.all.pop_front();
        }
        let _ = self.all.push_back(KeptResponse { id, text });
    }

    /// The response to a stop of this recording.
    pub(super) fn find(&self, id: u32) -> Option<&[u8]> {
        let kept = self.all.iter().find(|kept| kept.id == id)?;
        Some(&kept.text)
    }
}
