//! What the steps of the conversation do.

use core::net::{IpAddr, SocketAddr};

use crate::base::limits::{ANSWER_TIMEOUT, STOP_TIMEOUT, TEXT_BYTES};
use crate::base::time::Instant;
use crate::proto::record_client::{messages, News, State, Todo, Uplink, LOST, REFUSED};
use crate::proto::recorder::request::{reason, Foreign};
use crate::proto::recording::setup::{Host, Setup};
use crate::wire::control::Text;

/// How reasons of a server begin that stops because it has to.
const UNABLE: [&[u8]; 2] = [b"disk-", b"shutdown"];

impl Uplink {
    pub(super) fn enter(&mut self, state: State, until: Option<Instant>) {
        (self.state, self.until) = (state, until);
    }

    /// The time that the state before had is left to this one.
    pub(super) fn find(&mut self, state: State, name: Host, port: u16) {
        self.name = name;
        self.todo = Some(Todo::Find(port));
        self.state = state;
    }

    pub(super) fn connect(&mut self, to: SocketAddr) {
        self.todo = Some(Todo::Connect(to));
        self.state = State::Connecting;
    }

    pub(super) fn ask(&mut self, now: Instant, peer: SocketAddr, setup: &Setup) {
        self.peer = Some(peer);
        messages::write_start(&mut self.out, setup);
        self.enter(State::Asked, Some(now + ANSWER_TIMEOUT));
    }

    /// No address, or one that is none, is the connection's own.
    pub(super) fn locate(&mut self, host: Host, port: u16) {
        let address = host
            .parse()
            .ok()
            .filter(|address: &IpAddr| !address.is_unspecified());
        let own = host.is_empty() || host.parse::<IpAddr>().is_ok();
        match address.or(self.peer.map(|peer| peer.ip()).filter(|_| own)) {
            Some(address) => self.open(address, port),
            None => self.find(State::Locating(port), host, port),
        }
    }

    pub(super) fn open(&mut self, address: IpAddr, port: u16) {
        let media = SocketAddr::new(address, port);
        self.media = Some(media);
        self.todo = Some(Todo::Media(media));
        self.state = State::Opening;
    }

    pub(super) fn begin_sending(&mut self) {
        self.enter(State::Sending, None);
        self.news = Some(News::Accepted);
    }

    pub(super) fn say_stop(&mut self, now: Instant, setup: &Setup) {
        messages::write_stop(&mut self.out, setup);
        self.todo = None;
        self.enter(State::Stopping, Some(now + STOP_TIMEOUT));
    }

    /// The server has stopped it; it has been answered. One that stops because it can not go on has failed, if there
    /// is a stick to go on to.
    pub(super) fn heed(&mut self, now: Instant, words: Text<TEXT_BYTES>, setup: &Setup) {
        let unable = UNABLE.iter().any(|word| words.starts_with(word)) && setup.falls_back();
        self.because(
            if unable { LOST } else { REFUSED },
            format_args!("it has stopped: {}", Foreign(&words)),
        );
        self.words = words;
        self.end(now, if unable { News::Failed } else { News::Stopped });
    }

    pub(super) fn refused(&mut self, now: Instant, words: &[u8]) {
        let words = if words.is_empty() {
            b"it gives no reason"
        } else {
            words
        };
        self.because(REFUSED, format_args!("{}", Foreign(words)));
        self.end(now, News::Failed);
    }

    pub(super) fn fail(
        &mut self,
        now: Instant,
        word: &str,
        words: &str,
        errno: i32,
        setup: &Setup,
    ) {
        self.blame(word, words, errno, setup);
        self.end(now, News::Failed);
    }

    /// It fails, but the server is there to be told so.
    pub(super) fn abandon(
        &mut self,
        now: Instant,
        word: &str,
        words: &str,
        errno: i32,
        setup: &Setup,
    ) {
        self.blame(word, words, errno, setup);
        self.tell(News::Failed);
        self.say_stop(now, setup);
    }

    pub(super) fn blame(&mut self, word: &str, words: &str, errno: i32, setup: &Setup) {
        let Some(server) = &setup.server else { return };
        let (host, port) = (&server.host, server.port);
        match errno {
            0 => self.because(word, format_args!("{words} ({host}:{port})")),
            _ => self.because(word, format_args!("{words} ({host}:{port}, errno {errno})")),
        }
    }

    pub(super) fn because(&mut self, word: &str, words: core::fmt::Arguments) {
        if !self.told {
            self.why = reason(word, words);
        }
    }

    /// Each ending is told once.
    pub(super) fn tell(&mut self, news: News) {
        if !core::mem::replace(&mut self.told, true) {
            self.news = Some(news);
        }
    }

    /// Writes what is to be written, then closes.
    pub(super) fn end(&mut self, now: Instant, news: News) {
        self.tell(news);
        self.todo = None;
        self.enter(State::Closing, Some(now + STOP_TIMEOUT));
    }

    /// Both sockets are closed: nothing of the conversation is left but how it ended.
    pub(super) fn reset(&mut self) {
        self.enter(State::Idle, None);
        (self.todo, self.peer, self.blocked) = (None, None, false);
        self.reader.clear();
        self.out.clear();
    }
}
