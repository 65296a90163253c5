//! What the device is, and the lengths of time it was configured with.

use core::net::{IpAddr, SocketAddr};

use crate::base::time::Duration;
use crate::wire::intercom::{peer_type, Id, Token};

/// What the device is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// A screen inside a home; it calls and is called through the home's box.
    Screen,
    /// A door unit.
    Door,
    /// The property's phone.
    Property,
}

/// The configuration of an endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)] // the fields are keys of board/README.md
pub struct Settings {
    pub role: Role,
    pub id: Id,
    pub addr: IpAddr,
    pub port: u16,
    pub box_addr: Option<SocketAddr>,
    pub stream_port: u16,
    pub box_stream_port: u16,
    pub central_port: u16,
    pub keep: Duration,
    pub keep_timeout: Duration,
    pub ring_timeout: Duration,
    /// Zero: no limit.
    pub max_call: Duration,
    pub early_video: bool,
    pub open_early: bool,
    /// What a screen joins its box with.
    pub token: Token,
}

impl Role {
    /// The device type in messages.
    pub fn peer_type(self) -> u8 {
        match self {
            Self::Screen => peer_type::INNER_SCREEN,
            Self::Door => peer_type::OUTER_BOX,
            Self::Property => peer_type::PROPERTY_APP,
        }
    }
}
