//! Publishes a made-up voice, and for a door a made-up picture: H.264 from a file of ten pictures a
//! second, again and again.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use crate::proto::intercom::sound::publisher::StreamPublisher;
use crate::proto::intercom::sound::stream::StreamMachine;
use crate::sim::intercom::stream_state::{StreamState, RETRY};
use crate::sim::parties;
use crate::wire::flv::{Tag, HEADER_BYTES};
use crate::wire::g711::Law;
use crate::wire::http::url::StreamUrl;

/// Made with ffmpeg's test picture (`testsrc2`), 160 x 120.
const PICTURES: &[u8] = include_bytes!("door.flv");
/// The time after which the pictures begin again.
const PICTURES_MILLIS: u32 = 2000;
const FRAME_MILLIS: u32 = 20;
const FRAME_SAMPLES: usize = 160;
const VOICE_SECONDS: f64 = 20.0;
/// How often it is looked whether the call was answered.
const LOOK: Duration = Duration::from_millis(20);
/// To connect, or to send a piece.
const PATIENCE: Duration = Duration::from_secs(5);

/// Publishes until the call is over.
pub(super) fn publish_stream(url: &str, has_picture: bool, shared: &StreamState) {
    let voice = if has_picture {
        parties::near(VOICE_SECONDS)
    } else {
        parties::far(VOICE_SECONDS)
    };
    let codes: Vec<u8> = voice
        .iter()
        .map(|sample| Law::Mu.encode_one(i32::from(*sample)))
        .collect();
    let Some(url) = StreamUrl::parse(url.as_bytes()) else {
        return;
    };
    while !shared.is_over() {
        // Without a picture there is nothing to publish before the answer.
        if !has_picture && !shared.is_answered.load(Ordering::SeqCst) {
            std::thread::sleep(LOOK);
            continue;
        }
        let _ = publish(&url, &codes, has_picture, shared);
        if !shared.is_over() {
            std::thread::sleep(RETRY);
        }
    }
}

fn publish(
    url: &StreamUrl,
    codes: &[u8],
    has_picture: bool,
    shared: &StreamState,
) -> std::io::Result<()> {
    let mut stream = TcpStream::connect_timeout(&url.server, PATIENCE)?;
    stream.set_write_timeout(Some(PATIENCE))?;
    stream.set_nodelay(true)?;
    let mut publisher = StreamPublisher::new();
    if !publisher.begin(url) {
        return Err(ErrorKind::InvalidInput.into());
    }
    let mut pictures = Pictures::new();
    let began = Instant::now();
    let mut voice = codes.chunks_exact(FRAME_SAMPLES).cycle();
    for number in 0u32.. {
        let millis = number * FRAME_MILLIS;
        let due = Duration::from_millis(millis.into());
        std::thread::sleep(due.saturating_sub(began.elapsed()));
        if shared.is_over() {
            break;
        }
        if has_picture {
            while let Some(tag) = pictures.next_until(millis) {
                let _ = publisher.push_tag(&tag);
            }
        }
        if shared.is_answered.load(Ordering::SeqCst) {
            publisher.push_codes(Law::Mu, millis, voice.next().unwrap_or_default());
        }
        send(&mut stream, &mut publisher)?;
        refused(&mut stream, &mut publisher)?;
    }
    publisher.finish();
    send(&mut stream, &mut publisher)
}

fn send(stream: &mut TcpStream, publisher: &mut StreamPublisher) -> std::io::Result<()> {
    while !publisher.front().is_empty() {
        let count = stream.write(publisher.front())?;
        publisher.consume(count);
    }
    Ok(())
}

/// A server that refuses the stream says so at once.
fn refused(stream: &mut TcpStream, publisher: &mut StreamPublisher) -> std::io::Result<()> {
    stream.set_nonblocking(true)?;
    let mut buffer = [0; 512];
    let read = stream.read(&mut buffer);
    stream.set_nonblocking(false)?;
    match read {
        Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(()),
        Err(error) => Err(error),
        Ok(0) => Err(ErrorKind::UnexpectedEof.into()),
        Ok(count) => publisher
            .handle_bytes(&buffer[..count], &mut |_| {})
            .map_err(|problem| std::io::Error::other(format!("{problem:?}"))),
    }
}

/// The tags of the file, again and again with stamps that go on.
struct Pictures {
    at: usize,
    round: u32,
}

impl Pictures {
    fn new() -> Self {
        Self {
            at: HEADER_BYTES,
            round: 0,
        }
    }

    /// The next tag, if it is due.
    fn next_until(&mut self, millis: u32) -> Option<Vec<u8>> {
        let tag = match Tag::parse(PICTURES.get(self.at..)?) {
            Ok(Some(tag)) => tag,
            _ => {
                self.at = HEADER_BYTES;
                self.round += 1;
                Tag::parse(&PICTURES[self.at..]).ok()??
            }
        };
        let stamp = tag.timestamp() + self.round * PICTURES_MILLIS;
        if stamp > millis {
            return None;
        }
        self.at += tag.bytes().len();
        let mut bytes = tag.bytes().to_vec();
        crate::wire::flv::set_timestamp(&mut bytes, stamp);
        Some(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_go_on_for_ever() {
        let mut pictures = Pictures::new();
        let mut stamps = vec![];
        for millis in (0..10_000).step_by(20) {
            while let Some(tag) = pictures.next_until(millis) {
                stamps.push(Tag::parse(&tag).unwrap().unwrap().timestamp());
            }
        }
        assert!(stamps.is_sorted(), "{stamps:?}");
        assert!((100..130).contains(&stamps.len()), "{}", stamps.len());
    }
}
