//! The alarms of a home that a screen knows. A box repeats an alarm until somebody has acknowledged
//! it; the repetitions make one event.

use crate::base::limits::endpoint::{ALARM_MEMORY, MAX_ALARMS};
use crate::base::time::Instant;
use crate::proto::intercom::endpoint::output::Alarm;
use crate::wire::intercom::Id;

/// The alarms, oldest first.
#[derive(Default)]
pub(super) struct Alarms {
    known: heapless::Vec<Known, MAX_ALARMS>,
}

struct Known {
    alarm: Alarm,
    repeated_at: Instant,
    /// It was acknowledged at this screen.
    acked_here: bool,
}

impl Alarms {
    /// The box tells of an alarm; `true` if it is a new one.
    #[must_use]
    pub(super) fn raise(&mut self, now: Instant, alarm: &Alarm) -> bool {
        let same =
            |known: &&mut Known| known.alarm.id == alarm.id && known.alarm.port == alarm.port;
        if let Some(known) = self.known.iter_mut().find(same) {
            // Old boxes give no id: then only time tells a repetition from another alarm.
            let is_old = now.since(known.repeated_at) >= ALARM_MEMORY;
            known.repeated_at = now;
            return alarm.id.is_empty() && is_old;
        }
        if self.known.is_full() {
            self.known.remove(0);
        }
        let known = Known {
            alarm: alarm.clone(),
            repeated_at: now,
            acked_here: false,
        };
        // There is room: a full list has just lost its oldest.
        let _ = self.known.push(known);
        true
    }

    /// The box tells that an alarm is over, or was acknowledged; `true`: at this screen.
    pub(super) fn clear(&mut self, id: &Id, port: u8) -> Option<(Alarm, bool)> {
        let mut known = self.known.iter();
        let place = known.position(|known| known.alarm.id == *id && known.alarm.port == port)?;
        let known = self.known.remove(place);
        Some((known.alarm, known.acked_here))
    }

    /// The alarms that are not over, oldest first.
    pub(super) fn all(&self) -> impl Iterator<Item = &Alarm> {
        self.known.iter().map(|known| &known.alarm)
    }

    /// The user acknowledges all alarms of a port; returns their ids.
    pub(super) fn acknowledge(&mut self, port: u8) -> heapless::Vec<Id, MAX_ALARMS> {
        let mut ids = heapless::Vec::new();
        let of_port = |known: &&mut Known| known.alarm.port == port;
        for known in self.known.iter_mut().filter(of_port) {
            known.acked_here = true;
            // There is room: the alarms are as many.
            let _ = ids.push(known.alarm.id.clone());
        }
        ids
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::time::Duration;
    use crate::wire::intercom::text;

    fn alarm(id: &str, port: u8) -> Alarm {
        Alarm {
            id: text(id),
            port,
            ..Alarm::default()
        }
    }

    #[test]
    fn a_repetition_is_no_other_alarm() {
        let mut alarms = Alarms::default();
        let mut now = Instant::from_nanos(0);
        assert!(alarms.raise(now, &alarm("a", 3)));
        assert!(!alarms.raise(now, &alarm("a", 3)));
        assert!(alarms.raise(now, &alarm("b", 3)));
        assert!(alarms.raise(now, &alarm("", 3)));
        for _ in 0..100 {
            now = now + Duration::from_millis(10_000);
            assert!(!alarms.raise(now, &alarm("", 3)));
        }
        now = now + ALARM_MEMORY;
        assert!(alarms.raise(now, &alarm("", 3)));
        assert!(!alarms.raise(now, &alarm("a", 3)), "it has an id");
        assert_eq!(alarms.acknowledge(3).len(), 3);
        assert_eq!(alarms.clear(&text("a"), 3), Some((alarm("a", 3), true)));
        assert_eq!(alarms.clear(&text("a"), 3), None);
        assert_eq!(alarms.acknowledge(3).len(), 2);
    }

    #[test]
    fn a_flood_of_alarms_is_bounded() {
        let mut alarms = Alarms::default();
        for number in 0..1000 {
            let id = number.to_string();
            assert!(alarms.raise(Instant::from_nanos(number), &alarm(&id, 0)));
        }
        assert_eq!(alarms.acknowledge(0).len(), MAX_ALARMS);
    }
}
