//! Bodies that are written while they are sent.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::body::{Body, Bytes};
use http_body_util::channel::{Channel, Sender};
use tokio::runtime::Handle;

use super::viewer::Viewer;
use crate::server::archive::app::App;

/// A client that takes nothing for so long has gone.
const PATIENCE: Duration = Duration::from_secs(60);
/// How often it is asked whether somebody may still listen.
const CHECK_EVERY: Duration = Duration::from_secs(1);
/// Pieces that wait to be sent.
const WAITING: usize = 4;

/// Takes the bytes of a body, from a thread that may block.
pub(super) struct BodySink {
    sender: Sender<Bytes, io::Error>,
    app: Arc<App>,
    viewer: Viewer,
    checked_at: Instant,
}

/// A body that `write` makes on a thread of its own.
pub(super) fn blocking(
    app: &Arc<App>,
    viewer: &Viewer,
    write: impl FnOnce(&mut BodySink) -> Result<(), String> + Send + 'static,
) -> Body {
    let (sender, body) = Channel::<Bytes, io::Error>::new(WAITING);
    let mut sink = BodySink {
        sender,
        app: app.clone(),
        viewer: viewer.clone(),
        checked_at: Instant::now(),
    };
    tokio::task::spawn_blocking(move || {
        if let Err(problem) = write(&mut sink) {
            log::debug!("a body ends early: {problem}");
            sink.sender.abort(io::Error::other(problem));
        }
    });
    Body::new(body)
}

impl io::Write for BodySink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.checked_at.elapsed() >= CHECK_EVERY {
            self.checked_at = Instant::now();
            if !self.viewer.is_valid(&self.app) {
                return Err(io::ErrorKind::PermissionDenied.into());
            }
        }
        let bytes_to_send = Bytes::copy_from_slice(bytes);
        let sender = &mut self.sender;
        let sent = Handle::current().block_on(async {
            tokio::time::timeout(PATIENCE, sender.send_data(bytes_to_send)).await
        });
        match sent {
            Ok(Ok(())) => Ok(bytes.len()),
            _ => Err(io::ErrorKind::BrokenPipe.into()),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
