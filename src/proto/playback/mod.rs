//! A player: one recording, read ahead and sent as RTP, each packet at its own time.
//!
//! ```text
//! Free -> Opening -> Linking -> Playing <-> Paused -> Free
//!          first      further    finished, stopped,
//!          file       parts      or the stick failed
//! ```
//! `want` names the next call to make for a player, a `handle_*` takes its result; `poll_packet` gives the
//! packets that are due. Whoever receives hears one RTP stream of the player's own (`paced`), whatever headers are stored.

use core::net::{IpAddr, Ipv4Addr, SocketAddr};

use crate::base::limits::play::{MAX_STRANGERS, MIN_PLAY_INCREMENT, PLAY_READ_EACH};
use crate::base::limits::DATAGRAM_BYTES;
use crate::base::time::Instant;
use crate::proto::media::pacer::Paced;
use crate::proto::playback::read_ahead::{ReadAhead, Step};
use crate::proto::playback::state::{End, PlayError, PlayerCall, PlayerEvent, PlayerState, Start};
use crate::proto::recorder::outbox::ClientId;
use crate::proto::recording::file_writer::DiskError;
use crate::wire::control::Text;
use crate::wire::recording::probe::Head;
use crate::wire::rtp::{self, Packet};

pub mod players;
pub mod read_ahead;
pub mod state;

/// A place for a player, used again and again; its memory is allocated once.
pub struct Player {
    state: PlayerState,
    change: Option<PlayerEvent>,
    id: u32,
    start: Start,
    /// The beginning of the last part that is known.
    head: Head,
    strangers: usize,
    frames: ReadAhead,
    /// The next frame to be sent, counted over all parts.
    next: u64,
    stream: Paced,
    random: [u32; 2],
}

impl Player {
    /// An empty place.
    pub fn new() -> Self {
        let to = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0);
        Self {
            state: PlayerState::Free(End::Stopped),
            change: None,
            id: 0,
            start: Start {
                file: Text::new(),
                to,
                position_ms: 0,
            },
            head: Head::NONE,
            strangers: 0,
            frames: ReadAhead::new(),
            next: 0,
            stream: Paced::new(),
            random: [0; 2],
        }
    }

    /// Takes the place for a start. `random`: the stream's source, first sequence number and timestamp.
    pub fn begin(&mut self, client: ClientId, id: u32, start: Start, random: [u32; 2]) {
        self.state = PlayerState::Opening(client);
        (self.change, self.id, self.start, self.strangers) = (None, id, start, 0);
        (self.next, self.random) = (0, random);
    }

    /// Where it stands.
    pub fn state(&self) -> PlayerState {
        self.state
    }

    /// Its number, also just after it has ended.
    pub fn id(&self) -> u32 {
        self.id
    }

    /// What it was started with.
    pub fn start(&self) -> &Start {
        &self.start
    }

    /// Nobody's, and nobody waits to hear what became of it.
    pub fn is_free(&self) -> bool {
        matches!(self.state, PlayerState::Free(_)) && self.change.is_none()
    }

    /// It plays or is paused.
    pub fn is_active(&self) -> bool {
        matches!(self.state, PlayerState::Playing | PlayerState::Paused)
    }

    /// It reads this file now.
    pub fn plays(&self, name: &[u8]) -> bool {
        let file = match self.frames.name() {
            Some(further) => further,
            None => &self.start.file,
        };
        !matches!(self.state, PlayerState::Free(_)) && file == name
    }

    /// What has changed since this was last asked.
    pub fn take_change(&mut self) -> Option<PlayerEvent> {
        self.change.take()
    }

    /// How far it is, in milliseconds from the beginning of its first part.
    pub fn position_ms(&self) -> u64 {
        self.head.header.duration_ms(self.next)
    }

    /// All parts together.
    pub fn duration_ms(&self) -> u64 {
        self.head.header.duration_ms(self.frames.total())
    }

    /// From one packet to the next, in milliseconds.
    pub fn period_ms(&self) -> u32 {
        self.head.header.period_ms()
    }

    /// When it has something to do.
    pub fn next_deadline(&self) -> Instant {
        match self.state {
            PlayerState::Opening(_) | PlayerState::Linking(_) => Instant::default(),
            PlayerState::Playing => self.stream.next_at,
            PlayerState::Free(_) | PlayerState::Paused => Instant::NEVER,
        }
    }

    /// Pauses or goes on; `false` when nothing changes.
    pub fn pause(&mut self, paused: bool) -> bool {
        let (from, to) = if paused {
            (PlayerState::Playing, PlayerState::Paused)
        } else {
            (PlayerState::Paused, PlayerState::Playing)
        };
        let changes = self.state == from;
        if changes {
            self.state = to;
            self.stream.interrupt();
        }
        changes
    }

    /// Goes on at another place; `false` when that is behind the end.
    #[must_use]
    pub fn seek(&mut self, position_ms: u32) -> bool {
        let reachable = u64::from(position_ms) <= self.duration_ms();
        if reachable {
            self.next = self.head.frame_at(position_ms);
            self.frames.seek(self.next);
            self.stream.interrupt();
        }
        reachable
    }

    /// Ends it and gives the place back; `true` if it played or was paused.
    pub fn stop(&mut self) -> bool {
        let changes = self.is_active();
        self.state = PlayerState::Free(End::Stopped);
        changes
    }

    /// The stick is gone, or does not give what was asked of it.
    pub fn fail(&mut self, error: DiskError) {
        match self.state {
            PlayerState::Free(_) => {}
            PlayerState::Opening(client) | PlayerState::Linking(client) => {
                self.refuse(client, PlayError::Stick(error))
            }
            PlayerState::Playing | PlayerState::Paused => {
                self.end(End::Failed, PlayerEvent::Failed(error))
            }
        }
    }

    /// The next packet, if one is due: its length in `packet`. Call it until there is none.
    pub fn poll_packet(
        &mut self,
        now: Instant,
        packet: &mut [u8; DATAGRAM_BYTES],
    ) -> Option<usize> {
        while self.state == PlayerState::Playing && now >= self.stream.next_at {
            if self.next >= self.frames.total() {
                self.end(End::Finished, PlayerEvent::Finished);
                return None;
            }
            if self.stream.is_fresh() && !self.frames.is_ready(self.next) {
                return None;
            }
            let frame = self.frames.front()?;
            let audio = match self.head.is_rtp() {
                false => frame,
                true => Packet::parse(frame).map_or(&[][..], |stored| stored.payload),
            };
            let len = self
                .stream
                .emit(now, audio, self.head.header.increment, packet);
            self.frames.consume();
            self.next += 1;
            if len.is_some() {
                return len;
            }
        }
        None
    }

    /// What is to be done for it. One call a turn is enough to stay ahead.
    pub fn next_call(&mut self) -> Option<PlayerCall<'_>> {
        match self.state {
            PlayerState::Opening(_) => Some(PlayerCall::Head(&self.start.file, self.start.to)),
            PlayerState::Linking(_) => Some(PlayerCall::Link(&self.start.file)),
            PlayerState::Playing
                if self.frames.is_ready(self.next) && self.next % PLAY_READ_EACH != 0 =>
            {
                None
            }
            PlayerState::Playing => self.frames.want().map(|step| match step {
                Step::Open([]) => PlayerCall::Part(&self.start.file),
                Step::Open(name) => PlayerCall::Part(name),
                Step::Read(offset, bytes) => PlayerCall::Read(offset, bytes),
            }),
            PlayerState::Free(_) | PlayerState::Paused => None,
        }
    }

    /// The first file is open and this is its beginning; or why it cannot be played.
    pub fn handle_head(&mut self, now: Instant, head: Result<Head, PlayError>) {
        let PlayerState::Opening(client) = self.state else {
            return;
        };
        let trouble = match head {
            Ok(head) if is_playable(&head) => {
                self.head = head;
                self.frames.begin(&head);
                self.state = PlayerState::Linking(client);
                if head.first.is_none() {
                    self.handle_no_more(now); // nothing in payloads alone says what they belong to
                }
                return;
            }
            Ok(_) => PlayError::Unplayable,
            Err(trouble) => trouble,
        };
        self.refuse(client, trouble);
    }

    /// A file that may be the next part, looked at in the order of age; `false` when no further one need be.
    #[must_use]
    pub fn handle_candidate(&mut self, name: &[u8], head: Option<Head>) -> bool {
        let Some(head) = head.filter(|head| self.head.is_followed_by(head)) else {
            self.strangers += 1;
            return self.head.is_full() || self.strangers < MAX_STRANGERS;
        };
        (self.head, self.strangers) = (head, 0);
        self.frames.push(name, head.frames)
    }

    /// The end of the folder has come. `true`: it is worth while to look at the files before the first part, since the
    /// clock may have been set back.
    pub fn wants_older(&self) -> bool {
        self.head.is_full()
    }

    /// All parts are known: it begins to play.
    pub fn handle_no_more(&mut self, now: Instant) {
        let PlayerState::Linking(client) = self.state else {
            return;
        };
        if self.seek(self.start.position_ms) {
            self.stream
                .begin(now, self.head.payload_type(), self.random);
            self.state = PlayerState::Playing;
            self.change = Some(PlayerEvent::Started(client));
        } else {
            self.refuse(client, PlayError::TooShort);
        }
    }

    /// The part that `want` named is open, or is not there any more, or the stick failed.
    pub fn handle_part(&mut self, opened: Result<(), PlayError>) {
        match opened {
            Err(PlayError::Stick(error)) => self.fail(error),
            opened => self.frames.handle_open(opened.is_ok()),
        }
    }

    /// So many bytes were read where `want` said.
    pub fn handle_read(&mut self, bytes: usize) {
        self.frames.handle_read(bytes);
    }

    fn refuse(&mut self, client: ClientId, trouble: PlayError) {
        self.end(End::Stopped, PlayerEvent::Refused(client, trouble));
    }

    fn end(&mut self, end: End, change: PlayerEvent) {
        self.state = PlayerState::Free(end);
        self.change = Some(change);
    }
}

/// Its lengths belong together, and its frames make packets that can be sent at their pace.
fn is_playable(head: &Head) -> bool {
    let more = if head.is_rtp() { 0 } else { rtp::HEADER_BYTES };
    let packet_bytes = head.header.rtp_len as usize + more;
    head.header.fits()
        && head.header.increment >= MIN_PLAY_INCREMENT
        && packet_bytes <= DATAGRAM_BYTES
}

impl Default for Player {
    fn default() -> Self {
        Self::new()
    }
}
