//! Alarms of the home: told to each screen, again and again, until somebody acknowledges them.

use crate::base::time::Instant;
use crate::proto::intercom::home_box::alarm_list::{Alarm, REPEAT, REPEATED};
use crate::proto::intercom::home_box::legs::LegId;
use crate::proto::intercom::home_box::output::{Output, Report};
use crate::proto::intercom::home_box::HomeBox;
use crate::wire::intercom::{text, Id, Message, Reason, Words};

/// Alarms at once: each of the eight ports may have several.
const MAX_ALARMS: usize = 32;

/// Why an alarm cannot be raised.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooManyAlarms;

impl HomeBox {
    /// An alarm of a port.
    pub fn raise_alarm(
        &mut self,
        now: Instant,
        port: u8,
        name: Words,
        message: Words,
    ) -> Result<Id, TooManyAlarms> {
        if self.alarms.alarms.len() >= MAX_ALARMS {
            return Err(TooManyAlarms);
        }
        let alarm = Alarm {
            id: self.sids.make(),
            port,
            name,
            message,
            told_at: None,
            next_at: now,
        };
        let id = alarm.id.clone();
        self.output(Output::Event(alarm.event("raised", Id::new())));
        self.output(Output::Report(Report::Emergency {
            port,
            name: alarm.name.clone(),
            alarm: id.clone(),
        }));
        self.alarms.alarms.push(alarm);
        self.repeat_alarms(now);
        Ok(id)
    }

    /// The cause of a port's alarms is gone; returns their number.
    pub fn clear_alarms(&mut self, port: u8) -> usize {
        let (cleared, rest) = std::mem::take(&mut self.alarms.alarms)
            .into_iter()
            .partition(|alarm| alarm.port == port);
        self.alarms.alarms = rest;
        self.end_alarms(&cleared, "cleared", &Id::new());
        cleared.len()
    }

    /// A screen has acknowledged an alarm.
    pub(super) fn handle_alarm_ack(&mut self, id: &Id, by: &Id) {
        let (acknowledged, rest) = std::mem::take(&mut self.alarms.alarms)
            .into_iter()
            .partition::<Vec<Alarm>, _>(|alarm| alarm.id == *id);
        self.alarms.alarms = rest;
        if acknowledged.is_empty() {
            self.counts.ignored_messages += 1;
        }
        self.end_alarms(&acknowledged, "acked", by);
    }

    /// The number of alarms that nobody has acknowledged or cleared.
    pub fn alarm_count(&self) -> usize {
        self.alarms.alarms.len()
    }

    fn end_alarms(&mut self, ended: &Vec<Alarm>, state: &'static str, by: &Id) {
        for alarm in ended {
            self.output(Output::Event(alarm.event(state, by.clone())));
            for leg in self.screens() {
                let reason: Reason = text(state);
                let message = Message::SeczoneClear {
                    alarm: alarm.id.clone(),
                    port: alarm.port,
                    reason,
                };
                self.send(leg, message);
            }
        }
    }

    pub(super) fn repeat_alarms(&mut self, now: Instant) {
        if !self.has_screens() {
            return;
        }
        let mut messages = vec![];
        for alarm in &mut self.alarms.alarms {
            if alarm.next_at > now {
                continue;
            }
            let first = *alarm.told_at.get_or_insert(now);
            let is_last = now + REPEAT > first + REPEATED;
            alarm.next_at = if is_last {
                Instant::NEVER
            } else {
                now + REPEAT
            };
            messages.push(alarm.emergency());
        }
        for message in messages {
            for leg in self.screens() {
                self.send(leg, message.clone());
            }
        }
    }

    /// A screen that joins hears at once what is repeated.
    pub(super) fn send_alarms_to(&mut self, now: Instant, leg: LegId) {
        self.repeat_alarms(now);
        let told_before =
            |alarm: &&Alarm| alarm.is_repeated(now) && alarm.told_at.is_some_and(|at| at < now);
        let alarms = self.alarms.alarms.iter().filter(told_before);
        let messages: Vec<Message> = alarms.map(Alarm::emergency).collect();
        for message in messages {
            self.send(leg, message);
        }
    }

    fn screens(&self) -> Vec<LegId> {
        self.legs.joined().map(|(leg, ..)| leg).collect()
    }
}
