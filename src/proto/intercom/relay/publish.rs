//! Publishing: tags come in and go to all players.

use std::sync::Arc;

use crate::base::time::Instant;
use crate::proto::intercom::relay::connection::{Publishing, State};
use crate::proto::intercom::relay::picture::Picture;
use crate::proto::intercom::relay::stream::Stream;
use crate::proto::intercom::relay::{
    ConnectionId, Relay, RelayEvent, PUBLISHER_SILENCE, PUBLISHER_WAIT,
};
use crate::wire::flv::tag_reader::{Piece, TagReader};
use crate::wire::flv::{sound_codec, Error, Kind, Tag, ALAW, ULAW};
use crate::wire::http::{BodyReader, Head};

impl Relay {
    pub(super) fn publish(
        &mut self,
        now: Instant,
        id: ConnectionId,
        stream: &[u8],
        head: &Head,
        rest: &[u8],
    ) {
        if let Some(status) = self.make_way(now, id, stream) {
            let words = match status {
                409 => "somebody else publishes this stream",
                _ => "there are too many streams",
            };
            self.refuse(now, id, status, words);
            return;
        }
        if !self.streams.iter().any(|it| it.id == stream) {
            self.streams.push(Stream::new(stream));
        }
        for known in self.streams.iter_mut().filter(|it| it.id == stream) {
            known.begin(id);
        }
        self.counts.published += 1;
        if let Some(connection) = self.connections.get_mut(id) {
            if head.expects_continue {
                let goes_on: Arc<[u8]> = Arc::from(&b"HTTP/1.1 100 Continue\r\n\r\n"[..]);
                connection.outgoing.push(goes_on);
            }
            connection.state = State::Publishing(Box::new(Publishing {
                stream: stream.to_vec(),
                body: BodyReader::new(head.body),
                input: TagReader::default(),
                silent_at: now + PUBLISHER_SILENCE,
            }));
        }
        self.handle_body(now, id, rest);
    }

    /// Ends the publication of the same address, which has come back; the status of a refusal.
    fn make_way(&mut self, now: Instant, id: ConnectionId, stream: &[u8]) -> Option<u16> {
        let known = self.streams.iter().find(|it| it.id == stream);
        let Some(known) = known else {
            let is_full = self.streams.len() >= self.limits.streams;
            return is_full.then_some(503);
        };
        let old = known.publisher?;
        let address = |id| self.connections.get(id).map(|it| it.address);
        if address(old) != address(id) {
            return Some(409);
        }
        self.stop(now, old, 200, "the same address publishes anew");
        None
    }

    /// Bytes of a body.
    pub(super) fn handle_body(&mut self, now: Instant, id: ConnectionId, bytes: &[u8]) {
        let mut rest = bytes;
        loop {
            let Some(connection) = self.connections.get_mut(id) else {
                return;
            };
            let State::Publishing(publishing) = &mut connection.state else {
                return;
            };
            if !bytes.is_empty() {
                publishing.silent_at = now + PUBLISHER_SILENCE;
            }
            let Ok((content, used)) = publishing.body.next(rest) else {
                self.stop(now, id, 400, "the chunks of the body are malformed");
                return;
            };
            publishing.input.push(content);
            let is_over = publishing.body.is_over();
            rest = &rest[used..];
            if let Err(error) = self.take_tags(id) {
                match error {
                    Error::NoFlv => self.stop(now, id, 400, "the body is no FLV stream"),
                    Error::TooLong => self.stop(now, id, 413, "a tag is longer than 1 MiB"),
                }
                return;
            }
            if is_over {
                self.stop(now, id, 200, "published");
                return;
            }
            if used == 0 || rest.is_empty() {
                return;
            }
        }
    }

    pub(super) fn stop(&mut self, now: Instant, id: ConnectionId, status: u16, words: &str) {
        self.unpublish(now, id);
        self.refuse(now, id, status, words);
    }

    fn take_tags(&mut self, id: ConnectionId) -> Result<(), Error> {
        loop {
            let Some(connection) = self.connections.get_mut(id) else {
                return Ok(());
            };
            let side = connection.side;
            let State::Publishing(publishing) = &mut connection.state else {
                return Ok(());
            };
            let Some(piece) = publishing.input.next_piece()? else {
                return Ok(());
            };
            let mut streams = self.streams.iter_mut();
            let Some(stream) = streams.find(|it| it.publisher == Some(id)) else {
                return Ok(());
            };
            match piece {
                Piece::Header(header) => {
                    stream.set_header(header);
                    self.start_waiting_players(id);
                }
                Piece::Tag(tag) => {
                    self.announce(id, side, &tag);
                    self.deliver(id, tag);
                }
            }
        }
    }

    fn deliver(&mut self, id: ConnectionId, tag: Arc<[u8]>) {
        let mut streams = self.streams.iter_mut();
        let Some(stream) = streams.find(|it| it.publisher == Some(id)) else {
            return;
        };
        let Some((tag, kind)) = stream.take(tag) else {
            return;
        };
        if stream.is_waiting_for_key(kind) {
            return;
        }
        let name = stream.id.clone();
        if kind == Kind::KeyFrame {
            self.picture = Some(Picture {
                id: name.clone(),
                config: stream.video_config(),
                key_frame: tag.clone(),
            });
        }
        self.send_to_players(&name, &tag, kind);
    }

    /// Tells once what a stream is, and once that its sound cannot be recorded.
    fn announce(&mut self, id: ConnectionId, side: &'static str, tag: &[u8]) {
        let Ok(Some(tag)) = Tag::parse(tag) else {
            return;
        };
        let mut streams = self.streams.iter_mut();
        let Some(stream) = streams.find(|it| it.publisher == Some(id)) else {
            return;
        };
        if tag.kind() == Kind::Script {
            return;
        }
        let format = tag.sound_format();
        let codec = format.map_or_else(|| tag.picture_codec(), sound_codec);
        let mut states = vec![];
        if !std::mem::replace(&mut stream.is_announced, true) {
            stream.codec = codec;
            states.push("published");
        }
        let is_judged = format.is_some() && !std::mem::replace(&mut stream.is_judged, true);
        if is_judged && !matches!(format, Some(ALAW | ULAW)) {
            states.push("not-recordable");
        }
        for state in states {
            self.events.push_back(RelayEvent {
                state,
                id: stream.id.clone(),
                side,
                codec,
            });
        }
    }

    /// A connection publishes no more; players stay for a while.
    pub(super) fn unpublish(&mut self, now: Instant, id: ConnectionId) {
        let side = self.connections.get(id).map_or("", |it| it.side);
        let mut streams = self.streams.iter_mut();
        let Some(stream) = streams.find(|it| it.publisher == Some(id)) else {
            return;
        };
        stream.publisher = None;
        stream.given_up_at = now + PUBLISHER_WAIT;
        if stream.is_announced {
            self.events.push_back(RelayEvent {
                state: "ended",
                id: stream.id.clone(),
                side,
                codec: "",
            });
        }
    }
}
