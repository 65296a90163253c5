//! The call of a box, and its states.

use crate::base::time::Instant;
use crate::proto::intercom::home_box::legs::LegId;
use crate::wire::intercom::{Id, Party, Sid};

/// Who began a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Direction {
    /// The community.
    In,
    /// A screen, towards the community.
    Out,
    /// A screen, towards the other screens.
    WithinHome,
}

/// The one call.
#[derive(Debug)]
pub(super) struct Call {
    pub(super) sid: Sid,
    /// The caller has given no key; messages to it carry an empty one.
    pub(super) caller_has_no_sid: bool,
    pub(super) direction: Direction,
    pub(super) caller: LegId,
    /// As the caller described them.
    pub(super) src: Party,
    pub(super) dest: Party,
    pub(super) began_at: Instant,
    pub(super) answered_at: Option<Instant>,
    /// The device that answered.
    pub(super) by: Id,
    /// Times that the door was opened.
    pub(super) opened: u32,
    /// The screens rang in vain, and `noAnswerTo` was called.
    pub(super) is_passed_on: bool,
    pub(super) next_keep_at: Instant,
    pub(super) state: CallState,
}

/// Where the call is.
#[derive(Debug)]
pub(super) enum CallState {
    /// Screens ring.
    Ringing(Ringing),
    /// A connection to the called device is being made.
    Dialling { callee: LegId, until: Instant },
    /// The called device rings.
    RingingOut { callee: LegId, until: Instant },
    /// Both ends talk.
    Talking(Talking),
}

/// Screens that ring.
#[derive(Debug)]
pub(super) struct Ringing {
    pub(super) legs: Vec<LegId>,
    /// Devices that have rejected the call.
    pub(super) rejected: Vec<Id>,
    pub(super) until: Instant,
}

/// Both ends talk.
#[derive(Debug)]
pub(super) struct Talking {
    pub(super) callee: LegId,
    /// When the call is at its longest; `NEVER` without a door.
    pub(super) until: Instant,
    /// When its end is announced.
    pub(super) warn_at: Instant,
    /// The door was opened and the call ends then.
    pub(super) hang_up_at: Instant,
    /// Who asked to open the door, which has not replied yet, and until when it may.
    pub(super) door_asked: Option<DoorAsked>,
}

/// A request to open a door.
#[derive(Debug)]
pub(super) struct DoorAsked {
    pub(super) by: LegId,
    pub(super) device: Id,
    pub(super) door: u8,
    pub(super) until: Instant,
}

/// The part of a leg in the call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    Caller,
    /// A screen that rings.
    Ringing,
    /// The end that answered, or is being called.
    Callee,
    None,
}

impl Call {
    pub(super) fn part(&self, leg: LegId) -> Part {
        if leg == self.caller {
            return Part::Caller;
        }
        match &self.state {
            CallState::Ringing(ringing) if ringing.legs.contains(&leg) => Part::Ringing,
            CallState::Dialling { callee, .. } | CallState::RingingOut { callee, .. }
                if *callee == leg =>
            {
                Part::Callee
            }
            CallState::Talking(talking) if talking.callee == leg => Part::Callee,
            _ => Part::None,
        }
    }

    /// All legs of the call that are connected.
    pub(super) fn legs(&self) -> Vec<LegId> {
        let mut legs = vec![self.caller];
        match &self.state {
            CallState::Ringing(ringing) => legs.extend(&ringing.legs),
            CallState::Dialling { .. } => {}
            CallState::RingingOut { callee, .. } => legs.push(*callee),
            CallState::Talking(talking) => legs.push(talking.callee),
        }
        legs
    }

    /// The end that is not in the home: the other party of the log.
    pub(super) fn peer(&self) -> &Party {
        match self.direction {
            Direction::In | Direction::WithinHome => &self.src,
            Direction::Out => &self.dest,
        }
    }
}
