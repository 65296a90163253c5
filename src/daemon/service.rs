//! What the loop knows of its services: each has sources of events, deadlines, and a share of every turn.
//!
//! How to add one: implement `Service` in `services/`, and add a line to `services::open` where its turn belongs.

use mio::event::Event;
use mio::Token;

use crate::base::time::Instant;
use crate::daemon::context::Context;
use crate::io::clock::Now;

/// How many sources of events a service may have.
const SOURCES: usize = 1 << 16;

/// The tokens of one service's sources.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Tokens {
    service: usize,
}

impl Tokens {
    /// Those of the service with this number.
    pub(super) const fn of_service(service: usize) -> Self {
        Self { service }
    }

    /// The token of a service's source.
    pub(super) const fn token(self, source: usize) -> Token {
        Token(self.service * SOURCES + source)
    }

    /// Whose token it is: service and source.
    pub(super) const fn split(token: Token) -> (usize, usize) {
        (token.0 / SOURCES, token.0 % SOURCES)
    }
}

/// Why a turn runs, and so who takes part in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wake {
    /// Something has happened, or was left to do: all recordings read their packets.
    Event,
    /// A deadline has come: the recordings that are due read their packets.
    Deadline,
    /// Light services alone have something to do: the others do not take part.
    Light,
}

/// What a turn has left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub(super) enum Work {
    /// Nothing until the next event or deadline.
    Done,
    /// Something: the next turn comes at once.
    Left,
}

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_says_whose_it_is() {
        for (service, source) in [(0, 0), (0, 7), (1, 0), (7, 65_535)] {
            let token = Tokens::of_service(service).token(source);
            assert_eq!(Tokens::split(token), (service, source));
        }
    }
}
