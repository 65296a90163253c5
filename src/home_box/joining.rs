//! Whether a screen may join: its token, or the box's policy.

use log::warn;

use crate::home_box::id::is_id;
use crate::home_box::settings::{BoxSettings, JoinPolicy};
use crate::home_box::tokens::{ListedToken, TokenStore};
use crate::home_box::wall_time::unix_seconds;
use crate::proto::intercom::home_box::rules::JoinVerdict;
use crate::wire::intercom::{text, Id, Token};

/// Of these devices, those whose tokens the command has revoked since the last look.
pub(super) fn revoked(tokens: &mut TokenStore, mut devices: Vec<Vec<u8>>) -> Vec<Vec<u8>> {
    match tokens.reload_if_changed() {
        Ok(true) => {}
        Ok(false) => return vec![],
        Err(problem) => {
            warn!("tokens: {problem}");
            return vec![];
        }
    }
    devices.retain(|device| {
        let is_of_device = |listed: &&ListedToken| listed.token.device.as_bytes() == device;
        let of_device = tokens.tokens().iter().filter(is_of_device);
        let newest = of_device.max_by_key(|listed| listed.token.serial);
        newest.is_some_and(|listed| listed.is_revoked)
    });
    devices
}

/// Judges a `join_family`. With `joinPolicy = open` a good token still says who it is.
pub(super) fn verdict(
    settings: &BoxSettings,
    tokens: &mut TokenStore,
    token: &Token,
    id: &Id,
    device_type: u8,
) -> JoinVerdict {
    // The command may have made or revoked a token since.
    if let Err(problem) = tokens.reload_if_changed() {
        warn!("tokens: {problem}");
    }
    let given = core::str::from_utf8(token).unwrap_or_default();
    match tokens.verify(given, unix_seconds()) {
        Ok(verified) => JoinVerdict::Device {
            device: text(&verified.device),
            device_type: verified.kind.number(),
        },
        Err(_) if settings.join_policy == JoinPolicy::Open => JoinVerdict::Device {
            // An id that cannot stand in a list is none: the device is like no other.
            device: core::str::from_utf8(id)
                .ok()
                .filter(|id| is_id(id))
                .map_or(Id::new(), text),
            device_type: if device_type <= 2 { device_type } else { 0 },
        },
        Err(problem) => {
            warn!("a screen may not join: {problem}");
            JoinVerdict::Refused(text("unauthorised"))
        }
    }
}
