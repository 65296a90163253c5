//! The control socket: requests are read before the packets of the recordings, responses are sent
//! after them.

use mio::event::Event;

use crate::base::limits::LINES_PER_TURN;
use crate::daemon::context::Context;
use crate::daemon::service::Service;
use crate::daemon::services::listing::Listing;
use crate::daemon::turn::{Tokens, Work};
use crate::io::clock::Now;

/// The source number of the listener; the clients follow, by slot.
const LISTENER: usize = 0;
const FIRST_CLIENT: usize = 1;

/// Accepts clients and reads their requests.
pub(super) struct Requests {
    tokens: Tokens,
}

impl Requests {
    pub(super) fn open(context: &mut Context, tokens: Tokens) -> Result<Self, String> {
        let registry = context.poll.registry();
        context
            .clients
            .register(registry, tokens.token(LISTENER))
            .map_err(|error| format!("control socket: epoll: {error}"))?;
        Ok(Self { tokens })
    }

    fn accept(&self, context: &mut Context) {
        let token_of = |place| self.tokens.token(FIRST_CLIENT + place);
        let registry = context.poll.registry();
        let stats = &mut context.recorder.stats;
        context.clients.accept(registry, token_of, stats);
    }
}

impl Service for Requests {
    fn handle_event(&mut self, source: usize, _event: &Event, context: &mut Context) {
        match source.checked_sub(FIRST_CLIENT) {
            Some(place) => context.clients.set_ready(place),
            None => self.accept(context),
        }
    }

    /// Handles a few lines of each client.
    fn turn(&mut self, now: &Now, context: &mut Context) -> Work {
        if context.clients.connections_wait() {
            self.accept(context);
        }
        if context.recorder.is_idle() && context.clients.anyone_speaks() {
            // A plain folder may have been created or removed, which causes no event.
            context.look_for_stick(now);
        }
        for place in 0..context.clients.len() {
            for _ in 0..LINES_PER_TURN {
                let Some((client, line)) = context.clients.next_line(place) else {
                    break;
                };
                let random = context.random.words();
                let recorder = &mut context.recorder;
                let ask = recorder.handle_line(now.monotonic, client, line, random);
                context.clients.set_ask(place, ask);
                context.deliver();
            }
        }
        Work::Done
    }
}

/// Sends queued responses and events to the clients, and long responses in pieces.
#[derive(Default)]
pub(super) struct Responses {
    listing: Listing,
}

impl Service for Responses {
    fn turn(&mut self, _now: &Now, context: &mut Context) -> Work {
        let listing = self
            .listing
            .step(&mut context.disk, &mut context.clients, &context.recorder);
        let flushed = context
            .clients
            .flush(context.poll.registry(), &context.recorder);
        if listing == Work::Left || flushed == Work::Left {
            Work::Left
        } else {
            Work::Done
        }
    }
}
