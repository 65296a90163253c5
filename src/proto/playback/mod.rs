//! A player: one recording, read ahead and sent as RTP, each packet when it is due.
//!
//! ```text
//! Free -> Opening -> Linking -> Playing <-> Paused -> Free
//!          first      further    finished, stopped,
//!          file       parts      or the stick failed
//! ```
//! `next_call` returns the next call to make for a player, a `handle_*` function takes its result;
//! `poll_packet` returns the packets that are due. The receiver gets one RTP stream of the player's
//! own (`pacer`), whatever headers are stored in the files.

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

/// A slot for a player. It is reused; its memory is allocated once.
pub struct Player {
    state: PlayerState,
    change: Option<PlayerEvent>,
    id: u32,
    start: Start,
    /// The header information of the last known part.
    head: Head,
    strangers: usize,
    frames: ReadAhead,
    /// The next frame to be sent, counted across all parts.
    next: u64,
    stream: Paced,
    random: [u32; 2],
}

impl Player {
    /// An empty slot.
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

    /// Takes the slot for a start request. `random`: the stream's SSRC, first sequence number and
    /// timestamp.
    pub fn begin(&mut self, client: ClientId, id: u32, start: Start, random: [u32; 2]) {
        self.state = PlayerState::Opening(client);
        self.change = None;
        self.id = id;
        self.start = start;
        self.strangers = 0;
        self.next = 0;
        self.random = random;
    }

    /// The current state.
    pub fn state(&self) -> PlayerState {
        self.state
    }

    /// The id, still valid just after the player has ended.
    pub fn id(&self) -> u32 {
        self.id
    }

    /// The start request.
    pub fn start(&self) -> &Start {
        &self.start
    }

    /// The slot is unused, and its last event has been taken.
    pub fn is_free(&self) -> bool {
        matches!(self.state, PlayerState::Free(_)) && self.change.is_none()
    }

    /// The player is playing or paused.
    pub fn is_active(&self) -> bool {
        matches!(self.state, PlayerState::Playing | PlayerState::Paused)
    }

    /// The player is reading this file.
    pub fn plays(&self, name: &[u8]) -> bool {
        let file = match self.frames.name() {
            Some(further) => further,
            None => &self.start.file,
        };
        !matches!(self.state, PlayerState::Free(_)) && file == name
    }

    /// The event since the last call, if there is one.
    pub fn take_change(&mut self) -> Option<PlayerEvent> {
        self.change.take()
    }

    /// The position in milliseconds from the beginning of the first part.
    pub fn position_ms(&self) -> u64 {
        self.head.header.duration_ms(self.next)
    }

    /// The duration of all parts.
    pub fn duration_ms(&self) -> u64 {
        self.head.header.duration_ms(self.frames.total())
    }

    /// The packet time in milliseconds.
    pub fn period_ms(&self) -> u32 {
        self.head.header.period_ms()
    }

    /// The next deadline.
    pub fn next_deadline(&self) -> Instant {
        match self.state {
            PlayerState::Opening(_) | PlayerState::Linking(_) => Instant::default(),
            PlayerState::Playing => self.stream.next_at,
            PlayerState::Free(_) | PlayerState::Paused => Instant::NEVER,
        }
    }

    /// Pauses or resumes; `false` when nothing changes.
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

    /// Continues at another position; `false` if that is beyond the end.
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

    /// Ends the player and frees its slot; `true` if it was playing or paused.
    pub fn stop(&mut self) -> bool {
        let changes = self.is_active();
        self.state = PlayerState::Free(End::Stopped);
        changes
    }

    /// The stick was removed, or a call to it failed.
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

    /// Writes the next packet into `packet` if one is due, and returns its length. Call it until it
    /// returns `None`.
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
            let audio = if self.head.is_rtp() {
                Packet::parse(frame).map_or(&[][..], |stored| stored.payload)
            } else {
                frame
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

    /// The next call to make. One call per turn is enough to stay ahead.
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

    /// The first file is open, and this is its beginning; or the reason why it cannot be played.
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
                    // Without RTP headers, further parts cannot be recognized.
                    self.handle_no_more(now);
                }
                return;
            }
            Ok(_) => PlayError::Unplayable,
            Err(trouble) => trouble,
        };
        self.refuse(client, trouble);
    }

    /// Checks a file that may be the next part, in the order of age; `false` when no further
    /// candidates are needed.
    #[must_use]
    pub fn handle_candidate(&mut self, name: &[u8], head: Option<Head>) -> bool {
        let Some(head) = head.filter(|head| self.head.is_followed_by(head)) else {
            self.strangers += 1;
            return self.head.is_full() || self.strangers < MAX_STRANGERS;
        };
        self.head = head;
        self.strangers = 0;
        self.frames.push(name, head.frames)
    }

    /// After the end of the folder: `true` if the files before the first part must be checked, too,
    /// since the clock may have been set back.
    pub fn wants_older(&self) -> bool {
        self.head.is_full()
    }

    /// All parts are known: playing begins.
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

    /// The part that `next_call` named is open, or does not exist any more, or the stick failed.
    pub fn handle_part(&mut self, opened: Result<(), PlayError>) {
        match opened {
            Err(PlayError::Stick(error)) => self.fail(error),
            opened => self.frames.handle_open(opened.is_ok()),
        }
    }

    /// The number of bytes that were read for `next_call`.
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

/// The lengths in the header are consistent, and the frames fit into packets that can be sent in
/// real time.
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
