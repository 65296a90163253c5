//! The interface between the loop and its services: each service has event sources, deadlines, and
//! a share of every turn.
//!
//! To add a service, implement `Service` in `services/`, and add a line to `services::open` at the
//! position of its turn.

use mio::event::Event;

use crate::base::time::Instant;
use crate::daemon::context::Context;
use crate::daemon::turn::Work;
use crate::io::clock::Now;

/// A part of the daemon that is woken by events and deadlines.
pub(super) trait Service {
    /// The service is woken often, and its turn affects no recording: the other services need not
    /// take part.
    fn is_light(&self) -> bool {
        false
    }

    /// Handles an event of one of its sources.
    fn handle_event(&mut self, _source: usize, _event: &Event, _context: &mut Context) {}

    /// The stick was inserted, removed or replaced.
    fn handle_stick(&mut self, _context: &mut Context) {}

    /// The configuration was reloaded.
    fn handle_config(&mut self, _context: &mut Context) {}

    /// The daemon ends: recordings are finished, and then the process exits.
    #[cfg(feature = "intercom")]
    fn handle_end(&mut self, _context: &mut Context) {}

    /// The daemon ends, and this service is still to tell somebody so.
    #[cfg(feature = "intercom")]
    fn has_farewells(&self) -> bool {
        false
    }

    /// Does its share of the turn: a bounded amount of work, the rest follows in the next turn.
    fn turn(&mut self, now: &Now, context: &mut Context) -> Work;

    /// The next deadline; `NEVER` if there is none.
    fn next_deadline(&self, _now: Instant, _context: &Context) -> Instant {
        Instant::NEVER
    }

    /// The service still needs the stick's folder, which is otherwise closed while nothing is
    /// recorded.
    fn holds_stick(&mut self, _now: Instant, _context: &mut Context) -> bool {
        false
    }
}
