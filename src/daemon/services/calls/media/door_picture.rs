//! A door's picture, which the application publishes at the device's own stream server, and the
//! sound of its media engine become one stream (`proto::intercom::sound::picture_mux`).

use std::collections::VecDeque;

use crate::base::limits::sound::{PUBLISH_PICTURE_BYTES, STREAM_RETRY};
use crate::base::time::Instant;
use crate::proto::intercom::endpoint::urls::Url;
use crate::proto::intercom::relay::ConnectionId;
use crate::proto::intercom::sound::picture_mux::PictureMux;
use crate::proto::intercom::sound::publisher::StreamPublisher;
use crate::streams::StreamServer;
use crate::wire::flv::tag_reader::{Piece, TagReader};
use crate::wire::flv::HEADER_BYTES;
use crate::wire::http::response::ResponseHead;

/// The stream of one call.
pub(super) struct DoorPicture {
    mux: PictureMux,
    /// The peer plays it here.
    pub(super) url: Url,
    id: Vec<u8>,
    /// It is at the own server, and published from inside.
    is_own: bool,
    began_at: Instant,
    input: Option<Input>,
    retry_at: Instant,
    output: Option<ConnectionId>,
    /// Tags that are not published yet.
    waiting: VecDeque<Vec<u8>>,
    waiting_bytes: usize,
}

/// The application's stream, as far as it was read.
struct Input {
    id: ConnectionId,
    head: Vec<u8>,
    has_begun: bool,
    flv: TagReader,
}

/// The id under which a server keeps what the application publishes.
pub(in crate::daemon::services::calls) fn kept_id(id: &[u8]) -> Vec<u8> {
    [id, b"~picture"].concat()
}

impl DoorPicture {
    /// `is_own`: the URL is at the own server.
    pub(super) fn new(now: Instant, url: &Url, is_own: bool) -> Self {
        let id = url.rsplit(|byte| *byte == b'/').next();
        Self {
            mux: PictureMux::default(),
            url: url.clone(),
            id: id.unwrap_or_default().to_vec(),
            is_own,
            began_at: now,
            input: None,
            retry_at: now,
            output: None,
            waiting: VecDeque::new(),
            waiting_bytes: 0,
        }
    }

    pub(super) fn id(&self) -> &[u8] {
        &self.id
    }

    /// When the stream's time began.
    pub(super) fn began_at(&self) -> Instant {
        self.began_at
    }

    /// The stream begins, and is to be published by a connection; with this header.
    pub(super) fn header(&self) -> Option<[u8; HEADER_BYTES]> {
        let is_due = self.mux.has_begun() && !self.is_own;
        is_due.then(|| self.mux.header())
    }

    /// A tag of sound.
    pub(super) fn handle_sound(&mut self, now: Instant, tag: &[u8]) {
        let (waiting, bytes) = (&mut self.waiting, &mut self.waiting_bytes);
        self.mux
            .handle_sound(now, tag, |tag| keep(waiting, bytes, tag));
    }

    /// A connection to the peer's server is made anew: what waited is of the old one.
    pub(super) fn handle_connected_again(&mut self) {
        self.waiting.clear();
        self.waiting_bytes = 0;
        let (waiting, bytes) = (&mut self.waiting, &mut self.waiting_bytes);
        self.mux.handle_connected(|tag| keep(waiting, bytes, tag));
    }

    /// Reads the application's picture, and publishes what is due.
    pub(super) fn turn(
        &mut self,
        now: Instant,
        server: &mut StreamServer,
        publisher: Option<&mut StreamPublisher>,
    ) {
        self.read(now, server);
        if self.is_own {
            self.publish_inside(now, server);
            return;
        }
        let Some(publisher) = publisher else { return };
        while let Some(tag) = self.waiting.front() {
            if !publisher.has_room(tag.len()) {
                break;
            }
            let _ = publisher.push_tag(tag);
            self.waiting_bytes -= tag.len();
            self.waiting.pop_front();
        }
    }

    /// The call is over.
    pub(super) fn end(&mut self, now: Instant, server: &mut StreamServer) {
        let input = self.input.take().map(|input| input.id);
        for id in input.into_iter().chain(self.output.take()) {
            server.close_inside(now, id);
        }
    }

    fn read(&mut self, now: Instant, server: &mut StreamServer) {
        if self.input.is_none() && now >= self.retry_at {
            self.retry_at = now + STREAM_RETRY;
            let kept = kept_id(&self.id);
            let request = [b"GET /stream/", &kept[..], b" HTTP/1.1\r\n\r\n"].concat();
            self.input = server.open_inside(now, &request).map(Input::new);
        }
        let Some(input) = &mut self.input else { return };
        let mut tags = vec![];
        let mut is_stream = true;
        let is_open = server.receive_inside(input.id, |bytes| {
            is_stream &= input.take(bytes, &mut tags).is_some();
        });
        let millis = now.since(self.began_at).millis() as u32;
        let (waiting, bytes) = (&mut self.waiting, &mut self.waiting_bytes);
        for tag in tags {
            self.mux
                .handle_picture(millis, &tag, |tag| keep(waiting, bytes, tag));
        }
        if !is_open || !is_stream {
            server.close_inside(now, input.id);
            self.input = None;
        }
    }

    fn publish_inside(&mut self, now: Instant, server: &mut StreamServer) {
        if self.output.is_none() && self.mux.has_begun() {
            let request = [b"POST /stream/", &self.id[..], b" HTTP/1.1\r\n\r\n"].concat();
            self.output = server.open_inside(now, &request);
            if let Some(id) = self.output {
                server.send_inside(now, id, &self.mux.header());
            }
        }
        let Some(id) = self.output else { return };
        while let Some(tag) = self.waiting.pop_front() {
            server.send_inside(now, id, &tag);
        }
        self.waiting_bytes = 0;
        // What it is told is of no interest.
        let _ = server.receive_inside(id, |_| {});
    }
}

/// `false`: too much waits already.
fn keep(waiting: &mut VecDeque<Vec<u8>>, bytes: &mut usize, tag: &[u8]) -> bool {
    let fits = *bytes + tag.len() <= PUBLISH_PICTURE_BYTES;
    if fits {
        *bytes += tag.len();
        waiting.push_back(tag.to_vec());
    }
    fits
}

impl Input {
    fn new(id: ConnectionId) -> Self {
        Self {
            id,
            head: vec![],
            has_begun: false,
            flv: TagReader::default(),
        }
    }

    /// `None`: it is no stream.
    fn take(&mut self, bytes: &[u8], tags: &mut Vec<std::sync::Arc<[u8]>>) -> Option<()> {
        if self.has_begun {
            self.flv.push(bytes);
        } else {
            self.head.extend_from_slice(bytes);
            let Some((head, len)) = ResponseHead::parse(&self.head).ok()? else {
                return Some(());
            };
            if head.status != 200 {
                return None;
            }
            self.has_begun = true;
            self.flv.push(&self.head[len..]);
        }
        while let Some(piece) = self.flv.next_piece().ok()? {
            if let Piece::Tag(tag) = piece {
                tags.push(tag);
            }
        }
        Some(())
    }
}
