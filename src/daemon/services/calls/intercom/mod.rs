//! The building intercom: `callrec run` as a screen, a door unit or the property's phone. What it
//! decides is `proto::intercom::endpoint`; here are its sockets.
//!
//! Without a call and without a link to a box it has no deadline.

use std::net::SocketAddr;

use log::{debug, info, warn};
use mio::event::Event;
use mio::net::TcpListener;
use mio::Interest;

use crate::base::time::Instant;
use crate::config::IntercomConfig;
use crate::daemon::context::Context;
use crate::daemon::services::calls::line::Line;
use crate::daemon::turn::{Tokens, Work};
use crate::io::atomic_file;
use crate::io::clock::Now;
use crate::io::listener;
use crate::proto::intercom::endpoint::output::{DoorState, Event as DeviceEvent, Output};
use crate::proto::intercom::endpoint::settings::{Role, Settings};
use crate::proto::intercom::endpoint::{Counts, Endpoint};
use crate::wire::ascii;
use crate::wire::intercom::{cut, text, Reason};
use links::{LinkInput, Links};

mod links;

const LISTENER: usize = 0;
const FIRST_LINK: usize = 1;
/// Event sources: the listener and the links.
pub(super) const SOURCES: usize = FIRST_LINK + links::SLOTS;
/// Connections that are accepted in one turn.
const ACCEPTS_PER_TURN: usize = 16;
/// Messages of one connection in one turn.
const MESSAGES_PER_TURN: usize = 8;

/// The device that the phone is.
pub(super) struct Intercom {
    pub(super) endpoint: Endpoint,
    listener: Option<TcpListener>,
    /// Connections may be waiting: the poll announces them once.
    may_accept: bool,
    links: Links,
    is_screen: bool,
    token_file: String,
    /// The token could not be read, and this was logged.
    token_missed: bool,
}

impl Intercom {
    /// `first_source`: the number of its first event source.
    pub(super) fn open(
        config: &IntercomConfig,
        settings: Settings,
        context: &mut Context,
        tokens: Tokens,
        first_source: usize,
    ) -> Result<Box<Self>, String> {
        let is_screen = settings.role == Role::Screen;
        let listener = if is_screen {
            None
        } else {
            let address = SocketAddr::new(config.addr, config.port);
            let failed = |error| format!("intercom: {address}: {error}");
            let mut listener = listener::open(address, false).map_err(failed)?;
            let registry = context.poll.registry();
            let token = tokens.token(first_source + LISTENER);
            registry
                .register(&mut listener, token, Interest::READABLE)
                .map_err(failed)?;
            info!("intercom: calls are taken at {address}");
            Some(listener)
        };
        let now = context.clock.read().monotonic;
        let seed = context.random.seed();
        let seed = seed.map_err(|error| format!("intercom: no random numbers: {error}"))?;
        Ok(Box::new(Self {
            endpoint: Endpoint::new(now, settings, seed),
            listener,
            may_accept: false,
            links: Links::new(tokens, first_source + FIRST_LINK),
            is_screen,
            token_file: config.box_token_file.clone(),
            token_missed: false,
        }))
    }

    /// `source`: counted from its first one.
    pub(super) fn handle_event(&mut self, source: usize, event: &Event) {
        match source.checked_sub(FIRST_LINK) {
            Some(slot) => self.links.set_ready(slot, event),
            None => self.may_accept = true,
        }
    }

    /// The peer is told, and the call stands in the log.
    pub(super) fn handle_end(&mut self, now: &Now, line: &mut Line, context: &mut Context) {
        self.endpoint.handle_shutdown(now.monotonic);
        self.execute(now, line, context);
    }

    /// Accepts and reads. The line's turn follows.
    pub(super) fn turn(&mut self, now: &Now, line: &mut Line, context: &mut Context) -> Work {
        self.accept(now, line, context);
        for slot in 0..self.links.len() {
            for _ in 0..MESSAGES_PER_TURN {
                let Some(input) = self.links.next_input(now.monotonic, slot) else {
                    break;
                };
                self.handle_input(now, input);
                self.execute(now, line, context);
            }
        }
        if now.monotonic >= self.endpoint.next_deadline() {
            self.endpoint.handle_timeout(now.monotonic);
            self.execute(now, line, context);
        }
        self.links.expire(now.monotonic);
        let own_streams = self.endpoint.own_streams();
        let picture = line.media.picture_id();
        line.streams.set_use(now.monotonic, own_streams, picture);
        if self.may_accept || self.links.has_more() {
            Work::Left
        } else {
            Work::Done
        }
    }

    pub(super) fn next_deadline(&self) -> Instant {
        self.endpoint.next_deadline().min(self.links.deadline())
    }

    fn accept(&mut self, now: &Now, line: &mut Line, context: &mut Context) {
        for _ in 0..ACCEPTS_PER_TURN {
            let Some(listener) = self.listener.as_ref().filter(|_| self.may_accept) else {
                return;
            };
            let (stream, from) = match listener.accept() {
                Ok(accepted) => accepted,
                Err(error) if error.kind() == std::io::ErrorKind::ConnectionAborted => continue,
                Err(error) => {
                    // Without descriptors it is tried again with the next connection.
                    self.may_accept = false;
                    if error.kind() != std::io::ErrorKind::WouldBlock {
                        warn!("intercom: accept: {error}");
                    }
                    return;
                }
            };
            // On a socket of IPv6, callers with IPv4 have mapped addresses.
            let from = from.ip().to_canonical();
            let link = self.endpoint.handle_accepted(now.monotonic, from);
            self.execute(now, line, context);
            let Some(link) = link else { continue };
            let registry = context.poll.registry();
            if let Err(error) = self.links.accept(registry, link, stream) {
                warn!("intercom: {from}: {error}");
                self.endpoint.handle_lost(now.monotonic, link);
                self.execute(now, line, context);
            }
        }
    }

    fn handle_input(&mut self, now: &Now, input: LinkInput) {
        let at = now.monotonic;
        match input {
            LinkInput::Connected(link, local) => self.endpoint.handle_connected(at, link, local),
            LinkInput::Message(link, message) => self.endpoint.handle_message(at, link, message),
            LinkInput::Lost(link) => self.endpoint.handle_lost(at, link),
        }
    }

    /// Does what the device wants done.
    pub(super) fn execute(&mut self, now: &Now, line: &mut Line, context: &mut Context) {
        while let Some(output) = self.endpoint.poll_output() {
            match output {
                Output::Connect(link, to) => {
                    if self.is_screen {
                        self.read_token();
                    }
                    self.links.connect(context.poll.registry(), link, to);
                }
                Output::Send(link, message) => self.links.send(link, &message),
                Output::Close(link) => self.links.close(now.monotonic, link),
                Output::Event(event) => {
                    line.publish(&event, now, context);
                    self.handle_published(&event, context);
                }
            }
        }
    }

    fn handle_published(&mut self, event: &DeviceEvent, context: &Context) {
        match event {
            DeviceEvent::Closed(_) => {
                let Counts { ignored, bugs } = self.endpoint.counts();
                debug!("intercom: {ignored} messages ignored, {bugs} outputs lost so far");
            }
            DeviceEvent::Door(DoorState::Requested, sid, door, ..)
                if !context.clients.has_subscribers() =>
            {
                // Nobody can open it: who has asked should know at once.
                let why: Reason = text("no_app");
                let _ = self.endpoint.handle_open_result(sid, *door, false, why);
            }
            _ => {}
        }
    }

    /// The token may have been replaced since the last attempt.
    fn read_token(&mut self) {
        let mut buffer = [0; 1024];
        let token = atomic_file::read(&self.token_file, &mut buffer);
        if token.is_none() && !self.token_missed {
            let path = &self.token_file;
            warn!("intercom: {path} cannot be read (boxTokenFile): the box may refuse the screen");
        }
        self.token_missed = token.is_none();
        let token = ascii::trim(token.unwrap_or_default());
        self.endpoint.set_token(cut(token));
    }
}
