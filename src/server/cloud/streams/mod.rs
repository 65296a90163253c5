//! Streams between devices: FLV over HTTP. One publishes, others play.
//!
//! The box's relay (`proto::intercom::relay`) reads sockets itself, and knows its clients by their
//! addresses. Here hyper reads, tokens say who somebody is, and thousands of streams run on several
//! threads. What is the same is taken from there: tags that come in pieces (`wire::flv::tag_reader`), and what
//! a player that comes late must have (`stream`).

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{oneshot, Notify};
use tokio::time::Instant;

use crate::server::cloud::apps::{AppNumber, Device};
use crate::server::cloud::streams::live::Live;
use crate::server::cloud::streams::player::Player;
use crate::server::cloud::streams::row::StreamRow;
use crate::wire::flv::tag_reader::Piece;

mod live;
pub(super) mod player;
pub(super) mod row;
pub(super) mod stream_id;

/// Streams at once.
const MAX_STREAMS: usize = 2000;
/// Players of one stream: they share what waits for them, and 500 take a quarter of a core at 2 Mbit/s.
const MAX_PLAYERS: usize = 512;
/// How long players wait for a publisher, also for one that comes back.
pub(super) const PUBLISHER_WAIT: Duration = Duration::from_secs(10);
/// How long the id of a stream that was ended by its app is refused.
const REFUSED_TIME: Duration = Duration::from_secs(60);

/// A stream: ids are those of an app.
pub(super) type Key = (AppNumber, String);

/// All streams.
#[derive(Default)]
pub(super) struct Streams {
    inner: Mutex<Inner>,
    /// A stream has got its publisher.
    published: Notify,
}

#[derive(Default)]
struct Inner {
    streams: HashMap<Key, Live>,
    refused: HashMap<Key, Instant>,
    last_number: u64,
}

/// Why a publisher or player is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// The app has ended the stream a moment ago.
    Ended,
    /// Too many streams, or players of this one.
    Full,
}

/// A publisher: its number, and what tells it to stop, with the reason.
pub(super) struct Publisher {
    pub(super) number: u64,
    pub(super) stopped: oneshot::Receiver<&'static str>,
}

impl Streams {
    /// Somebody publishes a stream from now on; who did it before stops.
    pub(super) fn publish(&self, key: &Key, device: Device) -> Result<Publisher, Refusal> {
        let mut inner = self.lock();
        inner.check_refused(key)?;
        if !inner.streams.contains_key(key) && inner.streams.len() >= MAX_STREAMS {
            return Err(Refusal::Full);
        }
        inner.last_number += 1;
        let number = inner.last_number;
        let live = inner
            .streams
            .entry(key.clone())
            .or_insert_with(|| Live::new(&key.1, device));
        let stopped = live.begin(number);
        Ok(Publisher { number, stopped })
    }

    /// Pieces of a publisher; whether it still is the publisher.
    pub(super) fn deliver(&self, key: &Key, number: u64, pieces: Vec<Piece>, bytes: usize) -> bool {
        let mut inner = self.lock();
        let Some(live) = inner
            .streams
            .get_mut(key)
            .filter(|it| it.is_published_by(number))
        else {
            return false;
        };
        let begins = pieces.iter().any(|piece| matches!(piece, Piece::Header(_)));
        live.take(pieces, bytes);
        drop(inner);
        if begins {
            self.published.notify_waiters();
        }
        true
    }

    /// A publisher is gone; players stay for a while. Whether somebody has to look again then.
    pub(super) fn unpublish(&self, key: &Key, number: u64) -> bool {
        let mut inner = self.lock();
        let live = inner
            .streams
            .get_mut(key)
            .filter(|it| it.is_published_by(number));
        live.map(|live| live.end(Instant::now())).is_some()
    }

    /// Ends a stream that nobody has published for long enough.
    pub(super) fn give_up(&self, key: &Key) {
        let mut inner = self.lock();
        let is_dead = |live: &Live| live.is_dead(Instant::now(), PUBLISHER_WAIT);
        if inner.streams.get(key).is_some_and(is_dead) {
            if let Some(live) = inner.streams.remove(key) {
                live.close("the stream is over");
            }
        }
    }

    /// A player, once somebody publishes; `None`: nobody did in time.
    pub(super) async fn play(&self, key: &Key) -> Result<Option<Arc<Player>>, Refusal> {
        let deadline = Instant::now() + PUBLISHER_WAIT;
        loop {
            let published = self.published.notified();
            tokio::pin!(published);
            published.as_mut().enable();
            {
                let mut inner = self.lock();
                inner.check_refused(key)?;
                if let Some(live) = inner.streams.get_mut(key).filter(|it| it.has_begun()) {
                    return live.join(MAX_PLAYERS).map(Some).ok_or(Refusal::Full);
                }
            }
            if tokio::time::timeout_at(deadline, published).await.is_err() {
                return Ok(None);
            }
        }
    }

    /// Somebody publishes it.
    pub(super) fn is_published(&self, key: &Key) -> bool {
        self.lock().streams.get(key).is_some_and(Live::has_begun)
    }

    /// The app ends a stream.
    pub(super) fn end(&self, key: &Key) {
        let mut inner = self.lock();
        let now = Instant::now();
        inner.refused.retain(|_, until| *until > now);
        inner.refused.insert(key.clone(), now + REFUSED_TIME);
        if let Some(live) = inner.streams.remove(key) {
            live.close("the app has ended the stream");
        }
        drop(inner);
        self.published.notify_waiters();
    }

    /// The streams that a device publishes end.
    pub(super) fn end_of_device(&self, device: Device) {
        let mut inner = self.lock();
        let own = |live: &Live| live.device == device;
        let keys = inner.streams.iter().filter(|(_, live)| own(live));
        let keys: Vec<Key> = keys.map(|(key, _)| key.clone()).collect();
        for key in keys {
            if let Some(live) = inner.streams.remove(&key) {
                live.close("the device was put out");
            }
        }
    }

    /// The streams of an app that somebody publishes, in the order of their ids.
    pub(super) fn list(&self, app: AppNumber) -> Vec<StreamRow> {
        let inner = self.lock();
        let own = inner
            .streams
            .iter()
            .filter(|((of, _), live)| *of == app && live.has_begun());
        let mut rows: Vec<StreamRow> = own.map(|((_, id), live)| live.row(id)).collect();
        rows.sort_by(|a, b| a.id.cmp(&b.id));
        rows
    }

    /// Streams and players.
    pub(super) fn sizes(&self) -> [usize; 2] {
        let inner = self.lock();
        let players = inner.streams.values().map(Live::player_count).sum();
        [inner.streams.len(), players]
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn check_refused(&self, key: &Key) -> Result<(), Refusal> {
        let until = self.refused.get(key);
        match until.is_some_and(|until| Instant::now() < *until) {
            true => Err(Refusal::Ended),
            false => Ok(()),
        }
    }
}
