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
use crate::base::limits::{DATAGRAM_BYTES, TEXT_BYTES};
use crate::base::time::Instant;
use crate::proto::media::pacer::Paced;
use crate::proto::playback::read_ahead::{ReadAhead, Step};
use crate::proto::recorder::outbox::ClientId;
use crate::proto::recording::file_writer::DiskError;
use crate::wire::control::Text;
use crate::wire::recording::probe::Head;
use crate::wire::rtp::{self, Packet};

pub mod players;
pub mod read_ahead;

/// What is to be played.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Start {
    /// A file of the stick's folder.
    pub file: Text<TEXT_BYTES>,
    /// Where its packets go.
    pub to: SocketAddr,
    /// Where it begins.
    pub position_ms: u32,
}

/// Where a player stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Nobody's, or this became of the last one.
    Free(End),
    /// Its file is being opened for this client's start.
    Opening(ClientId),
    /// Its further parts are being looked for.
    Linking(ClientId),
    /// It sends.
    Playing,
    /// It keeps its place.
    Paused,
}

/// What became of a player.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// A client, or the daemon's end, has stopped it.
    Stopped,
    /// All of it has been played.
    Finished,
    /// The stick did not give it.
    Failed,
}

impl State {
    /// The word for it in messages.
    pub fn name(self) -> &'static str {
        match self {
            Self::Playing => "playing",
            Self::Paused => "paused",
            Self::Free(End::Finished) => "finished",
            Self::Free(End::Failed) => "failed",
            _ => "stopped",
        }
    }
}

/// A change that others must hear of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// It plays: the start can be answered.
    Started(ClientId),
    /// It does not begin.
    Refused(ClientId, PlayError),
    /// All of it has been played.
    Finished,
    /// The stick does not give the rest.
    Failed(DiskError),
}

/// Why a recording cannot be played.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PlayError {
    /// There is no such file.
    NoFile,
    /// It is a folder, a link, a device, or no recording.
    NoRecording,
    /// Its frames are longer than a packet, shorter than any that are sent, or not as long as its header says.
    Unplayable,
    /// It ends before the place where it is to begin.
    TooShort,
    /// The stick failed.
    Stick(DiskError),
    /// Nothing can be sent there.
    NoWay,
}

/// The next call to make for a player.
#[derive(Debug, PartialEq, Eq)]
pub enum Want<'a> {
    /// Open this file and read its beginning: `handle_head`.
    Head(&'a [u8], SocketAddr),
    /// Look at the next file that may be a part: `handle_candidate`, or `handle_no_more` behind the last one.
    Link(&'a [u8]),
    /// Open this part in place of the file that is open: `handle_part`.
    Part(&'a [u8]),
    /// Read here in the open file: `handle_read`.
    Read(u64, &'a mut [u8]),
}

/// A place for a player, used again and again; its memory is allocated once.
pub struct Player {
    state: State,
    change: Option<Change>,
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
            state: State::Free(End::Stopped),
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
        self.state = State::Opening(client);
        (self.change, self.id, self.start, self.strangers) = (None, id, start, 0);
        (self.next, self.random) = (0, random);
    }

    /// Where it stands.
    pub fn state(&self) -> State {
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
        matches!(self.state, State::Free(_)) && self.change.is_none()
    }

    /// It plays or is paused.
    pub fn is_active(&self) -> bool {
        matches!(self.state, State::Playing | State::Paused)
    }

    /// It reads this file now.
    pub fn plays(&self, name: &[u8]) -> bool {
        let file = match self.frames.name() {
            Some(further) => further,
            None => &self.start.file,
        };
        !matches!(self.state, State::Free(_)) && file == name
    }

    /// What has changed since this was last asked.
    pub fn take_change(&mut self) -> Option<Change> {
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
            State::Opening(_) | State::Linking(_) => Instant::default(),
            State::Playing => self.stream.next_at,
            State::Free(_) | State::Paused => Instant::NEVER,
        }
    }

    /// Pauses or goes on; `false` when nothing changes.
    pub fn pause(&mut self, paused: bool) -> bool {
        let (from, to) = if paused {
            (State::Playing, State::Paused)
        } else {
            (State::Paused, State::Playing)
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
        self.state = State::Free(End::Stopped);
        changes
    }

    /// The stick is gone, or does not give what was asked of it.
    pub fn fail(&mut self, error: DiskError) {
        match self.state {
            State::Free(_) => {}
            State::Opening(client) | State::Linking(client) => {
                self.refuse(client, PlayError::Stick(error))
            }
            State::Playing | State::Paused => self.end(End::Failed, Change::Failed(error)),
        }
    }

    /// The next packet, if one is due: its length in `packet`. Call it until there is none.
    pub fn poll_packet(
        &mut self,
        now: Instant,
        packet: &mut [u8; DATAGRAM_BYTES],
    ) -> Option<usize> {
        while self.state == State::Playing && now >= self.stream.next_at {
            if self.next >= self.frames.total() {
                self.end(End::Finished, Change::Finished);
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
    pub fn want(&mut self) -> Option<Want<'_>> {
        match self.state {
            State::Opening(_) => Some(Want::Head(&self.start.file, self.start.to)),
            State::Linking(_) => Some(Want::Link(&self.start.file)),
            State::Playing
                if self.frames.is_ready(self.next) && self.next % PLAY_READ_EACH != 0 =>
            {
                None
            }
            State::Playing => self.frames.want().map(|step| match step {
                Step::Open([]) => Want::Part(&self.start.file),
                Step::Open(name) => Want::Part(name),
                Step::Read(offset, bytes) => Want::Read(offset, bytes),
            }),
            State::Free(_) | State::Paused => None,
        }
    }

    /// The first file is open and this is its beginning; or why it cannot be played.
    pub fn handle_head(&mut self, now: Instant, head: Result<Head, PlayError>) {
        let State::Opening(client) = self.state else {
            return;
        };
        let trouble = match head {
            Ok(head) if is_playable(&head) => {
                self.head = head;
                self.frames.begin(&head);
                self.state = State::Linking(client);
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
        let State::Linking(client) = self.state else {
            return;
        };
        if self.seek(self.start.position_ms) {
            self.stream
                .begin(now, self.head.payload_type(), self.random);
            self.state = State::Playing;
            self.change = Some(Change::Started(client));
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
        self.end(End::Stopped, Change::Refused(client, trouble));
    }

    fn end(&mut self, end: End, change: Change) {
        self.state = State::Free(end);
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
