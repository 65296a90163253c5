//! The connections of the intercom: to its box, to a called device, and of those that call.
//!
//! A connection that is closed lingers for a second: what the peer has sent is read and discarded,
//! since closing a socket with unread bytes would reset the connection, and the peer would lose the
//! last message.

use std::io;
use std::net::{IpAddr, SocketAddr};

use mio::event::Event;
use mio::net::TcpStream;
use mio::{Interest, Registry};

use crate::base::limits::endpoint::{BYTES_PER_TURN, LINGER, MAX_CALLERS, OUT_BYTES};
use crate::base::time::Instant;
use crate::daemon::turn::Tokens;
use crate::io::stream::Connection;
use crate::proto::intercom::endpoint::output::Link;
use crate::proto::intercom::message_reader::{MessageReader, Received};
use crate::wire::intercom::{emit, Message, FRAME_BYTES};

/// Callers, the call, the box, and as many that linger.
pub(super) const SLOTS: usize = 2 * (MAX_CALLERS + 2);

/// All connections, by slot; a slot has a token.
pub(super) struct Links {
    tokens: Tokens,
    first_source: usize,
    slots: Vec<Slot>,
}

struct Slot {
    state: State,
    reader: MessageReader,
    out: heapless::Vec<u8, OUT_BYTES>,
    readable: bool,
    writable: bool,
    /// The number of the last message that was sent.
    serial: u32,
}

enum State {
    Free,
    /// It could not be opened, or has failed: this is told with the next input.
    Broken(Link),
    Connecting(Link, Connection),
    Connected(Link, Connection),
    Lingering(Connection, Instant),
}

/// What a connection brings.
#[allow(clippy::large_enum_variant)] // one at a time, on the stack
pub(super) enum LinkInput {
    Connected(Link, IpAddr),
    Message(Link, Message),
    Lost(Link),
}

impl Links {
    /// No connections; the sources of the slots begin with `first_source`.
    pub(super) fn new(tokens: Tokens, first_source: usize) -> Self {
        let slot = |_| Slot {
            state: State::Free,
            reader: MessageReader::new(),
            out: heapless::Vec::new(),
            readable: false,
            writable: false,
            serial: 0,
        };
        Self {
            tokens,
            first_source,
            slots: (0..SLOTS).map(slot).collect(),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.slots.len()
    }

    /// Begins to connect; a failure is an input.
    pub(super) fn connect(&mut self, registry: &Registry, link: Link, to: SocketAddr) {
        let opened = TcpStream::connect(to).map(Connection::of_device);
        let opened = opened.and_then(|connection| self.insert(registry, connection));
        match opened {
            Ok((number, connection)) => {
                self.slots[number].state = State::Connecting(link, connection)
            }
            Err(error) => {
                log::debug!("intercom: {to}: {error}");
                // There is a slot: half of them are for links that linger.
                if let Some(number) = self.free_slot() {
                    self.slots[number].state = State::Broken(link);
                }
            }
        }
    }

    /// Takes an accepted connection over.
    pub(super) fn accept(
        &mut self,
        registry: &Registry,
        link: Link,
        stream: TcpStream,
    ) -> io::Result<()> {
        let (number, connection) = self.insert(registry, Connection::of_device(stream))?;
        self.slots[number].state = State::Connected(link, connection);
        Ok(())
    }

    /// Registers a connection under the token of a free slot, and prepares the slot.
    fn insert(
        &mut self,
        registry: &Registry,
        mut connection: Connection,
    ) -> io::Result<(usize, Connection)> {
        let shortage = || io::Error::from_raw_os_error(libc::EMFILE);
        let number = self.free_slot().ok_or_else(shortage)?;
        let token = self.tokens.token(self.first_source + number);
        let interest = Interest::READABLE | Interest::WRITABLE;
        registry.register(connection.source(), token, interest)?;
        let slot = &mut self.slots[number];
        slot.reader.clear();
        slot.out.clear();
        slot.readable = true;
        slot.writable = false;
        slot.serial = 0;
        Ok((number, connection))
    }

    /// A free slot, or the one that has lingered longest. Dropping its socket deregisters it.
    fn free_slot(&mut self) -> Option<usize> {
        let free = |slot: &Slot| matches!(slot.state, State::Free);
        if let Some(number) = self.slots.iter().position(free) {
            return Some(number);
        }
        let until = |slot: &Slot| match slot.state {
            State::Lingering(_, until) => Some(until),
            _ => None,
        };
        let lingering = self.slots.iter().enumerate();
        let lingering = lingering.filter_map(|(number, slot)| Some((until(slot)?, number)));
        let (_, number) = lingering.min()?;
        self.slots[number].state = State::Free;
        Some(number)
    }

    /// The poll has reported an event of a slot.
    pub(super) fn set_ready(&mut self, number: usize, event: &Event) {
        if let Some(slot) = self.slots.get_mut(number) {
            slot.readable |= event.is_readable() || event.is_read_closed() || event.is_error();
            slot.writable |= event.is_writable() || event.is_error();
        }
    }

    /// Sends a message, now or as soon as the connection takes it.
    pub(super) fn send(&mut self, link: Link, message: &Message) {
        let Some(slot) = self.find(link) else { return };
        let mut bytes = [0; FRAME_BYTES + 1];
        slot.serial += 1;
        let Some(len) = emit(message, slot.serial, &mut bytes) else {
            log::warn!("intercom: bug: a message is too long");
            return;
        };
        let queued = slot.out.extend_from_slice(&bytes[..len]).is_ok();
        if !queued || !slot.flush() {
            slot.state = State::Broken(link);
        }
    }

    /// Closes a connection once its last message is sent.
    pub(super) fn close(&mut self, now: Instant, link: Link) {
        let Some(slot) = self.find(link) else { return };
        let state = core::mem::replace(&mut slot.state, State::Free);
        if let State::Connected(_, connection) = state {
            if slot.out.is_empty() {
                connection.end();
            }
            slot.readable = true;
            slot.state = State::Lingering(connection, now + LINGER);
        }
    }

    /// The next input of a slot; `None` until the poll reports another event.
    pub(super) fn next_input(&mut self, now: Instant, number: usize) -> Option<LinkInput> {
        let slot = self.slots.get_mut(number)?;
        let state = core::mem::replace(&mut slot.state, State::Free);
        match state {
            State::Free => None,
            State::Broken(link) => Some(LinkInput::Lost(link)),
            State::Connecting(link, connection) => slot.handle_attempt(link, connection),
            State::Connected(link, connection) => {
                slot.state = State::Connected(link, connection);
                slot.read(now, link)
            }
            State::Lingering(connection, until) => {
                slot.state = State::Lingering(connection, until);
                slot.discard();
                None
            }
        }
    }

    /// Some slot has input left.
    pub(super) fn has_more(&self) -> bool {
        self.slots.iter().any(|slot| match slot.state {
            State::Free => false,
            State::Broken(_) => true,
            State::Connecting(..) => slot.writable,
            State::Connected(..) | State::Lingering(..) => slot.readable,
        })
    }

    /// Closes what has lingered long enough.
    pub(super) fn expire(&mut self, now: Instant) {
        for slot in &mut self.slots {
            if matches!(slot.state, State::Lingering(_, until) if now >= until) {
                slot.state = State::Free;
            }
        }
    }

    /// When `expire` has something; `NEVER` if nothing lingers.
    pub(super) fn deadline(&self) -> Instant {
        let deadlines = self.slots.iter().map(|slot| match slot.state {
            State::Lingering(_, until) => until,
            _ => Instant::NEVER,
        });
        deadlines.min().unwrap_or(Instant::NEVER)
    }

    fn find(&mut self, link: Link) -> Option<&mut Slot> {
        let has = |slot: &&mut Slot| match &slot.state {
            State::Broken(known) | State::Connecting(known, _) | State::Connected(known, _) => {
                *known == link
            }
            State::Free | State::Lingering(..) => false,
        };
        self.slots.iter_mut().find(has)
    }
}

impl Slot {
    /// Becoming writable says that the attempt to connect is over.
    fn handle_attempt(&mut self, link: Link, connection: Connection) -> Option<LinkInput> {
        if !core::mem::take(&mut self.writable) {
            self.state = State::Connecting(link, connection);
            return None;
        }
        match connection.peer() {
            Ok(Some(_)) => {
                let local = connection.local().map_or(unknown(), |local| local.ip());
                // Edge-triggered: what came with the connection is not announced again.
                self.readable = true;
                self.state = State::Connected(link, connection);
                Some(LinkInput::Connected(link, local))
            }
            Ok(None) => {
                self.state = State::Connecting(link, connection);
                None
            }
            Err(error) => {
                log::debug!("intercom: connect: {error}");
                Some(LinkInput::Lost(link))
            }
        }
    }

    /// The next message.
    fn read(&mut self, now: Instant, link: Link) -> Option<LinkInput> {
        if core::mem::take(&mut self.writable) && !self.flush() {
            return self.lose(link);
        }
        let mut allowance = BYTES_PER_TURN;
        loop {
            match self.reader.next_message(now) {
                Received::Message(message) => return Some(LinkInput::Message(link, message)),
                // As a message that is not understood: it is counted.
                Received::Bad => return Some(LinkInput::Message(link, Message::Unknown)),
                Received::Broken(why) => {
                    log::debug!("intercom: a connection is closed: {}", why.words());
                    return self.lose(link);
                }
                Received::Nothing if !self.readable || allowance == 0 => return None,
                Received::Nothing => match self.fill() {
                    Ok(count) => allowance = allowance.saturating_sub(count),
                    Err(_) => return self.lose(link),
                },
            }
        }
    }

    /// Reads some bytes; 0 when none are there.
    fn fill(&mut self) -> io::Result<usize> {
        let State::Connected(_, connection) = &mut self.state else {
            self.readable = false;
            return Ok(0);
        };
        match connection.read(self.reader.space())? {
            None => {
                self.readable = false;
                Ok(0)
            }
            Some(0) => Err(io::ErrorKind::UnexpectedEof.into()),
            Some(count) => {
                self.reader.advance(count);
                Ok(count)
            }
        }
    }

    fn lose(&mut self, link: Link) -> Option<LinkInput> {
        self.state = State::Free;
        Some(LinkInput::Lost(link))
    }

    /// Writes what the connection takes; `false`: it has failed.
    fn flush(&mut self) -> bool {
        let (State::Connected(_, connection) | State::Lingering(connection, _)) = &mut self.state
        else {
            return true;
        };
        while !self.out.is_empty() {
            match connection.write(&self.out) {
                Ok(Some(count)) => {
                    let left = self.out.len().saturating_sub(count);
                    self.out.copy_within(count.., 0);
                    self.out.truncate(left);
                }
                Ok(None) => return true,
                Err(_) => return false,
            }
        }
        true
    }

    /// Sends the rest, and discards what comes, until the peer has closed, too.
    fn discard(&mut self) {
        if core::mem::take(&mut self.writable) && !self.out.is_empty() {
            if !self.flush() {
                self.state = State::Free;
                return;
            }
            if let (State::Lingering(connection, _), true) = (&self.state, self.out.is_empty()) {
                connection.end();
            }
        }
        let mut buffer = [0; 1024];
        while self.readable {
            let State::Lingering(connection, _) = &mut self.state else {
                return;
            };
            match connection.read(&mut buffer) {
                Ok(None) => self.readable = false,
                Ok(Some(count)) if count > 0 => {}
                Ok(Some(_)) | Err(_) => self.state = State::Free,
            }
        }
    }
}

fn unknown() -> IpAddr {
    IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED)
}
