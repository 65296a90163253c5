//! What the user of the phone asks.

use core::fmt::Write;

use crate::base::limits::cloud::{CALLER_PATIENCE, OPEN_TIMEOUT};
use crate::base::time::Instant;
use crate::proto::cloud::phone::call::{Call, Stage};
use crate::proto::cloud::phone::settings::Authority;
use crate::proto::cloud::phone::url_check::Place;
use crate::proto::cloud::phone::CloudPhone;
use crate::proto::cloud::posts::Post;
use crate::proto::intercom::endpoint::or_else;
use crate::proto::intercom::endpoint::output::{CallInfo, CallState, Direction, Outcome};
use crate::proto::intercom::endpoint::urls::{Url, Urls};
use crate::proto::recorder::reason::{bad_request, reason, Reason as Refusal};
use crate::wire::cloud::message::{Kind, Sid, SID_DIGITS};
use crate::wire::control::Text;
use crate::wire::intercom::{text, Id, Reason, Sid as ShownSid};

impl CloudPhone {
    /// Calls another device; returns the call's sid. Whatever fails later ends the call.
    pub fn handle_call(&mut self, now: Instant, to: u32) -> Result<ShownSid, Refusal> {
        if self.call.is_some() || self.line_busy {
            return Err(reason("busy", &"a call is running"));
        }
        if to == self.settings.cid {
            return Err(bad_request(&"to is the phone's own cid (cloudCid)"));
        }
        let shown: ShownSid = self.ids.id();
        let mut sid = [0; SID_DIGITS];
        sid.copy_from_slice(&shown[..SID_DIGITS]);
        let expires_at = now + self.settings.ring_timeout + CALLER_PATIENCE;
        let stage = Stage::Placing { expires_at };
        let urls = self.urls(0, &sid, to);
        self.begin(now, sid, to, Direction::Out, stage, Place::Relay(0));
        if let Some(call) = &mut self.call {
            call.urls = urls;
        }
        let mut post = Post::new(Kind::Call, sid);
        let _ = post.to.push(to);
        self.push_post(post);
        self.call_event(CallState::Calling);
        Ok(shown)
    }

    /// Answers the call that rings; returns where its streams are.
    pub fn handle_accept(&mut self, now: Instant, sid: &[u8]) -> Result<Urls, Refusal> {
        if !self.find(sid)?.rings() {
            return Err(reason("bad-state", &"the call does not ring here"));
        }
        let Some(call) = &self.call else {
            return Ok(Urls::default());
        };
        let (sid, urls) = (call.sid, call.urls.clone());
        if call.place != Place::Vendor || self.settings.has_transport {
            self.post(Kind::Accept, sid, Reason::new());
        }
        self.answer(now);
        Ok(urls)
    }

    /// Declines the call that rings.
    pub fn handle_reject(&mut self, now: Instant, sid: &[u8], why: Reason) -> Result<(), Refusal> {
        if !self.find(sid)?.rings() {
            return Err(reason("bad-state", &"the call does not ring here"));
        }
        self.close_telling(now, Kind::Decline, Outcome::Rejected, why);
        Ok(())
    }

    /// Stops the bell; nobody else is told.
    pub fn handle_silence(&mut self, now: Instant, sid: &[u8]) -> Result<(), Refusal> {
        match (self.find(sid)?, &mut self.call) {
            (Stage::Ringing { expires_at }, Some(call)) => {
                call.enter(now, Stage::Silenced { expires_at });
                Ok(())
            }
            (Stage::Silenced { .. }, _) => Ok(()),
            _ => Err(reason("bad-state", &"the call does not ring here")),
        }
    }

    /// Ends the call; returns its length in milliseconds. Without a reason it is the one that fits.
    pub fn handle_end(&mut self, now: Instant, sid: &[u8], why: Reason) -> Result<u64, Refusal> {
        let stage = self.find(sid)?;
        let or = |usual: &str| or_else(why.clone(), usual);
        let duration = self.call.as_ref().map_or(0, |call| call.duration_ms(now));
        if stage.rings() {
            self.close_telling(now, Kind::Decline, Outcome::Rejected, or("declined"));
        } else if stage.calls() {
            self.close_telling(now, Kind::Cancel, Outcome::Unanswered, or("cancelled"));
        } else {
            self.close_telling(now, Kind::End, Outcome::Answered, or("hangup"));
        }
        Ok(duration)
    }

    /// Opens the door that this phone talks with. The result is an event.
    pub fn handle_open_door(&mut self, now: Instant, sid: &[u8], door: u8) -> Result<(), Refusal> {
        if self.find(sid)? != Stage::Talking {
            return Err(reason("bad-state", &"the call is not answered"));
        }
        let Some(call) = &mut self.call else {
            return Ok(());
        };
        if call.opening.is_some() {
            return Err(reason("busy", &"a door is being opened"));
        }
        call.opening = Some((door, now + OPEN_TIMEOUT));
        let sid = call.sid;
        self.post(Kind::OpenDoor, sid, Reason::new());
        Ok(())
    }

    /// The phone stops working: ends its call.
    pub fn handle_shutdown(&mut self, now: Instant) {
        let Some(call) = &self.call else { return };
        let sid = call.sid;
        if call.stage.is_told() {
            let _ = self.handle_end(now, &sid, Reason::new());
        } else {
            self.close_telling(now, Kind::Decline, Outcome::Missed, text("declined"));
        }
    }

    /// Where the streams of a call are: each device has one, named by the call and its cid.
    pub(super) fn urls(&self, relay: usize, sid: &Sid, peer: u32) -> Urls {
        let Some(relay) = self.settings.relays.get(relay) else {
            return Urls::default();
        };
        Urls {
            play_audio: stream_url(relay, sid, peer),
            publish_audio: stream_url(relay, sid, self.settings.cid),
            ..Urls::default()
        }
    }

    pub(super) fn begin(
        &mut self,
        now: Instant,
        sid: Sid,
        peer: u32,
        direction: Direction,
        stage: Stage,
        place: Place,
    ) {
        self.call = Some(Call {
            info: call_info(&sid, direction, peer),
            sid,
            peer,
            stage,
            began_at: now,
            since: now,
            answered_at: None,
            place,
            url: Text::new(),
            urls: Urls::default(),
            is_answered_early: false,
            opened: 0,
            opening: None,
        });
    }

    fn find(&self, sid: &[u8]) -> Result<Stage, Refusal> {
        if sid.is_empty() {
            return Err(bad_request(&"sid is missing"));
        }
        let call = self.call.as_ref().filter(|call| call.stage.is_told());
        let call = call.filter(|call| call.sid == sid);
        call.map(|call| call.stage)
            .ok_or_else(|| reason("unknown-id", &"there is no such call"))
    }
}

/// What programs are told of a call.
pub(super) fn call_info(sid: &Sid, direction: Direction, peer: u32) -> CallInfo {
    CallInfo {
        sid: Text::from_slice(sid).unwrap_or_default(),
        direction,
        peer: peer_id(peer),
        peer_type: 0,
        via_cloud: true,
    }
}

/// How programs name a device of the cloud.
fn peer_id(cid: u32) -> Id {
    let mut id = Id::new();
    let _ = write!(id, "cloud:{cid}");
    id
}

fn stream_url(relay: &Authority, sid: &Sid, cid: u32) -> Url {
    let mut url = Url::new();
    let sid = core::str::from_utf8(sid).unwrap_or_default();
    let scheme = relay.scheme();
    let written = write!(url, "{scheme}{relay}/stream/{sid}-{cid}");
    written.map_or_else(|_| Url::new(), |()| url)
}
