//! What the requests about calls do that come over the control socket.

use crate::base::limits::MESSAGE_BYTES;
use crate::base::time::Instant;
use crate::daemon::context::Context;
use crate::daemon::services::calls::answers::{respond, Success};
use crate::daemon::services::calls::media::{Bridge, Sound};
use crate::daemon::services::calls::Phone;
use crate::io::clock::Now;
use crate::proto::intercom::endpoint::lines::write_status;
use crate::proto::intercom::endpoint::request::{Line, Request, Rtp};
use crate::proto::intercom::endpoint::status::Status;
use crate::proto::intercom::endpoint::urls::for_application;
use crate::proto::recorder::outbox::{ClientId, To};
use crate::proto::recorder::reason::{reason, Reason as Refusal};
use crate::wire::intercom::Sid;

impl Phone {
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
        // The response comes before the events of what was asked for.
        if let Some(intercom) = &mut self.intercom {
            intercom.execute(now, &mut self.line, context);
        }
        #[cfg(feature = "cloud")]
        if let Some(cloud) = &mut self.cloud {
            cloud.execute(now, &mut self.line, context);
        }
    }

    fn handle_request(
        &mut self,
        client: ClientId,
        request: Request,
        now: &Now,
        context: &mut Context,
    ) -> Result<Success, Refusal> {
        match request {
            Request::Status(sid) => self.list_status(client, &sid, now, context),
            Request::Log(limit) => {
                self.line.log.begin(client, limit, &mut context.clients);
                Ok(Success::Later)
            }
            #[cfg(feature = "cloud")]
            request if self.is_for_cloud(&request) => self.ask_cloud(request, now),
            request => self.ask_intercom(request, now),
        }
    }

    fn ask_intercom(&mut self, request: Request, now: &Now) -> Result<Success, Refusal> {
        let at = now.monotonic;
        if self.intercom.is_none() {
            let words = "the phone is no intercom device (intercomRole)";
            return Err(reason("disabled", &words));
        }
        let bridge = self.open_bridge(at, request.rtp())?;
        let leg_port = bridge.as_ref().map(Bridge::leg_port);
        let Self { intercom, line, .. } = self;
        let Some(intercom) = intercom else {
            return Ok(Success::Plain);
        };
        let endpoint = &mut intercom.endpoint;
        let done = match request {
            Request::Call(call) => {
                let sid = endpoint.handle_call(at, &call)?;
                line.media.set_bridge(bridge, &sid);
                return Ok(Success::Sid(sid, leg_port));
            }
            Request::Accept(sid, _) => {
                let urls = endpoint.handle_accept(at, &sid)?;
                line.media.set_bridge(bridge, &sid);
                if leg_port.is_some() {
                    line.follow_picture(&urls.publish_video, now);
                }
                if let Some(status) = endpoint.status(at) {
                    let sound = Sound::Streams(urls.clone(), None);
                    line.media.handle_talking(at, &status.info, sound);
                }
                let picture = line.picture_url();
                let urls = for_application(&urls, leg_port.is_some(), picture.as_ref());
                return Ok(Success::Urls(urls, leg_port));
            }
            Request::Reject(sid, why) => endpoint.handle_reject(at, &sid, why),
            Request::Silence(sid) => endpoint.handle_silence(at, &sid),
            Request::End(sid, why) => {
                let duration = endpoint.handle_end(at, &sid, why)?;
                return Ok(Success::Ended(duration, line.media.recording_of(&sid)));
            }
            Request::OpenDoor(sid, door) => endpoint.handle_open_door(at, &sid, door),
            Request::OpenResult {
                sid,
                door,
                ok,
                reason,
            } => endpoint.handle_open_result(&sid, door, ok, reason),
            Request::AlarmAck(port) => endpoint.handle_alarm_ack(port),
            Request::Status(_) | Request::Log(_) => Ok(()),
        };
        done.map(|()| Success::Plain)
    }

    /// Ports for a media engine that takes part in a call; they are closed again if there is no
    /// call.
    pub(super) fn open_bridge(
        &mut self,
        now: Instant,
        rtp: Option<Rtp>,
    ) -> Result<Option<Bridge>, Refusal> {
        let media = &mut self.line.media;
        rtp.map(|rtp| media.open_bridge(now, &rtp)).transpose()
    }

    fn list_status(
        &mut self,
        client: ClientId,
        sid: &Sid,
        now: &Now,
        context: &mut Context,
    ) -> Result<Success, Refusal> {
        let calls = self.status(now.monotonic);
        let wanted = calls.iter().flatten();
        let wanted = wanted.filter(|status| sid.is_empty() || status.info.sid == *sid);
        let mut count = 0;
        for status in wanted {
            count += 1;
            let mut buffer = [0; MESSAGE_BYTES];
            if let Some(len) = write_status(status, &mut buffer) {
                context.push(To::Before(client), &buffer[..len]);
            }
        }
        if count == 0 && !sid.is_empty() {
            return Err(reason("unknown-id", &"there is no such call"));
        }
        Ok(Success::Count(count))
    }

    /// The calls that there are.
    fn status(&self, now: Instant) -> [Option<Status>; 2] {
        let intercom = self.intercom.as_ref();
        let of_intercom = intercom.and_then(|intercom| intercom.endpoint.status(now));
        #[cfg(feature = "cloud")]
        let of_cloud = self
            .cloud
            .as_ref()
            .and_then(|cloud| cloud.machine.status(now));
        #[cfg(not(feature = "cloud"))]
        let of_cloud = None;
        [of_intercom, of_cloud]
    }
}
