//! Messages that wait for their acknowledgement: flag 2.
//!
//! Five sends, at 0, 1, 3, 6 and 11 s, with the same id, to whichever channel the device has then.

use std::collections::{HashMap, HashSet, VecDeque};
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
/// After so long nobody waits for the acknowledgement of a message.
pub(super) const LIFE: Duration = Duration::from_secs(13);
/// Messages that wait for one device.
pub(super) const MAX_WAITING: usize = 16;

/// Learns when a message was acknowledged, in Unix seconds.
pub(super) type Delivery = Arc<watch::Sender<Option<u64>>>;

/// All messages that wait.
#[derive(Default)]
pub(super) struct Messages(HashMap<Device, VecDeque<Waiting>>);

struct Waiting {
    sent: Sent,
    frame: Bytes,
    delivery: Option<Delivery>,
}

/// A message that is on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Sent {
    pub(super) id: u64,
    /// So often, the first time included.
    sends: usize,
    /// From now to its next time.
    next_in: Duration,
    /// This process was asked to push it, so that it is counted here.
    pub(super) is_own: bool,
}

impl Sent {
    /// For the first time, here.
    pub(super) fn own(id: u64) -> Self {
        Self {
            id,
            sends: 1,
            next_in: SPACING[0],
            is_own: true,
        }
    }

    /// By another process.
    pub(super) fn by_other(id: u64) -> Self {
        Self {
            is_own: false,
            ..Self::own(id)
        }
    }

    /// So long ago, by a process that counts it; `None`: it is over.
    pub(super) fn before(id: u64, age: Duration) -> Option<Self> {
        let mut next_at = Duration::ZERO;
        for (before, spacing) in SPACING.iter().enumerate() {
            next_at += *spacing;
            if age < next_at {
                return Some(Self {
                    id,
                    sends: before + 1,
                    next_in: next_at - age,
                    is_own: false,
                });
            }
        }
        None
    }
}

/// What is to be done when a message is due.
pub(super) enum Due {
    /// It is sent again, and is due once more after so long.
    Again(Bytes, Duration),
    /// It was not acknowledged, and is dropped; whether it is counted here.
    Dropped(bool),
    /// It has been acknowledged.
    Over,
}

impl Messages {
    /// A message was sent. Returns when it is due, and whether the oldest one
    /// had to go.
    pub(super) fn add(
        &mut self,
        device: Device,
        sent: Sent,
        frame: Bytes,
        delivery: Option<Delivery>,
    ) -> (Duration, bool) {
        let queue = self.0.entry(device).or_default();
        let is_full = queue.len() >= MAX_WAITING;
        let displaced = match is_full {
            true => queue.pop_front(),
            false => None,
        };
        queue.push_back(Waiting {
            sent,
            frame,
            delivery,
        });
        (sent.next_in, displaced.is_some_and(|it| it.sent.is_own))
    }

    /// It waits.
    pub(super) fn has(&self, device: Device, id: u64) -> bool {
        let queue = self.0.get(&device);
        queue.is_some_and(|queue| queue.iter().any(|waiting| waiting.sent.id == id))
    }

    /// The time of a message has come.
    pub(super) fn handle_due(&mut self, device: Device, id: u64) -> Due {
        let Some(queue) = self.0.get_mut(&device) else {
            return Due::Over;
        };
        let Some(at) = queue.iter().position(|waiting| waiting.sent.id == id) else {
            return Due::Over;
        };
        let waiting = &mut queue[at];
        if let Some(spacing) = SPACING.get(waiting.sent.sends) {
            waiting.sent.sends += 1;
            return Due::Again(waiting.frame.clone(), *spacing);
        }
        let is_own = waiting.sent.is_own;
        queue.remove(at);
        self.forget_empty(device);
        Due::Dropped(is_own)
    }

    /// The device has acknowledged a message; whether it waited, and is counted here.
    pub(super) fn acknowledge(&mut self, device: Device, id: u64, unix: u64) -> bool {
        let Some(queue) = self.0.get_mut(&device) else {
            return false;
        };
        let at = queue.iter().position(|waiting| waiting.sent.id == id);
        let Some(waiting) = at.and_then(|at| queue.remove(at)) else {
            return false;
        };
        if let Some(delivery) = waiting.delivery {
            delivery.send_replace(Some(unix));
        }
        self.forget_empty(device);
        waiting.sent.is_own
    }

    /// Only these still wait: others were acknowledged elsewhere.
    pub(super) fn retain(&mut self, ids: &HashSet<u64>) {
        self.0.retain(|_, queue| {
            queue.retain(|waiting| ids.contains(&waiting.sent.id));
            !queue.is_empty()
        });
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
        let (mut at, _) = messages.add(DEVICE, Sent::own(1), Bytes::from_static(b"x"), None);
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
            let (_, dropped) = messages.add(DEVICE, Sent::own(id), Bytes::new(), delivery);
            assert_eq!(dropped, id == 16);
        }
        assert!(!messages.acknowledge(DEVICE, 0, 5));
        assert!(messages.acknowledge(DEVICE, 16, 5));
        assert!(!messages.acknowledge(DEVICE, 16, 5));
        assert_eq!(*receiver.borrow(), Some(5));
        assert!(matches!(messages.handle_due(DEVICE, 16), Due::Over));
        assert_eq!(messages.len(), 15);
        messages.retain(&HashSet::from([3, 99]));
        assert!(messages.has(DEVICE, 3) && messages.len() == 1);
        messages.retain(&HashSet::new());
        assert!(matches!(messages.handle_due(DEVICE, 3), Due::Over));
    }

    #[test]
    fn what_was_sent_elsewhere_goes_on_where_it_was() {
        let mut messages = Messages::default();
        let age = Duration::from_millis(3500);
        let sent = Sent::before(1, age).unwrap();
        let (after, _) = messages.add(DEVICE, sent, Bytes::new(), None);
        let mut at = age + after;
        let mut sends = vec![];
        while let Due::Again(_, spacing) = messages.handle_due(DEVICE, 1) {
            sends.push(at.as_secs());
            at += spacing;
        }
        assert_eq!(sends, [6, 11]);
        assert_eq!(Sent::before(1, LIFE), None);
    }
}
