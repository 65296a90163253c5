//! Plays a stream: a GET request, and the sound of its response.

use core::fmt::Write;

use crate::proto::intercom::sound::stream::{RequestHead, StreamMachine, StreamProblem};
use crate::wire::flv::sound_reader::{Piece, SoundReader};
use crate::wire::http::response::ResponseHead;
use crate::wire::http::url::StreamUrl;
use crate::wire::http::{BodyReader, HEAD_BYTES};

/// The response to one request.
#[derive(Debug, Default)]
pub struct StreamPlayer {
    head: heapless::Vec<u8, HEAD_BYTES>,
    request: RequestHead,
    sent: usize,
    /// `None` before the end of the head.
    body: Option<BodyReader>,
    sound: SoundReader,
}

impl StreamPlayer {
    /// The response has begun: the stream is there.
    pub fn is_playing(&self) -> bool {
        self.body.is_some()
    }

    /// Returns what follows the head, or nothing if more is needed.
    fn take_head<'a>(&mut self, bytes: &'a [u8]) -> Result<&'a [u8], StreamProblem> {
        let before = self.head.len();
        let added = bytes.len().min(HEAD_BYTES - before);
        let _ = self.head.extend_from_slice(&bytes[..added]);
        let parsed = ResponseHead::parse(&self.head).map_err(|_| StreamProblem::Malformed)?;
        let Some((head, len)) = parsed else {
            return Ok(&[]);
        };
        match head.status {
            200 => self.body = Some(BodyReader::new(head.body)),
            // Another response follows.
            100..=199 => {}
            status => return Err(StreamProblem::Status(status)),
        }
        self.head.clear();
        Ok(&bytes[len.saturating_sub(before)..])
    }

    fn take_content(
        &mut self,
        mut content: &[u8],
        take: &mut dyn FnMut(Piece),
    ) -> Result<(), StreamProblem> {
        while !content.is_empty() {
            let (piece, used) = self
                .sound
                .next(content)
                .map_err(|_| StreamProblem::Malformed)?;
            content = &content[used..];
            if let Some(piece) = piece {
                take(piece);
            }
        }
        Ok(())
    }
}

impl StreamMachine for StreamPlayer {
    fn begin(&mut self, url: &StreamUrl) -> bool {
        *self = Self::default();
        let StreamUrl { host, path, .. } = url;
        let written = write!(
            self.request,
            "GET {path} HTTP/1.1\r\nHost: {host}\r\nAccept: video/x-flv\r\n\r\n"
        );
        written.is_ok()
    }

    fn front(&self) -> &[u8] {
        &self.request.as_bytes()[self.sent..]
    }

    fn consume(&mut self, count: usize) {
        self.sent = (self.sent + count).min(self.request.len());
    }

    fn handle_bytes(
        &mut self,
        mut bytes: &[u8],
        take: &mut dyn FnMut(Piece),
    ) -> Result<(), StreamProblem> {
        while !bytes.is_empty() {
            let Some(body) = &mut self.body else {
                bytes = self.take_head(bytes)?;
                continue;
            };
            let (content, used) = body.next(bytes).map_err(|_| StreamProblem::Malformed)?;
            let is_over = body.is_over();
            self.take_content(content, take)?;
            bytes = &bytes[used..];
            if is_over {
                return Err(StreamProblem::Ended);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::flv::{sound_tag, SOUND_HEADER};
    use crate::wire::g711::Law;

    fn played(response: &[u8], step: usize) -> (Vec<u8>, Result<(), StreamProblem>) {
        let mut player = StreamPlayer::default();
        let mut codes = vec![];
        let mut result = Ok(());
        for chunk in response.chunks(step) {
            result = player.handle_bytes(chunk, &mut |piece| {
                if let Piece::Sound { codes: more, .. } = piece {
                    codes.extend(more);
                }
            });
            if result.is_err() {
                break;
            }
        }
        (codes, result)
    }

    fn flv() -> Vec<u8> {
        let mut tag = [0; 100];
        let len = sound_tag(Law::Mu, 0, b"sound", &mut tag);
        [&SOUND_HEADER[..], &tag[..len]].concat()
    }

    #[test]
    fn a_request_names_host_and_path() {
        let url = StreamUrl::parse(b"http://10.0.0.1:954/stream/a").unwrap();
        let mut player = StreamPlayer::default();
        assert!(player.begin(&url));
        let request = player.front().to_vec();
        assert!(request.starts_with(b"GET /stream/a HTTP/1.1\r\nHost: 10.0.0.1:954\r\n"));
        assert!(request.ends_with(b"\r\n\r\n"));
        player.consume(request.len());
        assert_eq!(player.front(), b"");
    }

    #[test]
    fn sound_comes_plain_and_in_chunks() {
        let flv = flv();
        let plain = [&b"HTTP/1.1 200 OK\r\n\r\n"[..], &flv].concat();
        let mut chunked =
            b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
                .to_vec();
        for part in flv.chunks(7) {
            chunked.extend(format!("{:x}\r\n", part.len()).bytes());
            chunked.extend(part);
            chunked.extend(b"\r\n");
        }
        for step in 1..chunked.len() {
            assert_eq!(played(&plain, step), (b"sound".to_vec(), Ok(())), "{step}");
            assert_eq!(
                played(&chunked, step),
                (b"sound".to_vec(), Ok(())),
                "{step}"
            );
        }
        chunked.extend(b"0\r\n\r\n");
        assert_eq!(played(&chunked, 9).1, Err(StreamProblem::Ended));
    }

    #[test]
    fn a_refusal_is_told() {
        let refused = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n";
        assert_eq!(played(refused, 5).1, Err(StreamProblem::Status(404)));
        let other = b"HTTP/1.1 200 OK\r\n\r\n<html>";
        assert_eq!(played(other, 50).1, Err(StreamProblem::Malformed));
        assert_eq!(
            played(b"SSH-2.0-x\r\n", 50).1,
            Err(StreamProblem::Malformed)
        );
    }
}
