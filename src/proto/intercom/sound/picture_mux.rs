//! A door's stream: the application's picture, and the sound of the media engine (contract, section
//! 5).
//!
//! The stream begins with the first picture, or without one as soon as sound has waited for
//! `PICTURE_PATIENCE`. Sound has the time stamps of its line; those of the picture are moved by one
//! constant so that the first one falls on the moment at which it came.

use std::collections::VecDeque;

use crate::base::limits::sound::{HELD_SOUND_TAGS, PICTURE_PATIENCE};
use crate::base::time::Instant;
use crate::wire::flv::{set_timestamp, Kind, Tag, HEADER_BYTES};

/// Both streams of one call.
#[derive(Debug, Default)]
pub struct PictureMux {
    state: State,
    /// Added to the stamps of the picture, once it has come.
    shift: Option<u32>,
    /// The last stamp that was written.
    last: u32,
    /// What a reader needs before the first picture: metadata and the codec's configuration.
    configs: Vec<Vec<u8>>,
    /// The network has lost pictures, or the connection is new.
    needs_key: bool,
}

#[derive(Debug)]
enum State {
    /// Sound waits for a picture, until this time.
    Waiting {
        until: Option<Instant>,
        sound: VecDeque<Vec<u8>>,
    },
    Running {
        has_picture: bool,
    },
}

impl Default for State {
    fn default() -> Self {
        Self::Waiting {
            until: None,
            sound: VecDeque::new(),
        }
    }
}

impl PictureMux {
    /// The stream has begun: it can be published.
    pub fn has_begun(&self) -> bool {
        matches!(self.state, State::Running { .. })
    }

    /// The stream's header: with sound, and a picture if one has come by then.
    pub fn header(&self) -> [u8; HEADER_BYTES] {
        let mut header = crate::wire::flv::SOUND_HEADER;
        if matches!(self.state, State::Running { has_picture: true }) {
            header[4] = 5;
        }
        header
    }

    /// A new connection publishes the stream: `put` gets what has to come first.
    pub fn handle_connected(&mut self, mut put: impl FnMut(&[u8]) -> bool) {
        let configs = self.configs.iter();
        let queued = configs.fold(true, |queued, config| queued & put(config));
        debug_assert!(queued, "bug: the queue of a new connection has room");
        self.needs_key = self.shift.is_some();
    }

    /// A tag of the application's picture; its sound is not used. `millis`: the line's time. `put`
    /// gets tags, and says whether there was room.
    pub fn handle_picture(&mut self, millis: u32, tag: &[u8], mut put: impl FnMut(&[u8]) -> bool) {
        let Ok(Some(parsed)) = Tag::parse(tag) else {
            return;
        };
        let kind = parsed.kind();
        if matches!(kind, Kind::Audio | Kind::AudioConfig) {
            return;
        }
        let shift = *self
            .shift
            .get_or_insert(millis.wrapping_sub(parsed.timestamp()));
        let stamp = parsed.timestamp().wrapping_add(shift);
        self.begin(true, &mut put);
        let mut tag = tag.to_vec();
        set_timestamp(&mut tag, stamp.max(self.last));
        if matches!(kind, Kind::Script | Kind::VideoConfig) {
            self.keep_config(kind, &tag);
        }
        self.needs_key &= kind != Kind::KeyFrame;
        let waits = self.needs_key && kind == Kind::Picture;
        if !waits && !self.write(&tag, stamp, &mut put) && kind != Kind::Script {
            // The rest of the group cannot be decoded.
            self.needs_key = true;
        }
    }

    /// A tag of sound with the line's stamp.
    pub fn handle_sound(&mut self, now: Instant, tag: &[u8], mut put: impl FnMut(&[u8]) -> bool) {
        let State::Waiting { until, sound } = &mut self.state else {
            let stamp = stamp_of(tag);
            let _ = self.write(tag, stamp, &mut put);
            return;
        };
        let until = *until.get_or_insert(now + PICTURE_PATIENCE);
        if sound.len() >= HELD_SOUND_TAGS {
            sound.pop_front();
        }
        sound.push_back(tag.to_vec());
        if now >= until {
            self.begin(false, &mut put);
        }
    }

    fn begin(&mut self, has_picture: bool, put: &mut dyn FnMut(&[u8]) -> bool) {
        let state = core::mem::replace(&mut self.state, State::Running { has_picture });
        match state {
            State::Waiting { sound, .. } => {
                for tag in sound {
                    let _ = self.write(&tag, stamp_of(&tag), put);
                }
            }
            State::Running { has_picture: had } => {
                self.state = State::Running {
                    has_picture: had | has_picture,
                };
            }
        }
    }

    fn keep_config(&mut self, kind: Kind, tag: &[u8]) {
        let is_other = |known: &Vec<u8>| match Tag::parse(known) {
            Ok(Some(known)) => known.kind() != kind,
            _ => false,
        };
        self.configs.retain(is_other);
        self.configs.push(tag.to_vec());
    }

    fn write(&mut self, tag: &[u8], stamp: u32, put: &mut dyn FnMut(&[u8]) -> bool) -> bool {
        self.last = self.last.max(stamp);
        put(tag)
    }
}

fn stamp_of(tag: &[u8]) -> u32 {
    match Tag::parse(tag) {
        Ok(Some(tag)) => tag.timestamp(),
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::flv::sound_tag;
    use crate::wire::g711::Law;

    fn at(millis: u64) -> Instant {
        Instant::from_nanos(millis * 1_000_000)
    }

    fn sound(millis: u32) -> Vec<u8> {
        let mut tag = vec![0; 200];
        let len = sound_tag(Law::Mu, millis, &[1; 160], &mut tag);
        tag.truncate(len);
        tag
    }

    fn picture(millis: u32, first: u8, second: u8) -> Vec<u8> {
        let mut tag = vec![
            9, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0, first, second, 7, 0, 0, 0, 14,
        ];
        set_timestamp(&mut tag, millis);
        tag
    }

    /// The stamp and kind of each tag.
    fn shown(tags: &[Vec<u8>]) -> Vec<(u32, Kind)> {
        let parsed = tags.iter().map(|tag| Tag::parse(tag).unwrap().unwrap());
        parsed.map(|tag| (tag.timestamp(), tag.kind())).collect()
    }

    #[test]
    fn sound_waits_a_second_for_a_picture() {
        let mut mux = PictureMux::default();
        let mut out = vec![];
        for n in 0..=50 {
            assert!(!mux.has_begun());
            mux.handle_sound(at(20 * n), &sound(20 * n as u32), |tag| {
                out.push(tag.to_vec());
                true
            });
        }
        assert!(mux.has_begun());
        assert_eq!((out.len(), mux.header()[4]), (51, 4));
        assert_eq!(shown(&out)[50], (1000, Kind::Audio));
    }

    #[test]
    fn a_picture_begins_at_the_moment_it_comes() {
        let mut mux = PictureMux::default();
        let mut out = vec![];
        let mut put = |tag: &[u8]| {
            out.push(tag.to_vec());
            true
        };
        mux.handle_sound(at(0), &sound(0), &mut put);
        mux.handle_picture(30, &picture(90_000, 0x17, 0), &mut put);
        mux.handle_picture(30, &picture(90_000, 0x17, 1), &mut put);
        mux.handle_sound(at(40), &sound(40), &mut put);
        mux.handle_picture(75, &picture(90_040, 0x27, 1), &mut put);
        mux.handle_picture(75, &sound(90_050), &mut put);
        let expected = [
            (0, Kind::Audio),
            (30, Kind::VideoConfig),
            (30, Kind::KeyFrame),
            (40, Kind::Audio),
            (70, Kind::Picture),
        ];
        assert_eq!(shown(&out), expected);
        assert_eq!(mux.header()[4], 5);
    }

    #[test]
    fn after_a_loss_pictures_go_on_with_a_key_frame_and_sound_at_once() {
        let mut mux = PictureMux::default();
        let none = |_: &[u8]| false;
        let mut out = vec![];
        mux.handle_picture(0, &picture(0, 0x17, 1), |_| true);
        mux.handle_picture(40, &picture(40, 0x27, 1), none);
        let mut put = |tag: &[u8]| {
            out.push(tag.to_vec());
            true
        };
        mux.handle_picture(80, &picture(80, 0x27, 1), &mut put);
        mux.handle_sound(at(90), &sound(90), &mut put);
        mux.handle_picture(120, &picture(120, 0x17, 1), &mut put);
        mux.handle_picture(160, &picture(160, 0x27, 1), &mut put);
        let kinds: Vec<Kind> = shown(&out).iter().map(|tag| tag.1).collect();
        assert_eq!(kinds, [Kind::Audio, Kind::KeyFrame, Kind::Picture]);
    }

    #[test]
    fn a_new_connection_gets_the_configuration_first() {
        let mut mux = PictureMux::default();
        mux.handle_picture(0, &picture(0, 0x17, 0), |_| true);
        mux.handle_picture(0, &picture(0, 0x17, 1), |_| true);
        let mut out = vec![];
        let mut put = |tag: &[u8]| {
            out.push(tag.to_vec());
            true
        };
        mux.handle_connected(&mut put);
        mux.handle_picture(40, &picture(40, 0x27, 1), &mut put);
        mux.handle_picture(80, &picture(80, 0x17, 1), &mut put);
        let kinds: Vec<Kind> = shown(&out).iter().map(|tag| tag.1).collect();
        assert_eq!(kinds, [Kind::VideoConfig, Kind::KeyFrame]);
    }
}
