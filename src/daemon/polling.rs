//! Waits for events, correctly even if the process is stopped and continued (SIGSTOP).

use std::io::{self, ErrorKind};
use std::time::Duration;

use mio::{Events, Poll};

/// Waits for events, at most until the timeout.
pub(super) fn poll_events(
    poll: &mut Poll,
    events: &mut Events,
    timeout: Option<Duration>,
) -> io::Result<()> {
    let polled = match poll.poll(events, timeout) {
        // The process was stopped and continues: the following turn must see all events that have
        // occurred in the meantime.
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
