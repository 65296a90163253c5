//! One recording of the server: its RTP port, the stream that it receives, and the file that it
//! writes.
//!
//! `phase` is how far it is, `media` moves packets into the file, `details` describes it for
//! sidecar and log.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use log::{error, warn};

use crate::base::time::Instant;
use crate::io::clock::Now;
use crate::io::sys::Civil;
use crate::io::udp_batch::BatchSocket;
use crate::proto::media::leg_monitor::Heard;
use crate::proto::record_server::{StartRequest, StopRequest, Stream};
use crate::server::record::archive::Archive;
use crate::server::record::counters::ServerCounter;
use crate::server::record::end_reason::EndReason;
use crate::server::record::file_writer::{FileFormat, PartFile};
use crate::server::record::journal::{self, JournalEvent};
use crate::server::record::sidecar::{PartEnd, StreamCounts};
use crate::server::record::unfinished::Unfinished;
use crate::server::record::workspace::RecordingTurn;

use phase::Phase;

mod details;
mod media;
mod phase;

/// How recordings are stored.
#[derive(Clone, Copy, Debug)]
pub(super) struct Storage {
    pub(super) format: FileFormat,
    /// Bytes of a file; 0: no limit.
    pub(super) file_limit: u64,
    pub(super) cut_pauses: bool,
}

/// The control connection that a recording belongs to, and its slot there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Owner {
    pub(super) connection: usize,
    pub(super) slot: usize,
}

/// A datagram's source and bytes; `None`: it was longer than the receive buffer.
type HeldDatagram = (SocketAddr, Option<Vec<u8>>);

/// A recording.
pub(super) struct ServerRecording {
    /// `None` once the connection is closed.
    pub(super) owner: Option<Owner>,
    pub(super) began_at: Instant,
    phase: Phase,
    start: StartRequest,
    /// Which parties the phone has heard, if it said so.
    heard: Option<Heard>,
    peer: IpAddr,
    storage: Storage,
    /// The name of the first part: what all parts have in common.
    call: String,
    /// The folder that contains the current part.
    archive: Arc<Archive>,
    stream: Stream,
    socket: BatchSocket,
    /// Datagrams that wait until the long pause before them has been written. Until then no more
    /// are read.
    held_back: Vec<HeldDatagram>,
    file: FileState,
    part: CurrentPart,
    /// Frames in the parts before the current one.
    frames_before: u64,
}

/// The part that is being written.
struct CurrentPart {
    file: PartFile,
    /// Counted from 1.
    number: u32,
    began: Civil,
    /// The stream's counts when it began.
    counts_before: StreamCounts,
}

/// Whether the disk still takes the recording.
enum FileState {
    Writable,
    /// A write has failed, and `take_error` has not been called. Nothing more is written.
    Failing(io::Error),
    Failed,
}

/// What a turn has done.
pub(super) struct TurnResult {
    /// The socket contains more datagrams than one turn reads.
    pub(super) has_more: bool,
    /// An error is reported once; after it nothing more is written.
    pub(super) written: io::Result<()>,
}

/// How a recording has been finished.
pub(super) struct Finished {
    /// It is complete and stored.
    pub(super) is_success: bool,
    /// Its last sidecar, if that could not be written.
    pub(super) unwritten_sidecar: Option<Vec<u8>>,
}

impl ServerRecording {
    /// Creates the first file and its sidecar.
    pub(super) fn create(
        archive: &Arc<Archive>,
        storage: Storage,
        now: &Now,
        start: StartRequest,
        peer: IpAddr,
        socket: BatchSocket,
    ) -> io::Result<Self> {
        let began = now.local(now.monotonic);
        let part = CurrentPart {
            file: create_file(archive, storage, &start, &began)?,
            number: 1,
            began,
            counts_before: StreamCounts::default(),
        };
        let recording = Self {
            call: part.file.path.stem.clone(),
            heard: None,
            owner: None,
            began_at: now.monotonic,
            phase: Phase::Running,
            stream: Stream::new(start.law, peer, storage.cut_pauses, now.monotonic),
            start,
            peer,
            storage,
            archive: archive.clone(),
            socket,
            held_back: vec![],
            file: FileState::Writable,
            part,
            frames_before: 0,
        };
        let path = &recording.part.file.path;
        let begun = archive.begin(path, &recording.sidecar(None));
        let (device, id) = (&recording.start.device, &recording.start.id);
        // The phone is answered with success only once the journal says so.
        let noted = begun
            .and_then(|()| journal::append(archive, &began, device, id, path, JournalEvent::Start));
        if let Err(error) = noted {
            archive.discard(path);
            return Err(error);
        }
        Ok(recording)
    }

    /// The port that it receives RTP on.
    pub(super) fn port(&self) -> u16 {
        self.socket.port()
    }

    /// Why it is to end; `None` while it runs.
    pub(super) fn end_reason(&self) -> Option<EndReason> {
        self.phase.end_reason()
    }

    /// Its phone is being asked to stop.
    pub(super) fn note_stop_request(&mut self, reason: EndReason) {
        self.phase.ask(reason);
    }

    /// Its phone has stopped: the values that it gives replace those of the start.
    pub(super) fn handle_stop(&mut self, now: Instant, stop: StopRequest) {
        self.start.call.update(stop.call);
        self.heard = stop.heard;
        self.end(now, EndReason::Stopped);
    }

    /// It ends when the packets that are under way have had time to arrive.
    pub(super) fn end(&mut self, now: Instant, reason: EndReason) {
        self.phase.end(now, reason);
    }

    /// `true` once: it is to be finished. That waits until a long pause has been written.
    pub(super) fn poll_over(&mut self, now: Instant) -> bool {
        let has_output = !self.held_back.is_empty() || self.stream.has_output();
        let is_filling = self.is_writable() && has_output;
        !is_filling && self.phase.poll_over(now)
    }

    /// A sync of the file system begins.
    pub(super) fn begin_sync(&mut self) {
        self.part.file.begin_sync();
    }

    /// The sync was successful.
    pub(super) fn handle_synced(&mut self) -> io::Result<()> {
        if !self.is_writable() {
            return Ok(());
        }
        let updated = self.part.file.handle_synced();
        if updated.is_err() {
            self.file = FileState::Failed;
        }
        updated
    }

    /// The folder of all recordings was replaced: it continues in the new one.
    pub(super) fn move_to(&mut self, archive: &Arc<Archive>, now: &Now) -> io::Result<()> {
        if !self.is_writable() {
            return Ok(());
        }
        let moved = self.roll_over(archive.clone(), now);
        if moved.is_err() {
            self.file = FileState::Failed;
        }
        moved
    }

    /// Writes all that is left, the header and the sidecar.
    pub(super) fn finish(&mut self, turn: &mut RecordingTurn) -> Finished {
        let mut reason = self.end_reason().unwrap_or(EndReason::DiskError);
        if self.is_writable() {
            self.write_rest(turn);
            if let Some(error) = self.take_error() {
                reason = EndReason::from_disk_error(&error);
            }
        }
        let is_complete = self.is_writable() && reason.is_success();
        let sidecar = self.sidecar(Some(PartEnd {
            time: turn.now.local(turn.now.monotonic),
            word: reason.code(),
            reason: &self.start.call.stop_reason,
            success: is_complete,
            last: true,
        }));
        let finished = self.finish_part(&sidecar);
        if let Err(error) = &finished {
            let path = &self.part.file.path;
            warn!("{path}: cannot be finished now: {error}");
        }
        turn.counters.add(ServerCounter::Lost, self.stream.lost());
        turn.counters
            .add(ServerCounter::Silence, self.stream.silence());
        let is_success = is_complete && finished.is_ok();
        self.note_end(turn.now, reason, is_success);
        self.log_end(reason, is_success);
        Finished {
            is_success,
            unwritten_sidecar: finished.is_err().then_some(sidecar),
        }
    }

    /// What is left to do if the last sidecar could not be written.
    pub(super) fn into_unfinished(self, sidecar: Vec<u8>) -> Unfinished {
        Unfinished {
            archive: self.archive,
            part: self.part.file,
            sidecar,
        }
    }

    /// Appends a line about the current part to the journal.
    fn note(&self, time: &Civil, event: JournalEvent) {
        let (device, id) = (&self.start.device, &self.start.id);
        journal::note(&self.archive, time, device, id, &self.part.file.path, event);
    }

    fn note_end(&self, now: &Now, reason: EndReason, success: bool) {
        let event = JournalEvent::End {
            call: &self.call,
            parts: self.part.number,
            reason: reason.code(),
            success,
        };
        self.note(&now.local(now.monotonic), event);
    }

    fn is_writable(&self) -> bool {
        matches!(self.file, FileState::Writable)
    }

    /// The error that a write has left.
    fn take_error(&mut self) -> Option<io::Error> {
        match std::mem::replace(&mut self.file, FileState::Failed) {
            FileState::Failing(error) => Some(error),
            state => {
                self.file = state;
                None
            }
        }
    }

    /// Continues in another file, in this folder.
    fn roll_over(&mut self, archive: Arc<Archive>, now: &Now) -> io::Result<()> {
        let time = now.local(now.monotonic);
        let next = create_file(&archive, self.storage, &self.start, &time)?;
        let sidecar = self.sidecar(Some(PartEnd {
            time,
            word: "rolled",
            reason: b"",
            success: true,
            last: false,
        }));
        if let Err(problem) = self.finish_part(&sidecar) {
            if !self.part.file.is_deleted() {
                archive.discard(&next.path);
                return Err(problem);
            }
            let path = &self.part.file.path;
            error!("{path}: was deleted while it was being written");
        }
        self.archive = archive;
        self.frames_before += self.part.file.frames();
        self.part = CurrentPart {
            file: next,
            number: self.part.number + 1,
            began: time,
            counts_before: self.stream_counts(),
        };
        let event = JournalEvent::Part {
            call: &self.call,
            number: self.part.number,
        };
        self.note(&time, event);
        let path = &self.part.file.path;
        self.archive.begin(path, &self.sidecar(None))
    }

    fn finish_part(&mut self, sidecar: &[u8]) -> io::Result<()> {
        self.part.file.finish()?;
        self.archive.finish(&self.part.file.path, sidecar)
    }
}

fn create_file(
    archive: &Archive,
    storage: Storage,
    start: &StartRequest,
    time: &Civil,
) -> io::Result<PartFile> {
    let (path, file) = archive.create(&start.device, &start.id, time)?;
    let part = PartFile::begin(
        path.clone(),
        file,
        storage.format,
        start.law,
        storage.file_limit,
    );
    if part.is_err() {
        archive.discard(&path);
    }
    part
}

#[cfg(test)]
mod tests;
