//! The streams of a call, and who uses them.

use core::net::IpAddr;

/// What the stream server has to know of the running call.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StreamUse {
    /// The ids of the call's streams.
    pub ids: Vec<Vec<u8>>,
    /// The ends of the call in the community.
    pub community: Vec<IpAddr>,
    /// Screens that have joined.
    pub home: Vec<IpAddr>,
    /// The call was answered: of the screens, only those that talk publish.
    pub is_answered: bool,
    /// Both ends of an answered call.
    pub talking: Vec<IpAddr>,
}
