//! One stream, its publisher and its players.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::proto::intercom::relay::stream::Stream;
use crate::server::cloud::apps::Device;
use crate::server::cloud::streams::player::Player;
use crate::server::cloud::streams::row::StreamRow;
use crate::wire::flv::tag_reader::Piece;

/// A stream.
pub(super) struct Live {
    pub(super) device: Device,
    stream: Stream,
    publisher: Option<(u64, oneshot::Sender<&'static str>)>,
    /// The publisher's header has come: players can begin.
    has_header: bool,
    players: Vec<Arc<Player>>,
    begun_at: Instant,
    ended_at: Option<Instant>,
    bytes: u64,
}

impl Live {
    pub(super) fn new(id: &str, device: Device) -> Self {
        Self {
            device,
            stream: Stream::new(id.as_bytes()),
            publisher: None,
            has_header: false,
            players: vec![],
            begun_at: Instant::now(),
            ended_at: None,
            bytes: 0,
        }
    }

    /// A publisher begins; the one before it is told to stop.
    pub(super) fn begin(&mut self, number: u64) -> oneshot::Receiver<&'static str> {
        let (sender, receiver) = oneshot::channel();
        if let Some((_, old)) = self.publisher.replace((number, sender)) {
            let _ = old.send("somebody else publishes the stream now");
        }
        self.stream.begin(number);
        self.has_header = false;
        self.ended_at = None;
        self.begun_at = Instant::now();
        self.bytes = 0;
        receiver
    }

    pub(super) fn is_published_by(&self, number: u64) -> bool {
        self.publisher
            .as_ref()
            .is_some_and(|(own, _)| *own == number)
    }

    pub(super) fn has_begun(&self) -> bool {
        self.publisher.is_some() && self.has_header
    }

    /// Pieces of the publisher, for all players.
    pub(super) fn take(&mut self, pieces: Vec<Piece>, bytes: usize) {
        self.bytes += bytes as u64;
        self.players.retain(|player| !player.is_gone());
        for piece in pieces {
            match piece {
                Piece::Header(header) => {
                    self.stream.set_header(header);
                    self.has_header = true;
                }
                Piece::Tag(tag) => {
                    let Some((tag, kind)) = self.stream.take(tag) else {
                        continue;
                    };
                    if !self.stream.is_waiting_for_key(kind) {
                        self.players
                            .iter()
                            .for_each(|player| player.send(&tag, kind));
                    }
                }
            }
        }
    }

    /// Another player; `None`: there are too many.
    pub(super) fn join(&mut self, most: usize) -> Option<Arc<Player>> {
        self.players.retain(|player| !player.is_gone());
        if self.players.len() >= most {
            return None;
        }
        let beginning = self.stream.beginning();
        let player = Arc::new(Player::new(beginning.pieces, beginning.needs_key));
        self.players.push(player.clone());
        Some(player)
    }

    /// The publisher is gone.
    pub(super) fn end(&mut self, now: Instant) {
        self.publisher = None;
        self.ended_at = Some(now);
    }

    /// Nobody has published it for so long.
    pub(super) fn is_dead(&self, now: Instant, wait: Duration) -> bool {
        let ended = self.ended_at.is_some_and(|ended_at| now >= ended_at + wait);
        ended && self.publisher.is_none()
    }

    /// It is over for all.
    pub(super) fn close(self, reason: &'static str) {
        if let Some((_, publisher)) = self.publisher {
            let _ = publisher.send(reason);
        }
        self.players.iter().for_each(|player| player.finish());
    }

    pub(super) fn player_count(&self) -> usize {
        self.players
            .iter()
            .filter(|player| !player.is_gone())
            .count()
    }

    pub(super) fn row(&self, id: &str) -> StreamRow {
        StreamRow {
            id: id.to_owned(),
            cid: self.device.cid,
            players: self.player_count(),
            seconds: self.begun_at.elapsed().as_secs(),
            bytes: self.bytes,
        }
    }
}
