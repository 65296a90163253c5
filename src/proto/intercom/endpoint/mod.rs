//! A device of the building intercom (`callrec run`): a screen, a door unit or the property's phone.
//! One call at a time, and a screen's link to its box. Not here: sockets, and the streams that the
//! call's URLs name.
//!
//! Inputs go to `handle_*`; then outputs are taken from `poll_output` until there is none. Links
//! are numbered here: `handle_accepted` for connections to this device, `Output::Connect` for its
//! own. A screen has one link, to its box, over which calls come and go by their sid; a door unit
//! and the property's phone have a link for each call.
//!
//! ```text
//! caller  Connecting -> Requested -> Alerting -> Talking
//! callee  Ringing -> Answering -> Talking
//!            `-> Silenced ^
//! ```
//! `transitions` has the tables. Each call that programs are told of has one `Event::Closed`.

use core::net::{IpAddr, Ipv4Addr};

use crate::base::limits::endpoint::MAX_OUTPUTS;
use crate::base::time::Instant;
use crate::proto::intercom::endpoint::alarms::Alarms;
use crate::proto::intercom::endpoint::box_link::{BoxInput, BoxLink};
use crate::proto::intercom::endpoint::call::{Call, Stage};
use crate::proto::intercom::endpoint::callers::{Admission, Callers};
use crate::proto::intercom::endpoint::ids::IdSource;
use crate::proto::intercom::endpoint::input::Input;
use crate::proto::intercom::endpoint::output::{Event, Link, Output};
use crate::proto::intercom::endpoint::settings::{Role, Settings};
use crate::wire::intercom::{text, Message, Reason, Sid, Token};

mod alarms;
mod box_link;
mod call;
mod callers;
mod closing;
pub(in crate::proto) mod ids;
mod input;
mod joining;
pub mod lines;
mod messages;
mod openings;
pub mod output;
pub mod own_streams;
pub mod request;
mod requests;
pub mod settings;
mod starting;
pub mod status;
mod transitions;
pub mod urls;

/// The state machine of one device.
pub struct Endpoint {
    settings: Settings,
    ids: IdSource,
    box_link: BoxLink,
    callers: Callers,
    call: Option<Call>,
    /// The line is busy with a call of another kind.
    line_busy: bool,
    alarms: Alarms,
    /// The last event of the link to the box.
    box_event: Option<Event>,
    outputs: heapless::Deque<Output, MAX_OUTPUTS>,
    /// The number of the last link.
    last_link: u32,
    counts: Counts,
}

/// What was ignored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Messages that did not fit: of another call, of a state, or with a name that is not known.
    pub ignored: u64,
    /// Outputs for which there was no room: a bug.
    pub bugs: u64,
}

impl Endpoint {
    /// A device that begins to work; the seed is random and secret. A screen connects to its box at
    /// once: `handle_timeout` is due.
    pub fn new(now: Instant, settings: Settings, seed: [u8; 32]) -> Self {
        let has_box = settings.role == Role::Screen && settings.box_addr.is_some();
        let box_link = if has_box {
            BoxLink::Pausing {
                until: now,
                failures: 0,
            }
        } else {
            BoxLink::None
        };
        Self {
            settings,
            ids: IdSource::new(seed),
            box_link,
            callers: Callers::default(),
            call: None,
            line_busy: false,
            alarms: Alarms::default(),
            box_event: None,
            outputs: heapless::Deque::new(),
            last_link: 0,
            counts: Counts::default(),
        }
    }

    /// The token with which a screen joins its box from now on.
    pub fn set_token(&mut self, token: Token) {
        self.settings.token = token;
    }

    /// The line is busy with a call of another kind, or free again.
    pub fn set_line_busy(&mut self, is_busy: bool) {
        self.line_busy = is_busy;
    }

    /// A connection to this device was accepted; `None`: it is to be closed at once.
    #[must_use]
    pub fn handle_accepted(&mut self, now: Instant, from: IpAddr) -> Option<Link> {
        if self.settings.role == Role::Screen {
            return None;
        }
        let link = self.next_link();
        match self.callers.admit(now, link, from) {
            Admission::Admitted => Some(link),
            Admission::InPlaceOf(old) => {
                self.output(Output::Close(old));
                Some(link)
            }
            Admission::Refused => None,
        }
    }

    /// A connection that was asked for is made; this device has the address on it.
    pub fn handle_connected(&mut self, now: Instant, link: Link, local: IpAddr) {
        if self.box_link.link() == Some(link) {
            self.step_box(now, BoxInput::Connected);
        } else if self.has_call_on(link) {
            self.step(now, Input::Connected(local));
        }
    }

    /// A connection has ended, or could not be made. It is not named again.
    pub fn handle_lost(&mut self, now: Instant, link: Link) {
        self.handle_link_gone(now, link);
        if self.box_link.link() == Some(link) {
            self.step_box(now, BoxInput::Lost);
        }
        self.callers.take(link);
    }

    /// The time of `next_deadline` has come; early and additional calls do no harm.
    pub fn handle_timeout(&mut self, now: Instant) {
        if now >= self.box_link.deadline() {
            self.step_box(now, BoxInput::Expired);
        }
        while let Some(link) = self.callers.take_expired(now, self.call.is_some()) {
            if self.call.is_some() {
                self.refuse_busy(link, &Sid::new());
            }
            self.output(Output::Close(link));
        }
        self.send_keep(now);
        if self
            .call
            .as_ref()
            .is_some_and(|call| is_due(call.silent_at, now))
        {
            self.step(now, Input::Silent);
        }
        self.expire_openings(now);
        let deadline = self.call.as_ref().map(|call| call.stage.deadline());
        if is_due(deadline, now) {
            self.step(now, Input::Expired);
        }
    }

    /// When `handle_timeout` is due; `NEVER` without a call, a caller and a link to be made.
    pub fn next_deadline(&self) -> Instant {
        let call = self.call.as_ref().map_or(Instant::NEVER, Call::deadline);
        let callers = self.callers.deadline(self.call.is_some());
        call.min(callers).min(self.box_link.deadline())
    }

    /// The next output.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// No call, in any state.
    pub fn is_idle(&self) -> bool {
        self.call.is_none()
    }

    /// What was ignored so far.
    pub fn counts(&self) -> Counts {
        self.counts
    }

    fn send_keep(&mut self, now: Instant) {
        let keep = self.settings.keep;
        let Some(call) = &mut self.call else { return };
        if matches!(call.stage, Stage::Connecting { .. }) || now < call.keep_at {
            return;
        }
        call.keep_at = now + keep;
        let sid = call.wire_sid.clone();
        self.send_to_peer(Message::CallKeep { sid });
    }

    fn send_to_peer(&mut self, message: Message) {
        if let Some(link) = self.call.as_ref().and_then(|call| call.link) {
            self.output(Output::Send(link, message));
        }
    }

    fn refuse_busy(&mut self, link: Link, sid: &Sid) {
        let message = Message::CallReject {
            sid: sid.clone(),
            reason: text("line_busy"),
        };
        self.output(Output::Send(link, message));
    }

    fn has_call_on(&self, link: Link) -> bool {
        self.call
            .as_ref()
            .is_some_and(|call| call.link == Some(link))
    }

    /// The link of a call is the one to the box, which stays when the call ends.
    fn is_box(&self, link: Link) -> bool {
        self.box_link.link() == Some(link)
    }

    fn next_link(&mut self) -> Link {
        self.last_link = self.last_link.wrapping_add(1);
        Link(self.last_link)
    }

    fn event(&mut self, event: Event) {
        if matches!(event, Event::Box(..)) {
            self.box_event = Some(event.clone());
        }
        self.output(Output::Event(event));
    }

    fn output(&mut self, output: Output) {
        if self.outputs.push_back(output).is_err() {
            debug_assert!(false, "bug: too many outputs of one input");
            self.counts.bugs += 1;
        }
    }

    fn ignore(&mut self) {
        self.counts.ignored += 1;
    }
}

fn is_due(deadline: Option<Instant>, now: Instant) -> bool {
    deadline.is_some_and(|at| now >= at)
}

/// Where programs of the device itself reach a server of the device that listens on this address.
pub fn reachable(addr: IpAddr) -> IpAddr {
    if addr.is_unspecified() {
        IpAddr::V4(Ipv4Addr::LOCALHOST)
    } else {
        addr
    }
}

/// The reason that a peer gave, else this one.
pub(in crate::proto) fn or_else(reason: Reason, other: &str) -> Reason {
    if reason.is_empty() {
        text(other)
    } else {
        reason
    }
}
