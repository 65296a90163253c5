//! The control clients: accepts them, reads their lines, and delivers responses and events.

use std::io::{self, ErrorKind};

use log::warn;
use mio::net::{UnixListener, UnixStream};
use mio::{Interest, Registry, Token};

use crate::base::limits::MAX_CLIENTS;
use crate::base::stats::{Counter, Stats};
use crate::daemon::control_client::{
    has_room, push_response, ControlClient, ListReader, Listed, Reply, StatusWalk,
};
#[cfg(feature = "intercom")]
use crate::daemon::control_client::{CallReader, CallWalk};
use crate::daemon::turn::Work;
use crate::io::control::{listen, Client, ClientLine};
use crate::proto::recorder::line_check::Remarks;
use crate::proto::recorder::outbox::{ClientId, To};
use crate::proto::recorder::{FollowUp, Recorder};

/// The slots for clients.
pub(super) struct Clients {
    listener: UnixListener,
    backlog: Backlog,
    slots: Vec<ControlClient>,
    next_id: u32,
}

/// Connections that are waiting to be accepted. The poll is edge-triggered: it announces them once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Backlog {
    Empty,
    /// They wait for a free slot or a file descriptor.
    NeedsSlot,
    /// All slots are in use, and some of their clients have not been read yet: these may be silent
    /// ones.
    NeedsReading,
}

impl Clients {
    pub(super) fn open(path: &str) -> io::Result<Self> {
        let slot = |_| ControlClient {
            client: Client::new(),
            id: ClientId(0),
            has_sent: false,
            subscribed: false,
            reply: Reply::Nothing,
            remarks: Remarks::new(),
        };
        Ok(Self {
            listener: listen(path)?,
            backlog: Backlog::Empty,
            slots: (0..MAX_CLIENTS).map(slot).collect(),
            next_id: 1,
        })
    }

    pub(super) fn register(&mut self, registry: &Registry, token: Token) -> io::Result<()> {
        registry.register(&mut self.listener, token, Interest::READABLE)
    }

    pub(super) fn len(&self) -> usize {
        self.slots.len()
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
            let free = self.slots.iter().position(|slot| !slot.client.is_open());
            let number = free.or_else(|| self.oldest_silent());
            let unread = |slot: &ControlClient| !slot.has_sent && slot.client.has_more();
            if number.is_none() && self.slots.iter().any(unread) {
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
                    self.backlog = Backlog::NeedsSlot;
                    return;
                }
            };
            if free.is_none() {
                stats.count(Counter::TooManyClients);
                let old = number.and_then(|number| take(registry, &mut self.slots[number].client));
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
            let slot = &mut self.slots[number];
            slot.client.open(stream);
            slot.id = ClientId(self.next_id);
            slot.has_sent = false;
            slot.subscribed = false;
            slot.reply = Reply::Nothing;
            self.next_id = self.next_id.wrapping_add(1);
        }
    }

    /// The oldest client that has never sent anything.
    fn oldest_silent(&self) -> Option<usize> {
        let silent = |slot: &&ControlClient| !slot.has_sent && !slot.client.has_more();
        let ids = self.slots.iter().filter(silent).map(|slot| slot.id.0);
        let oldest = ids.min()?;
        self.slots.iter().position(|slot| slot.id.0 == oldest)
    }

    /// Connections are waiting, and a slot or a descriptor may have become free since.
    pub(super) fn connections_wait(&self) -> bool {
        self.backlog != Backlog::Empty
    }

    pub(super) fn set_ready(&mut self, slot: usize) {
        if let Some(slot) = self.slots.get_mut(slot) {
            slot.client.set_readable();
        }
    }

    /// A client may have sent something.
    pub(super) fn has_unread(&self) -> bool {
        self.slots
            .iter()
            .any(|slot| slot.client.is_open() && slot.client.has_more())
    }

    /// The next line of a client, if its last response has been queued and there is room for
    /// another one. `None` instead of the line: it was too long, or cut off.
    pub(super) fn next_line(&mut self, number: usize) -> Option<(ClientId, Option<&[u8]>)> {
        let slot = self.slots.get_mut(number)?;
        if !slot.client.is_open() || slot.is_busy() || !has_room(&slot.client) {
            return None;
        }
        match slot.client.next_line() {
            ClientLine::Nothing | ClientLine::End => None,
            ClientLine::Text(line) => {
                slot.has_sent = true;
                Some((slot.id, Some(line)))
            }
            ClientLine::Broken => {
                slot.has_sent = true;
                Some((slot.id, None))
            }
        }
    }

    /// What must follow a client's line: `remarks` goes with the response. `free` are the free bytes
    /// of the stick.
    pub(super) fn set_follow_up(
        &mut self,
        number: usize,
        follow_up: &FollowUp,
        remarks: Remarks,
        free: u64,
    ) {
        let Some(slot) = self.slots.get_mut(number) else {
            return;
        };
        slot.remarks = remarks;
        let walk = StatusWalk {
            slot: 0,
            count: 0,
            id: None,
        };
        match follow_up {
            FollowUp::Nothing => {}
            FollowUp::Events => {
                slot.subscribed = true;
                slot.reply = Reply::Now(Some(free), walk);
            }
            FollowUp::Later | FollowUp::Stick(_) => slot.reply = Reply::Later,
            FollowUp::List => slot.reply = Reply::List(Listed::default()),
            FollowUp::Stats => slot.reply = Reply::Stats,
            FollowUp::Status(id) => {
                slot.reply = Reply::Status(StatusWalk { id: *id, ..walk });
            }
        }
    }

    /// Somebody hears of events.
    #[cfg(feature = "intercom")]
    pub(super) fn has_subscribers(&self) -> bool {
        let mut open = self.slots.iter().filter(|slot| slot.client.is_open());
        open.any(|slot| slot.subscribed)
    }

    /// A client is to be sent the log of calls.
    #[cfg(feature = "intercom")]
    pub(super) fn set_call_walk(&mut self, client: ClientId, walk: CallWalk) {
        let mut open = self.slots.iter_mut().filter(|slot| slot.client.is_open());
        if let Some(slot) = open.find(|slot| slot.id == client) {
            slot.reply = Reply::Calls(walk);
        }
    }

    /// A client that receives the log of calls, and has room for more.
    #[cfg(feature = "intercom")]
    pub(super) fn next_call_reader(&mut self) -> Option<CallReader<'_>> {
        let mut slots = self.slots.iter_mut();
        let client = slots.find(|slot| {
            let reads = matches!(slot.reply, Reply::Calls(_));
            slot.client.is_open() && reads && has_room(&slot.client)
        })?;
        match client.reply {
            Reply::Calls(walk) => Some(CallReader { client, walk }),
            _ => None,
        }
    }

    /// Queues what is now of the intercom for new subscribers, as far as they have room: `write`
    /// gives the event with a number, `None` after the last one.
    #[cfg(feature = "intercom")]
    pub(super) fn write_intercom_now(&mut self, write: impl Fn(usize, &mut [u8]) -> Option<usize>) {
        let mut buffer = [0; crate::base::limits::MESSAGE_BYTES];
        for slot in self.slots.iter_mut().filter(|slot| slot.client.is_open()) {
            while let Reply::IntercomNow(number) = slot.reply {
                if !has_room(&slot.client) {
                    break;
                }
                let line = write(number, &mut buffer);
                let queued = line.is_some_and(|len| slot.client.push_line(&buffer[..len]));
                slot.reply = if queued {
                    Reply::IntercomNow(number + 1)
                } else {
                    Reply::Nothing
                };
            }
        }
    }

    /// Queues a response or event; returns the number of clients that were disconnected because
    /// they do not read.
    pub(super) fn deliver(&mut self, registry: &Registry, to: To, message: &[u8]) -> u64 {
        let mut cut_off = 0;
        for slot in self.slots.iter_mut().filter(|slot| slot.client.is_open()) {
            let queued = match to {
                To::Client(id) if id == slot.id => {
                    if matches!(slot.reply, Reply::Later) {
                        slot.reply = Reply::Nothing;
                    }
                    push_response(&mut slot.client, message, &mut slot.remarks)
                }
                To::Before(id) if id == slot.id => slot.client.push_line(message),
                To::Subscribers if slot.subscribed => slot.client.push_line(message),
                _ => continue,
            };
            if !queued {
                close(registry, &mut slot.client);
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
            Backlog::NeedsSlot | Backlog::Empty => Work::Done,
        };
        for slot in self.slots.iter_mut().filter(|slot| slot.client.is_open()) {
            slot.write_replies(recorder);
            let broken = !slot.client.flush();
            let done = !slot.is_busy() && slot.client.is_done();
            if broken || done {
                close(registry, &mut slot.client);
                if self.backlog != Backlog::Empty {
                    work = Work::Left;
                }
            } else if slot.has_work() {
                work = Work::Left;
            }
        }
        work
    }

    /// A client that receives a list: the last one if it has room for more, otherwise another one.
    pub(super) fn next_reader(&mut self, last: Option<ClientId>) -> Option<ListReader<'_>> {
        let reads = |slot: &ControlClient| {
            let lists = matches!(slot.reply, Reply::List(_));
            slot.client.is_open() && lists && has_room(&slot.client)
        };
        let same = |slot: &ControlClient| reads(slot) && Some(slot.id) == last;
        let number = self.slots.iter().position(same);
        let number = number.or_else(|| self.slots.iter().position(reads))?;
        let client = self.slots.get_mut(number)?;
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
