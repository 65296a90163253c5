//! The sockets of recordings that are sent to a server: connections, datagrams, name resolution.

use std::io;
use std::net::SocketAddr;

use log::debug;
use mio::event::Event;
use mio::{Interest, Registry, Token};

use crate::base::limits::{SERVER_BYTES, SERVER_PACE};
use crate::base::time::Instant;
use crate::daemon::resolver::Resolver;
use crate::daemon::turn::Tokens;
use crate::io::random::Random;
use crate::io::stream::{Connection, Datagrams};
use crate::proto::record_client::event::{Done, Input, Op};
use crate::proto::recorder::Recorder;

/// The sockets of all server connections, by recording slot.
pub(super) struct RecordClients {
    places: Vec<ClientSockets>,
}

/// The sockets of one server connection.
struct ClientSockets {
    /// The recording slot.
    place: usize,
    token: Token,
    connection: TcpState,
    /// Bytes that may still be read before `refill_at`, to throttle a server that floods.
    allowance: usize,
    refill_at: Instant,
    media: Option<Datagrams>,
    /// The name being resolved, and the port that goes with it.
    resolver: Option<(Resolver, u16)>,
}

/// The connection to the server.
enum TcpState {
    Closed,
    /// Becoming writable only indicates that the attempt to connect is over.
    Connecting {
        connection: Connection,
        writable: bool,
    },
    Connected {
        connection: Connection,
        readable: bool,
        writable: bool,
    },
}

impl RecordClients {
    pub(super) fn new(tokens: Tokens, places: usize) -> Self {
        let sockets = |place| ClientSockets {
            place,
            token: tokens.token(place),
            connection: TcpState::Closed,
            allowance: 0,
            refill_at: Instant::default(),
            media: None,
            resolver: None,
        };
        Self {
            places: (0..places).map(sockets).collect(),
        }
    }

    /// When a name server must be queried again.
    pub(super) fn next_deadline(&self) -> Option<Instant> {
        let sockets = self.places.iter();
        let resolvers = sockets.filter_map(|sockets| sockets.resolver.as_ref());
        let deadlines = resolvers.map(|(resolver, _)| resolver.next_deadline());
        deadlines.min()
    }

    /// The poll has reported an event of a connection.
    pub(super) fn set_ready(&mut self, place: usize, event: &Event) {
        if let Some(sockets) = self.places.get_mut(place) {
            sockets.set_ready(event);
        }
    }

    /// Passes the input for a slot to the recorder, then executes the operations that it requests.
    pub(super) fn work(
        &mut self,
        place: usize,
        now: Instant,
        registry: &Registry,
        recorder: &mut Recorder,
        random: &mut Random,
    ) {
        if !recorder.talks(place) {
            return;
        }
        let Some(sockets) = self.places.get_mut(place) else {
            return;
        };
        sockets.resolve(now, registry, recorder);
        sockets.handle_writable(now, recorder);
        sockets.read(now, recorder);
        recorder.handle_server(place, now, Input::Tick);
        sockets.carry_out(now, registry, recorder, random);
    }
}

impl ClientSockets {
    fn set_ready(&mut self, event: &Event) {
        let now_writable = event.is_writable() || event.is_error();
        match &mut self.connection {
            TcpState::Closed => {}
            TcpState::Connecting { writable, .. } => *writable |= now_writable,
            TcpState::Connected {
                readable, writable, ..
            } => {
                *readable |= event.is_readable() || event.is_read_closed() || event.is_error();
                *writable |= now_writable;
            }
        }
    }

    fn carry_out(
        &mut self,
        now: Instant,
        registry: &Registry,
        recorder: &mut Recorder,
        random: &mut Random,
    ) {
        while let Some(op) = recorder.server_op(self.place, now) {
            let outcome = match op {
                Op::Frame(frame) => {
                    let media = self.media.as_ref();
                    let (taken, errno) = media.map_or((false, None), |media| media.send(frame));
                    recorder.handle_frame(self.place, now, taken, errno);
                    continue;
                }
                Op::Find(name, port) => {
                    self.resolver = Some((Resolver::new(name, random), port));
                    recorder.handle_server_done(self.place, now, Ok(Done::Yes));
                    self.resolve(now, registry, recorder); // /etc/hosts may have the name
                    continue;
                }
                Op::Connect(to) => self.connect(to, registry).map(|()| Done::Yes),
                Op::Media(to) => Datagrams::open(to).map(|media| {
                    self.media = Some(media);
                    Done::Yes
                }),
                Op::Write(bytes) => self.write(bytes),
                Op::Close => {
                    self.close(registry);
                    Ok(Done::Yes)
                }
            };
            let outcome = outcome.map_err(|error| {
                debug!("server: {error}");
                errno(&error)
            });
            recorder.handle_server_done(self.place, now, outcome);
        }
    }

    fn resolve(&mut self, now: Instant, registry: &Registry, recorder: &mut Recorder) {
        let Some((resolver, port)) = &mut self.resolver else {
            return;
        };
        if let Some(address) = resolver.poll(now, registry, self.token) {
            let address = address.map(|address| SocketAddr::new(address, *port));
            self.resolver = None;
            recorder.handle_server(self.place, now, Input::Resolved(address));
        }
    }

    fn connect(&mut self, to: SocketAddr, registry: &Registry) -> io::Result<()> {
        let mut connection = Connection::open(to)?;
        let interest = Interest::READABLE | Interest::WRITABLE;
        registry.register(connection.source(), self.token, interest)?;
        self.connection = TcpState::Connecting {
            connection,
            writable: false,
        };
        Ok(())
    }

    /// The connection has become writable: it is established, has failed, or accepts bytes again.
    fn handle_writable(&mut self, now: Instant, recorder: &mut Recorder) {
        let (TcpState::Connecting { writable, .. } | TcpState::Connected { writable, .. }) =
            &mut self.connection
        else {
            return;
        };
        if !std::mem::take(writable) {
            return;
        }
        if let TcpState::Connected { .. } = self.connection {
            return recorder.handle_server(self.place, now, Input::Writable);
        }
        if let TcpState::Connecting { connection, .. } =
            std::mem::replace(&mut self.connection, TcpState::Closed)
        {
            self.handle_attempt(connection, now, recorder);
        }
    }

    /// Checks whether the attempt to connect is over.
    fn handle_attempt(&mut self, connection: Connection, now: Instant, recorder: &mut Recorder) {
        match connection.peer() {
            Ok(Some(peer)) => {
                // Edge-triggered: data that arrived together with the connection is not announced
                // again.
                self.connection = TcpState::Connected {
                    connection,
                    readable: true,
                    writable: false,
                };
                recorder.handle_server(self.place, now, Input::Connected(peer));
            }
            unfinished => {
                self.connection = TcpState::Connecting {
                    connection,
                    writable: false,
                };
                if let Err(error) = unfinished {
                    recorder.handle_server(self.place, now, Input::Lost(errno(&error)));
                }
            }
        }
    }

    fn read(&mut self, now: Instant, recorder: &mut Recorder) {
        if now >= self.refill_at {
            self.allowance = SERVER_BYTES;
            self.refill_at = now + SERVER_PACE;
        }
        let mut buffer = [0; 1024];
        while self.allowance > 0 {
            let TcpState::Connected {
                connection,
                readable,
                ..
            } = &mut self.connection
            else {
                return;
            };
            if !*readable {
                return;
            }
            let most = buffer.len().min(self.allowance);
            let input = match connection.read(&mut buffer[..most]) {
                Ok(None) => {
                    *readable = false;
                    return;
                }
                Ok(Some(0)) => Input::Lost(0),
                Ok(Some(count)) => Input::Bytes(&buffer[..count]),
                Err(error) => Input::Lost(errno(&error)),
            };
            if let Input::Bytes(bytes) = input {
                self.allowance -= bytes.len();
            } else {
                *readable = false;
            }
            recorder.handle_server(self.place, now, input);
        }
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<Done> {
        let TcpState::Connected { connection, .. } = &mut self.connection else {
            return Ok(Done::Blocked);
        };
        let written = connection.write(bytes)?;
        Ok(written.map_or(Done::Blocked, Done::Wrote))
    }

    fn close(&mut self, registry: &Registry) {
        if let TcpState::Connecting { connection, .. } | TcpState::Connected { connection, .. } =
            &mut self.connection
        {
            let _ = registry.deregister(connection.source());
        }
        self.connection = TcpState::Closed;
        self.media = None;
        self.resolver = None;
    }
}

fn errno(error: &io::Error) -> i32 {
    error.raw_os_error().unwrap_or(libc::EIO)
}
