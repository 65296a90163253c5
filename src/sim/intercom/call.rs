//! One call on a link: which of the messages belong to it, and when it is lost.

use std::time::{Duration, Instant};

use crate::io::random::Random;
use crate::sim::intercom::link::{earliest, Input, Link};
use crate::sim::intercom::output::{say, say_alarm, shown};
use crate::wire::intercom::{text, Id, Message, Party, Reason, Sid, Stream};

/// A peer that has sent a `call_keep` may be silent for so long.
const KEEP_TIMEOUT: Duration = Duration::from_secs(10);
/// The port on which a device of the community takes calls; also told by those that take none.
pub(super) const DEVICE_PORT: u16 = 7895;

/// What happens in a call.
pub(super) enum Event {
    Accepted { by: Id },
    Rejected { reason: Reason },
    Ended { reason: Reason },
    OpenDoor { door: u8, ack: bool },
    OpenDoorResult { door: u8, ok: bool, reason: Reason },
    TimeUp,
}

/// A call.
pub(super) struct Call<'a> {
    link: &'a mut Link,
    sid: Sid,
    /// When the call is lost; only once the peer has sent a `call_keep`, because deployed screens
    /// send none.
    lost_at: Option<Instant>,
    /// The box has put this screen out, for this reason.
    put_out: Option<Reason>,
}

impl<'a> Call<'a> {
    /// A call begins, and with it our keep-alives.
    pub(super) fn new(link: &'a mut Link, sid: &Sid) -> Self {
        link.keep_alive(Some(sid));
        Self {
            link,
            sid: sid.clone(),
            lost_at: None,
            put_out: None,
        }
    }

    pub(super) fn sid(&self) -> Sid {
        self.sid.clone()
    }

    pub(super) fn send(&mut self, message: &Message) {
        self.link.send(message);
    }

    /// Ends the call for us: says so to the peer, and prints it.
    pub(super) fn end(&mut self, reason: &str) {
        let message = Message::CallEnd {
            sid: self.sid(),
            reason: text(reason),
        };
        self.link.send(&message);
        say(&format!("ended reason={reason}"));
    }

    /// The call is over. Returns the reason if the box has put this screen out meanwhile.
    pub(super) fn close(self) -> Option<Reason> {
        self.link.keep_alive(None);
        self.put_out
    }

    /// Waits for what happens next in this call.
    pub(super) fn next(&mut self, until: Option<Instant>) -> Event {
        loop {
            match self.link.next(earliest(until, self.lost_at)) {
                Input::Message(message) => {
                    if let Some(event) = self.event(message) {
                        return event;
                    }
                }
                Input::Closed(_) => return lost(),
                Input::TimeUp => {
                    let now = Instant::now();
                    if self.lost_at.is_some_and(|lost_at| lost_at <= now) {
                        return lost();
                    }
                    return Event::TimeUp;
                }
            }
        }
    }

    fn event(&mut self, message: Message) -> Option<Event> {
        if let Message::CallReq { sid, src, .. } = message {
            self.refuse_second_call(sid, &src);
            return None;
        }
        // Deployed peers send no sid: a link has one call at a time.
        let is_own = |sid: &Sid| sid.is_empty() || self.sid.is_empty() || *sid == self.sid;
        if !message.sid().is_none_or(is_own) {
            return None;
        }
        let is_keep = matches!(message, Message::CallKeep { .. });
        if is_keep || self.lost_at.is_some() {
            self.lost_at = Some(Instant::now() + KEEP_TIMEOUT);
        }
        match message {
            Message::CallAccept { by, .. } => Some(Event::Accepted { by }),
            Message::CallReject { reason, .. } => Some(Event::Rejected { reason }),
            Message::CallEnd { reason, .. } => Some(Event::Ended { reason }),
            Message::OpenDoor { door, ack, .. } => Some(Event::OpenDoor { door, ack }),
            Message::OpenDoorResult {
                door, ok, reason, ..
            } => Some(Event::OpenDoorResult { door, ok, reason }),
            Message::JoinReject { reason } => {
                self.put_out = Some(reason);
                Some(lost())
            }
            other => {
                say_alarm(&other);
                None
            }
        }
    }

    /// A repeated request for the same call is no second call.
    fn refuse_second_call(&mut self, sid: Sid, src: &Party) {
        if sid == self.sid {
            return;
        }
        let line = format!("busy from={} sid={}", shown(&src.id), shown(&sid));
        let reason = text("line_busy");
        self.link.send(&Message::CallReject { sid, reason });
        say(&line);
    }
}

fn lost() -> Event {
    Event::Ended {
        reason: text("lost"),
    }
}

/// Sixteen random hexadecimal digits: a call's key, or a stream's id.
pub(super) fn random_key(random: &mut Random) -> String {
    let [high, low, _] = random.words();
    format!("{high:08x}{low:08x}")
}

/// A stream's id that nobody can guess.
pub(super) fn random_stream(random: &mut Random) -> Stream {
    text(&random_key(random))
}
