//! The control clients: who may speak, who gets which answer, who hears events.

use std::io::{self, ErrorKind};

use log::warn;
use mio::net::{UnixListener, UnixStream};
use mio::{Interest, Poll, Token};

use crate::base::limits::{MAX_CLIENTS, MESSAGE_BYTES};
use crate::base::stats::{Counter, Stats};
use crate::daemon::folder_walk::FileName;
use crate::daemon::{FIRST_CLIENT, LISTENER};
use crate::io::control::{listen, Client, Line};
use crate::proto::recorder::outbox::{ClientId, To};
use crate::proto::recorder::{Ask, Recorder};

/// All places for clients.
pub(super) struct Clients {
    listener: UnixListener,
    /// A connection waits, for a descriptor or for `unseen`: it is tried again, since nobody tells twice.
    waiting: bool,
    /// All places are taken, and of some clients nobody knows yet whether they say anything.
    unseen: bool,
    places: Vec<Place>,
    next_id: u32,
}

struct Place {
    client: Client,
    id: ClientId,
    /// It has said a line.
    spoke: bool,
    /// An answer will come: no line is read before.
    waits: bool,
    subscribed: bool,
    /// It wants the counters.
    stats: bool,
    status: Option<StatusWalk>,
    list: Option<Listed>,
}

/// A list under way.
#[derive(Default)]
struct Listed {
    /// The recording that was told of last.
    behind: FileName,
    count: usize,
}

/// A client that wants more of its list, and has room for it.
pub(super) struct Reader<'a>(&'a mut Place);

/// A status answer under way: it can be longer than what is kept for a client.
#[derive(Clone, Copy)]
struct StatusWalk {
    place: usize,
    count: usize,
    id: Option<u32>,
}

impl Clients {
    pub(super) fn open(path: &str, poll: &Poll) -> io::Result<Self> {
        let mut listener = listen(path)?;
        poll.registry()
            .register(&mut listener, LISTENER, Interest::READABLE)?;
        let place = |_| Place {
            client: Client::new(),
            id: ClientId(0),
            spoke: false,
            waits: false,
            subscribed: false,
            stats: false,
            status: None,
            list: None,
        };
        Ok(Self {
            listener,
            waiting: false,
            unseen: false,
            places: (0..MAX_CLIENTS).map(place).collect(),
            next_id: 1,
        })
    }

    pub(super) fn len(&self) -> usize {
        self.places.len()
    }

    /// Takes the connections that wait. One too many is told so and closed: the oldest that has never said anything, if
    /// there is one, so that connections which a program has forgotten keep nobody out.
    ///
    /// Whether a client that has just come says anything is known when it has been read. Until then the next one waits:
    /// in a burst all places may be held by clients that nobody has looked at yet.
    pub(super) fn accept(&mut self, poll: &Poll, stats: &mut Stats) {
        loop {
            let free = self.places.iter().position(|place| !place.client.is_open());
            let number = free.or_else(|| self.silent());
            let is_unseen = |place: &Place| !place.spoke && place.client.has_more();
            self.unseen = number.is_none() && self.places.iter().any(is_unseen);
            if self.unseen {
                self.waiting = true;
                return;
            }
            let mut stream = match self.listener.accept() {
                Ok((stream, _)) => stream,
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    self.waiting = false;
                    return;
                }
                Err(error)
                    if matches!(
                        error.kind(),
                        ErrorKind::Interrupted | ErrorKind::ConnectionAborted
                    ) =>
                {
                    continue
                }
                Err(error) => {
                    if !std::mem::replace(&mut self.waiting, true) {
                        warn!("control socket: accept: {error}");
                    }
                    return;
                }
            };
            if free.is_none() {
                stats.count(Counter::TooManyClients);
                let old = number.and_then(|number| take(poll, &mut self.places[number].client));
                let refusal =
                    b"cmd=ErrorResponse&result=failed&reason=busy: too many control clients\n";
                let _ = io::Write::write(&mut old.as_ref().unwrap_or(&stream), refusal);
            }
            let Some(number) = number else { continue };
            let interest = Interest::READABLE | Interest::WRITABLE;
            if let Err(error) =
                poll.registry()
                    .register(&mut stream, Token(FIRST_CLIENT + number), interest)
            {
                warn!("control client: {error}");
                continue;
            }
            let place = &mut self.places[number];
            place.client.open(stream);
            (place.id, place.spoke) = (ClientId(self.next_id), false);
            (place.waits, place.subscribed, place.stats) = (false, false, false);
            (place.status, place.list) = (None, None);
            self.next_id = self.next_id.wrapping_add(1);
        }
    }

    /// The oldest client that has never said anything.
    fn silent(&self) -> Option<usize> {
        let silent = |place: &&Place| !place.spoke && !place.client.has_more();
        let oldest = self
            .places
            .iter()
            .filter(silent)
            .map(|place| place.id.0)
            .min()?;
        self.places.iter().position(|place| place.id.0 == oldest)
    }

    /// Takes a connection that had to wait, if a client or a recording has ended since, or has been looked at.
    pub(super) fn accept_waiting(&mut self, poll: &Poll, stats: &mut Stats) {
        if self.waiting {
            self.accept(poll, stats);
        }
    }

    pub(super) fn set_ready(&mut self, token: Token) {
        if let Some(place) = token
            .0
            .checked_sub(FIRST_CLIENT)
            .and_then(|number| self.places.get_mut(number))
        {
            place.client.set_readable();
        }
    }

    /// A client may have something to say.
    pub(super) fn anyone_speaks(&self) -> bool {
        self.places
            .iter()
            .any(|place| place.client.is_open() && place.client.has_more())
    }

    /// The next line of a client that may speak: its last answer has been queued, and there is room
    /// for another one. `None` in place of its text: it was too long, or cut off.
    pub(super) fn next_line(&mut self, number: usize) -> Option<(ClientId, Option<&[u8]>)> {
        let place = self.places.get_mut(number)?;
        if !place.client.is_open() || place.is_busy() || !has_room(&place.client) {
            return None;
        }
        match place.client.next_line() {
            Line::Nothing | Line::End => None,
            Line::Text(line) => {
                place.spoke = true;
                Some((place.id, Some(line)))
            }
            Line::Broken => {
                place.spoke = true;
                Some((place.id, None))
            }
        }
    }

    pub(super) fn set_ask(&mut self, number: usize, ask: Ask) {
        let Some(place) = self.places.get_mut(number) else {
            return;
        };
        match ask {
            Ask::Nothing => {}
            Ask::Ports(..) | Ask::Later => place.waits = true,
            Ask::List => place.list = Some(Listed::default()),
            Ask::Events => place.subscribed = true,
            Ask::Stats => place.stats = true,
            Ask::Status(id) => {
                place.status = Some(StatusWalk {
                    place: 0,
                    count: 0,
                    id,
                })
            }
        }
    }

    /// Queues an answer or event; returns how many clients were cut off because they do not read.
    pub(super) fn deliver(&mut self, poll: &Poll, to: To, message: &[u8]) -> u64 {
        let mut cut_off = 0;
        for place in self
            .places
            .iter_mut()
            .filter(|place| place.client.is_open())
        {
            match to {
                To::Client(id) if id == place.id => place.waits = false,
                To::Subscribers if place.subscribed => {}
                _ => continue,
            }
            if !place.client.push_line(message) {
                close(poll, &mut place.client);
                cut_off += 1;
            }
        }
        cut_off
    }

    /// Writes what can be written; closes what has ended; `true` when a client has more to say.
    pub(super) fn flush(&mut self, poll: &Poll, recorder: &Recorder) -> bool {
        let mut more = false;
        for place in self
            .places
            .iter_mut()
            .filter(|place| place.client.is_open())
        {
            place.walk(recorder);
            let broken = !place.client.flush();
            let done = !place.is_busy() && place.client.is_done();
            if broken || done {
                close(poll, &mut place.client);
                more |= self.waiting;
            }
            let speaks = !place.waits && has_room(&place.client) && place.client.has_more();
            let walks = place.status.is_some() || place.list.is_some();
            more |= place.client.is_open() && (speaks || walks && has_room(&place.client));
        }
        more || self.unseen
    }

    /// A client that reads a list: this one if it can take more, else the next that can.
    pub(super) fn next_reader(&mut self, last: Option<ClientId>) -> Option<Reader<'_>> {
        let reads = |place: &Place| {
            place.client.is_open() && place.list.is_some() && has_room(&place.client)
        };
        let same = self
            .places
            .iter()
            .position(|place| reads(place) && Some(place.id) == last);
        let number = same.or_else(|| self.places.iter().position(reads))?;
        self.places.get_mut(number).map(Reader)
    }
}

impl Reader<'_> {
    pub(super) fn client(&self) -> ClientId {
        self.0.id
    }

    /// The recording it was told of last.
    pub(super) fn behind(&self) -> &[u8] {
        self.0.list.as_ref().map_or(&[], |list| &list.behind)
    }

    pub(super) fn count(&self) -> usize {
        self.0.list.as_ref().map_or(0, |list| list.count)
    }

    /// A line about this recording; `false` when there is no room for another one.
    pub(super) fn push(&mut self, name: &FileName, line: &[u8]) -> bool {
        if let Some(list) = &mut self.0.list {
            (list.behind, list.count) = (name.clone(), list.count + 1);
        }
        (line.is_empty() || self.0.client.push_line(line)) && has_room(&self.0.client)
    }

    /// The line behind all others.
    pub(super) fn end(&mut self, line: &[u8]) {
        self.0.list = None;
        let queued = self.0.client.push_line(line);
        debug_assert!(queued, "bug: room was checked");
    }
}

impl Place {
    /// It has not been answered yet.
    fn is_busy(&self) -> bool {
        self.waits || self.stats || self.status.is_some() || self.list.is_some()
    }

    /// Queues the counters, or lines of a status answer, while there is room.
    fn walk(&mut self, recorder: &Recorder) {
        if !self.stats && self.status.is_none() {
            return;
        }
        let mut buffer = [0; MESSAGE_BYTES];
        if std::mem::take(&mut self.stats) {
            let queued = recorder
                .stats_line(&mut buffer)
                .is_some_and(|line| self.client.push_line(line));
            debug_assert!(queued, "bug: room was checked");
        }
        while let Some(walk) = self.status.filter(|_| has_room(&self.client)) {
            let line = match recorder.status_line(walk.place, walk.id, &mut buffer) {
                Some((place, line)) => {
                    // Behind the recordings come the players, which have a count of their own.
                    let count = walk.count + usize::from(place <= recorder.places());
                    self.status = Some(StatusWalk {
                        place,
                        count,
                        ..walk
                    });
                    Some(line)
                }
                None => {
                    self.status = None;
                    recorder.status_end(walk.count, &mut buffer)
                }
            };
            let queued = line.is_some_and(|line| self.client.push_line(line));
            debug_assert!(queued, "bug: room was checked");
        }
    }
}

fn has_room(client: &Client) -> bool {
    client.room() > MESSAGE_BYTES + 1
}

fn close(poll: &Poll, client: &mut Client) {
    take(poll, client);
}

/// Closes a place; what is returned is the last that holds the connection.
fn take(poll: &Poll, client: &mut Client) -> Option<UnixStream> {
    let mut stream = client.close()?;
    let _ = poll.registry().deregister(&mut stream);
    Some(stream)
}
