//! Where streams are published and played: ids of messages to URLs (spec, section 5; contract,
//! sections 2 and 5).
//!
//! A door's picture and sound are one stream, under its video id. Screens and the property's phone
//! have an audio id of their own, the property's phone a video id besides. The caller makes all ids.
//! A value that is a URL already is passed on as it came.

use core::fmt::Write;
use core::net::SocketAddr;

use crate::wire::control::Text;
use crate::wire::intercom::{peer_type, Party, Stream};

/// A URL; empty if there is no such stream.
pub type Url = Text<256>;

/// The streams of a call, from this device's view.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs)] // the keys of the event
pub struct Urls {
    pub play_audio: Url,
    pub play_video: Url,
    pub publish_audio: Url,
    pub publish_video: Url,
}

/// The kinds of streams that a device publishes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kinds {
    /// One for its sound alone.
    pub audio: bool,
    /// One for its picture; a door's has its sound, too.
    pub video: bool,
}

/// What a device of this type publishes.
pub fn kinds_of(device: u8, with_video: bool) -> Kinds {
    match device {
        peer_type::OUTER_BOX => Kinds {
            audio: false,
            video: true,
        },
        peer_type::PROPERTY_APP => Kinds {
            audio: true,
            video: with_video,
        },
        _ => Kinds {
            audio: true,
            video: false,
        },
    }
}

/// The URL of a stream on this server; empty if it has no id.
pub fn url(server: SocketAddr, stream: &[u8]) -> Url {
    if stream.windows(3).any(|part| part == b"://") {
        // Not cut: half a URL is another URL.
        return Url::from_slice(stream).unwrap_or_default();
    }
    let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"._-".contains(byte);
    if stream.is_empty() || !stream.iter().all(is_plain) {
        return Url::new();
    }
    let mut url = Url::new();
    let written = write!(url, "http://{server}/stream/");
    match written.map(|()| url.extend_from_slice(stream)) {
        Ok(Ok(())) => url,
        _ => Url::new(),
    }
}

/// The URLs of a call between these two. `with_video`: pictures are wanted; without, a door's stream
/// is played for its sound.
pub fn urls(server: SocketAddr, own: &Party, peer: &Party, with_video: bool) -> Urls {
    let mut urls = Urls {
        play_audio: url(server, &peer.audio),
        play_video: url(server, &peer.video),
        publish_audio: url(server, &own.audio),
        publish_video: url(server, &own.video),
    };
    if !with_video {
        let video = core::mem::take(&mut urls.play_video);
        if urls.play_audio.is_empty() {
            urls.play_audio = video;
        }
    }
    urls
}

/// What is known before the answer: a door's picture, if it may start early. Sound never starts
/// before the answer.
pub fn early(all: &Urls, own_type: u8, caller_type: u8, allowed: bool) -> Urls {
    let mut urls = Urls::default();
    if !allowed {
        return urls;
    }
    if caller_type == peer_type::OUTER_BOX {
        urls.play_video = all.play_video.clone();
    }
    if own_type == peer_type::OUTER_BOX {
        urls.publish_video = all.publish_video.clone();
    }
    urls
}

/// The URLs that the application plays and publishes. With a media engine the phone publishes the
/// sound by itself, and nobody else may; a door's picture goes to `picture`, where the sound is added.
pub fn for_application(urls: &Urls, has_engine: bool, picture: Option<&Url>) -> Urls {
    let mut urls = urls.clone();
    if has_engine {
        urls.publish_audio.clear();
    }
    if let Some(picture) = picture.filter(|_| !urls.publish_video.is_empty()) {
        urls.publish_video = picture.clone();
    }
    urls
}

/// Both parties' streams are named so that they cannot be told apart.
pub fn are_ambiguous(src: &Stream, dest: &Stream) -> bool {
    !src.is_empty() && src == dest
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::intercom::text;

    #[test]
    fn an_id_is_joined_and_a_url_is_passed_on() {
        let server = "192.168.1.22:954".parse().unwrap();
        let joined = url(server, b"b1f0c4");
        assert_eq!(joined, b"http://192.168.1.22:954/stream/b1f0c4");
        let passed = url(server, b"http://11.0.1.22:8080/live/7");
        assert_eq!(passed, b"http://11.0.1.22:8080/live/7");
        let six = url("[fd00::1]:954".parse().unwrap(), b"5678");
        assert_eq!(six, b"http://[fd00::1]:954/stream/5678");
        for odd in ["", "../x", "a b", "a?b", "a\nb"] {
            assert_eq!(url(server, odd.as_bytes()), b"", "{odd}");
        }
        let long = [b"http://".as_slice(), &[b'x'; 300]].concat();
        assert_eq!(url(server, &long), b"");
    }

    #[test]
    fn a_door_is_heard_under_its_video_id() {
        let server = "192.168.1.22:954".parse().unwrap();
        let door = Party {
            video: text("d"),
            ..Party::default()
        };
        let screen = Party {
            audio: text("s"),
            ..Party::default()
        };
        let seen = urls(server, &screen, &door, true);
        assert_eq!(seen.play_video, b"http://192.168.1.22:954/stream/d");
        assert_eq!(seen.play_audio, b"");
        let heard = urls(server, &screen, &door, false);
        assert_eq!(heard.play_audio, seen.play_video);
        assert_eq!(heard.play_video, b"");
        assert_eq!(heard.publish_audio, b"http://192.168.1.22:954/stream/s");
    }
}
