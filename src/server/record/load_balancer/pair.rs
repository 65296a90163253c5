//! A phone's connection, the one to its media host, and the relaying between them.

use std::net::{Shutdown, SocketAddr};

use crate::base::limits::server::{MEDIA_ANSWER, RELAY_BYTES, RELAY_PER_TURN};
use crate::base::time::Instant;
use crate::io::stream::Connection;

/// The two connections.
pub(super) struct Pair {
    pub(super) peer: SocketAddr,
    pub(super) phone: Side,
    pub(super) media: Option<Side>,
    pub(super) host: usize,
    /// A bit for each host that has been tried.
    pub(super) tried: u64,
    pub(super) stage: Stage,
    /// What the phone has sent, to be repeated to another media host. Kept until one has responded.
    asked: Vec<u8>,
}

/// How far the pair is, with the deadline for the next step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// The connection to the media host is being established.
    Connecting(Instant),
    /// Connected; the phone has sent nothing yet.
    Silent,
    /// The phone waits for the first response.
    Asked(Instant),
    /// The same without a deadline: there is no better host to try.
    Waiting,
    /// The media host has responded: the phone stays with it.
    Answered,
    /// The media host has closed its side; its last bytes are being relayed.
    Ending(Instant),
}

/// The connection that has failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Broken {
    Phone,
    Media,
}

/// The operation that has failed while relaying in one direction.
enum FailedOperation {
    Read,
    Written,
}

/// One side of a pair, and the bytes to be written to it.
pub(super) struct Side {
    pub(super) connection: Connection,
    pub(super) readable: bool,
    /// It has closed its side.
    pub(super) ended: bool,
    pub(super) unsent: Vec<u8>,
}

impl Stage {
    pub(super) fn deadline(self) -> Option<Instant> {
        match self {
            Self::Connecting(until) | Self::Asked(until) | Self::Ending(until) => Some(until),
            Self::Silent | Self::Waiting | Self::Answered => None,
        }
    }
}

impl Pair {
    pub(super) fn new(peer: SocketAddr, phone: Connection, until: Instant) -> Self {
        let stage = Stage::Connecting(until);
        Self {
            peer,
            phone: Side::new(phone),
            media: None,
            host: 0,
            tried: 0,
            stage,
            asked: vec![],
        }
    }

    /// The connection to the media host is established: what the phone has sent so far is sent to
    /// it.
    pub(super) fn connected(&mut self) {
        self.stage = Stage::Silent;
        if let Some(media) = &mut self.media {
            media.unsent.extend_from_slice(&self.asked);
        }
    }

    /// The phone has sent a request without a response: it may be repeated to another media host.
    pub(super) fn is_unanswered(&self) -> bool {
        matches!(self.stage, Stage::Silent | Stage::Asked(_) | Stage::Waiting)
            && !self.asked.is_empty()
    }

    /// Relays in both directions; `true` if there is more than one turn relays.
    pub(super) fn relay(&mut self, now: Instant) -> Result<bool, Broken> {
        let Some(media) = &mut self.media else {
            return Ok(false);
        };
        let is_answered = matches!(self.stage, Stage::Answered | Stage::Ending(_));
        let room = if is_answered {
            usize::MAX
        } else {
            RELAY_BYTES.saturating_sub(self.asked.len())
        };
        let asked = &mut self.asked;
        let mut keep = |bytes: &[u8]| {
            if !is_answered {
                asked.extend_from_slice(bytes);
            }
        };
        let to_media = self.phone.relay(media, room, &mut keep);
        if self.stage == Stage::Silent && !self.asked.is_empty() {
            self.stage = Stage::Asked(now + MEDIA_ANSWER);
        }
        let mut more = to_media.map_err(|end| end.of(Broken::Phone, Broken::Media))?;
        let mut has_response = false;
        let to_phone = media.relay(&mut self.phone, usize::MAX, &mut |_| has_response = true);
        if has_response && !is_answered {
            self.stage = Stage::Answered;
            self.asked = vec![];
            more = true; // the phone may have sent more than was kept
        }
        Ok(more | to_phone.map_err(|end| end.of(Broken::Media, Broken::Phone))?)
    }
}

impl FailedOperation {
    fn of(self, read: Broken, written: Broken) -> Broken {
        match self {
            Self::Read => read,
            Self::Written => written,
        }
    }
}

impl Side {
    pub(super) fn new(connection: Connection) -> Self {
        Self {
            connection,
            readable: true,
            ended: false,
            unsent: vec![],
        }
    }

    /// Relays at most `room` bytes to the other side, and shows them to `keep`; `true` if there is
    /// more than one turn relays.
    fn relay(
        &mut self,
        to: &mut Self,
        mut room: usize,
        keep: &mut dyn FnMut(&[u8]),
    ) -> Result<bool, FailedOperation> {
        let mut buffer = [0; 2048];
        let mut left = RELAY_PER_TURN;
        loop {
            to.flush().map_err(|_| FailedOperation::Written)?;
            if !self.readable || left == 0 || room == 0 || to.unsent.len() >= RELAY_BYTES {
                break;
            }
            let most = buffer.len().min(room);
            match self
                .connection
                .read(&mut buffer[..most])
                .map_err(|_| FailedOperation::Read)?
            {
                Some(0) => {
                    self.readable = false;
                    self.ended = true;
                }
                Some(read) => {
                    to.unsent.extend_from_slice(&buffer[..read]);
                    keep(&buffer[..read]);
                    left = left.saturating_sub(read);
                    room -= read;
                }
                None => self.readable = false,
            }
        }
        if self.ended && to.unsent.is_empty() {
            let _ = to.connection.source().shutdown(Shutdown::Write);
        }
        Ok(left == 0)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        while !self.unsent.is_empty() {
            match self.connection.write(&self.unsent)? {
                Some(sent) => drop(self.unsent.drain(..sent)),
                None => return Ok(()),
            }
        }
        Ok(())
    }
}
