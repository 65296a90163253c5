//! What the passing of time does. Early and superfluous calls are harmless.

use crate::base::time::{Duration, Instant};
use crate::proto::intercom::home_box::answer::WARNING;
use crate::proto::intercom::home_box::call::{Call, CallState, DoorAsked};
use crate::proto::intercom::home_box::legs::{Leg, LegId, LegState};
use crate::proto::intercom::home_box::HomeBox;
use crate::wire::intercom::{text, Message, Sid};

/// While a call runs, a caller that says nothing for so long is told that the line is busy.
const SILENT_CALLER: Duration = Duration::from_millis(1000);

impl HomeBox {
    /// When `handle_timeout` has something to do; `NEVER`: not before the next input.
    pub fn next_deadline(&self) -> Instant {
        let legs = self.legs.iter().map(|leg| self.leg_deadline(leg));
        let earliest = legs.min().unwrap_or(Instant::NEVER);
        earliest
            .min(self.call.as_ref().map_or(Instant::NEVER, call_deadline))
            .min(self.keep_alive_at())
            .min(self.alarms.next_deadline(self.has_screens()))
    }

    /// Does what is due.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.close_idle_legs(now);
        self.handle_call_timeout(now);
        self.handle_silent_legs(now);
        self.send_keep_alives(now);
        self.repeat_alarms(now);
    }

    pub(super) fn has_screens(&self) -> bool {
        self.legs.joined().next().is_some()
    }

    /// When a connection must have said what it wants.
    fn leg_deadline(&self, leg: &Leg) -> Instant {
        match leg.state {
            LegState::Joining => leg.since + self.rules.join_timeout,
            LegState::Waiting if self.call.is_some() && !leg.has_spoken => {
                leg.since + SILENT_CALLER
            }
            LegState::Waiting => leg.since + self.rules.join_timeout,
            LegState::Joined { .. } | LegState::Cloud { .. } | LegState::InCall => Instant::NEVER,
        }
    }

    fn close_idle_legs(&mut self, now: Instant) {
        let is_due = |leg: &&Leg| self.leg_deadline(leg) <= now;
        let due: Vec<(LegId, LegState)> = self
            .legs
            .iter()
            .filter(is_due)
            .map(|leg| (leg.id, leg.state.clone()))
            .collect();
        for (leg, state) in due {
            if state == LegState::Waiting && self.call.is_some() {
                // Who has not said that he calls is told, and counted, but fills no log.
                self.counts.busy += 1;
                let (sid, reason) = (Sid::new(), text("line_busy"));
                self.send(leg, Message::CallReject { sid, reason });
                self.close(leg);
            } else {
                self.close(leg);
            }
        }
    }

    fn handle_call_timeout(&mut self, now: Instant) {
        let Some(call) = &self.call else {
            return;
        };
        if call_deadline(call) > now {
            return;
        }
        match &call.state {
            CallState::Ringing(_) => self.handle_ring_timeout(now),
            CallState::RingingOut { .. } => self.handle_ring_out_timeout(now),
            CallState::Dialling { callee, .. } => {
                let callee = *callee;
                self.handle_unreachable(now, callee);
            }
            CallState::Talking(_) => self.handle_talk_timeout(now),
        }
    }

    fn handle_talk_timeout(&mut self, now: Instant) {
        let Some(talking) = self.talking() else {
            return;
        };
        let asked = talking.door_asked.take_if(|asked| asked.until <= now);
        let warns = talking.warn_at <= now;
        if warns {
            talking.warn_at = Instant::NEVER;
        }
        let is_over = talking.until <= now;
        let hangs_up = talking.hang_up_at <= now;
        if let Some(asked) = asked {
            self.tell_unknown(asked);
        }
        if warns {
            self.announce_limit(WARNING);
        }
        if is_over {
            self.hang_up(now, &text("max_duration"));
        } else if hangs_up {
            self.hang_up(now, &text("hangup"));
        }
    }
}

impl HomeBox {
    /// The call ends before a door has said what came of it.
    pub(super) fn close_door_question(&mut self) {
        let asked = self.talking().and_then(|talking| talking.door_asked.take());
        if let Some(asked) = asked {
            self.tell_unknown(asked);
        }
    }

    /// It is unknown whether a door was opened: who asked is told, and subscribers.
    fn tell_unknown(&mut self, asked: DoorAsked) {
        let (by, door) = (asked.by, asked.door);
        if self.legs.find(by).is_some() {
            self.send_in_call(by, |sid| Message::OpenDoorResult {
                sid,
                door,
                ok: false,
                reason: text("unknown"),
            });
        }
        self.announce_door("unknown", door, asked.device);
    }
}

fn call_deadline(call: &Call) -> Instant {
    match &call.state {
        CallState::Ringing(ringing) => ringing.until,
        CallState::Dialling { until, .. } | CallState::RingingOut { until, .. } => *until,
        CallState::Talking(talking) => {
            let asked = talking.door_asked.as_ref();
            let door_at = asked.map_or(Instant::NEVER, |asked| asked.until);
            let ends_at = talking.until.min(talking.hang_up_at);
            ends_at.min(talking.warn_at).min(door_at)
        }
    }
}
