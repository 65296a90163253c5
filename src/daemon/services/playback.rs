//! The files and sockets of the players: executes the calls of `proto::playback` and sends its
//! packets.

use std::io;

use crate::base::limits::play::{HEADS_PER_TURN, MAX_PLAYERS, PLAY_AHEAD};
use crate::base::limits::DATAGRAM_BYTES;
use crate::base::stats::{Counter, Stats};
use crate::base::time::Instant;
use crate::daemon::context::Context;
use crate::daemon::disk::Disk;
use crate::daemon::folder_walk::{FolderWalk, WalkStep};
use crate::daemon::service::Service;
use crate::daemon::turn::Work;
use crate::io::clock::Now;
use crate::io::file::Input;
use crate::io::stream::Datagrams;
use crate::proto::playback::players::Players;
use crate::proto::playback::state::{PlayError, PlayerCall, PlayerState};
use crate::proto::playback::Player;
use crate::wire::recording::name::has_recording_suffix;
use crate::wire::recording::probe::{Head, HEAD_BYTES};

/// The files and sockets of all players.
pub(in crate::daemon) struct Playback {
    slots: [PlayerFiles; MAX_PLAYERS],
    /// What only `callrec play` asks for.
    #[cfg(feature = "tools")]
    alone: Alone,
}

/// A player without a daemon.
#[cfg(feature = "tools")]
#[derive(Default)]
struct Alone {
    /// Further parts are not played.
    without_parts: bool,
    /// A packet was refused: nobody receives on that port.
    is_refused: bool,
}

#[derive(Default)]
struct PlayerFiles {
    file: Option<Input>,
    socket: Option<Datagrams>,
    /// The search for further parts, and whether it has restarted at the beginning of the folder.
    search: Option<(FolderWalk, bool)>,
}

impl Playback {
    pub(in crate::daemon) fn new() -> Self {
        Self {
            slots: core::array::from_fn(|_| PlayerFiles::default()),
            #[cfg(feature = "tools")]
            alone: Alone::default(),
        }
    }

    /// For one player without a daemon; `with_parts`: it also plays the parts that follow.
    #[cfg(feature = "tools")]
    pub(in crate::daemon) fn alone(with_parts: bool) -> Self {
        let mut playback = Self::new();
        playback.alone.without_parts = !with_parts;
        playback
    }

    /// A receiver has refused a packet.
    #[cfg(feature = "tools")]
    pub(in crate::daemon) fn is_refused(&self) -> bool {
        self.alone.is_refused
    }

    /// Sends what is due, and makes one call for each player.
    pub(in crate::daemon) fn play(
        &mut self,
        now: Instant,
        disk: &mut Disk,
        (players, stats): (&mut Players, &mut Stats),
    ) {
        for (slot, player) in self.slots.iter_mut().zip(players.all_mut()) {
            if matches!(player.state(), PlayerState::Free(_)) {
                *slot = PlayerFiles::default();
                continue;
            }
            #[cfg(feature = "tools")]
            if self.alone.without_parts && matches!(player.state(), PlayerState::Linking(_)) {
                player.handle_last_candidate(now);
            }
            let is_refused = slot.send(now, player, stats);
            #[cfg(feature = "tools")]
            if is_refused {
                self.alone.is_refused = true;
            }
            #[cfg(not(feature = "tools"))]
            let _ = is_refused; // the daemon's players send on: the receiver may come back
            slot.call(now, player, disk);
        }
    }
}

impl Service for Playback {
    fn is_light(&self) -> bool {
        true
    }

    fn turn(&mut self, now: &Now, context: &mut Context) -> Work {
        self.play(now.monotonic, &mut context.disk, context.recorder.players());
        Work::Done
    }

    fn next_deadline(&self, _now: Instant, context: &Context) -> Instant {
        context.recorder.players_deadline()
    }
}

impl PlayerFiles {
    /// Sends the packets that are due; `true`: the other end has refused one.
    fn send(&mut self, now: Instant, player: &mut Player, stats: &mut Stats) -> bool {
        let mut packet = [0; DATAGRAM_BYTES];
        let mut is_refused = false;
        while let Some(len) = player.poll_packet(now, &mut packet) {
            let socket = self.socket.as_ref();
            let outcome = socket.map(|socket| socket.send(&packet[..len]));
            let (sent, error) = outcome.unwrap_or((false, None));
            is_refused |= error == Some(libc::ECONNREFUSED);
            stats.count(if sent {
                Counter::Played
            } else {
                Counter::PlayDrop
            });
        }
        is_refused
    }

    fn call(&mut self, now: Instant, player: &mut Player, disk: &mut Disk) {
        match player.next_call() {
            None => {}
            Some(PlayerCall::Head(name, to)) => {
                let opened = Datagrams::open(to)
                    .map_err(|_| PlayError::NoWay)
                    .and_then(|socket| Ok((socket, open(disk, name)?)));
                let head = opened.map(|(socket, (file, head, _))| {
                    self.socket = Some(socket);
                    self.file = Some(file);
                    head
                });
                player.handle_head(now, head);
            }
            Some(PlayerCall::Link(first)) => {
                let mut search = self.search.take().unwrap_or_else(|| {
                    (FolderWalk::new(first, false, has_recording_suffix), false)
                });
                if search_parts(&mut search, player, disk) {
                    self.search = Some(search);
                } else {
                    player.handle_last_candidate(now);
                }
            }
            Some(PlayerCall::Part(name)) => {
                let opened = open(disk, name).map(|(file, ..)| self.file = Some(file));
                player.handle_part(opened);
            }
            Some(PlayerCall::Read(offset, bytes)) => {
                let file = self
                    .file
                    .as_ref()
                    .ok_or_else(|| io::Error::from_raw_os_error(libc::ENODEV));
                let read = file.and_then(|file| {
                    let read = file.read(offset, bytes)?;
                    file.read_ahead(offset + read as u64, PLAY_AHEAD);
                    Ok(read)
                });
                match read.map_err(|error| disk.classify(&error)) {
                    Ok(read) => player.handle_read(read),
                    Err(error) => player.fail(error),
                }
            }
        }
    }
}

/// Checks some files; `false` when all parts have been found.
fn search_parts(
    (walk, again): &mut (FolderWalk, bool),
    player: &mut Player,
    disk: &mut Disk,
) -> bool {
    for _ in 0..HEADS_PER_TURN {
        let first = &player.start().file;
        match disk.dir().and_then(|dir| walk.next(dir)) {
            // The search has returned to its start.
            Ok(WalkStep::Name(name)) if name == *first => return false,
            Ok(WalkStep::Name(name)) => {
                let head = open(disk, &name).ok().map(|(_, head, _)| head);
                if !player.handle_candidate(&name, head) {
                    return false;
                }
            }
            Ok(WalkStep::Later) => return true,
            Ok(WalkStep::End) if player.wants_older() && !*again => {
                *walk = FolderWalk::new(b"", false, has_recording_suffix);
                *again = true;
            }
            // If the stick has failed, the next read will report it.
            Ok(WalkStep::End) | Err(_) => return false,
        }
    }
    true
}

/// Opens a recording; returns the file, its parsed beginning and its length.
pub(super) fn open(disk: &mut Disk, name: &[u8]) -> Result<(Input, Head, u64), PlayError> {
    let mut bytes = [0; HEAD_BYTES];
    let opened = disk.dir().and_then(|dir| {
        let (file, length) = Input::open(dir.fd(), name)?;
        Ok((file.read(0, &mut bytes)?, file, length))
    });
    match opened {
        Ok((read, file, length)) => {
            let head = Head::parse(&bytes[..read], length).map_err(|_| PlayError::NoRecording)?;
            Ok((file, head, length))
        }
        Err(error) => Err(match error.raw_os_error() {
            Some(libc::ENOENT | libc::ENAMETOOLONG) => PlayError::NoFile,
            Some(libc::EINVAL | libc::ELOOP | libc::ENXIO | libc::EACCES) => PlayError::NoRecording,
            _ => PlayError::Stick(disk.classify(&error)),
        }),
    }
}
