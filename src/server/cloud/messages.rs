//! Messages that wait for their acknowledgement: flag 2.
//!
//! Five sends, at 0, 1, 3, 6 and 11 s, with the same id, to whichever channel the device has then.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use tokio::sync::watch;

use crate::server::cloud::apps::Device;

/// From each send to the next; after the last one the acknowledgement is awaited for a while.
const SPACING: [Duration; 5] = [
    Duration::from_secs(1),
    Duration::from_secs(2),
    Duration::from_secs(3),
    Duration::from_secs(5),
    Duration::from_secs(2),
];
/// Messages that wait for one device.
pub(super) const MAX_WAITING: usize = 16;

/// Learns when a message was acknowledged, in Unix seconds.
pub(super) type Delivery = Arc<watch::Sender<Option<u64>>>;

/// All messages that wait.
#[derive(Default)]
pub(super) struct Messages(HashMap<Device, VecDeque<Waiting>>);

struct Waiting {
    id: u64,
    frame: Bytes,
    sends: usize,
    delivery: Option<Delivery>,
}

/// What is to be done when a message is due.
pub(super) enum Due {
    /// It is sent again, and is due once more after so long.
    Again(Bytes, Duration),
    /// It was not acknowledged, and is dropped.
    Dropped,
    /// It has been acknowledged.
    Over,
}

impl Messages {
    /// A message was sent for the first time. Returns when it is due, and whether the oldest one
    /// had to go.
    pub(super) fn add(
        &mut self,
        device: Device,
        id: u64,
        frame: Bytes,
        delivery: Option<Delivery>,
    ) -> (Duration, bool) {
        let queue = self.0.entry(device).or_default();
        let is_full = queue.len() >= MAX_WAITING;
        if is_full {
            queue.pop_front();
        }
        queue.push_back(Waiting {
            id,
            frame,
            sends: 1,
            delivery,
        });
        (SPACING[0], is_full)
    }

    /// The time of a message has come.
    pub(super) fn handle_due(&mut self, device: Device, id: u64) -> Due {
        let Some(queue) = self.0.get_mut(&device) else {
            return Due::Over;
        };
        let Some(at) = queue.iter().position(|waiting| waiting.id == id) else {
            return Due::Over;
        };
        let waiting = &mut queue[at];
        if let Some(spacing) = SPACING.get(waiting.sends) {
            waiting.sends += 1;
            return Due::Again(waiting.frame.clone(), *spacing);
        }
        queue.remove(at);
        self.forget_empty(device);
        Due::Dropped
    }

    /// The device has acknowledged a message; whether it waited.
    pub(super) fn acknowledge(&mut self, device: Device, id: u64, unix: u64) -> bool {
        let Some(queue) = self.0.get_mut(&device) else {
            return false;
        };
        let at = queue.iter().position(|waiting| waiting.id == id);
        let Some(waiting) = at.and_then(|at| queue.remove(at)) else {
            return false;
        };
        if let Some(delivery) = waiting.delivery {
            delivery.send_replace(Some(unix));
        }
        self.forget_empty(device);
        true
    }

    /// Messages that wait.
    pub(super) fn len(&self) -> usize {
        self.0.values().map(VecDeque::len).sum()
    }

    fn forget_empty(&mut self, device: Device) {
        if self.0.get(&device).is_some_and(VecDeque::is_empty) {
            self.0.remove(&device);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEVICE: Device = Device { app: 0, cid: 7 };

    #[test]
    fn a_message_is_sent_five_times_in_eleven_seconds() {
        let mut messages = Messages::default();
        let (mut at, _) = messages.add(DEVICE, 1, Bytes::from_static(b"x"), None);
        let mut sends = vec![0];
        while let Due::Again(_, spacing) = messages.handle_due(DEVICE, 1) {
            sends.push(at.as_secs());
            at += spacing;
        }
        assert_eq!(sends, [0, 1, 3, 6, 11]);
        assert_eq!(messages.len(), 0);
    }

    #[test]
    fn the_oldest_goes_and_what_is_acknowledged_waits_no_more() {
        let mut messages = Messages::default();
        let (sender, receiver) = watch::channel(None);
        let sender = Arc::new(sender);
        for id in 0..17 {
            let delivery = (id == 16).then(|| sender.clone());
            let (_, dropped) = messages.add(DEVICE, id, Bytes::new(), delivery);
            assert_eq!(dropped, id == 16);
        }
        assert!(!messages.acknowledge(DEVICE, 0, 5));
        assert!(messages.acknowledge(DEVICE, 16, 5));
        assert!(!messages.acknowledge(DEVICE, 16, 5));
        assert_eq!(*receiver.borrow(), Some(5));
        assert!(matches!(messages.handle_due(DEVICE, 16), Due::Over));
        assert_eq!(messages.len(), 15);
    }
}
