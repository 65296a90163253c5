//! Waiting for events, also in a process that somebody stops.

use std::io::{self, ErrorKind};
use std::time::Duration;

use mio::{Events, Poll};

/// Waits until there are events, or for so long.
pub(super) fn poll_events(
    poll: &mut Poll,
    events: &mut Events,
    timeout: Option<Duration>,
) -> io::Result<()> {
    let polled = match poll.poll(events, timeout) {
        // A process that was stopped goes on: the turn that follows is to know all that has come meanwhile.
        Err(error) if error.kind() == ErrorKind::Interrupted => {
            poll.poll(events, Some(Duration::ZERO))
        }
        polled => polled,
    };
    match polled {
        Err(error) if error.kind() == ErrorKind::Interrupted => Ok(()),
        polled => polled,
    }
}
