//! Who takes part in a turn of the loop, and what it leaves; whose an event is.

use mio::Token;

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
