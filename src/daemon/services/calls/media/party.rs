//! One party's stream, as it is played: its connection, its sound, its packets.

use log::info;
use mio::{Registry, Token};

use super::stream_client::{Progress, StreamClient};
use crate::base::time::Instant;
use crate::proto::intercom::endpoint::urls::Url;
use crate::proto::intercom::sound::feed::Feed;
use crate::proto::intercom::sound::line::SoundLine;
use crate::proto::intercom::sound::played_sound::{Arrival, PlayedSound};
use crate::proto::intercom::sound::player::StreamPlayer;
use crate::proto::intercom::sound::stream::StreamProblem;
use crate::wire::flv::sound_reader::Piece;

/// A party whose stream is played.
pub(super) struct Party {
    pub(super) client: StreamClient,
    player: StreamPlayer,
    sound: PlayedSound,
    /// Its leg in the recording.
    leg: usize,
    /// A sound format that is not G.711; told once.
    foreign: Option<u8>,
    is_told: bool,
    /// It was played, and has been away since this time.
    gone_since: Option<Instant>,
}

impl Party {
    pub(super) fn new(token: Token, leg: usize) -> Self {
        Self {
            client: StreamClient::new(token),
            player: StreamPlayer::default(),
            sound: PlayedSound::new(leg as u32 + 1),
            leg,
            foreign: None,
            is_told: false,
            gone_since: None,
        }
    }

    /// The call was answered: its stream is played from now on.
    pub(super) fn begin(&mut self, now: Instant, url: &Url) {
        self.sound = PlayedSound::new(self.leg as u32 + 1);
        self.foreign = None;
        self.is_told = false;
        self.gone_since = None;
        if !url.is_empty() {
            self.client.begin(now, url);
        }
    }

    /// Reads the stream; its packets go to the recording, and to a line if there is one.
    pub(super) fn turn(
        &mut self,
        now: Instant,
        registry: &Registry,
        feed: &mut Feed,
        mut line: Option<&mut SoundLine>,
    ) {
        let Self {
            client,
            player,
            sound,
            leg,
            foreign,
            ..
        } = self;
        let progress = client.turn(now, registry, player, &mut |piece| match piece {
            Piece::Foreign(format) => *foreign = Some(format),
            Piece::Sound {
                law,
                millis,
                offset,
                codes,
            } => {
                let mut put = Put {
                    feed,
                    line: &mut line,
                    leg: *leg,
                };
                sound.handle_codes(now, law, (millis, offset), codes, |arrival, packet| {
                    put.packet(arrival, packet);
                });
            }
        });
        feed.set_lowered(self.leg, self.sound.lowered());
        match progress {
            Progress::Connected => self.sound.handle_connected(now),
            Progress::Lost(problem) => self.handle_lost(now, problem),
            Progress::Nothing if self.client.is_open() && self.player.is_playing() => {
                self.gone_since = None;
            }
            Progress::Nothing => {}
        }
        if let Some(covered) = self.sound.covered() {
            feed.set_covered(self.leg, covered);
        }
    }

    /// The rest of the sound.
    pub(super) fn finish(&mut self, feed: &mut Feed) {
        let leg = self.leg;
        self.sound
            .flush(&mut |arrival, packet| feed.push(leg, arrival.unlowered, packet));
        self.client.end();
    }

    /// A sound format that cannot be recorded, once.
    pub(super) fn take_foreign(&mut self) -> Option<u8> {
        let format = self.foreign.filter(|_| !self.is_told)?;
        self.is_told = true;
        Some(format)
    }

    /// It was played, and has been away since this time.
    #[cfg(feature = "cloud")]
    pub(super) fn gone_since(&self) -> Option<Instant> {
        self.gone_since
    }

    fn handle_lost(&mut self, now: Instant, problem: StreamProblem) {
        if self.player.is_playing() {
            self.gone_since.get_or_insert(now);
        }
        if self.player.is_playing() && problem == StreamProblem::Ended {
            info!("intercom: a stream has ended");
        } else {
            log::debug!("intercom: a stream is not played: {problem}");
        }
    }
}

/// Where packets go.
struct Put<'a, 'b> {
    feed: &'a mut Feed,
    line: &'a mut Option<&'b mut SoundLine>,
    leg: usize,
}

impl Put<'_, '_> {
    fn packet(&mut self, arrival: Arrival, packet: &[u8]) {
        self.feed.push(self.leg, arrival.unlowered, packet);
        if let Some(line) = self.line {
            line.handle_rtp(arrival.at, packet);
        }
    }
}
