//! What the intercom's requests of the control socket do.

use crate::base::limits::MESSAGE_BYTES;
use crate::daemon::context::Context;
use crate::daemon::services::intercom::answers::{respond, Success};
use crate::daemon::services::intercom::media::Bridge;
use crate::daemon::services::intercom::Device;
use crate::io::clock::Now;
use crate::proto::intercom::endpoint::lines::write_status;
use crate::proto::intercom::endpoint::request::{Line, Request};
use crate::proto::intercom::endpoint::urls::for_application;
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
        let done = match request {
            Request::Call(call) => {
                let bridge = call.rtp.map(|rtp| self.media.open_bridge(at, &rtp));
                let bridge = bridge.transpose()?;
                let sid = endpoint.handle_call(at, &call)?;
                let leg_port = bridge.as_ref().map(Bridge::leg_port);
                self.media.set_bridge(bridge, &sid);
                return Ok(Success::Sid(sid, leg_port));
            }
            Request::Accept(sid, rtp) => {
                let bridge = rtp.map(|rtp| self.media.open_bridge(at, &rtp));
                let bridge = bridge.transpose()?;
                let urls = endpoint.handle_accept(at, &sid)?;
                let leg_port = bridge.as_ref().map(Bridge::leg_port);
                self.media.set_bridge(bridge, &sid);
                if leg_port.is_some() {
                    self.follow_picture(&urls.publish_video, now);
                }
                if let Some(status) = self.endpoint.status(at) {
                    self.media.handle_talking(at, &status.info, &urls);
                }
                let picture = self.picture_url();
                let urls = for_application(&urls, leg_port.is_some(), picture.as_ref());
                return Ok(Success::Urls(urls, leg_port));
            }
            Request::Reject(sid, why) => endpoint.handle_reject(at, &sid, why),
            Request::Silence(sid) => endpoint.handle_silence(at, &sid),
            Request::End(sid, why) => {
                let duration = endpoint.handle_end(at, &sid, why)?;
                return Ok(Success::Ended(duration, self.media.recording_of(&sid)));
            }
            Request::OpenDoor(sid, door) => endpoint.handle_open_door(at, &sid, door),
            Request::OpenResult {
                sid,
                door,
                ok,
                reason,
            } => endpoint.handle_open_result(&sid, door, ok, reason),
            Request::AlarmAck(port) => endpoint.handle_alarm_ack(port),
            Request::Status(sid) => return self.list_status(client, &sid, now, context),
            Request::Log(limit) => {
                self.log.begin(client, limit, &mut context.clients);
                return Ok(Success::Later);
            }
        };
        done.map(|()| Success::Plain)
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
