//! The recording of a call: started with the answer, stopped with the call, removed if another
//! device turned out to have answered first.

use log::warn;

use crate::base::limits::NAME_BYTES;
use crate::base::time::Instant;
use crate::daemon::context::Context;
use crate::proto::intercom::endpoint::output::{CallInfo, Direction};
use crate::proto::recorder::intercom::{call_of, CallAnswer, INTERCOM};
use crate::proto::recorder::outbox::To;
use crate::proto::recorder::request::StickRequest;
use crate::proto::recording::setup::IntercomCall;
use crate::wire::control::{Text, Writer};
use crate::wire::intercom::{Id, Reason, Sid};

/// A shorter recording of a call that another device has answered is removed.
const KEPT_FROM_MILLIS: u64 = 1000;

/// A recording's file name; empty if there is none, or it is not known yet.
pub(super) type FileName = Text<NAME_BYTES>;

/// The recording of the last call.
pub(super) struct CallRecording {
    stage: Stage,
    sid: Sid,
    file: FileName,
    end: Option<End>,
}

/// When and why the call ended.
struct End {
    at: Instant,
    reason: Reason,
}

/// ```text
/// None -> Starting -> Running -> Stopping -> None
///                                         -> Removing -> None
/// ```
enum Stage {
    None,
    Starting,
    Running(u32),
    Stopping(u32),
    Removing,
}

impl Stage {
    fn stops(&self, id: u32) -> bool {
        matches!(self, Self::Stopping(stopping) if *stopping == id)
    }
}

impl CallRecording {
    pub(super) fn new() -> Self {
        Self {
            stage: Stage::None,
            sid: Sid::new(),
            file: FileName::new(),
            end: None,
        }
    }

    /// Starts a recording. The one before takes no more packets by then.
    pub(super) fn begin(&mut self, now: Instant, own: &Id, info: &CallInfo, context: &mut Context) {
        let fitting = |text: &[u8]| Text::from_slice(text).unwrap_or_default();
        let intercom = IntercomCall {
            sid: fitting(&info.sid),
            peer: fitting(&info.peer),
            answered_at: now,
        };
        let call = call_of(intercom, own, info.direction == Direction::In);
        let random = context.random.words();
        context.feed.begin();
        context.recorder.start_call(call, random);
        self.stage = Stage::Starting;
        self.sid = info.sid.clone();
        self.file = FileName::new();
        self.end = None;
    }

    /// The call has ended; the recording is stopped once its sound is complete (`stop`).
    pub(super) fn handle_end(&mut self, at: Instant, reason: &Reason) {
        self.end = Some(End {
            at,
            reason: reason.clone(),
        });
    }

    /// The file of this call's recording.
    pub(super) fn file(&self, sid: &[u8]) -> FileName {
        if self.sid == sid {
            self.file.clone()
        } else {
            FileName::new()
        }
    }

    /// Takes the recorder's answers, and does what is left to do.
    pub(super) fn turn(&mut self, now: Instant, is_complete: bool, context: &mut Context) {
        while let Some(answer) = context.call_answers.pop_front() {
            self.handle_answer(answer, context);
        }
        if let (Stage::Running(id), Some(end), true) = (&self.stage, &self.end, is_complete) {
            context.feed.finish();
            context.recorder.stop_call(now, *id, end.at, &end.reason);
            self.stage = Stage::Stopping(*id);
        }
        // The sidecar would be written after its recording was removed.
        if matches!(self.stage, Stage::Removing) && !context.recorder.has_sidecars() {
            let request = StickRequest::Delete(self.file.clone(), true);
            if context
                .stick_requests
                .push_back((INTERCOM, request))
                .is_ok()
            {
                self.stage = Stage::None;
            }
        }
    }

    fn handle_answer(&mut self, answer: CallAnswer, context: &mut Context) {
        match answer {
            CallAnswer::Started(id, file) => {
                self.file = file;
                self.stage = Stage::Running(id);
            }
            CallAnswer::Refused(why) => {
                self.stage = Stage::None;
                self.report_refusal(&why, context);
            }
            CallAnswer::Stopped(id, _) if !self.stage.stops(id) => {} // of the call before
            CallAnswer::Stopped(_, duration_ms) => {
                let reason = self.end.as_ref().map(|end| &end.reason);
                let was_elsewhere = reason.is_some_and(|reason| reason == b"answered_elsewhere");
                let is_short = was_elsewhere && duration_ms < KEPT_FROM_MILLIS;
                self.stage = if is_short && !self.file.is_empty() {
                    Stage::Removing
                } else {
                    Stage::None
                };
            }
            // Its event has told why.
            CallAnswer::Failed if matches!(self.stage, Stage::Stopping(_)) => {
                self.stage = Stage::None;
            }
            CallAnswer::Failed => {}
        }
    }

    /// Nobody has asked for this recording, so all are told that there is none.
    fn report_refusal(&self, why: &[u8], context: &mut Context) {
        let words = String::from_utf8_lossy(why);
        warn!("intercom: the call is not recorded: {words}");
        let mut buffer = [0; 512];
        let mut writer = Writer::new(&mut buffer, "RecordEvent");
        writer.pair("id", 0).bytes("sid", &self.sid);
        writer.pair("state", "failed").bytes("reason", why);
        let len = writer.finish().unwrap_or(0);
        context.push(To::Subscribers, &buffer[..len]);
    }
}
