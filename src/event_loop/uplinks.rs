//! The sockets of the recordings that go to a server: connections, datagrams, names.

use std::io;

use log::debug;
use mio::event::Event;
use mio::{Interest, Poll, Token, Waker};

use crate::base::limits::{BATCH, SERVER_BYTES_PER_BATCH};
use crate::base::time::Instant;
use crate::event_loop::{FIRST_UPLINK, RESOLVER};
use crate::io::resolver::{Resolver, Ticket};
use crate::io::stream::{Connection, Sender};
use crate::proto::recorder::Recorder;
use crate::proto::uplink::{Done, Input, Op};

/// All conversations, by the recorder's places.
pub(super) struct Uplinks {
    resolver: Resolver,
    places: Vec<Place>,
}

#[derive(Default)]
struct Place {
    connection: Option<Connection>,
    /// The connection stands: before, being writable only tells that the attempt is over.
    stands: bool,
    readable: bool,
    writable: bool,
    /// Bytes that may still be read before `refill_at`: a server that floods waits.
    allowance: usize,
    refill_at: Instant,
    media: Option<Sender>,
    lookup: Option<Ticket>,
}

impl Uplinks {
    pub(super) fn new(poll: &Poll, places: usize) -> io::Result<Self> {
        let resolver = Resolver::new(Waker::new(poll.registry(), RESOLVER)?);
        Ok(Self { resolver, places: (0..places).map(|_| Place::default()).collect() })
    }

    /// For the others who look for names.
    pub(super) fn resolver(&mut self) -> &mut Resolver {
        &mut self.resolver
    }

    /// The poll has something to tell of a connection.
    pub(super) fn set_ready(&mut self, event: &Event) {
        let number = event.token().0.checked_sub(FIRST_UPLINK);
        if let Some(place) = number.and_then(|number| self.places.get_mut(number)) {
            place.readable |= event.is_readable() || event.is_read_closed() || event.is_error();
            place.writable |= event.is_writable() || event.is_error();
        }
    }

    /// Gives the recorder what has come for a place, then does what it asks for.
    pub(super) fn work(&mut self, number: usize, now: Instant, poll: &Poll, recorder: &mut Recorder) {
        if !recorder.talks(number) {
            return;
        }
        let Some(place) = self.places.get_mut(number) else { return };
        if let Some(address) = place.lookup.and_then(|ticket| self.resolver.poll(ticket)) {
            place.lookup = None;
            recorder.handle_server(number, now, Input::Resolved(address));
        }
        if std::mem::take(&mut place.writable) {
            place.look(number, now, recorder);
        }
        place.read(number, now, recorder);
        recorder.handle_server(number, now, Input::Tick);
        self.obey(number, now, poll, recorder);
    }

    fn obey(&mut self, number: usize, now: Instant, poll: &Poll, recorder: &mut Recorder) {
        let Some(place) = self.places.get_mut(number) else { return };
        while let Some(op) = recorder.server_op(number, now) {
            let outcome = match op {
                Op::Frame(frame) => {
                    let (taken, errno) = place.media.as_ref().map_or((false, None), |media| media.send(frame));
                    recorder.handle_frame(number, now, taken, errno);
                    continue;
                }
                Op::Find(name, port) => match self.resolver.ask(name, port) {
                    Ok(ticket) => {
                        place.lookup = Some(ticket);
                        Ok(Done::Yes)
                    }
                    Err(_) => Err(io::Error::from_raw_os_error(libc::EAGAIN)),
                },
                Op::Connect(to) => place.connect(to, number, poll).map(|()| Done::Yes),
                Op::Media(to) => Sender::open(to).map(|media| {
                    place.media = Some(media);
                    Done::Yes
                }),
                Op::Write(bytes) => match place.connection.as_mut().map(|connection| connection.write(bytes)) {
                    Some(Ok(Some(count))) => Ok(Done::Wrote(count)),
                    Some(Ok(None)) | None => Ok(Done::Blocked),
                    Some(Err(error)) => Err(error),
                },
                Op::Close => {
                    if let Some(ticket) = place.close(poll) {
                        self.resolver.forget(ticket);
                    }
                    Ok(Done::Yes)
                }
            };
            let outcome = outcome.map_err(|error| {
                debug!("server: {error}");
                error.raw_os_error().unwrap_or(libc::EIO)
            });
            recorder.handle_server_done(number, now, outcome);
        }
    }
}

impl Place {
    fn connect(&mut self, to: std::net::SocketAddr, number: usize, poll: &Poll) -> io::Result<()> {
        let mut connection = Connection::open(to)?;
        let interest = Interest::READABLE | Interest::WRITABLE;
        poll.registry().register(connection.source(), Token(FIRST_UPLINK + number), interest)?;
        (self.stands, self.readable, self.writable) = (false, false, false);
        self.connection = Some(connection);
        Ok(())
    }

    /// The connection has become writable, or failed.
    fn look(&mut self, number: usize, now: Instant, recorder: &mut Recorder) {
        let Some(connection) = &self.connection else { return };
        if self.stands {
            return recorder.handle_server(number, now, Input::Writable);
        }
        match connection.peer() {
            Ok(None) => {}
            Ok(Some(peer)) => {
                self.stands = true;
                recorder.handle_server(number, now, Input::Connected(peer));
            }
            Err(error) => recorder.handle_server(number, now, Input::Lost(error.raw_os_error().unwrap_or(libc::EIO))),
        }
    }

    fn read(&mut self, number: usize, now: Instant, recorder: &mut Recorder) {
        if now >= self.refill_at {
            (self.allowance, self.refill_at) = (SERVER_BYTES_PER_BATCH, now + BATCH);
        }
        let mut buffer = [0; 1024];
        while self.stands && self.readable && self.allowance > 0 {
            let Some(connection) = &mut self.connection else { return };
            let most = buffer.len().min(self.allowance);
            let input = match connection.read(&mut buffer[..most]) {
                Ok(None) => {
                    self.readable = false;
                    return;
                }
                Ok(Some(0)) => Input::Lost(0),
                Ok(Some(count)) => Input::Bytes(&buffer[..count]),
                Err(error) => Input::Lost(error.raw_os_error().unwrap_or(libc::EIO)),
            };
            if let Input::Bytes(bytes) = input {
                self.allowance -= bytes.len();
            } else {
                self.readable = false;
            }
            recorder.handle_server(number, now, input);
        }
    }

    /// Closes everything; the lookup that nobody waits for any more.
    fn close(&mut self, poll: &Poll) -> Option<Ticket> {
        if let Some(mut connection) = self.connection.take() {
            let _ = poll.registry().deregister(connection.source());
        }
        (self.media, self.stands) = (None, false);
        self.lookup.take()
    }
}
