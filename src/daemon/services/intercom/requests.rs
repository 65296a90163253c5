//! What the intercom's requests of the control socket do.

use crate::base::limits::MESSAGE_BYTES;
use crate::daemon::context::Context;
use crate::daemon::services::intercom::answers::{respond, Success};
use crate::daemon::services::intercom::Device;
use crate::io::clock::Now;
use crate::proto::intercom::endpoint::lines::write_status;
use crate::proto::intercom::endpoint::request::{Line, Request};
use crate::proto::recorder::outbox::{ClientId, To};
use crate::proto::recorder::reason::{reason, Reason as Refusal};
use crate::wire::intercom::Sid;

impl Device {
    pub(super) fn answer(
        &mut self,
        client: ClientId,
        line: Line,
        now: &Now,
        context: &mut Context,
    ) {
        let outcome = line
            .request
            .and_then(|request| self.handle_request(client, request, now, context));
        respond(client, line.response, outcome, context);
    }

    fn handle_request(
        &mut self,
        client: ClientId,
        request: Request,
        now: &Now,
        context: &mut Context,
    ) -> Result<Success, Refusal> {
        let at = now.monotonic;
        let endpoint = &mut self.endpoint;
        match request {
            Request::Call(call) => endpoint.handle_call(at, &call).map(Success::Sid),
            Request::Accept(sid) => endpoint.handle_accept(at, &sid).map(Success::Urls),
            Request::Reject(sid, why) => {
                let done = endpoint.handle_reject(at, &sid, why);
                done.map(|()| Success::Plain)
            }
            Request::Silence(sid) => {
                let done = endpoint.handle_silence(at, &sid);
                done.map(|()| Success::Plain)
            }
            Request::End(sid, why) => {
                let duration = endpoint.handle_end(at, &sid, why);
                duration.map(Success::DurationMs)
            }
            Request::OpenDoor(sid, door) => {
                let done = endpoint.handle_open_door(at, &sid, door);
                done.map(|()| Success::Plain)
            }
            Request::OpenResult {
                sid,
                door,
                ok,
                reason,
            } => {
                let done = endpoint.handle_open_result(&sid, door, ok, reason);
                done.map(|()| Success::Plain)
            }
            Request::AlarmAck(port) => {
                let done = endpoint.handle_alarm_ack(port);
                done.map(|()| Success::Plain)
            }
            Request::Status(sid) => self.list_status(client, &sid, now, context),
            Request::Log(limit) => {
                self.log.begin(client, limit, &mut context.clients);
                Ok(Success::Later)
            }
        }
    }

    fn list_status(
        &mut self,
        client: ClientId,
        sid: &Sid,
        now: &Now,
        context: &mut Context,
    ) -> Result<Success, Refusal> {
        let status = self.endpoint.status(now.monotonic);
        let status = status.filter(|status| sid.is_empty() || status.info.sid == *sid);
        let Some(status) = status else {
            return if sid.is_empty() {
                Ok(Success::Count(0))
            } else {
                let words = "there is no such call";
                Err(reason("unknown-id", &words))
            };
        };
        let mut buffer = [0; MESSAGE_BYTES];
        if let Some(len) = write_status(&status, &mut buffer) {
            context.push(To::Before(client), &buffer[..len]);
        }
        Ok(Success::Count(1))
    }
}
