//! The alarms that are not over.

use crate::base::time::{Duration, Instant};
use crate::proto::intercom::home_box::output::BoxEvent;
use crate::wire::intercom::{Id, Message, Words};

/// From one telling to the next.
pub(super) const REPEAT: Duration = Duration::from_millis(10_000);
/// An alarm is repeated for so long, from the time when it was first told.
pub(super) const REPEATED: Duration = Duration::from_millis(180_000);

/// The alarms that nobody has acknowledged or cleared.
#[derive(Debug, Default)]
pub(super) struct Alarms {
    pub(super) alarms: Vec<Alarm>,
}

#[derive(Clone, Debug)]
pub(super) struct Alarm {
    pub(super) id: Id,
    pub(super) port: u8,
    pub(super) name: Words,
    pub(super) message: Words,
    /// When it was first told; `None`: no screen was joined yet.
    pub(super) told_at: Option<Instant>,
    /// When it is told again.
    pub(super) next_at: Instant,
}

impl Alarm {
    pub(super) fn emergency(&self) -> Message {
        Message::Emergency {
            alarm: self.id.clone(),
            port: self.port,
            name: self.name.clone(),
            message: self.message.clone(),
        }
    }

    pub(super) fn event(&self, state: &'static str, by: Id) -> BoxEvent {
        BoxEvent::Alarm {
            alarm: self.id.clone(),
            state,
            port: self.port,
            name: self.name.clone(),
            message: self.message.clone(),
            by,
        }
    }

    pub(super) fn is_repeated(&self, now: Instant) -> bool {
        self.told_at.is_none_or(|at| now.since(at) <= REPEATED)
    }
}

impl Alarms {
    pub(super) fn next_deadline(&self, has_screens: bool) -> Instant {
        if !has_screens {
            return Instant::NEVER;
        }
        let times = self.alarms.iter().map(|alarm| alarm.next_at);
        times.min().unwrap_or(Instant::NEVER)
    }
}
