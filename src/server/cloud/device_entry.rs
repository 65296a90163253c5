//! What is known of one device.

use std::net::SocketAddr;
use std::time::Duration;

use axum::body::Bytes;
use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::server::cloud::apps::Device;

/// States of a device as the Web API numbers them.
pub(super) mod device_state {
    pub(in crate::server::cloud) const OFFLINE: u8 = 0;
    pub(in crate::server::cloud) const READY: u8 = 1;
    pub(in crate::server::cloud) const PUBLISHING: u8 = 4;
}

/// A device whose state is another one now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct StateChange {
    pub(super) device: Device,
    pub(super) state: DeviceState,
}

/// What others may know of a device.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct DeviceState {
    pub(super) cid: u32,
    pub(super) state: u8,
    /// It was seen, so that its tracker is known.
    pub(super) is_seen: bool,
    pub(super) peer: Option<SocketAddr>,
}

/// A device.
#[derive(Debug, Default)]
pub(super) struct Entry {
    pub(super) peer: Option<SocketAddr>,
    pub(super) channel: Option<Channel>,
    /// Streams that it publishes now.
    pub(super) publications: u32,
    /// When its last channel or stream went away.
    pub(super) gone_at: Option<Instant>,
    /// The state that was told last.
    pub(super) told: u8,
}

/// The open channel of a device.
#[derive(Debug)]
pub(super) struct Channel {
    pub(super) number: u64,
    pub(super) sender: mpsc::Sender<Bytes>,
}

impl Entry {
    /// Its state now.
    pub(super) fn state(&self, now: Instant, presence: Duration) -> u8 {
        if self.publications > 0 {
            return device_state::PUBLISHING;
        }
        let is_near = |gone_at: Instant| now < gone_at + presence;
        if self.channel.is_some() || self.gone_at.is_some_and(is_near) {
            device_state::READY
        } else {
            device_state::OFFLINE
        }
    }

    /// Nothing of it is open.
    pub(super) fn is_idle(&self) -> bool {
        self.channel.is_none() && self.publications == 0
    }
}
