//! What has happened to recordings, for those who wait for it: the last five minutes are kept, so
//! that a client that was cut off misses nothing.

use std::collections::VecDeque;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use tokio::sync::broadcast;

use crate::server::archive::lock::lock;
use crate::server::archive::parts::Change;

/// How long an event is kept.
const KEPT: Duration = Duration::from_secs(300);
/// Events that are kept at the most, and that a slow client may be behind.
const MOST: usize = 20_000;
const BEHIND: usize = 1024;

/// An event with its number.
#[derive(Clone, Debug)]
pub(super) struct Event {
    pub(super) number: u64,
    pub(super) change: Change,
}

/// All events of this process.
pub(super) struct EventLog {
    inner: Mutex<Inner>,
    sender: broadcast::Sender<Event>,
}

struct Inner {
    last: u64,
    kept: VecDeque<(Instant, Event)>,
}

impl Default for EventLog {
    fn default() -> Self {
        Self {
            // Numbers of an earlier process are lower.
            inner: Mutex::new(Inner {
                last: crate::server::archive::scan::now() as u64 * 1000,
                kept: VecDeque::new(),
            }),
            sender: broadcast::channel(BEHIND).0,
        }
    }
}

impl EventLog {
    pub(super) fn add(&self, changes: Vec<Change>) {
        let mut inner = lock(&self.inner);
        let now = Instant::now();
        for change in changes {
            inner.last += 1;
            let event = Event {
                number: inner.last,
                change,
            };
            inner.kept.push_back((now, event.clone()));
            let _ = self.sender.send(event); // nobody may be there
        }
        let is_old = |at: &Instant| now.duration_since(*at) > KEPT;
        while inner.kept.len() > MOST || inner.kept.front().is_some_and(|(at, _)| is_old(at)) {
            inner.kept.pop_front();
        }
    }

    /// What has happened since an event, and what will.
    pub(super) fn since(&self, number: Option<u64>) -> (Vec<Event>, broadcast::Receiver<Event>) {
        let inner = lock(&self.inner);
        let is_later = |event: &&Event| number.is_some_and(|number| event.number > number);
        let kept = inner.kept.iter().map(|(_, event)| event).filter(is_later);
        (kept.cloned().collect(), self.sender.subscribe())
    }
}
