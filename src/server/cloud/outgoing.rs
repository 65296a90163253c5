//! A message on its way to a device.

use crate::server::cloud::apps::Device;

/// A message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Outgoing {
    pub(super) to: Device,
    /// The cid of the sender; 0: the app.
    pub(super) from: u32,
    /// 2: until it is acknowledged; 3: once.
    pub(super) flag: u8,
    /// Base64.
    pub(super) message: String,
}
