//! A phone's connection, the one that is made for it to a media host, and what goes from one to the other.

use std::net::{Shutdown, SocketAddr};

use crate::base::limits::server::{MEDIA_ANSWER, RELAY_BYTES, RELAY_PER_TURN};
use crate::base::time::Instant;
use crate::io::stream::Connection;

/// The two.
pub(super) struct Pair {
    pub(super) peer: SocketAddr,
    pub(super) phone: Side,
    pub(super) media: Option<Side>,
    pub(super) host: usize,
    /// Hosts that have been tried, a bit for each.
    pub(super) tried: u64,
    pub(super) stage: Stage,
    /// What the phone has said, for another media host, as long as none has answered.
    asked: Vec<u8>,
}

/// How far they are. Each deadline says when that takes too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// The media host is being connected to.
    Connecting(Instant),
    /// It is connected to, and the phone has said nothing yet.
    Silent,
    /// The phone waits for its first answer.
    Asked(Instant),
    /// The same; there is no other host that would be better.
    Waiting,
    /// The media host has answered: the phone stays with it.
    Answered,
    /// It has ended; its last words are being read.
    Ending(Instant),
}

/// Which of the two connections is of no use any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Broken {
    Phone,
    Media,
}

/// The same of one direction.
enum End {
    Read,
    Written,
}

/// One end of a pair, and what is to be written to it.
pub(super) struct Side {
    pub(super) connection: Connection,
    pub(super) readable: bool,
    /// It has ended what it sends.
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

    /// The connection to the media host stands: it is told what the phone has said so far.
    pub(super) fn connected(&mut self) {
        self.stage = Stage::Silent;
        if let Some(media) = &mut self.media {
            media.unsent.extend_from_slice(&self.asked);
        }
    }

    /// The phone has asked, and no answer has come: another media host may be asked.
    pub(super) fn is_unanswered(&self) -> bool {
        matches!(self.stage, Stage::Silent | Stage::Asked(_) | Stage::Waiting)
            && !self.asked.is_empty()
    }

    /// Moves what either has to say to the other; `true` when there is more than one turn moves.
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
        let mut heard = false;
        let to_phone = media.relay(&mut self.phone, usize::MAX, &mut |_| heard = true);
        if heard && !is_answered {
            self.stage = Stage::Answered;
            self.asked = vec![];
            more = true; // the phone may have said more than was kept
        }
        Ok(more | to_phone.map_err(|end| end.of(Broken::Media, Broken::Phone))?)
    }
}

impl End {
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

    /// Moves what it has to say to the other end, at most `room` bytes, and shows it to `keep`; `true` when there is more
    /// than one turn moves.
    fn relay(
        &mut self,
        to: &mut Self,
        mut room: usize,
        keep: &mut dyn FnMut(&[u8]),
    ) -> Result<bool, End> {
        let (mut buffer, mut left) = ([0; 2048], RELAY_PER_TURN);
        loop {
            to.flush().map_err(|_| End::Written)?;
            if !self.readable || left == 0 || room == 0 || to.unsent.len() >= RELAY_BYTES {
                break;
            }
            let most = buffer.len().min(room);
            match self
                .connection
                .read(&mut buffer[..most])
                .map_err(|_| End::Read)?
            {
                Some(0) => (self.readable, self.ended) = (false, true),
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
