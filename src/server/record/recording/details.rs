//! A recording's description, for its sidecar and for the log.

use log::info;

use super::ServerRecording;
use crate::base::limits::FRAME;
use crate::proto::media::leg_monitor::Heard;
use crate::proto::record_server::PacketOutcome;
use crate::server::record::end_reason::EndReason;
use crate::server::record::sidecar::{PartEnd, SidecarFacts, StreamCounts};

impl ServerRecording {
    pub(super) fn stream_counts(&self) -> StreamCounts {
        StreamCounts {
            packets: *self.stream.counts(),
            lost: self.stream.lost(),
            silence: self.stream.silence(),
        }
    }

    /// The sidecar of the current part; `end`: once it is whole.
    pub(super) fn sidecar(&self, end: Option<PartEnd>) -> Vec<u8> {
        let part = &self.part;
        let facts = SidecarFacts {
            start: &self.start,
            peer: self.peer.to_string(),
            file: &part.file.path.recording(),
            format: self.storage.format.name(),
            call: &self.call,
            part: part.number,
            began: &part.began,
            frames: part.file.frames(),
            counts: self.stream_counts().since(&part.counts_before),
            heard: self.heard.map_or("", Heard::name),
            sha256: end.as_ref().map(|_| part.file.sha256()),
            end,
        };
        facts.emit()
    }

    /// Logs the recording's start, in one line.
    pub(in crate::server::record) fn log_start(&self) {
        info!(
            "recording started: file={} peer={} codec={} port={}",
            self.part.file.path,
            self.peer,
            self.start.law.name(),
            self.port(),
        );
    }

    /// Logs the recording's end, in one line.
    pub(super) fn log_end(&self, reason: EndReason, is_success: bool) {
        let count = |outcome: PacketOutcome| self.stream.counts()[outcome as usize];
        let frames = self.frames_before + self.part.file.frames();
        info!(
            "recording ended: file={} peer={} codec={} parts={} frames={} duration_ms={} heard={} received={} lost={} late={} duplicate={} silence={} \
             stranger={} end={} result={}",
            self.part.file.path,
            self.peer,
            self.start.law.name(),
            self.part.number,
            frames,
            frames * FRAME.millis(),
            self.heard.map_or("-", Heard::name),
            count(PacketOutcome::Audio),
            self.stream.lost(),
            count(PacketOutcome::Late),
            count(PacketOutcome::Duplicate),
            self.stream.silence(),
            count(PacketOutcome::Stranger),
            reason.code(),
            if is_success { "success" } else { "failed" },
        );
    }
}
