//! `RecordStopAllRequest`: ends all recordings. The client gets a line for each as it ends, then
//! the response.

use crate::base::time::Instant;
use crate::proto::recorder::outbox::{ClientId, To};
use crate::proto::recorder::reason::{reason, Reason};
use crate::proto::recorder::{FollowUp, Recorder};
use crate::proto::recording::state::RecordingState;

impl Recorder {
    pub(super) fn stop_all(
        &mut self,
        now: Instant,
        client: ClientId,
        why: &[u8],
        at: Instant,
    ) -> Result<FollowUp, Reason> {
        if self.stop_alls.is_full() {
            let words = "too many clients stop all recordings";
            return Err(reason("busy", &words));
        }
        let mut count = 0;
        for recording in &mut self.slots {
            // One that waits for its server is refused to the client that has started it.
            count += usize::from(recording.state() == RecordingState::Running);
            recording.stop_because(now, at, why, Some(client));
        }
        if count == 0 {
            self.answer_stopped_all(client, 0);
            return Ok(FollowUp::Nothing);
        }
        self.stop_alls.add(client, count);
        Ok(FollowUp::Later)
    }

    /// To whom the line about an ended recording goes that this client has stopped.
    pub(super) fn stopped_by(&self, client: ClientId) -> To {
        if self.stop_alls.has(client) {
            To::Before(client)
        } else {
            To::Client(client)
        }
    }

    /// A recording has ended that this client has stopped, and its line is queued.
    pub(super) fn handle_stopped_by(&mut self, client: ClientId) {
        if let Some(count) = self.stop_alls.handle_ended(client) {
            self.answer_stopped_all(client, count);
        }
    }

    fn answer_stopped_all(&mut self, client: ClientId, count: usize) {
        self.send(To::Client(client), "RecordStopAllResponse", |writer| {
            writer.pair("result", "success").pair("count", count);
        });
    }
}
