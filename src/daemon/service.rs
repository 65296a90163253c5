//! What the loop knows of its services: each has sources of events, deadlines, and a share of every turn.
//!
//! How to add one: implement `Service` in `services/`, and add a line to `services::open` where its turn belongs.

use mio::event::Event;

use crate::base::time::Instant;
use crate::daemon::context::Context;
use crate::daemon::turn::Work;
use crate::io::clock::Now;

/// A part of the daemon that is woken by events and deadlines.
pub(super) trait Service {
    /// It is woken often, and its turn touches no recording: the others need not take part.
    fn is_light(&self) -> bool {
        false
    }

    /// One of its sources has something to tell.
    fn handle_event(&mut self, _source: usize, _event: &Event, _context: &mut Context) {}

    /// Another stick has come, or the one there was has gone.
    fn handle_stick(&mut self, _context: &mut Context) {}

    /// The configuration has been read again.
    fn handle_config(&mut self, _context: &mut Context) {}

    /// Does its share: bounded work, the rest in the next turn.
    fn turn(&mut self, now: &Now, context: &mut Context) -> Work;

    /// When it has something to do without an event; `NEVER` if it has nothing.
    fn next_deadline(&self, _now: Instant, _context: &Context) -> Instant {
        Instant::NEVER
    }

    /// It still needs the stick's folder, which is otherwise closed while nothing is recorded.
    fn holds_stick(&mut self, _now: Instant, _context: &mut Context) -> bool {
        false
    }
}
