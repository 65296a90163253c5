//! Plays a stream: counts its pictures and the milliseconds of its sound.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::sim::intercom::stream_state::{StreamState, RETRY};
use crate::wire::flv::tag_reader::{Piece, TagReader};
use crate::wire::flv::{Kind, Tag, ALAW, ULAW};
use crate::wire::http::response::ResponseHead;
use crate::wire::http::url::StreamUrl;
use crate::wire::http::BodyReader;

/// How often it is looked whether the call is over.
const LOOK: Duration = Duration::from_millis(100);
const PATIENCE: Duration = Duration::from_secs(5);

/// Plays until the call is over.
pub(super) fn play_stream(url: &str, shared: &StreamState) {
    let Some(url) = StreamUrl::parse(url.as_bytes()) else {
        return;
    };
    while !shared.is_over() {
        let _ = play(&url, shared);
        if !shared.is_over() {
            std::thread::sleep(RETRY);
        }
    }
}

fn play(url: &StreamUrl, shared: &StreamState) -> std::io::Result<()> {
    let mut stream = TcpStream::connect_timeout(&url.server, PATIENCE)?;
    stream.set_read_timeout(Some(LOOK))?;
    let StreamUrl { host, path, .. } = url;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n")?;
    let mut reading = Reading::default();
    let mut buffer = [0; 16 * 1024];
    while !shared.is_over() {
        match stream.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(count) => reading
                .take(&buffer[..count], shared)
                .ok_or(ErrorKind::InvalidData)?,
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// A response as far as it has come.
#[derive(Default)]
struct Reading {
    head: Vec<u8>,
    body: Option<BodyReader>,
    flv: TagReader,
}

impl Reading {
    /// `None`: it is no stream.
    fn take(&mut self, bytes: &[u8], shared: &StreamState) -> Option<()> {
        let mut rest = bytes.to_vec();
        if self.body.is_none() {
            self.head.append(&mut rest);
            let Some((head, len)) = ResponseHead::parse(&self.head).ok()? else {
                return Some(());
            };
            if head.status != 200 {
                return None;
            }
            self.body = Some(BodyReader::new(head.body));
            rest = self.head.split_off(len);
        }
        let mut left = &rest[..];
        while !left.is_empty() {
            let body = self.body.as_mut()?;
            let (content, used) = body.next(left).ok()?;
            self.flv.push(content);
            left = &left[used.max(1)..];
            self.count(shared)?;
        }
        Some(())
    }

    fn count(&mut self, shared: &StreamState) -> Option<()> {
        while let Some(piece) = self.flv.next_piece().ok()? {
            let Piece::Tag(bytes) = piece else { continue };
            let tag = Tag::parse(&bytes).ok()??;
            if matches!(tag.kind(), Kind::KeyFrame | Kind::Picture) {
                shared.pictures.fetch_add(1, Ordering::SeqCst);
            }
            if matches!(tag.sound_format(), Some(ALAW | ULAW)) {
                let millis = tag.sound().len() as u64 / 8;
                shared.sound_ms.fetch_add(millis, Ordering::SeqCst);
            }
        }
        Some(())
    }
}
