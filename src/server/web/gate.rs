//! What stands between a socket and hyper, which by itself takes two equal lengths, a length beside
//! chunks, and a body that never ends.
//!
//! ```text
//! HEAD --whole, taken--> BODY --its end--> HEAD
//!      --refused--> a request for /refused/STATUS in its place; SWALLOWED from then on
//! ```
//! A head is handed on when it is whole. From its first byte to the last one of its body it has
//! ten seconds; then reading fails, and hyper closes the connection.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{ready, Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{sleep, Sleep};

use crate::server::web::head::{judge, Head};
use crate::wire::http::{Body, BodyReader};

/// The longest head.
const HEAD_BYTES: usize = 16 * 1024;
/// From the first byte of a request to its last one.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);
/// What one call reads.
const READ_BYTES: usize = 8 * 1024;

/// A connection whose requests were judged.
pub(super) struct Gate<S> {
    socket: S,
    state: State,
    /// What hyper has not read yet.
    ready: Vec<u8>,
    taken: usize,
    deadline: Option<Pin<Box<Sleep>>>,
}

enum State {
    Head(Vec<u8>),
    Body(BodyReader),
    /// hyper judges the rest: a chunk is malformed.
    Passed,
    Swallowed,
}

impl<S> Gate<S> {
    /// The first request of a connection has to be complete within ten seconds, too.
    pub(super) fn new(socket: S) -> Self {
        Self {
            socket,
            state: State::Head(vec![]),
            ready: vec![],
            taken: 0,
            deadline: Some(Box::pin(sleep(REQUEST_TIMEOUT))),
        }
    }

    /// Takes bytes of the socket.
    fn feed(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let used = match &mut self.state {
                State::Head(head) if head.is_empty() && matches!(bytes[0], b'\r' | b'\n') => {
                    // The empty line after the last chunk, or one before a request.
                    self.ready.push(bytes[0]);
                    1
                }
                State::Head(head) => {
                    head.extend_from_slice(bytes);
                    self.judge_head();
                    bytes.len()
                }
                State::Body(reader) => match reader.next(bytes) {
                    Ok((_, used)) => {
                        self.ready.extend_from_slice(&bytes[..used]);
                        if reader.is_over() {
                            self.state = State::Head(vec![]);
                            self.deadline = None;
                        }
                        used
                    }
                    Err(_) => {
                        self.state = State::Passed;
                        0
                    }
                },
                State::Passed => {
                    self.ready.extend_from_slice(bytes);
                    bytes.len()
                }
                State::Swallowed => bytes.len(),
            };
            bytes = &bytes[used..];
        }
    }

    fn judge_head(&mut self) {
        let State::Head(head) = &mut self.state else {
            return;
        };
        self.deadline
            .get_or_insert_with(|| Box::pin(sleep(REQUEST_TIMEOUT)));
        let bytes = std::mem::take(head);
        match judge(&bytes) {
            Head::Whole { len, .. } if len > HEAD_BYTES => self.refuse(431),
            Head::Partial if bytes.len() > HEAD_BYTES => self.refuse(431),
            Head::Partial => *head = bytes,
            Head::Refused(status) => self.refuse(status),
            Head::Whole {
                len,
                body,
                is_stream,
            } => {
                self.ready.extend_from_slice(&bytes[..len]);
                let is_over = matches!(body, Body::None | Body::Length(0));
                if is_stream || is_over {
                    self.deadline = None;
                }
                self.state = if is_over {
                    State::Head(vec![])
                } else {
                    State::Body(BodyReader::new(body))
                };
                self.feed(&bytes[len..]);
            }
        }
    }

    /// hyper sees a request that the service answers with this status.
    fn refuse(&mut self, status: u16) {
        let request = format!("GET /refused/{status} HTTP/1.1\r\nConnection: close\r\n\r\n");
        self.ready.extend_from_slice(request.as_bytes());
        self.state = State::Swallowed;
    }

    /// Hands on what is ready.
    fn give(&mut self, buffer: &mut ReadBuf<'_>) {
        let rest = &self.ready[self.taken..];
        let count = rest.len().min(buffer.remaining());
        buffer.put_slice(&rest[..count]);
        self.taken += count;
        if self.taken == self.ready.len() {
            self.ready = vec![];
            self.taken = 0;
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Gate<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let gate = self.get_mut();
        loop {
            if !gate.ready.is_empty() {
                gate.give(buffer);
                return Poll::Ready(Ok(()));
            }
            let deadline = gate.deadline.as_mut();
            if deadline.is_some_and(|it| it.as_mut().poll(context).is_ready()) {
                return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
            }
            let mut bytes = [0; READ_BYTES];
            let mut read = ReadBuf::new(&mut bytes);
            ready!(Pin::new(&mut gate.socket).poll_read(context, &mut read))?;
            if read.filled().is_empty() {
                return Poll::Ready(Ok(()));
            }
            gate.feed(read.filled());
        }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Gate<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().socket).poll_write(context, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().socket).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().socket).poll_shutdown(context)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().socket).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::AsyncReadExt;

    /// What hyper reads of these bytes, however they are cut.
    fn passed(bytes: &[u8], step: usize) -> String {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build();
        runtime.unwrap().block_on(async {
            let mut gate = Gate::new(tokio::io::empty());
            bytes.chunks(step).for_each(|piece| gate.feed(piece));
            let mut text = String::new();
            gate.read_to_string(&mut text).await.unwrap();
            text
        })
    }

    #[test]
    fn requests_pass_as_they_came_and_bad_ones_are_replaced() {
        let good = "POST /a HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc\
                    POST /b HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nxy\r\n0\r\n\r\n\
                    GET /c HTTP/1.1\r\n\r\n";
        let bad = "GET /d HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\nxGET /e HTTP/1.1\r\n\r\n";
        let refused = "GET /refused/400 HTTP/1.1\r\nConnection: close\r\n\r\n";
        let both = format!("{good}{bad}");
        for step in 1..=both.len() {
            assert_eq!(
                passed(both.as_bytes(), step),
                format!("{good}{refused}"),
                "{step}"
            );
        }
    }

    #[test]
    fn a_head_that_is_too_long_is_replaced() {
        let long = format!("GET / HTTP/1.1\r\nA: {}\r\n\r\n", "x".repeat(HEAD_BYTES));
        assert!(passed(long.as_bytes(), 1000).starts_with("GET /refused/431 "));
        assert!(passed(long.as_bytes(), long.len()).starts_with("GET /refused/431 "));
    }
}
