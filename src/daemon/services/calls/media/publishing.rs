//! What the device publishes: the sound of the media engine, and with it a door's picture.

use std::net::SocketAddr;

use log::{info, warn};
use mio::{Registry, Token};

use super::door_picture::DoorPicture;
use super::stream_client::{Progress, StreamClient};
use crate::base::time::Instant;
use crate::proto::intercom::endpoint::urls::Url;
use crate::proto::intercom::sound::published_sound::{PublishedCounts, PublishedSound};
use crate::proto::intercom::sound::publisher::StreamPublisher;
use crate::proto::intercom::sound::stream::StreamMachine;
use crate::streams::StreamServer;
use crate::wire::flv::{sound_tag, SOUND_TAG_BYTES};
use crate::wire::g711::Law;
use crate::wire::http::url::StreamUrl;

/// The longest tag of sound: 100 ms.
const MAX_TAG_BYTES: usize = 800 + SOUND_TAG_BYTES;

/// The device's stream in one call after the other.
pub(super) struct Publishing {
    pub(super) client: StreamClient,
    publisher: StreamPublisher,
    /// Of a door with a media engine.
    pub(super) picture: Option<DoorPicture>,
    sound: PublishedSound,
    /// When the stream's time began.
    began_at: Instant,
    /// This call's stream had a connection before.
    was_connected: bool,
}

impl Publishing {
    /// With room for so many bytes that the network does not take at once.
    pub(super) fn new(token: Token, room: usize) -> Self {
        Self {
            client: StreamClient::new(token),
            publisher: StreamPublisher::with_room(room),
            picture: None,
            sound: PublishedSound::new(Law::Mu),
            began_at: Instant::default(),
            was_connected: false,
        }
    }

    /// A door's stream is played by the peer at this URL; `own` is the device's server.
    pub(super) fn begin_picture(&mut self, now: Instant, url: &Url, own: SocketAddr) {
        if self.picture.is_some() {
            return;
        }
        if let Some(parsed) = StreamUrl::parse(url) {
            let is_own = parsed.server == own;
            self.picture = Some(DoorPicture::new(now, url, is_own));
        }
    }

    /// The call was answered, and sound is published. A picture's stream is published once it has
    /// begun.
    pub(super) fn begin(&mut self, now: Instant, law: Law, url: &Url) {
        self.sound = PublishedSound::new(law);
        self.began_at = now;
        if let Some(picture) = &self.picture {
            // One clock for both.
            self.began_at = picture.began_at();
            self.sound = PublishedSound::beginning_at(law, self.millis(now));
        }
        if self.picture.is_none() && !url.is_empty() {
            self.client.begin(now, url);
        }
    }

    /// Takes what the media engine has sent.
    pub(super) fn handle_rtp(&mut self, arrival: Instant, datagram: &[u8]) {
        let millis = self.millis(arrival);
        let (publisher, picture) = (&mut self.publisher, &mut self.picture);
        self.sound.handle_rtp(millis, datagram, |law, at, codes| {
            push_codes(publisher, picture.as_mut(), (arrival, law, at), codes);
        });
    }

    /// All that the media engine had sent was taken.
    pub(super) fn handle_read(&mut self, now: Instant) {
        let millis = self.millis(now);
        let (publisher, picture) = (&mut self.publisher, &mut self.picture);
        self.sound.handle_idle(millis, |law, at, codes| {
            push_codes(publisher, picture.as_mut(), (now, law, at), codes);
        });
    }

    /// The stream's time.
    fn millis(&self, at: Instant) -> u32 {
        at.since(self.began_at).millis() as u32 // wraps as FLV's do
    }

    /// Publishes what is there. `is_over`: the call has ended.
    pub(super) fn turn(
        &mut self,
        now: Instant,
        registry: &Registry,
        server: Option<&mut StreamServer>,
        is_over: bool,
    ) {
        if let Some(server) = server {
            self.show_picture(now, server, is_over);
        }
        let publisher: &mut dyn StreamMachine = &mut self.publisher;
        match self.client.turn(now, registry, publisher, &mut |_| {}) {
            Progress::Lost(problem) if !is_over => {
                warn!("intercom: the own stream is not published: {problem}");
            }
            Progress::Connected => {
                let picture = self.picture.as_mut().filter(|_| self.was_connected);
                if let Some(picture) = picture {
                    picture.handle_connected_again();
                }
                self.was_connected = true;
            }
            Progress::Lost(_) | Progress::Nothing => {}
        }
    }

    fn show_picture(&mut self, now: Instant, server: &mut StreamServer, is_over: bool) {
        let Some(picture) = &mut self.picture else {
            return;
        };
        if is_over {
            picture.end(now, server);
            self.picture = None;
            return;
        }
        let publisher = Some(&mut self.publisher).filter(|_| self.client.is_open());
        picture.turn(now, server, publisher);
        if let Some(header) = picture.header().filter(|_| self.client.is_idle()) {
            self.publisher.set_header(header);
            self.client.begin(now, &picture.url.clone());
        }
    }

    /// The call has ended: the stream's end is sent.
    pub(super) fn finish(&mut self) {
        self.publisher.finish();
    }

    /// Nothing is awaited any more.
    pub(super) fn end(&mut self) {
        let counts = self.sound.counts();
        if counts != PublishedCounts::default() {
            let PublishedCounts { late, foreign } = counts;
            info!(
                "intercom: packets of the media engine were not published: {late} late, \
                 {foreign} without G.711"
            );
            self.sound = PublishedSound::new(Law::Mu);
        }
        let lost = self.publisher.take_lost_tags();
        if lost > 0 {
            info!("intercom: {lost} tags were not published: the network did not take them");
        }
        self.client.end();
        self.was_connected = false;
    }
}

fn push_codes(
    publisher: &mut StreamPublisher,
    picture: Option<&mut DoorPicture>,
    (now, law, millis): (Instant, Law, u32),
    codes: &[u8],
) {
    let Some(picture) = picture else {
        publisher.push_codes(law, millis, codes);
        return;
    };
    let mut tag = [0; MAX_TAG_BYTES];
    let len = sound_tag(law, millis, codes, &mut tag);
    picture.handle_sound(now, &tag[..len]);
}
