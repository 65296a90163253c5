//! One stream: what a player that comes late must have, and the time stamps of a publisher that
//! comes back.

use std::sync::Arc;

use crate::base::time::Instant;
use crate::proto::intercom::relay::events::ConnectionId;
use crate::wire::flv::{set_timestamp, Kind, Tag};

/// The pictures since the last key frame that are kept for players who come late.
const GROUP_BYTES: usize = 2 << 20;
/// From the last time stamp of a publisher to the first one of the next: a picture's time.
const GAP_MS: u32 = 40;

/// A stream.
pub(crate) struct Stream {
    pub(crate) id: Vec<u8>,
    pub(crate) publisher: Option<ConnectionId>,
    /// Nobody publishes it: players stay until then.
    pub(crate) given_up_at: Instant,
    /// What was told of it: its codec, and that its sound is not recorded.
    pub(crate) codec: &'static str,
    pub(crate) is_announced: bool,
    pub(crate) is_judged: bool,
    header: Arc<[u8]>,
    script: Option<Arc<[u8]>>,
    video_config: Option<Arc<[u8]>>,
    audio_config: Option<Arc<[u8]>>,
    /// Since the last key frame; empty if it became too long.
    group: Vec<Arc<[u8]>>,
    group_bytes: usize,
    has_pictures: bool,
    /// Added to the publisher's time stamps.
    shift: u32,
    /// No picture and no sound has come from this publisher yet.
    has_begun: bool,
    /// Somebody else has published it before: its players wait for a key frame.
    is_again: bool,
    has_key: bool,
    last_timestamp: Option<u32>,
}

/// What a player that comes late gets.
pub(crate) struct Beginning {
    pub(crate) pieces: Vec<Arc<[u8]>>,
    /// It has to wait for the next key frame.
    pub(crate) needs_key: bool,
}

impl Stream {
    pub(crate) fn new(id: &[u8]) -> Self {
        Self {
            id: id.to_vec(),
            publisher: None,
            given_up_at: Instant::NEVER,
            codec: "",
            is_announced: false,
            is_judged: false,
            header: Arc::from(&b"FLV\x01\x05\0\0\0\x09\0\0\0\0"[..]),
            script: None,
            video_config: None,
            audio_config: None,
            group: vec![],
            group_bytes: 0,
            has_pictures: false,
            shift: 0,
            has_begun: false,
            is_again: false,
            has_key: false,
            last_timestamp: None,
        }
    }

    /// Somebody publishes it from now on.
    pub(crate) fn begin(&mut self, publisher: ConnectionId) {
        self.publisher = Some(publisher);
        self.given_up_at = Instant::NEVER;
        self.is_announced = false;
        self.is_judged = false;
        self.script = None;
        self.video_config = None;
        self.audio_config = None;
        self.clear_group();
        self.has_pictures = false;
        self.has_begun = false;
        self.is_again = self.last_timestamp.is_some();
        self.has_key = false;
        self.shift = 0;
    }

    pub(crate) fn set_header(&mut self, header: Arc<[u8]>) {
        self.header = header;
    }

    /// Takes a tag; returns it as the players get it, and what it is.
    pub(crate) fn take(&mut self, tag: Arc<[u8]>) -> Option<(Arc<[u8]>, Kind)> {
        let parsed = Tag::parse(&tag).ok().flatten()?;
        let (kind, timestamp) = (parsed.kind(), parsed.timestamp());
        let is_media = matches!(kind, Kind::KeyFrame | Kind::Picture | Kind::Audio);
        let goes_on_at = self
            .last_timestamp
            .filter(|_| self.is_again && !self.has_begun);
        let goes_on_at = goes_on_at.map(|last| last.wrapping_add(GAP_MS));
        if is_media && !self.has_begun {
            self.shift = goes_on_at.map_or(0, |at| at.wrapping_sub(timestamp));
            self.has_begun = true;
        }
        self.has_key |= kind == Kind::KeyFrame;
        // What comes before the first picture or sound says nothing of the publisher's clock.
        let shifted = match goes_on_at.filter(|_| !is_media) {
            Some(at) => at,
            None => timestamp.wrapping_add(self.shift),
        };
        if is_media {
            self.last_timestamp = Some(shifted);
        }
        let tag = if shifted == timestamp {
            tag
        } else {
            let mut bytes = tag.to_vec();
            set_timestamp(&mut bytes, shifted);
            bytes.into()
        };
        self.keep(&tag, kind);
        Some((tag, kind))
    }

    fn keep(&mut self, tag: &Arc<[u8]>, kind: Kind) {
        match kind {
            Kind::Script => self.script = Some(tag.clone()),
            Kind::VideoConfig => self.video_config = Some(tag.clone()),
            Kind::AudioConfig => self.audio_config = Some(tag.clone()),
            Kind::KeyFrame => {
                self.clear_group();
                self.has_pictures = true;
                self.add(tag);
            }
            Kind::Picture | Kind::Audio if !self.group.is_empty() => self.add(tag),
            Kind::Picture => self.has_pictures = true,
            Kind::Audio => {}
        }
    }

    fn add(&mut self, tag: &Arc<[u8]>) {
        self.group_bytes += tag.len();
        if self.group_bytes > GROUP_BYTES {
            self.clear_group();
        } else {
            self.group.push(tag.clone());
        }
    }

    fn clear_group(&mut self) {
        self.group.clear();
        self.group_bytes = 0;
    }

    /// Players of an earlier publisher get no picture before a key frame.
    pub(crate) fn is_waiting_for_key(&self, kind: Kind) -> bool {
        self.is_again && kind == Kind::Picture && !self.has_key
    }

    /// What must come before a key frame.
    pub(crate) fn video_config(&self) -> Option<Arc<[u8]>> {
        self.video_config.clone()
    }

    pub(crate) fn beginning(&self) -> Beginning {
        let mut pieces = vec![self.header.clone()];
        let configs = [&self.script, &self.video_config, &self.audio_config];
        pieces.extend(configs.into_iter().flatten().cloned());
        pieces.extend(self.group.iter().cloned());
        Beginning {
            pieces,
            needs_key: self.has_pictures && self.group.is_empty(),
        }
    }
}
