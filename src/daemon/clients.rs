//! The control clients: accepts them, reads their lines, and delivers responses and events.

use std::io::{self, ErrorKind};

use log::warn;
use mio::net::{UnixListener, UnixStream};
use mio::{Interest, Registry, Token};

use crate::base::limits::MAX_CLIENTS;
use crate::base::stats::{Counter, Stats};
use crate::daemon::control_client::{
    has_room, ControlClient, ListReader, Listed, Reply, StatusWalk,
};
use crate::daemon::turn::Work;
use crate::io::control::{listen, Client, Line};
use crate::proto::recorder::outbox::{ClientId, To};
use crate::proto::recorder::{FollowUp, Recorder};

/// The slots for clients.
pub(super) struct Clients {
    listener: UnixListener,
    backlog: Backlog,
    places: Vec<ControlClient>,
    next_id: u32,
}

/// Connections that are waiting to be accepted. The poll is edge-triggered: it announces them once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Backlog {
    Empty,
    /// They wait for a free slot or a file descriptor.
    NeedsPlace,
    /// All slots are in use, and some of their clients have not been read yet: these may be silent
    /// ones.
    NeedsReading,
}

impl Clients {
    pub(super) fn open(path: &str) -> io::Result<Self> {
        let place = |_| ControlClient {
            client: Client::new(),
            id: ClientId(0),
            spoke: false,
            subscribed: false,
            reply: Reply::Nothing,
        };
        Ok(Self {
            listener: listen(path)?,
            backlog: Backlog::Empty,
            places: (0..MAX_CLIENTS).map(place).collect(),
            next_id: 1,
        })
    }

    pub(super) fn register(&mut self, registry: &Registry, token: Token) -> io::Result<()> {
        registry.register(&mut self.listener, token, Interest::READABLE)
    }

    pub(super) fn len(&self) -> usize {
        self.places.len()
    }

    /// Accepts the waiting connections. If there are too many, the oldest client that has never
    /// sent anything is refused and closed, or the new one if there is none: connections that a
    /// program has forgotten must not lock others out.
    ///
    /// It is only known whether a new client sends anything after it has been read. Until then, the
    /// next connection waits: in a burst, all slots may be held by clients that have not been read
    /// yet.
    pub(super) fn accept(
        &mut self,
        registry: &Registry,
        token_of: impl Fn(usize) -> Token,
        stats: &mut Stats,
    ) {
        loop {
            let free = self.places.iter().position(|place| !place.client.is_open());
            let number = free.or_else(|| self.silent());
            let unread = |place: &ControlClient| !place.spoke && place.client.has_more();
            if number.is_none() && self.places.iter().any(unread) {
                self.backlog = Backlog::NeedsReading;
                return;
            }
            let mut stream = match self.listener.accept() {
                Ok((stream, _)) => stream,
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    self.backlog = Backlog::Empty;
                    return;
                }
                Err(error) if is_of_one_connection(&error) => continue,
                Err(error) => {
                    if self.backlog == Backlog::Empty {
                        warn!("control socket: accept: {error}");
                    }
                    self.backlog = Backlog::NeedsPlace;
                    return;
                }
            };
            if free.is_none() {
                stats.count(Counter::TooManyClients);
                let old = number.and_then(|number| take(registry, &mut self.places[number].client));
                let refusal =
                    b"cmd=ErrorResponse&result=failed&reason=busy: too many control clients\n";
                let _ = io::Write::write(&mut old.as_ref().unwrap_or(&stream), refusal);
            }
            let Some(number) = number else { continue };
            let interest = Interest::READABLE | Interest::WRITABLE;
            if let Err(error) = registry.register(&mut stream, token_of(number), interest) {
                warn!("control client: {error}");
                continue;
            }
            let place = &mut self.places[number];
            place.client.open(stream);
            place.id = ClientId(self.next_id);
            place.spoke = false;
            place.subscribed = false;
            place.reply = Reply::Nothing;
            self.next_id = self.next_id.wrapping_add(1);
        }
    }

    /// The oldest client that has never sent anything.
    fn silent(&self) -> Option<usize> {
        let silent = |place: &&ControlClient| !place.spoke && !place.client.has_more();
        let oldest = self
            .places
            .iter()
            .filter(silent)
            .map(|place| place.id.0)
            .min()?;
        self.places.iter().position(|place| place.id.0 == oldest)
    }

    /// Connections are waiting, and a slot or a descriptor may have become free since.
    pub(super) fn connections_wait(&self) -> bool {
        self.backlog != Backlog::Empty
    }

    pub(super) fn set_ready(&mut self, place: usize) {
        if let Some(place) = self.places.get_mut(place) {
            place.client.set_readable();
        }
    }

    /// A client may have sent something.
    pub(super) fn anyone_speaks(&self) -> bool {
        self.places
            .iter()
            .any(|place| place.client.is_open() && place.client.has_more())
    }

    /// The next line of a client, if its last response has been queued and there is room for
    /// another one. `None` instead of the line: it was too long, or cut off.
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

    pub(super) fn set_ask(&mut self, number: usize, ask: FollowUp) {
        let Some(place) = self.places.get_mut(number) else {
            return;
        };
        match ask {
            FollowUp::Nothing => {}
            FollowUp::Events => place.subscribed = true,
            FollowUp::Later => place.reply = Reply::Later,
            FollowUp::List => place.reply = Reply::List(Listed::default()),
            FollowUp::Stats => place.reply = Reply::Stats,
            FollowUp::Status(id) => {
                place.reply = Reply::Status(StatusWalk {
                    place: 0,
                    count: 0,
                    id,
                });
            }
        }
    }

    /// Queues a response or event; returns the number of clients that were disconnected because
    /// they do not read.
    pub(super) fn deliver(&mut self, registry: &Registry, to: To, message: &[u8]) -> u64 {
        let mut cut_off = 0;
        for place in self
            .places
            .iter_mut()
            .filter(|place| place.client.is_open())
        {
            match to {
                To::Client(id) if id == place.id => place.reply = Reply::Nothing,
                To::Subscribers if place.subscribed => {}
                _ => continue,
            }
            if !place.client.push_line(message) {
                close(registry, &mut place.client);
                cut_off += 1;
            }
        }
        cut_off
    }

    /// Writes what can be written, and closes connections that have ended. `Left` when a client has
    /// more to read or to be sent.
    pub(super) fn flush(&mut self, registry: &Registry, recorder: &Recorder) -> Work {
        let mut work = match self.backlog {
            Backlog::NeedsReading => Work::Left,
            Backlog::NeedsPlace | Backlog::Empty => Work::Done,
        };
        for place in self
            .places
            .iter_mut()
            .filter(|place| place.client.is_open())
        {
            place.write_replies(recorder);
            let broken = !place.client.flush();
            let done = !place.is_busy() && place.client.is_done();
            if broken || done {
                close(registry, &mut place.client);
                if self.backlog != Backlog::Empty {
                    work = Work::Left;
                }
            } else if place.has_work() {
                work = Work::Left;
            }
        }
        work
    }

    /// A client that receives a list: the last one if it has room for more, otherwise another one.
    pub(super) fn next_reader(&mut self, last: Option<ClientId>) -> Option<ListReader<'_>> {
        let reads = |place: &ControlClient| {
            let lists = matches!(place.reply, Reply::List(_));
            place.client.is_open() && lists && has_room(&place.client)
        };
        let same = |place: &ControlClient| reads(place) && Some(place.id) == last;
        let number = self.places.iter().position(same);
        let number = number.or_else(|| self.places.iter().position(reads))?;
        let client = self.places.get_mut(number)?;
        Some(ListReader { client })
    }
}

/// The error concerns only the connection that was to be accepted; the next one may succeed.
fn is_of_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::Interrupted | ErrorKind::ConnectionAborted
    )
}

fn close(registry: &Registry, client: &mut Client) {
    take(registry, client);
}

/// Frees a slot; the returned stream is the only owner of the connection.
fn take(registry: &Registry, client: &mut Client) -> Option<UnixStream> {
    let mut stream = client.close()?;
    let _ = registry.deregister(&mut stream);
    Some(stream)
}
