//! The control socket: requests are read before the packets of the recordings, responses are sent
//! after them.

use mio::event::Event;

use crate::base::limits::LINES_PER_TURN;
use crate::daemon::context::Context;
use crate::daemon::service::Service;
use crate::daemon::services::listing::Listing;
use crate::daemon::turn::{Tokens, Work};
use crate::io::clock::Now;
#[cfg(feature = "intercom")]
use crate::proto::intercom::endpoint as intercom;
use crate::proto::recorder::FollowUp;

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
        let token_of = |slot| self.tokens.token(FIRST_CLIENT + slot);
        let registry = context.poll.registry();
        let stats = &mut context.recorder.stats;
        context.clients.accept(registry, token_of, stats);
    }
}

impl Service for Requests {
    fn handle_event(&mut self, source: usize, _event: &Event, context: &mut Context) {
        match source.checked_sub(FIRST_CLIENT) {
            Some(slot) => context.clients.set_ready(slot),
            None => self.accept(context),
        }
    }

    /// Handles a few lines of each client.
    fn turn(&mut self, now: &Now, context: &mut Context) -> Work {
        if context.clients.connections_wait() {
            self.accept(context);
        }
        if context.recorder.is_idle() && context.clients.has_unread() {
            // A plain folder may have been created or removed, which causes no event.
            context.find_stick(now);
        }
        for slot in 0..context.clients.len() {
            for _ in 0..LINES_PER_TURN {
                let Some((client, line)) = context.clients.next_line(slot) else {
                    break;
                };
                #[cfg(feature = "intercom")]
                if let Some(line) = line.and_then(intercom::request::parse) {
                    context.queue_intercom(slot, client, line);
                    continue;
                }
                let random = context.random.words();
                let recorder = &mut context.recorder;
                let follow_up = recorder.handle_line(now.monotonic, client, line, random);
                let remarks = recorder.take_remarks();
                let free = match follow_up {
                    FollowUp::Events => context.disk.free_bytes(),
                    _ => 0,
                };
                context
                    .clients
                    .set_follow_up(slot, &follow_up, remarks, free);
                if let FollowUp::Stick(request) = follow_up {
                    let queued = context.stick_requests.push_back((client, request));
                    debug_assert!(queued.is_ok(), "bug: one for each client");
                }
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
