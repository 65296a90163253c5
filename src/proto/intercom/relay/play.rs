//! Playing: who comes late, and who reads slowly.

use std::sync::Arc;

use crate::base::time::Instant;
use crate::proto::intercom::relay::asked::HAS_PAGE;
use crate::proto::intercom::relay::connection::{Form, State};
use crate::proto::intercom::relay::{wav, ConnectionId, Relay, PUBLISHER_WAIT};
use crate::wire::flv::Kind;

/// What waits for a player at most: a few seconds of pictures. Beyond it the player loses what waits.
const QUEUE_BYTES: usize = 4 << 20;
/// Every reply to a player begins with this; the stream ends with the connection.
const OK: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Type: video/x-flv\r\nCache-Control: no-store\r\n\
    Access-Control-Allow-Origin: *\r\nConnection: close\r\n\r\n";

impl Relay {
    pub(super) fn play(&mut self, now: Instant, id: ConnectionId, stream: &[u8], form: Form) {
        let players = self.connections.values();
        let players = players.filter(|it| match &it.state {
            State::Waiting { stream: other, .. } | State::Playing { stream: other, .. } => {
                other == stream
            }
            _ => false,
        });
        if players.count() >= self.limits.players {
            self.refuse(now, id, 503, "this stream has too many players");
            return;
        }
        let until = now + PUBLISHER_WAIT;
        if let Some(connection) = self.connections.get_mut(id) {
            connection.state = State::Waiting {
                stream: stream.to_vec(),
                form,
                until,
            };
        }
        let mut streams = self.streams.iter();
        let publisher = streams
            .find(|it| it.id == stream)
            .and_then(|it| it.publisher);
        if let Some(publisher) = publisher {
            self.start_waiting_players(publisher);
        }
    }

    /// `HEAD`: whether somebody publishes the stream.
    pub(super) fn describe(&mut self, now: Instant, id: ConnectionId, stream: &[u8]) {
        let mut streams = self.streams.iter();
        let is_published = streams.any(|it| it.id == stream && it.publisher.is_some());
        if !is_published {
            self.refuse(now, id, 404, "nobody publishes this stream");
            return;
        }
        if let Some(connection) = self.connections.get_mut(id) {
            connection.outgoing.push(Arc::from(OK));
        }
        self.finish(id);
    }

    /// Those who wait for the stream of this publisher get what they need to begin.
    pub(super) fn start_waiting_players(&mut self, publisher: ConnectionId) {
        let mut streams = self.streams.iter();
        let Some(stream) = streams.find(|it| it.publisher == Some(publisher)) else {
            return;
        };
        for connection in self.connections.values_mut() {
            let form = match &connection.state {
                State::Waiting {
                    stream: it, form, ..
                } if *it == stream.id => *form,
                _ => continue,
            };
            self.counts.played += 1;
            let mut needs_key = false;
            // The sound alone starts live, with the next tag.
            if form == Form::Flv {
                let beginning = stream.beginning();
                connection.outgoing.push(Arc::from(OK));
                for piece in beginning.pieces {
                    connection.outgoing.push(piece);
                }
                needs_key = beginning.needs_key;
            }
            connection.state = State::Playing {
                stream: stream.id.clone(),
                form,
                needs_key,
            };
        }
    }

    /// A tag for all players of a stream.
    pub(super) fn send_to_players(&mut self, stream: &[u8], tag: &Arc<[u8]>, kind: Kind) {
        let is_config = matches!(kind, Kind::Script | Kind::VideoConfig | Kind::AudioConfig);
        for connection in self.connections.values_mut() {
            let State::Playing {
                stream: played,
                form,
                needs_key,
            } = &mut connection.state
            else {
                continue;
            };
            if played != stream {
                continue;
            }
            let waiting = connection.outgoing.bytes();
            if waiting > 0 && waiting + tag.len() > QUEUE_BYTES {
                // It is too slow: it goes on with the next key frame, or at once without pictures.
                self.counts.skipped_tags += connection.outgoing.drop_waiting() as u64;
                *needs_key = kind != Kind::Audio || *needs_key;
            }
            match form {
                Form::Wav { has_begun } if HAS_PAGE => {
                    wav::send(&mut connection.outgoing, has_begun, tag);
                    continue;
                }
                Form::Wav { .. } | Form::Flv => {}
            }
            if kind == Kind::KeyFrame {
                *needs_key = false;
            }
            if *needs_key && !is_config {
                self.counts.skipped_tags += 1;
                continue;
            }
            connection.outgoing.push(tag.clone());
        }
    }
}
