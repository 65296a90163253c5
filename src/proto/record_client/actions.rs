//! The actions of the protocol's state transitions.

use core::net::{IpAddr, SocketAddr};

use crate::base::limits::{ANSWER_TIMEOUT, STOP_TIMEOUT, TEXT_BYTES};
use crate::base::time::Instant;
use crate::proto::record_client::event::{ClientEvent, ClientState, Pending};
use crate::proto::record_client::{messages, RecordClient, SERVER_LOST, SERVER_REFUSED};
use crate::proto::recorder::reason::{reason, LossyText};
use crate::proto::recording::setup::{Host, Setup};
use crate::wire::control::Text;

/// Prefixes of the reasons of a server that stops because it is unable to continue.
const UNABLE: [&[u8]; 2] = [b"disk-", b"shutdown"];

impl RecordClient {
    pub(super) fn enter(&mut self, state: ClientState, until: Option<Instant>) {
        self.state = state;
        self.until = until;
    }

    /// The deadline of the previous state remains in force.
    pub(super) fn resolve(&mut self, state: ClientState, name: Host, port: u16) {
        self.name = name;
        self.pending = Some(Pending::Find(port));
        self.state = state;
    }

    pub(super) fn connect(&mut self, to: SocketAddr) {
        self.pending = Some(Pending::Connect(to));
        self.state = ClientState::Connecting;
    }

    pub(super) fn send_start(&mut self, now: Instant, peer: SocketAddr, setup: &Setup) {
        self.peer = Some(peer);
        messages::write_start(&mut self.out, setup);
        self.enter(ClientState::Asked, Some(now + ANSWER_TIMEOUT));
    }

    /// If the address is missing or unspecified, the address of the connection is used.
    pub(super) fn handle_accepted(&mut self, host: Host, port: u16) {
        let address = host
            .parse()
            .ok()
            .filter(|address: &IpAddr| !address.is_unspecified());
        let own = host.is_empty() || host.parse::<IpAddr>().is_ok();
        match address.or(self.peer.map(|peer| peer.ip()).filter(|_| own)) {
            Some(address) => self.open(address, port),
            None => self.resolve(ClientState::Locating(port), host, port),
        }
    }

    pub(super) fn open(&mut self, address: IpAddr, port: u16) {
        let media = SocketAddr::new(address, port);
        self.media = Some(media);
        self.pending = Some(Pending::Media(media));
        self.state = ClientState::Opening;
    }

    pub(super) fn begin_sending(&mut self) {
        self.enter(ClientState::Sending, None);
        self.event = Some(ClientEvent::Accepted);
    }

    pub(super) fn send_stop(&mut self, now: Instant, setup: &Setup) {
        messages::write_stop(&mut self.out, setup);
        self.pending = None;
        self.enter(ClientState::Stopping, Some(now + STOP_TIMEOUT));
    }

    /// The server has stopped the recording, and the response has been sent. If the server is
    /// unable to continue and a fallback is configured, this is a failure.
    pub(super) fn handle_server_stop(
        &mut self,
        now: Instant,
        words: Text<TEXT_BYTES>,
        setup: &Setup,
    ) {
        let unable = UNABLE.iter().any(|word| words.starts_with(word)) && setup.falls_back();
        self.set_reason(
            if unable { SERVER_LOST } else { SERVER_REFUSED },
            format_args!("it has stopped: {}", LossyText(&words)),
        );
        self.words = words;
        self.end(
            now,
            if unable {
                ClientEvent::Failed
            } else {
                ClientEvent::Stopped
            },
        );
    }

    pub(super) fn refused(&mut self, now: Instant, words: &[u8]) {
        let words = if words.is_empty() {
            b"it gives no reason"
        } else {
            words
        };
        self.set_reason(SERVER_REFUSED, format_args!("{}", LossyText(words)));
        self.end(now, ClientEvent::Failed);
    }

    pub(super) fn fail(
        &mut self,
        now: Instant,
        word: &str,
        words: &str,
        errno: i32,
        setup: &Setup,
    ) {
        self.explain(word, words, errno, setup);
        self.end(now, ClientEvent::Failed);
    }

    /// Fails, but the server is still connected and is told to stop.
    pub(super) fn abandon(
        &mut self,
        now: Instant,
        word: &str,
        words: &str,
        errno: i32,
        setup: &Setup,
    ) {
        self.explain(word, words, errno, setup);
        self.announce(ClientEvent::Failed);
        self.send_stop(now, setup);
    }

    pub(super) fn explain(&mut self, word: &str, words: &str, errno: i32, setup: &Setup) {
        let Some(server) = &setup.server else { return };
        let host = &server.host;
        let port = server.port;
        // Linux's numbers, the same on ARM and x86.
        let why = match errno {
            0 => "",
            101 | 113 => ": no route",
            104 => ": connection reset",
            110 => ": no answer",
            111 => ": connection refused",
            _ => {
                return self
                    .set_reason(word, format_args!("{words} ({host}:{port}: errno {errno})"));
            }
        };
        self.set_reason(word, format_args!("{words} ({host}:{port}{why})"));
    }

    pub(super) fn set_reason(&mut self, word: &str, words: core::fmt::Arguments) {
        if !self.announced {
            self.failure_reason = reason(word, &words);
        }
    }

    /// Each end is announced once.
    pub(super) fn announce(&mut self, event: ClientEvent) {
        if !core::mem::replace(&mut self.announced, true) {
            self.event = Some(event);
        }
    }

    /// Writes the remaining bytes, then closes the connection.
    pub(super) fn end(&mut self, now: Instant, event: ClientEvent) {
        self.announce(event);
        self.pending = None;
        self.enter(ClientState::Closing, Some(now + STOP_TIMEOUT));
    }

    /// Both sockets are closed: only the outcome is kept.
    pub(super) fn reset(&mut self) {
        self.enter(ClientState::Idle, None);
        self.pending = None;
        self.peer = None;
        self.blocked = false;
        self.reader.clear();
        self.out.clear();
    }
}
