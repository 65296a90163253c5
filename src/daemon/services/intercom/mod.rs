//! The building intercom: `callrec run` as a screen, a door unit or the property's phone. What it
//! decides is `proto::intercom::endpoint`; here are its sockets, its requests and its log.
//!
//! Without a call and without a link to a box it has no deadline.

use std::net::SocketAddr;

use log::{debug, info, warn};
use mio::event::Event;
use mio::net::TcpListener;
use mio::Interest;

use crate::base::limits::{MESSAGE_BYTES, NAME_BYTES};
use crate::base::time::Instant;
use crate::config::IntercomConfig;
use crate::daemon::context::Context;
use crate::daemon::event_log;
use crate::daemon::service::Service;
use crate::daemon::turn::{Tokens, Work};
use crate::io::atomic_file;
use crate::io::clock::Now;
use crate::io::listener;
use crate::proto::intercom::endpoint::lines::{write_event, write_log, write_present};
use crate::proto::intercom::endpoint::output::{
    CallState, Closed, DoorState, Event as DeviceEvent, Outcome, Output,
};
use crate::proto::intercom::endpoint::settings::Role;
use crate::proto::intercom::endpoint::urls::{for_application, url, Url};
use crate::proto::intercom::endpoint::Endpoint;
use crate::proto::recorder::outbox::To;
use crate::wire::control::Text;
use crate::wire::intercom::{cut, text, Id, Reason};
use crate::wire::recording::sidecar::Start;
use call_log::CallLog;
use links::{LinkInput, Links};
use media::CallMedia;
use own_streams::OwnStreamServer;

mod answers;
mod call_log;
mod links;
mod media;
mod own_streams;
mod requests;

const LISTENER: usize = 0;
const FIRST_MEDIA: usize = 1;
const FIRST_LINK: usize = FIRST_MEDIA + media::SOURCES;
/// Connections that are accepted in one turn.
const ACCEPTS_PER_TURN: usize = 16;
/// Messages of one connection in one turn.
const MESSAGES_PER_TURN: usize = 8;

/// The service; without a role it refuses all requests.
pub(super) struct Intercom {
    device: Option<Box<Device>>,
    /// With what it was opened.
    config: IntercomConfig,
}

/// The device that the phone is.
struct Device {
    endpoint: Endpoint,
    listener: Option<TcpListener>,
    /// Connections may be waiting: the poll announces them once.
    may_accept: bool,
    links: Links,
    media: CallMedia,
    streams: OwnStreamServer,
    log: CallLog,
    is_screen: bool,
    is_door: bool,
    token_file: String,
    /// The token could not be read, and this was logged.
    token_missed: bool,
}

impl Intercom {
    pub(super) fn open(context: &mut Context, tokens: Tokens) -> Result<Self, String> {
        let config = context.config.intercom.clone();
        let device = Device::open(&config, context, tokens)?.map(Box::new);
        Ok(Self { device, config })
    }
}

impl Service for Intercom {
    fn handle_event(&mut self, source: usize, event: &Event, context: &mut Context) {
        let Some(device) = &mut self.device else {
            return;
        };
        match source.checked_sub(FIRST_LINK) {
            Some(slot) if slot < device.links.len() => device.links.set_ready(slot, event),
            Some(_) => {
                let now = context.clock.read().monotonic;
                device.streams.handle_event(now, event.token());
            }
            None if source == LISTENER => device.may_accept = true,
            None => device.media.handle_event(source, event),
        }
    }

    fn handle_config(&mut self, context: &mut Context) {
        if context.config.intercom != self.config {
            warn!("the keys of the intercom change with a restart only");
        }
    }

    /// The peer is told, and the call stands in the log.
    fn handle_end(&mut self, context: &mut Context) {
        if let Some(device) = &mut self.device {
            let now = context.clock.read();
            device.endpoint.handle_shutdown(now.monotonic);
            device.execute(&now, context);
            device.media.handle_shutdown(now.monotonic, context);
            device.log.finish();
        }
    }

    fn turn(&mut self, now: &Now, context: &mut Context) -> Work {
        let Some(device) = &mut self.device else {
            answers::refuse_all(context);
            return Work::Done;
        };
        device.turn(now, context)
    }

    fn next_deadline(&self, _now: Instant, context: &Context) -> Instant {
        if !context.call_answers.is_empty() {
            return Instant::default();
        }
        let device = self.device.as_ref();
        device.map_or(Instant::NEVER, |device| {
            let links = device.links.deadline().min(device.log.deadline());
            let media = device.media.next_deadline();
            let media = media.min(device.streams.next_deadline());
            device.endpoint.next_deadline().min(links).min(media)
        })
    }
}

impl Device {
    fn open(
        config: &IntercomConfig,
        context: &mut Context,
        tokens: Tokens,
    ) -> Result<Option<Self>, String> {
        let Some(settings) = config.settings() else {
            return Ok(None);
        };
        let is_screen = settings.role == Role::Screen;
        let listener = if is_screen {
            None
        } else {
            let address = SocketAddr::new(config.addr, config.port);
            let failed = |error| format!("intercom: {address}: {error}");
            let mut listener = listener::open(address, false).map_err(failed)?;
            let registry = context.poll.registry();
            let token = tokens.token(LISTENER);
            registry
                .register(&mut listener, token, Interest::READABLE)
                .map_err(failed)?;
            info!("intercom: calls are taken at {address}");
            Some(listener)
        };
        let now = context.clock.read().monotonic;
        let mut seed = [0; 32];
        let filled = context.random.fill(&mut seed);
        filled.map_err(|error| format!("intercom: no random numbers: {error}"))?;
        let links = Links::new(tokens, FIRST_LINK);
        let registry = context.poll.registry();
        let first_stream = FIRST_LINK + links.len();
        Ok(Some(Self {
            streams: OwnStreamServer::open(&settings, registry, tokens, first_stream),
            endpoint: Endpoint::new(now, settings, seed),
            listener,
            may_accept: false,
            links,
            media: CallMedia::new(&context.config, tokens, FIRST_MEDIA),
            log: CallLog::open(&config.state),
            is_screen,
            is_door: config.role == Some(Role::Door),
            token_file: config.box_token_file.clone(),
            token_missed: false,
        }))
    }

    fn turn(&mut self, now: &Now, context: &mut Context) -> Work {
        self.accept(now, context);
        while let Some((client, line)) = context.intercom_lines.pop_front() {
            self.answer(client, line, now, context);
            self.execute(now, context);
        }
        for slot in 0..self.links.len() {
            for _ in 0..MESSAGES_PER_TURN {
                let Some(input) = self.links.next_input(now.monotonic, slot) else {
                    break;
                };
                self.handle_input(now, input);
                self.execute(now, context);
            }
        }
        if now.monotonic >= self.endpoint.next_deadline() {
            self.endpoint.handle_timeout(now.monotonic);
            self.execute(now, context);
        }
        self.links.expire(now.monotonic);
        let own_streams = self.endpoint.own_streams();
        let picture = self.media.picture_id();
        self.streams.set_use(now.monotonic, own_streams, picture);
        self.streams.turn(now.monotonic);
        let media = self.media.turn(now, context, self.streams.server());
        self.log.write_due(now.monotonic);
        self.log.write_to(&mut context.clients);
        context.clients.write_intercom_now(|number, buffer| {
            let event = self.endpoint.present(number)?;
            let event = self.shown(event);
            write_present(&event, &self.recording_of(&event), buffer)
        });
        let has_more = self.links.has_more() || self.streams.has_work() || media == Work::Left;
        if self.may_accept || has_more {
            Work::Left
        } else {
            Work::Done
        }
    }

    fn accept(&mut self, now: &Now, context: &mut Context) {
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
            self.execute(now, context);
            let Some(link) = link else { continue };
            let registry = context.poll.registry();
            if let Err(error) = self.links.accept(registry, link, stream) {
                warn!("intercom: {from}: {error}");
                self.endpoint.handle_lost(now.monotonic, link);
                self.execute(now, context);
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
    fn execute(&mut self, now: &Now, context: &mut Context) {
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
                Output::Event(event) => self.publish(&event, now, context),
            }
        }
    }

    /// Tells an event to all who have subscribed, and keeps calls in the log.
    fn publish(&mut self, event: &DeviceEvent, now: &Now, context: &mut Context) {
        let mut buffer = [0; MESSAGE_BYTES];
        self.follow_call(event, now);
        let recording = self.recording_of(event);
        let written = write_event(&self.shown(event.clone()), &recording, &mut buffer);
        let Some(len) = written else {
            warn!("intercom: bug: an event is too long");
            return;
        };
        event_log::log(&buffer[..len]);
        context.push(To::Subscribers, &buffer[..len]);
        match event {
            DeviceEvent::Closed(closed) => self.keep(closed, now),
            DeviceEvent::Call(CallState::Waiting, info, _) => {
                let closed = Closed {
                    info: info.clone(),
                    outcome: Outcome::Busy,
                    reason: text("line_busy"),
                    began_at: now.monotonic,
                    duration_ms: 0,
                    by: Id::new(),
                    opened: 0,
                };
                self.keep(&closed, now);
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

    /// An event as programs see it: with a media engine the phone has other streams for them.
    fn shown(&self, event: DeviceEvent) -> DeviceEvent {
        match event {
            DeviceEvent::Call(state, info, urls) if self.media.is_bridged() => {
                let urls = for_application(&urls, true, self.picture_url().as_ref());
                DeviceEvent::Call(state, info, urls)
            }
            event => event,
        }
    }

    /// Where the application of a door publishes its picture, if the sound is to be added here.
    fn picture_url(&self) -> Option<Url> {
        let server = self.streams.address()?;
        self.media.picture_id().map(|id| url(server, id))
    }

    /// A call's media follow its state.
    fn follow_call(&mut self, event: &DeviceEvent, now: &Now) {
        if let DeviceEvent::Call(_, _, urls) = event {
            self.follow_picture(&urls.publish_video, now);
        }
        match event {
            DeviceEvent::Call(CallState::Talking, info, urls) => {
                self.media.handle_talking(now.monotonic, info, urls);
            }
            DeviceEvent::Closed(closed) => self.media.handle_closed(now.monotonic, closed),
            _ => {}
        }
    }

    fn follow_picture(&mut self, publish_video: &Url, now: &Now) {
        if let Some(own) = self.streams.address().filter(|_| self.is_door) {
            self.media.handle_picture(now.monotonic, publish_video, own);
        }
    }

    fn recording_of(&self, event: &DeviceEvent) -> Text<NAME_BYTES> {
        match event {
            DeviceEvent::Call(_, info, _) => self.media.recording_of(&info.sid),
            DeviceEvent::Closed(closed) => self.media.recording_of(&closed.info.sid),
            _ => Text::new(),
        }
    }

    fn keep(&mut self, closed: &Closed, now: &Now) {
        let civil = now.local(closed.began_at);
        let date = [civil.year, civil.month, civil.day];
        let time = [civil.hour, civil.minute, civil.second];
        let began = Start::new(date, time, civil.offset_minutes);
        let mut buffer = [0; crate::base::limits::endpoint::LOG_LINE_BYTES];
        let recording = self.media.recording_of(&closed.info.sid);
        if let Some(len) = write_log(closed, began, &recording, &mut buffer) {
            self.log.add(now.monotonic, closed.began_at, &buffer[..len]);
        }
        let counts = self.endpoint.counts();
        debug!("intercom: {counts:?} so far");
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
        let token = token.unwrap_or_default().trim_ascii();
        self.endpoint.set_token(cut(token));
    }
}
