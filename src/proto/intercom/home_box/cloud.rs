//! The owners' phones, which ring through the cloud: one more screen, without a connection.

use core::fmt::Write;
use core::net::{IpAddr, Ipv4Addr};

use crate::base::time::Instant;
use crate::proto::intercom::home_box::call::{CallState, Direction};
use crate::proto::intercom::home_box::ending::Farewell;
use crate::proto::intercom::home_box::legs::{CloudLeg, Leg, LegId, LegState, Side};
use crate::proto::intercom::home_box::HomeBox;
use crate::wire::intercom::{cut, peer_type, text, Id, Message, Party};

impl HomeBox {
    /// The home has a cloud: what is sent to this leg is for the phones in it.
    pub fn open_cloud(&mut self, now: Instant) -> LegId {
        let leg = self.new_leg();
        let nowhere = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
        let mut cloud = Leg::accepted(leg, Side::Home, nowhere, now);
        cloud.state = LegState::Cloud {
            device: text("cloud"),
        };
        self.legs.add(cloud);
        self.cloud = Some(CloudLeg {
            leg,
            is_online: false,
        });
        leg
    }

    /// The cloud can be reached: the next call of a door rings there, too.
    pub fn set_cloud_online(&mut self, is_online: bool) {
        if let Some(cloud) = &mut self.cloud {
            cloud.is_online = is_online;
        }
    }

    /// A phone has sent a message.
    pub fn handle_cloud_message(&mut self, now: Instant, cid: u32, message: &Message) {
        let Some(CloudLeg { leg, .. }) = self.cloud else {
            return;
        };
        if let Some(leg) = self.legs.find_mut(leg) {
            let device = cloud_device(cid);
            leg.state = LegState::Cloud { device };
        }
        self.handle_message(now, leg, message);
    }

    /// No phone rings: they are busy or away, or the cloud is. The screens go on.
    pub fn handle_no_phone(&mut self, now: Instant) {
        let (Some(CloudLeg { leg, .. }), Some(call)) = (self.cloud, &mut self.call) else {
            return;
        };
        let CallState::Ringing(ringing) = &mut call.state else {
            return;
        };
        let before = ringing.legs.len();
        ringing.legs.retain(|ringing| *ringing != leg);
        if ringing.legs.len() == before || !ringing.legs.is_empty() {
            return;
        }
        let passes_on = call.direction == Direction::In;
        let src = call.src.clone();
        if !ringing.rejected.is_empty() {
            let (reason, end) = (text("declined"), Farewell::None);
            let reject = Farewell::Reject(text("declined"));
            self.finish(now, reject, end, "rejected", &reason);
        } else if passes_on && self.may_pass_on(&src) {
            self.pass_on(now);
        } else if !self.has_screens() {
            let reason = text("app_offline");
            let reject = Farewell::Reject(text("app_offline"));
            self.finish(now, reject, Farewell::None, "missed", &reason);
        }
    }

    /// The phones, if this caller rings them.
    pub(super) fn cloud_for(&self, src: &Party) -> Option<LegId> {
        let cloud = self.cloud.filter(|cloud| cloud.is_online)?;
        (src.peer_type == peer_type::OUTER_BOX).then_some(cloud.leg)
    }
}

/// A phone's name in the call log; 0: the server speaks for itself.
fn cloud_device(cid: u32) -> Id {
    let mut name = heapless::String::<24>::new();
    let written = if cid == 0 {
        name.write_str("cloud")
    } else {
        write!(name, "cloud:{cid}")
    };
    debug_assert!(written.is_ok(), "bug: the name is too long");
    cut(name.as_bytes())
}
