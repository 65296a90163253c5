//! Plays a stream: counts its pictures and the milliseconds of its sound.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::sim::http_stream::HttpStream;
use crate::sim::intercom::stream_state::{StreamState, RETRY};
use crate::wire::flv::tag_reader::{Piece, TagReader};
use crate::wire::flv::{Kind, Tag, ALAW, ULAW};
use crate::wire::http::url::StreamUrl;

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

/// A stream as far as it has come.
#[derive(Default)]
struct Reading {
    response: HttpStream,
    flv: TagReader,
}

impl Reading {
    /// `None`: it is no stream.
    fn take(&mut self, bytes: &[u8], shared: &StreamState) -> Option<()> {
        let flv = &mut self.flv;
        self.response.take(bytes, |content| flv.push(content))?;
        self.count(shared)
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
