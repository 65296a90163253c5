//! What the requests about calls do that are the cloud's.

use crate::daemon::services::calls::answers::Success;
use crate::daemon::services::calls::media::Bridge;
use crate::daemon::services::calls::Phone;
use crate::io::clock::Now;
use crate::proto::intercom::endpoint::request::Request;
use crate::proto::intercom::endpoint::urls::for_application;
use crate::proto::recorder::reason::{reason, Reason as Refusal};
use crate::wire::cloud::token::field;

/// How a device of the cloud is called.
const PREFIX: &[u8] = b"cloud:";

impl Phone {
    /// The request calls a device of the cloud, or is about such a call.
    pub(in crate::daemon::services::calls) fn is_for_cloud(&self, request: &Request) -> bool {
        match request {
            Request::Call(call) => call.to.starts_with(PREFIX),
            Request::Accept(sid, _)
            | Request::Reject(sid, _)
            | Request::Silence(sid)
            | Request::End(sid, _)
            | Request::OpenDoor(sid, _) => {
                let is_only = self.intercom.is_none();
                let mut cloud = self.cloud.iter();
                cloud.any(|cloud| is_only || cloud.machine.has_call(sid))
            }
            _ => false,
        }
    }

    pub(in crate::daemon::services::calls) fn ask_cloud(
        &mut self,
        request: Request,
        now: &Now,
    ) -> Result<Success, Refusal> {
        let at = now.monotonic;
        if self.cloud.is_none() {
            let words = "the phone is in no cloud (cloudServer)";
            return Err(reason("disabled", &words));
        }
        let bridge = self.open_bridge(at, request.rtp())?;
        let leg_port = bridge.as_ref().map(Bridge::leg_port);
        let Self { cloud, line, .. } = self;
        let Some(cloud) = cloud else {
            return Ok(Success::Plain);
        };
        let machine = &mut cloud.machine;
        let done = match request {
            Request::Call(call) => {
                let sid = machine.handle_call(at, cid_of(&call.to)?)?;
                line.media.set_bridge(bridge, &sid);
                return Ok(Success::Sid(sid, leg_port));
            }
            Request::Accept(sid, _) => {
                let urls = machine.handle_accept(at, &sid)?;
                line.media.set_bridge(bridge, &sid);
                let urls = for_application(&urls, leg_port.is_some(), None);
                return Ok(Success::Urls(urls, leg_port));
            }
            Request::Reject(sid, why) => machine.handle_reject(at, &sid, why),
            Request::Silence(sid) => machine.handle_silence(at, &sid),
            Request::End(sid, why) => {
                let duration = machine.handle_end(at, &sid, why)?;
                return Ok(Success::Ended(duration, line.media.recording_of(&sid)));
            }
            Request::OpenDoor(sid, door) => machine.handle_open_door(at, &sid, door),
            _ => Ok(()),
        };
        done.map(|()| Success::Plain)
    }
}

/// The number of a device in the cloud: `cloud:1000002`.
fn cid_of(to: &[u8]) -> Result<u32, Refusal> {
    let cid = to.strip_prefix(PREFIX).and_then(field);
    cid.filter(|cid| *cid > 0).ok_or_else(|| {
        let words = "to must be cloud: and a number from 1 to 4294967295, such as cloud:1000002";
        reason("bad-request", &words)
    })
}
