//! What parties do with a call.

use crate::server::calls::book::call::{Call, CallState};
use crate::server::calls::book::message::{Notice, When};
use crate::server::calls::book::Book;
use crate::wire::cloud::message::Kind;

/// Why nothing happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::server::calls) enum NoAction {
    UnknownId,
    NotAParty,
    BadState,
}

/// An action.
#[derive(Clone, Copy, Debug)]
pub(in crate::server::calls) struct Action<'a> {
    pub(in crate::server::calls) kind: Kind,
    pub(in crate::server::calls) from: u32,
    /// Empty if there is none.
    pub(in crate::server::calls) reason: &'a str,
}

impl Book {
    /// A party does something; the messages that follow from it.
    pub(in crate::server::calls) fn act(
        &mut self,
        when: When,
        sid: &str,
        action: Action,
    ) -> Result<Vec<Notice>, NoAction> {
        let longest = self.longest();
        let call = self.get_mut(sid).ok_or(NoAction::UnknownId)?;
        if !call.is_party(action.from) {
            return Err(NoAction::NotAParty);
        }
        if call.state == CallState::Ended {
            return Ok(vec![]);
        }
        let is_caller = call.from == action.from;
        let is_out = !is_caller && !call.active().any(|cid| cid == action.from);
        let is_early = call.state.is_before_talking();
        match (action.kind, is_caller, is_early) {
            // Who is out already has nothing to end.
            (Kind::Decline | Kind::Busy | Kind::End, false, _) if is_out => Ok(vec![]),
            _ if is_out => Err(NoAction::BadState),
            (Kind::Ringing, false, true) => Ok(ring(call, when, action)),
            (Kind::Accept, false, true) => {
                call.until = when.now + longest;
                Ok(accept(call, when, action))
            }
            (Kind::Decline | Kind::Busy | Kind::End, false, true) => {
                Ok(self.leave(when, sid, action))
            }
            (Kind::Cancel | Kind::End, true, true) => {
                let told = call.alerted().into_iter();
                let notice = |cid| {
                    Notice::new(call, Kind::Cancel, action.from, cid).with_reason(action.reason)
                };
                let notices = told.map(notice).collect();
                self.finish(when, sid, reason(action, Kind::Cancel));
                Ok(notices)
            }
            (Kind::End, _, false) => {
                let notices = to_others(call, action);
                self.finish(when, sid, reason(action, Kind::End));
                Ok(notices)
            }
            (Kind::Keep | Kind::OpenDoor | Kind::OpenDoorResult, _, _) => {
                Ok(to_others(call, action))
            }
            _ => Err(NoAction::BadState),
        }
    }

    /// A callee takes itself out; the last one's message goes to the caller.
    fn leave(&mut self, when: When, sid: &str, action: Action) -> Vec<Notice> {
        let kind = if action.kind == Kind::Busy {
            Kind::Busy
        } else {
            Kind::Decline
        };
        let Some(call) = self.get_mut(sid) else {
            return vec![];
        };
        let from = call.from;
        if let Some(callee) = call.callee_mut(action.from) {
            callee.is_out = true;
        }
        if call.active().next().is_some() {
            return vec![];
        }
        let notice = Notice::new(call, kind, action.from, from).with_reason(action.reason);
        self.finish(when, sid, reason(action, kind));
        vec![notice]
    }
}

fn ring(call: &mut Call, when: When, action: Action) -> Vec<Notice> {
    call.state = CallState::Ringing;
    call.ringing = call.ringing.or(Some(when.unix));
    vec![Notice::new(call, Kind::Ringing, action.from, call.from)]
}

/// The first one wins; the others are told that somebody else has answered.
fn accept(call: &mut Call, when: When, action: Action) -> Vec<Notice> {
    let others = call.alerted().into_iter().filter(|cid| *cid != action.from);
    let elsewhere = others.map(|cid| {
        Notice::new(call, Kind::Cancel, call.from, cid).with_reason("answered_elsewhere")
    });
    let mut notices = vec![Notice::new(call, Kind::Accept, action.from, call.from)];
    notices.extend(elsewhere);
    for callee in &mut call.callees {
        callee.is_out = callee.cid != action.from;
    }
    call.state = CallState::Talking;
    call.talking = Some(when.unix);
    notices
}

/// From the caller to the callees, or the other way round.
fn to_others(call: &Call, action: Action) -> Vec<Notice> {
    let others = if call.from == action.from {
        call.alerted()
    } else {
        vec![call.from]
    };
    let notice = |cid| Notice::new(call, action.kind, action.from, cid).with_reason(action.reason);
    others.into_iter().map(notice).collect()
}

/// The reason that the call shows: the given one, or what was done.
fn reason<'a>(action: Action<'a>, kind: Kind) -> &'a str {
    match action.reason {
        "" => kind.word(),
        given => given,
    }
}
