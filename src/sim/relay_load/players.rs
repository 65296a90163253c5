//! All players, read by one thread.

use std::time::Duration;

use mio::{Events, Interest, Poll, Token};

use crate::sim::relay_load::film::Film;
use crate::sim::relay_load::player::Player;

/// Between two looks at the server's memory.
const TURN: Duration = Duration::from_millis(100);
/// Between two players: a relay has few places for connections that have not said what they want.
const BETWEEN: Duration = Duration::from_millis(4);
/// Read in one call.
const BUFFER_BYTES: usize = 128 * 1024;

/// The players. The first may stop to read for a while.
pub(super) struct Players {
    poll: Poll,
    events: Events,
    buffer: Vec<u8>,
    players: Vec<Player>,
    is_first_stalled: bool,
}

impl Players {
    pub(super) fn connect(url: &str, count: usize, stalls: bool) -> Result<Self, String> {
        let poll = Poll::new().map_err(|error| format!("epoll: {error}"))?;
        let mut players = vec![];
        for number in 0..count {
            let mut player = Player::connect(url, stalls && number == 0)?;
            poll.registry()
                .register(&mut player.stream, Token(number), Interest::READABLE)
                .map_err(|error| format!("epoll: {error}"))?;
            players.push(player);
            std::thread::sleep(BETWEEN);
        }
        Ok(Self {
            poll,
            events: Events::with_capacity(1024),
            buffer: vec![0; BUFFER_BYTES],
            players,
            is_first_stalled: false,
        })
    }

    /// Whether the first player reads nothing from now on.
    pub(super) fn stall(&mut self, is_stalled: bool) -> Result<(), String> {
        if is_stalled == self.is_first_stalled {
            return Ok(());
        }
        self.is_first_stalled = is_stalled;
        let Some(first) = self.players.first_mut() else {
            return Ok(());
        };
        let registry = self.poll.registry();
        let done = match is_stalled {
            true => registry.deregister(&mut first.stream),
            false => registry.register(&mut first.stream, Token(0), Interest::READABLE),
        };
        done.map_err(|error| format!("epoll: {error}"))
    }

    /// Reads what has come within a turn.
    pub(super) fn read(&mut self, film: &Film) -> Result<(), String> {
        match self.poll.poll(&mut self.events, Some(TURN)) {
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            done => done.map_err(|error| format!("epoll: {error}"))?,
        }
        for event in &self.events {
            if let Some(player) = self.players.get_mut(event.token().0) {
                player.read(film, &mut self.buffer)?;
            }
        }
        Ok(())
    }

    /// Nobody waits for anything any more. A player that has lost tags never has all; the server
    /// closes it in time, or the caller gives up.
    pub(super) fn are_done(&self, film: &Film) -> bool {
        self.players.iter().all(|player| player.is_done(film))
    }

    pub(super) fn count(&self) -> usize {
        self.players.len()
    }

    /// Bytes of the film that all have got together.
    pub(super) fn bytes(&self) -> usize {
        self.players.iter().map(|player| player.received).sum()
    }

    /// Players who have got the film byte for byte, without the first so many.
    pub(super) fn whole(&self, film: &Film, without: usize) -> usize {
        let players = self.players.iter().skip(without);
        players.filter(|player| player.has_all(film)).count()
    }

    /// Tags that the first has got.
    pub(super) fn first_tags(&self) -> usize {
        self.players.first().map_or(0, |player| player.tags)
    }
}
