//! One player: what waits for it, and its body.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use axum::body::Bytes;
use hyper::body::Frame;

use crate::wire::flv::Kind;

/// What waits for a player at most: a few seconds of pictures. Beyond it the player loses what waits.
const QUEUE_BYTES: usize = 4 << 20;

/// A player.
#[derive(Default)]
pub(in crate::server::cloud) struct Player(Mutex<State>);

#[derive(Default)]
struct State {
    pieces: VecDeque<Arc<[u8]>>,
    bytes: usize,
    needs_key: bool,
    is_over: bool,
    is_gone: bool,
    waker: Option<Waker>,
}

impl Player {
    /// It gets what it needs to begin.
    pub(super) fn new(pieces: Vec<Arc<[u8]>>, needs_key: bool) -> Self {
        let bytes = pieces.iter().map(|piece| piece.len()).sum();
        Self(Mutex::new(State {
            pieces: pieces.into(),
            bytes,
            needs_key,
            ..State::default()
        }))
    }

    /// A tag. A player that reads too slowly loses what waits, and goes on with a key frame.
    pub(super) fn send(&self, tag: &Arc<[u8]>, kind: Kind) {
        let mut state = self.lock();
        if state.bytes > 0 && state.bytes + tag.len() > QUEUE_BYTES {
            state.pieces.clear();
            state.bytes = 0;
            state.needs_key |= kind != Kind::Audio;
        }
        if kind == Kind::KeyFrame {
            state.needs_key = false;
        }
        let is_config = matches!(kind, Kind::Script | Kind::VideoConfig | Kind::AudioConfig);
        if state.needs_key && !is_config {
            return;
        }
        state.bytes += tag.len();
        state.pieces.push_back(tag.clone());
        state.wake();
    }

    /// The stream is over.
    pub(super) fn finish(&self) {
        let mut state = self.lock();
        state.is_over = true;
        state.wake();
    }

    /// Nobody reads it any more.
    pub(super) fn is_gone(&self) -> bool {
        self.lock().is_gone
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn wake(&mut self) {
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }
}

/// The body of the answer.
pub(in crate::server::cloud) struct PlayerBody(pub(in crate::server::cloud) Arc<Player>);

impl Drop for PlayerBody {
    fn drop(&mut self) {
        self.0.lock().is_gone = true;
    }
}

impl hyper::body::Body for PlayerBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let mut state = self.0.lock();
        if let Some(piece) = state.pieces.pop_front() {
            state.bytes -= piece.len();
            return Poll::Ready(Some(Ok(Frame::data(Bytes::from_owner(piece)))));
        }
        if state.is_over {
            return Poll::Ready(None);
        }
        state.waker = Some(context.waker().clone());
        Poll::Pending
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slow_player_loses_what_waits_and_goes_on_with_a_key_frame() {
        let player = Player::new(vec![], false);
        let tag: Arc<[u8]> = vec![0; QUEUE_BYTES / 2].into();
        let waiting = || player.lock().pieces.len();
        player.send(&tag, Kind::KeyFrame);
        player.send(&tag, Kind::Picture);
        assert_eq!(waiting(), 2);
        player.send(&tag, Kind::Picture);
        assert_eq!(waiting(), 0);
        player.send(&tag, Kind::Audio);
        assert_eq!(waiting(), 0);
        player.send(&tag, Kind::KeyFrame);
        assert_eq!(waiting(), 1);
    }
}
