//! The sockets of recordings that are sent to a server: connections, datagrams, name resolution.

use std::io;
use std::net::SocketAddr;

use log::debug;
use mio::event::Event;
use mio::{Interest, Registry, Token};

use crate::base::limits::{SERVER_BYTES, SERVER_PACE};
use crate::base::time::Instant;
use crate::daemon::turn::Tokens;
use crate::io::random::Random;
use crate::io::stream::{Connection, Datagrams};
use crate::outgoing::resolver::Resolver;
use crate::proto::record_client::event::{ClientDone, ClientInput, ClientOp};
use crate::proto::recorder::Recorder;

/// The sockets of all server connections, by recording slot.
pub(super) struct RecordClients {
    slots: Vec<ClientSockets>,
}

/// The sockets of one server connection.
struct ClientSockets {
    /// The recording slot.
    slot: usize,
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
    pub(super) fn new(tokens: Tokens, slots: usize) -> Self {
        let sockets = |slot| ClientSockets {
            slot,
            token: tokens.token(slot),
            connection: TcpState::Closed,
            allowance: 0,
            refill_at: Instant::default(),
            media: None,
            resolver: None,
        };
        Self {
            slots: (0..slots).map(sockets).collect(),
        }
    }

    /// When a name server must be queried again.
    pub(super) fn next_deadline(&self) -> Option<Instant> {
        let sockets = self.slots.iter();
        let resolvers = sockets.filter_map(|sockets| sockets.resolver.as_ref());
        let deadlines = resolvers.map(|(resolver, _)| resolver.next_deadline());
        deadlines.min()
    }

    /// The poll has reported an event of a connection.
    pub(super) fn set_ready(&mut self, slot: usize, event: &Event) {
        if let Some(sockets) = self.slots.get_mut(slot) {
            sockets.set_ready(event);
        }
    }

    /// Passes the input for a slot to the recorder, then executes the operations that it requests.
    pub(super) fn work(
        &mut self,
        slot: usize,
        now: Instant,
        registry: &Registry,
        recorder: &mut Recorder,
        random: &mut Random,
    ) {
        if !recorder.has_server(slot) {
            return;
        }
        let Some(sockets) = self.slots.get_mut(slot) else {
            return;
        };
        sockets.resolve(now, registry, recorder);
        sockets.handle_writable(now, recorder);
        sockets.read(now, recorder);
        recorder.handle_server(slot, now, ClientInput::Tick);
        sockets.execute(now, registry, recorder, random);
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

    fn execute(
        &mut self,
        now: Instant,
        registry: &Registry,
        recorder: &mut Recorder,
        random: &mut Random,
    ) {
        while let Some(op) = recorder.server_op(self.slot, now) {
            let outcome = match op {
                ClientOp::Frame(frame) => {
                    let media = self.media.as_ref();
                    let (taken, errno) = media.map_or((false, None), |media| media.send(frame));
                    recorder.handle_frame(self.slot, now, taken, errno);
                    continue;
                }
                ClientOp::Find(name, port) => {
                    self.resolver = Some((Resolver::new(name, random), port));
                    recorder.handle_server_done(self.slot, now, Ok(ClientDone::Yes));
                    self.resolve(now, registry, recorder); // /etc/hosts may have the name
                    continue;
                }
                ClientOp::Connect(to) => self.connect(to, registry).map(|()| ClientDone::Yes),
                ClientOp::Media(to) => Datagrams::open(to).map(|media| {
                    self.media = Some(media);
                    ClientDone::Yes
                }),
                ClientOp::Write(bytes) => self.write(bytes),
                ClientOp::Close => {
                    self.close(registry);
                    Ok(ClientDone::Yes)
                }
            };
            let outcome = outcome.map_err(|error| {
                debug!("server: {error}");
                errno(&error)
            });
            recorder.handle_server_done(self.slot, now, outcome);
        }
    }

    fn resolve(&mut self, now: Instant, registry: &Registry, recorder: &mut Recorder) {
        let Some((resolver, port)) = &mut self.resolver else {
            return;
        };
        if let Some(address) = resolver.poll(now, registry, self.token) {
            let address = address.map(|address| SocketAddr::new(address, *port));
            self.resolver = None;
            recorder.handle_server(self.slot, now, ClientInput::Resolved(address));
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
            return recorder.handle_server(self.slot, now, ClientInput::Writable);
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
                recorder.handle_server(self.slot, now, ClientInput::Connected(peer));
            }
            unfinished => {
                self.connection = TcpState::Connecting {
                    connection,
                    writable: false,
                };
                if let Err(error) = unfinished {
                    recorder.handle_server(self.slot, now, ClientInput::Lost(errno(&error)));
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
                Ok(Some(0)) => ClientInput::Lost(0),
                Ok(Some(count)) => ClientInput::Bytes(&buffer[..count]),
                Err(error) => ClientInput::Lost(errno(&error)),
            };
            if let ClientInput::Bytes(bytes) = input {
                self.allowance -= bytes.len();
            } else {
                *readable = false;
            }
            recorder.handle_server(self.slot, now, input);
        }
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<ClientDone> {
        let TcpState::Connected { connection, .. } = &mut self.connection else {
            return Ok(ClientDone::Blocked);
        };
        let written = connection.write(bytes)?;
        Ok(written.map_or(ClientDone::Blocked, ClientDone::Wrote))
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
