//! The daemon's services, in the order of their turns.

use crate::daemon::context::Context;
use crate::daemon::service::Service;
use crate::daemon::turn::Tokens;

#[cfg(feature = "intercom")]
mod calls;
mod control;
#[cfg(feature = "fsp")]
mod fsp;
mod listing;
pub(super) mod playback;
mod recording;
#[cfg(feature = "fsp")]
mod rendezvous;
mod sidecar_writer;
mod stick_player;
mod stick_requests;
mod unfinished;

/// Opens all services.
///
/// Control lines are handled before the packets of the same turn, so that a stop cuts a recording
/// at the requested time. Responses are sent after the recordings' turn, once the operations have
/// completed. Work that can wait comes last.
#[allow(clippy::vec_init_then_push)] // a Cargo feature adds one line
pub(super) fn open(context: &mut Context) -> Result<Vec<Box<dyn Service>>, String> {
    let mut services: Vec<Box<dyn Service>> = Vec::new();
    #[cfg(feature = "fsp")]
    services.push(Box::new(fsp::Fsp::open(context, next(&services))?));
    services.push(Box::new(playback::Playback::new()));
    services.push(Box::new(control::Requests::open(context, next(&services))?));
    services.push(Box::new(recording::Recordings::new(
        context,
        next(&services),
    )));
    #[cfg(feature = "intercom")]
    services.push(Box::new(calls::Calls::open(context, next(&services))?));
    services.push(Box::new(stick_requests::StickRequests::default()));
    services.push(Box::new(control::Responses::default()));
    services.push(Box::new(unfinished::Unfinished::default()));
    services.push(Box::new(sidecar_writer::SidecarWriter::default()));
    services.push(Box::new(stick_player::StickPlayer::default()));
    Ok(services)
}

/// The tokens of the service that is added next; number 0 is the loop itself.
fn next(services: &[Box<dyn Service>]) -> Tokens {
    Tokens::of_service(services.len() + 1)
}
