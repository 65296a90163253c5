//! The beginning of a recording, or the reason why there can be none.

use std::io;
use std::net::IpAddr;

use log::warn;

use crate::io::clock::Now;
use crate::proto::record_server::{CloseReason, StartRequest};
use crate::server::record::counters::ServerCounter;
use crate::server::record::end_reason::EndReason;
use crate::server::record::journal;
use crate::server::record::recording::{Owner, ServerRecording};
use crate::server::record::service::RecordService;

/// A start request that is refused.
pub(super) struct RecordingRefusal {
    /// What it is counted as.
    counter: ServerCounter,
    /// The response's `reason`: a code, and a description for the phone's user.
    pub(super) reason: String,
}

impl RecordingRefusal {
    fn new(counter: ServerCounter, reason: impl Into<String>) -> Self {
        Self {
            counter,
            reason: reason.into(),
        }
    }

    fn of_disk(why: EndReason, description: &str) -> Self {
        let counter = match why {
            EndReason::DiskFull => ServerCounter::NoSpace,
            _ => ServerCounter::DiskError,
        };
        Self::new(counter, format!("{}: {description}", why.code()))
    }
}

/// Logs that a recording was refused, in one line.
pub(super) fn log_refusal(peer: IpAddr, reason: &str) {
    warn!("recording refused: peer={peer} reason={reason}");
}

impl RecordService {
    /// Starts a recording for a slot of a connection, and responds.
    pub(super) fn start(
        &mut self,
        now: &Now,
        index: usize,
        slot: usize,
        request: StartRequest,
    ) -> Result<(), CloseReason> {
        let Some(connection) = self.connections.get(index) else {
            return Ok(());
        };
        let peer = connection.peer;
        let (device, id) = (request.device.clone(), request.id.clone());
        let created = self.create_recording(now, request, peer);
        let Some(connection) = self.connections.get_mut(index) else {
            return Ok(());
        };
        let mut recording = match created {
            Ok(recording) => recording,
            Err(refusal) => {
                self.counters.count(refusal.counter);
                log_refusal(peer, &refusal.reason);
                journal::note_refusal(
                    &self.archive,
                    &now.local(now.monotonic),
                    &device,
                    &id,
                    &peer.to_string(),
                    &refusal.reason,
                );
                let session = &mut connection.session;
                return session.refuse_start(now.monotonic, slot, refusal.reason);
            }
        };
        recording.owner = Some(Owner {
            connection: index,
            slot,
        });
        recording.log_start();
        let port = recording.port();
        connection.recordings[slot] = Some(self.recordings.insert(recording));
        self.counters.count(ServerCounter::Started);
        let server = self.settings.advertise.unwrap_or(connection.local);
        connection.session.accept_start(slot, server, port)
    }

    /// Why no recording can be started now. Checks the disk if that is due.
    pub(super) fn recording_refusal(&mut self, now: &Now) -> Option<RecordingRefusal> {
        if self.shutdown_at.is_some() {
            let reason = "busy: the server is shutting down";
            return Some(RecordingRefusal::new(ServerCounter::Ending, reason));
        }
        if self.recordings.len() >= self.settings.max_recordings {
            let reason = "busy: too many recordings at once";
            return Some(RecordingRefusal::new(
                ServerCounter::TooManyRecordings,
                reason,
            ));
        }
        self.check_disk_if_due(now);
        let problem = self.disk.problem()?;
        let description = "the server cannot store recordings now";
        Some(RecordingRefusal::of_disk(problem.end_reason(), description))
    }

    fn create_recording(
        &mut self,
        now: &Now,
        request: StartRequest,
        peer: IpAddr,
    ) -> Result<ServerRecording, RecordingRefusal> {
        if let Some(refusal) = self.recording_refusal(now) {
            return Err(refusal);
        }
        let socket = self.ports.open().map_err(|error| {
            let (low, high) = self.settings.rtp_ports;
            warn!("no port of --rtp-ports {low}-{high} can be opened: {error}");
            let reason = "busy: the server has no RTP port left";
            RecordingRefusal::new(ServerCounter::NoPort, reason)
        })?;
        let created =
            ServerRecording::create(&self.archive, self.storage, now, request, peer, socket);
        created.map_err(|error| self.handle_create_error(&error))
    }

    fn handle_create_error(&mut self, error: &io::Error) -> RecordingRefusal {
        let dir = &self.settings.dir;
        warn!("{dir}: a recording cannot be created: {error}");
        if matches!(error.raw_os_error(), Some(libc::EMFILE | libc::ENFILE)) {
            let reason = "busy: the server has no file descriptor left (ulimit -n)";
            return RecordingRefusal::new(ServerCounter::TooManyRecordings, reason);
        }
        // The disk may have failed, or the device's name may be at fault: the next check finds out.
        self.disk.is_suspect = true;
        let why = EndReason::from_disk_error(error);
        RecordingRefusal::of_disk(why, "the server cannot create a file")
    }
}
