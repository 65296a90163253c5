//! Publishes a stream of sound: a POST request whose body are chunks of FLV.

use core::fmt::Write;

use crate::base::limits::sound::PUBLISH_BYTES;
use crate::base::ring::Ring;
use crate::proto::intercom::sound::stream::{RequestHead, StreamMachine, StreamProblem};
use crate::wire::flv::sound_reader::Piece;
use crate::wire::flv::{sound_tag, HEADER_BYTES, SOUND_HEADER, SOUND_TAG_BYTES};
use crate::wire::g711::Law;
use crate::wire::http::response::ResponseHead;
use crate::wire::http::url::StreamUrl;
use crate::wire::http::Body;

/// The most codes of a tag: 100 ms.
const MAX_CODES: usize = 800;
/// The frame of a chunk: its length in hexadecimal digits, and line ends.
const CHUNK_BYTES: usize = 12;

/// One attempt to publish.
pub struct StreamPublisher {
    out: Ring,
    header: [u8; HEADER_BYTES],
    answer: heapless::Vec<u8, 512>,
    /// Tags that found no room, since the network did not take the stream.
    lost_tags: u64,
}

impl StreamPublisher {
    /// Nothing is published.
    pub fn new() -> Self {
        Self::with_room(PUBLISH_BYTES)
    }

    /// The same with room for so many bytes. This is the only allocation.
    pub fn with_room(bytes: usize) -> Self {
        Self {
            out: Ring::new(bytes),
            header: SOUND_HEADER,
            answer: heapless::Vec::new(),
            lost_tags: 0,
        }
    }

    /// Publishes codes from this time of the stream on.
    pub fn push_codes(&mut self, law: Law, millis: u32, codes: &[u8]) {
        let mut tag = [0; MAX_CODES + SOUND_TAG_BYTES];
        let len = sound_tag(law, millis, codes, &mut tag);
        if len == 0 || !self.push_chunk(&tag[..len]) {
            self.lost_tags += 1;
        }
    }

    /// A tag of this length can be published.
    pub fn has_room(&self, tag: usize) -> bool {
        self.out.room() >= tag + CHUNK_BYTES
    }

    /// The stream's header from the next connection on.
    pub fn set_header(&mut self, header: [u8; HEADER_BYTES]) {
        self.header = header;
    }

    /// Publishes a whole tag; `false`: there was no room, which is counted.
    pub fn push_tag(&mut self, tag: &[u8]) -> bool {
        let queued = self.push_chunk(tag);
        self.lost_tags += u64::from(!queued);
        queued
    }

    /// The stream ends.
    pub fn finish(&mut self) {
        let _ = self.out.push(b"0\r\n\r\n");
    }

    /// Tags that were not published since the last look.
    pub fn take_lost_tags(&mut self) -> u64 {
        core::mem::take(&mut self.lost_tags)
    }

    /// `false`, and nothing is queued: there is no room.
    fn push_chunk(&mut self, content: &[u8]) -> bool {
        if self.out.room() < content.len() + CHUNK_BYTES {
            return false;
        }
        let mut length = heapless::String::<CHUNK_BYTES>::new();
        let _ = write!(length, "{:x}\r\n", content.len());
        self.out.push(length.as_bytes()) && self.out.push(content) && self.out.push(b"\r\n")
    }
}

impl StreamMachine for StreamPublisher {
    fn begin(&mut self, url: &StreamUrl) -> bool {
        self.out.clear();
        self.answer.clear();
        let mut head = RequestHead::new();
        let StreamUrl { host, path, .. } = url;
        let written = write!(
            head,
            "POST {path} HTTP/1.1\r\nHost: {host}\r\nContent-Type: video/x-flv\r\nTransfer-Encoding: chunked\r\n\r\n"
        );
        let queued = written.is_ok() && self.out.push(head.as_bytes());
        let header = self.header;
        queued && self.push_chunk(&header)
    }

    fn front(&self) -> &[u8] {
        self.out.front(usize::MAX)
    }

    fn consume(&mut self, count: usize) {
        self.out.consume(count);
    }

    fn handle_bytes(
        &mut self,
        bytes: &[u8],
        _take: &mut dyn FnMut(Piece),
    ) -> Result<(), StreamProblem> {
        let room = self.answer.capacity() - self.answer.len();
        let _ = self
            .answer
            .extend_from_slice(&bytes[..bytes.len().min(room)]);
        match ResponseHead::parse(&self.answer) {
            Ok(Some((head, len))) if head.status < 200 => {
                let rest = self.answer.len() - len;
                self.answer.copy_within(len.., 0);
                self.answer.truncate(rest);
                Ok(())
            }
            // Servers that make their body while they read ours begin it at once (ffmpeg's does); the
            // connection's end is then the stream's.
            Ok(Some((head, _))) if head.status < 300 && head.body == Body::Chunked => Ok(()),
            Ok(Some((head, _))) if head.status < 300 => Err(StreamProblem::Ended),
            Ok(Some((head, _))) => Err(StreamProblem::Status(head.status)),
            Ok(None) if !self.answer.is_full() => Ok(()),
            Ok(None) | Err(_) => Err(StreamProblem::Malformed),
        }
    }
}

impl Default for StreamPublisher {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::flv::sound_reader::{Piece, SoundReader};
    use crate::wire::http::{BodyReader, Head};

    fn sent(publisher: &mut StreamPublisher) -> Vec<u8> {
        let mut bytes = vec![];
        while !publisher.front().is_empty() {
            let piece = publisher.front().to_vec();
            publisher.consume(piece.len());
            bytes.extend(piece);
        }
        bytes
    }

    #[test]
    fn a_stream_is_a_request_in_chunks() {
        let mut publisher = StreamPublisher::new();
        assert!(publisher.begin(&StreamUrl::parse(b"http://10.0.0.1:954/stream/a").unwrap()));
        publisher.push_codes(Law::A, 20, &[5; 160]);
        publisher.finish();
        let bytes = sent(&mut publisher);
        let (head, len) = Head::parse(&bytes).unwrap().unwrap();
        assert_eq!((head.method, head.path), (&b"POST"[..], &b"/stream/a"[..]));
        let mut body = BodyReader::new(head.body);
        let (mut rest, mut flv) = (&bytes[len..], vec![]);
        while !body.is_over() {
            let (content, used) = body.next(rest).unwrap();
            flv.extend(content);
            rest = &rest[used..];
        }
        assert_eq!(rest, b"\r\n");
        let (piece, _) = SoundReader::default().next(&flv).unwrap();
        let expected = Piece::Sound {
            law: Law::A,
            millis: 20,
            offset: 0,
            codes: &[5; 160],
        };
        assert_eq!(piece, Some(expected));
    }

    #[test]
    fn a_network_that_takes_nothing_costs_tags_and_is_counted() {
        let mut publisher = StreamPublisher::new();
        assert!(publisher.begin(&StreamUrl::parse(b"http://10.0.0.1/a").unwrap()));
        for tag in 0..1000 {
            publisher.push_codes(Law::Mu, tag * 20, &[5; 160]);
        }
        // Each tag is a chunk: `b0`, and two line ends.
        let kept = sent(&mut publisher).len() / (160 + SOUND_TAG_BYTES + 6);
        assert!((200..1000).contains(&kept), "{kept}");
        assert_eq!(publisher.take_lost_tags(), 1000 - kept as u64);
    }

    #[test]
    fn the_response_ends_it() {
        for (response, expected) in [
            (&b"HTTP/1.1 100 Continue\r\n\r\n"[..], Ok(())),
            (b"HTTP/1.1 200 OK\r\n\r\n", Err(StreamProblem::Ended)),
            (
                b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
                Ok(()),
            ),
            (
                b"HTTP/1.1 409 Conflict\r\n\r\n",
                Err(StreamProblem::Status(409)),
            ),
            (&[b'x'; 600], Err(StreamProblem::Malformed)),
        ] {
            assert_eq!(
                StreamPublisher::new().handle_bytes(response, &mut |_| {}),
                expected
            );
        }
    }
}
