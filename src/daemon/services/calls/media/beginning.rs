//! How a call's sound begins.

use super::{CallMedia, Sound, State, Wanted, OWN, PEER};
use crate::base::time::Instant;
use crate::daemon::context::Context;
use crate::outgoing::transport::ServerAddress;
use crate::proto::intercom::endpoint::urls::{Url, Urls};

impl CallMedia {
    pub(super) fn begin_wanted(&mut self, now: Instant, context: &mut Context) {
        if context.feed.is_in_use() || !matches!(self.state, State::Idle) {
            return;
        }
        let Some(wanted) = self.wanted.take() else {
            return;
        };
        let Wanted {
            info,
            sound,
            answered_at,
        } = wanted;
        self.state = State::Running(info.sid.clone());
        self.ended_at = Instant::NEVER;
        if self.records {
            let own_id = if info.via_cloud {
                &self.cloud_id
            } else {
                &self.own_id
            };
            self.recording.begin(answered_at, own_id, &info, context);
        }
        if let Some(bridge) = &self.bridge {
            let [ssrc, rest, _] = context.random.words();
            self.line.begin(now, bridge.law, [ssrc, rest]);
        }
        match sound {
            Sound::Streams(urls, server) => self.begin_streams(now, &urls, server),
            #[cfg(feature = "cloud")]
            Sound::Transport => {}
        }
    }

    fn begin_streams(&mut self, now: Instant, urls: &Urls, server: Option<ServerAddress>) {
        for party in &mut self.parties {
            party.client.set_server(server.clone());
        }
        self.publishing.client.set_server(server);
        if self.records || self.bridge.is_some() {
            self.parties[PEER].begin(now, sound_of(&urls.play_audio, &urls.play_video));
        }
        let own = sound_of(&urls.publish_audio, &urls.publish_video);
        if let Some(bridge) = &self.bridge {
            self.publishing.begin(now, bridge.law, own);
        } else if self.records {
            self.parties[OWN].begin(now, own);
        }
    }
}

/// Where a party's sound is: a door's is in the stream of its picture.
fn sound_of<'a>(audio: &'a Url, video: &'a Url) -> &'a Url {
    if audio.is_empty() {
        video
    } else {
        audio
    }
}
