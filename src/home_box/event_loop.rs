//! `callrec-box run`: the event loop.

use crate::home_box::settings::BoxSettings;

/// Runs the box until SIGTERM.
pub(super) fn run(settings: BoxSettings) -> Result<(), String> {
    log::debug!("the box of {}", settings.room_id);
    Err("the event loop is not built yet".into())
}
