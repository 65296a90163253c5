//! The sockets of the recordings that go to a server: connections, datagrams, names.

use std::io;
use std::net::SocketAddr;

use log::debug;
use mio::event::Event;
use mio::{Interest, Poll, Token};

use crate::base::limits::{SERVER_BYTES, SERVER_PACE};
use crate::base::time::Instant;
use crate::daemon::resolver::Lookup;
use crate::daemon::FIRST_UPLINK;
use crate::io::random::Random;
use crate::io::stream::{Connection, Datagrams};
use crate::proto::record_client::{Done, Input, Op};
use crate::proto::recorder::Recorder;

/// All conversations, by the recorder's places.
pub(super) struct Uplinks {
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
    media: Option<Datagrams>,
    /// The name being looked for, and the port that goes with it.
    lookup: Option<(Lookup, u16)>,
}

impl Uplinks {
    pub(super) fn new(places: usize) -> Self {
        Self {
            places: (0..places).map(|_| Place::default()).collect(),
        }
    }

    /// When a name server is to be asked again.
    pub(super) fn next_deadline(&self) -> Option<Instant> {
        self.places
            .iter()
            .filter_map(|place| place.lookup.as_ref())
            .map(|(lookup, _)| lookup.next_deadline())
            .min()
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
    pub(super) fn work(
        &mut self,
        number: usize,
        now: Instant,
        poll: &Poll,
        recorder: &mut Recorder,
        random: &mut Random,
    ) {
        let Some(place) = self
            .places
            .get_mut(number)
            .filter(|_| recorder.talks(number))
        else {
            return;
        };
        place.look_up(number, now, poll, recorder);
        if std::mem::take(&mut place.writable) {
            place.look(number, now, recorder);
        }
        place.read(number, now, recorder);
        recorder.handle_server(number, now, Input::Tick);
        place.obey(number, now, poll, recorder, random);
    }
}

impl Place {
    fn obey(
        &mut self,
        number: usize,
        now: Instant,
        poll: &Poll,
        recorder: &mut Recorder,
        random: &mut Random,
    ) {
        while let Some(op) = recorder.server_op(number, now) {
            let outcome = match op {
                Op::Frame(frame) => {
                    let (taken, errno) = self
                        .media
                        .as_ref()
                        .map_or((false, None), |media| media.send(frame));
                    recorder.handle_frame(number, now, taken, errno);
                    continue;
                }
                Op::Find(name, port) => {
                    self.lookup = Some((Lookup::new(name, random), port));
                    recorder.handle_server_done(number, now, Ok(Done::Yes));
                    self.look_up(number, now, poll, recorder); // perhaps it is known already
                    continue;
                }
                Op::Connect(to) => self.connect(to, number, poll).map(|()| Done::Yes),
                Op::Media(to) => Datagrams::open(to).map(|media| {
                    self.media = Some(media);
                    Done::Yes
                }),
                Op::Write(bytes) => match self
                    .connection
                    .as_mut()
                    .map(|connection| connection.write(bytes))
                {
                    Some(Ok(Some(count))) => Ok(Done::Wrote(count)),
                    Some(Ok(None)) | None => Ok(Done::Blocked),
                    Some(Err(error)) => Err(error),
                },
                Op::Close => {
                    self.close(poll);
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

    fn look_up(&mut self, number: usize, now: Instant, poll: &Poll, recorder: &mut Recorder) {
        let Some((lookup, port)) = &mut self.lookup else {
            return;
        };
        if let Some(address) = lookup.poll(now, poll, Token(FIRST_UPLINK + number)) {
            let address = address.map(|address| SocketAddr::new(address, *port));
            self.lookup = None;
            recorder.handle_server(number, now, Input::Resolved(address));
        }
    }

    fn connect(&mut self, to: SocketAddr, number: usize, poll: &Poll) -> io::Result<()> {
        let mut connection = Connection::open(to)?;
        let interest = Interest::READABLE | Interest::WRITABLE;
        poll.registry()
            .register(connection.source(), Token(FIRST_UPLINK + number), interest)?;
        (self.stands, self.readable, self.writable) = (false, false, false);
        self.connection = Some(connection);
        Ok(())
    }

    /// The connection has become writable, or failed.
    fn look(&mut self, number: usize, now: Instant, recorder: &mut Recorder) {
        let Some(connection) = &self.connection else {
            return;
        };
        if self.stands {
            return recorder.handle_server(number, now, Input::Writable);
        }
        match connection.peer() {
            Ok(None) => {}
            Ok(Some(peer)) => {
                self.stands = true;
                recorder.handle_server(number, now, Input::Connected(peer));
            }
            Err(error) => recorder.handle_server(
                number,
                now,
                Input::Lost(error.raw_os_error().unwrap_or(libc::EIO)),
            ),
        }
    }

    fn read(&mut self, number: usize, now: Instant, recorder: &mut Recorder) {
        if now >= self.refill_at {
            (self.allowance, self.refill_at) = (SERVER_BYTES, now + SERVER_PACE);
        }
        let mut buffer = [0; 1024];
        while self.stands && self.readable && self.allowance > 0 {
            let Some(connection) = &mut self.connection else {
                return;
            };
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

    fn close(&mut self, poll: &Poll) {
        if let Some(mut connection) = self.connection.take() {
            let _ = poll.registry().deregister(connection.source());
        }
        (self.media, self.lookup, self.stands) = (None, None, false);
    }
}
