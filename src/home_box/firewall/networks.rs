//! The two networks that the firewall separates, and the box's interfaces to them.

use core::net::Ipv4Addr;

use crate::home_box::settings::{BoxSettings, Forward};
use crate::io::interface;

/// The box's place in one of the two networks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Side {
    pub(super) interface: String,
    pub(super) address: Ipv4Addr,
}

/// What the rules are made from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Networks<'a> {
    pub(super) home: Side,
    pub(super) community: Side,
    pub(super) forwards: &'a [Forward],
}

impl<'a> Networks<'a> {
    /// Finds the interfaces of the box's two addresses.
    pub(super) fn of(settings: &'a BoxSettings) -> Result<Self, String> {
        let home = side("homeAddr", settings.home_addr)?;
        let community = side("communityAddr", settings.community_addr)?;
        if home.interface == community.interface {
            return Err(format!(
            "homeAddr and communityAddr are both on {}: the firewall needs an interface for each network",
            home.interface
        ));
        }
        Ok(Self {
            home,
            community,
            forwards: &settings.forwards,
        })
    }
}

fn side(key: &str, address: Ipv4Addr) -> Result<Side, String> {
    let found = interface::with_address(address)
        .map_err(|problem| format!("the network interfaces cannot be listed: {problem}"))?;
    let interface = found.ok_or_else(|| {
        format!("{key} {address} is on no interface of this machine; 'ip addr' lists them")
    })?;
    // Other characters would need quoting, and a '+' at the end means any interface to iptables.
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._-@".contains(&byte);
    if !interface.bytes().all(is_allowed) {
        return Err(format!(
            "{key} {address} is on '{interface}': rename it to letters, digits, '.', '_' and '-'"
        ));
    }
    Ok(Side { interface, address })
}
