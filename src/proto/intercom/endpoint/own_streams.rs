//! Which streams of a call are on this device's own server, and whose they are.

use core::net::IpAddr;

use crate::proto::intercom::endpoint::output::Direction;
use crate::proto::intercom::endpoint::settings::Role;
use crate::proto::intercom::endpoint::Endpoint;
use crate::wire::intercom::peer_type::is_home;
use crate::wire::intercom::Stream;

/// The streams of the running call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnStreams {
    /// Their ids.
    pub ids: heapless::Vec<Stream, 4>,
    /// The other device.
    pub peer: Option<IpAddr>,
    /// This device's address towards it, once it is known.
    pub local: Option<IpAddr>,
}

impl Endpoint {
    /// A door unit or the property's phone that calls another such device has all streams of the
    /// call.
    pub fn own_streams(&self) -> Option<OwnStreams> {
        let call = self.call.as_ref()?;
        let calls_a_device = call.info.direction == Direction::Out
            && self.settings.role != Role::Screen
            && !is_home(call.info.peer_type);
        if !calls_a_device {
            return None;
        }
        let streams = [
            &call.own.audio,
            &call.own.video,
            &call.peer.audio,
            &call.peer.video,
        ];
        let ids = streams.into_iter().filter(|id| !id.is_empty());
        let address = |text: &[u8]| core::str::from_utf8(text).ok()?.parse().ok();
        Some(OwnStreams {
            ids: ids.cloned().collect(),
            peer: address(&call.peer.ip),
            local: address(&call.own.ip),
        })
    }
}
