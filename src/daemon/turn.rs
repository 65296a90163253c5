//! Which services take part in a turn of the loop, what a turn leaves, and which service an event
//! belongs to.

use mio::Token;

/// The maximum number of event sources of a service.
const SOURCES: usize = 1 << 16;

/// The tokens of one service's sources.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Tokens {
    service: usize,
}

impl Tokens {
    /// The tokens of the service with this number.
    pub(super) const fn of_service(service: usize) -> Self {
        Self { service }
    }

    /// The token of a service's source.
    pub(super) const fn token(self, source: usize) -> Token {
        Token(self.service * SOURCES + source)
    }

    /// Splits a token into service and source.
    pub(super) const fn split(token: Token) -> (usize, usize) {
        (token.0 / SOURCES, token.0 % SOURCES)
    }
}

/// Why a turn runs, which determines who takes part in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wake {
    /// An event, or work that was left: all recordings read their packets.
    Event,
    /// A deadline: the recordings that are due read their packets.
    Deadline,
    /// Only light services have work: the others do not take part.
    Light,
}

/// Whether a turn has left work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub(super) enum Work {
    /// No work until the next event or deadline.
    Done,
    /// Work is left: the next turn follows at once.
    Left,
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
