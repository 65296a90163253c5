//! All calls. Time is an argument; what is to be told to whom comes out as messages.
//!
//! ```text
//! WAKING --the phone is online--> SENT --ringing--> RINGING --accept--> TALKING --end--> ENDED
//!   any of the first three: decline, busy, cancel, glare, time-out --> ENDED
//!   TALKING: both are offline, or it lasts too long --> ENDED
//! ```

use std::collections::HashMap;
use std::time::Duration;

use tokio::time::Instant;

use crate::server::calls::book::call::{Call, CallState, Callee};
use crate::server::calls::book::message::{Notice, When};
use crate::wire::cloud::message::Kind;

pub(super) mod actions;
pub(super) mod call;
pub(super) mod message;

/// How long ended calls are remembered.
const ENDED_TIME: Duration = Duration::from_secs(3600);
/// Ended calls that are remembered.
const MAX_ENDED: usize = 1000;
/// Calls at once.
const MAX_CALLS: usize = 10_000;

/// All calls.
pub(super) struct Book {
    ring: Duration,
    longest: Duration,
    calls: HashMap<String, Call>,
    /// The order in which they came.
    order: Vec<String>,
    /// Reasons of the calls that have ended since this was read last.
    pub(super) endings: Vec<String>,
}

/// A call that is to be.
pub(super) struct NewCall {
    pub(super) sid: String,
    pub(super) from: u32,
    pub(super) to: Vec<u32>,
    pub(super) to_is_list: bool,
    /// Those that can be told now, and those that are to be woken.
    pub(super) online: Vec<u32>,
    pub(super) asleep: Vec<u32>,
    pub(super) shown_url: String,
}

/// Why there is no new call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    Busy,
    SidInUse,
    Full,
}

/// What has become of a new call.
pub(super) enum Placed {
    /// It is there; these are to be told.
    New(Vec<Notice>),
    /// The same call was made before.
    Again,
}

impl Book {
    pub(super) fn new(ring: Duration, longest: Duration) -> Self {
        Self {
            ring,
            longest,
            calls: HashMap::new(),
            order: vec![],
            endings: vec![],
        }
    }

    pub(super) fn get(&self, sid: &str) -> Option<&Call> {
        self.calls.get(sid)
    }

    pub(super) fn get_mut(&mut self, sid: &str) -> Option<&mut Call> {
        self.calls.get_mut(sid)
    }

    /// All calls, newest first.
    pub(super) fn newest_first(&self) -> impl Iterator<Item = &Call> {
        self.order
            .iter()
            .rev()
            .filter_map(|sid| self.calls.get(sid))
    }

    /// A call of this id for the same parties; `Err`: for others.
    pub(super) fn same(&self, sid: &str, from: u32, to: &[u32]) -> Result<Option<&Call>, Refusal> {
        match self.calls.get(sid) {
            None => Ok(None),
            Some(call) if call.from == from && call.to == to => Ok(Some(call)),
            Some(_) => Err(Refusal::SidInUse),
        }
    }

    /// The cid is in a call that a new one of `from` to it cannot end by glare.
    pub(super) fn is_busy(&self, cid: u32, from: u32) -> bool {
        let mut calls = self.calls.values();
        calls.any(|call| call.occupies(cid) && !yields(call, from, cid))
    }

    /// The caller is in a call that its new one to these does not end by glare.
    pub(super) fn is_caller_busy(&self, from: u32, to: &[u32]) -> bool {
        let mut calls = self.calls.values();
        calls.any(|call| call.occupies(from) && !to.iter().any(|cid| yields(call, from, *cid)))
    }

    /// Adds a call. Those of its parties have been judged by `is_busy` before, but others may have
    /// come meanwhile.
    pub(super) fn add(&mut self, when: When, new: NewCall) -> Result<Placed, Refusal> {
        if self.same(&new.sid, new.from, &new.to)?.is_some() {
            return Ok(Placed::Again);
        }
        let mut callees = vec![];
        for (cids, is_told) in [(&new.online, true), (&new.asleep, false)] {
            let free = cids.iter().filter(|cid| !self.is_busy(**cid, new.from));
            callees.extend(free.map(|cid| Callee {
                cid: *cid,
                is_told,
                is_out: false,
            }));
        }
        let cids: Vec<u32> = callees.iter().map(|callee| callee.cid).collect();
        if callees.is_empty() || self.is_caller_busy(new.from, &cids) {
            return Err(Refusal::Busy);
        }
        if self.calls.len() >= MAX_CALLS + MAX_ENDED {
            return Err(Refusal::Full);
        }
        let notices = self.end_by_glare(when, new.from, &cids);
        let is_told = callees.iter().any(|callee| callee.is_told);
        let call = Call {
            sid: new.sid.clone(),
            from: new.from,
            to: new.to,
            to_is_list: new.to_is_list,
            callees,
            state: if is_told {
                CallState::Sent
            } else {
                CallState::Waking
            },
            reason: None,
            shown_url: new.shown_url,
            created: when.unix,
            ringing: None,
            talking: None,
            ended: None,
            delivered: None,
            is_placing: true,
            until: when.now + self.ring,
        };
        self.order.push(new.sid.clone());
        self.calls.insert(new.sid, call);
        Ok(Placed::New(notices))
    }

    /// Calls to the new caller from those that it calls end silently; their other callees are told.
    fn end_by_glare(&mut self, when: When, from: u32, to: &[u32]) -> Vec<Notice> {
        let crossing = self
            .calls
            .values()
            .filter(|call| to.iter().any(|cid| yields(call, from, *cid)));
        let sids: Vec<String> = crossing.map(|call| call.sid.clone()).collect();
        let mut notices = vec![];
        for sid in sids {
            let Some(call) = self.calls.get(&sid) else {
                continue;
            };
            let others = call.alerted().into_iter().filter(|cid| *cid != from);
            notices.extend(others.map(|cid| Notice::new(call, Kind::Cancel, call.from, cid)));
            self.finish(when, &sid, "glare");
        }
        notices
    }

    /// A call that could not be placed never was.
    pub(super) fn remove(&mut self, sid: &str) {
        self.calls.remove(sid);
        self.order.retain(|other| other != sid);
    }

    /// Ends a call.
    pub(super) fn finish(&mut self, when: When, sid: &str, reason: &str) {
        let Some(call) = self.calls.get_mut(sid) else {
            return;
        };
        if call.state == CallState::Ended {
            return;
        }
        call.state = CallState::Ended;
        call.reason = Some(reason.to_owned());
        call.ended = Some(when.unix);
        call.until = when.now + ENDED_TIME;
        self.endings.push(reason.to_owned());
        self.forget_oldest();
    }

    fn forget_oldest(&mut self) {
        let is_ended = |sid: &&String| {
            let call = self.calls.get(*sid);
            call.is_some_and(|call| call.state == CallState::Ended)
        };
        let ended = self.order.iter().filter(is_ended);
        if ended.clone().count() > MAX_ENDED {
            if let Some(oldest) = ended.min_by_key(|sid| self.calls.get(*sid).map(|it| it.until)) {
                let oldest = oldest.clone();
                self.remove(&oldest);
            }
        }
    }

    /// When `handle_timeout` has something to do.
    pub(super) fn next_deadline(&self) -> Option<Instant> {
        self.calls.values().map(|call| call.until).min()
    }

    /// Ends what rings or lasts too long, forgets what has ended long ago.
    pub(super) fn handle_timeout(&mut self, when: When) -> Vec<Notice> {
        let due = self.calls.values().filter(|call| call.until <= when.now);
        let due: Vec<Call> = due.cloned().collect();
        let mut notices = vec![];
        for call in due {
            match call.state {
                CallState::Ended => self.remove(&call.sid),
                CallState::Talking => {
                    let parties = [call.from].into_iter().chain(call.active());
                    for cid in parties {
                        // Each of them learns it from the other one.
                        let other = [call.from]
                            .into_iter()
                            .chain(call.active())
                            .find(|it| *it != cid);
                        let notice = Notice::new(&call, Kind::End, other.unwrap_or(cid), cid);
                        notices.push(notice.with_reason("max_duration"));
                    }
                    self.finish(when, &call.sid, "max_duration");
                }
                _ => {
                    let alerted = call.alerted().into_iter();
                    let cancel = |cid| Notice::new(&call, Kind::Cancel, call.from, cid);
                    notices.extend(alerted.map(|cid| cancel(cid).with_reason("no_answer")));
                    self.finish(when, &call.sid, "no_answer");
                }
            }
        }
        notices
    }

    /// Calls in each state that is not the end.
    pub(super) fn count(&self, state: CallState) -> usize {
        self.calls
            .values()
            .filter(|call| call.state == state)
            .count()
    }

    fn longest(&self) -> Duration {
        self.longest
    }
}

/// The call of `callee` to `caller` ends when `caller` calls `callee`: the lower cid's call lives.
fn yields(call: &Call, caller: u32, callee: u32) -> bool {
    let is_crossing = call.from == callee
        && call.active().any(|cid| cid == caller)
        && matches!(call.state, CallState::Sent | CallState::Ringing);
    is_crossing && caller < callee
}

#[cfg(test)]
mod tests;
