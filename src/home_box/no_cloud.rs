//! A box without the owners' phones: the feature `box-cloud` is left out.

use mio::event::Event;
use mio::Registry;

use crate::base::time::Instant;
use crate::home_box::settings::BoxSettings;
use crate::proto::intercom::home_box::{HomeBox, LegId};
use crate::streams::StreamServer;
use crate::wire::intercom::Message;

pub(super) const SOURCES: usize = 0;

/// Nothing.
pub(super) struct HomeCloud;

#[allow(
    clippy::unused_self,
    clippy::unnecessary_wraps,
    clippy::needless_pass_by_value
)] // as in `cloud`
impl HomeCloud {
    pub(super) fn open(
        _: &BoxSettings,
        _: Registry,
        _: usize,
        _: &mut HomeBox,
    ) -> Result<Self, String> {
        Ok(Self)
    }

    pub(super) fn is_leg(&self, _: LegId) -> bool {
        false
    }

    pub(super) fn handle_event(&mut self, _: &Event) {}

    pub(super) fn handle_router(&mut self, _: Instant, _: &Message) {}

    pub(super) fn turn(&mut self, _: Instant, _: &mut HomeBox, _: &mut StreamServer) {}

    pub(super) fn send_streams(&mut self, _: Instant, _: &mut StreamServer) {}

    pub(super) fn poll_event(&mut self) -> Option<String> {
        None
    }

    pub(super) fn present(&self) -> Option<String> {
        None
    }

    pub(super) fn has_farewells(&self) -> bool {
        false
    }

    pub(super) fn has_work(&self) -> bool {
        false
    }

    pub(super) fn next_deadline(&self) -> Instant {
        Instant::NEVER
    }
}
