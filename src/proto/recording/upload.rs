//! A recording that is sent to a server, and its fallback to the stick.
//!
//! Mixed frames wait in the ring until the server has accepted; then they are sent one by one, a
//! few more per 20 ms if some have waited. With `serverFallback`, the ring keeps frames that were
//! sent: when the server refuses or fails, the content of the ring becomes the beginning of a part
//! on the stick, and the recording continues there. So this part repeats up to 24 s of what the
//! server has, and nothing is missing between the two.

use crate::base::limits::{FRAME_SAMPLES, RTP_FRAME_BYTES, SHUTDOWN_STOP_TIMEOUT};
use crate::base::stats::{Counter, Stats};
use crate::base::time::Instant;
use crate::proto::record_client::event::{ClientDone, ClientEvent, ClientInput, ClientOp};
use crate::proto::recorder::reason::Reason;
use crate::proto::recording::file_writer::FileWriter;
use crate::proto::recording::route::{Route, Sending};
use crate::proto::recording::state::{Failure, RecordingEvent, RecordingState};
use crate::proto::recording::Recording;

impl Recording {
    /// Handles input from the server's side, or the passing of time.
    pub fn handle_server(
        &mut self,
        now: Instant,
        input: ClientInput,
        stats: &mut Stats,
    ) -> Option<RecordingEvent> {
        self.client.handle(now, input, &self.setup, stats);
        if let Route::Server(sending) = &mut self.route {
            sending.handle_timeout(now);
        }
        self.handle_client_event(now, stats)
    }

    /// The next operation for the server.
    pub fn server_op(&mut self, now: Instant) -> Option<ClientOp<'_>> {
        if let Route::Server(sending) = self.route {
            let has_unsent = self.unsent() > 0;
            if self.client.is_sending() && has_unsent && sending.may_send() {
                let frame = self.ring.piece(sending.sent, RTP_FRAME_BYTES);
                return Some(ClientOp::Frame(frame));
            }
            let closing = matches!(self.state, RecordingState::Closing { .. });
            if self.client.is_sending() && closing && !has_unsent {
                self.setup.call.heard = Some(self.heard());
                self.client.stop(now, &self.setup);
            }
        }
        self.client.op()
    }

    /// Takes the outcome of an operation that `server_op` returned, unless it was a frame.
    pub fn server_done(
        &mut self,
        now: Instant,
        outcome: Result<ClientDone, i32>,
        stats: &mut Stats,
    ) -> Option<RecordingEvent> {
        self.client.done(now, outcome, &self.setup);
        self.handle_client_event(now, stats)
    }

    /// Takes the outcome of sending a frame: whether the kernel accepted it, and a pending error. A
    /// frame that is not accepted is not offered again: the next one is due.
    pub fn frame_done(
        &mut self,
        now: Instant,
        taken: bool,
        errno: Option<i32>,
        stats: &mut Stats,
    ) -> Option<RecordingEvent> {
        if !taken {
            stats.count(Counter::UploadDropped);
        }
        if let Route::Server(sending) = &mut self.route {
            sending.spend();
            if self.setup.falls_back() {
                sending.sent += RTP_FRAME_BYTES;
            } else {
                self.ring.consume(RTP_FRAME_BYTES);
            }
        }
        self.client.frame_done(now, errno, &self.setup);
        self.handle_client_event(now, stats)
    }

    /// The daemon shuts down: the server has less time to respond.
    pub fn handle_shutdown(&mut self, now: Instant) {
        self.client.set_deadline(now + SHUTDOWN_STOP_TIMEOUT);
    }

    /// There is a connection to a server, or an attempt to make one.
    pub fn has_server(&self) -> bool {
        !self.client.is_idle()
    }

    /// The address to which frames are sent; `None` once they go to the stick.
    pub fn server(&self) -> Option<core::net::SocketAddr> {
        self.client.media().filter(|_| self.route.is_server())
    }

    /// The recording was started for a server, whether its frames still go there or not.
    pub fn was_for_server(&self) -> bool {
        self.route.was_for_server()
    }

    /// The reason why the server failed.
    pub fn failure_reason(&self) -> &Reason {
        self.client.failure_reason()
    }

    /// Makes room for a frame in the ring; `false` if the ring is full and its oldest frame cannot
    /// be dropped.
    pub(super) fn make_room(&mut self, stats: &mut Stats) -> bool {
        if self.ring.room() >= RTP_FRAME_BYTES {
            return true;
        }
        let Route::Server(sending) = &mut self.route else {
            return false;
        };
        if sending.sent == 0 {
            stats.count(Counter::FramesLost);
            self.frames -= 1;
        }
        sending.sent = sending.sent.saturating_sub(RTP_FRAME_BYTES);
        self.ring.consume(RTP_FRAME_BYTES);
        true
    }

    /// Bytes in the ring that have not been sent to the server.
    pub(super) fn unsent(&self) -> usize {
        self.ring.len() - self.route.sent()
    }

    /// Handles an event of the record client.
    fn handle_client_event(&mut self, now: Instant, stats: &mut Stats) -> Option<RecordingEvent> {
        let event = self.client.take_event()?;
        if !self.route.is_server() {
            return None;
        }
        let falls_back = self.setup.falls_back();
        match (event, self.state) {
            (ClientEvent::Accepted, RecordingState::Opening { client, .. }) => {
                return Some(self.handle_started(client, stats));
            }
            (ClientEvent::Accepted, _) => return None,
            (ClientEvent::Failed, RecordingState::Opening { .. } | RecordingState::Running)
                if falls_back =>
            {
                self.fall_back(false);
                return None;
            }
            (
                ClientEvent::Failed | ClientEvent::Unanswered,
                RecordingState::Draining { .. } | RecordingState::Closing { .. },
            ) if falls_back && !self.ring.is_empty() => {
                self.fall_back(event == ClientEvent::Unanswered);
                return None;
            }
            _ => {}
        }
        Some(self.handle_conversation_ended(now, event, stats))
    }

    fn handle_conversation_ended(
        &mut self,
        now: Instant,
        event: ClientEvent,
        stats: &mut Stats,
    ) -> RecordingEvent {
        if event == ClientEvent::Stopped && self.setup.call.stop_reason.is_empty() {
            let words = self.client.stop_reason();
            self.setup.call.stop_reason.clone_from(words);
        }
        let unsent = (self.unsent() / RTP_FRAME_BYTES) as u64;
        self.frames -= unsent.min(self.frames);
        self.ring.clear();
        self.route = Route::Server(Sending::default());
        let failed = event == ClientEvent::Failed;
        if failed {
            stats.count(Counter::Failed);
            stats.add(Counter::FramesLost, unsent + self.audio.clock.unmixed(now));
        } else {
            stats.add(Counter::UploadDropped, unsent);
        }
        let state = self.leave(stats);
        match state {
            RecordingState::Opening { client, .. } => {
                RecordingEvent::Refused(client, Failure::Server)
            }
            _ if failed => RecordingEvent::Failed(state.stopped_by(), Failure::Server),
            _ => RecordingEvent::Stopped(state.stopped_by()),
        }
    }

    /// Continues the recording on the stick, beginning with the content of the ring. The frames get
    /// new headers: in a file, a pause leaves no gap in the timestamps, and the frames may have no
    /// headers at all.
    fn fall_back(&mut self, unconfirmed: bool) {
        let count = (self.ring.len() / RTP_FRAME_BYTES) as u32;
        let stream = &mut self.audio.stream;
        *stream = stream.rewound(count, self.setup.rtp_header);
        for _ in 0..count {
            let mut frame = [0; RTP_FRAME_BYTES];
            let header_bytes = RTP_FRAME_BYTES - FRAME_SAMPLES;
            let stored = self.ring.piece(header_bytes, FRAME_SAMPLES);
            for (code, stored) in frame[header_bytes..].iter_mut().zip(stored) {
                *code = *stored;
            }
            self.ring.consume(RTP_FRAME_BYTES);
            let pushed = self.ring.push(stream.frame(&mut frame));
            debug_assert!(pushed, "bug: a frame is not longer than it was");
        }
        self.route = Route::Fallback { unconfirmed };
        self.parts.writer = FileWriter::new(self.setup.plan());
        if matches!(self.state, RecordingState::Closing { .. }) {
            self.parts.writer.finish();
        }
    }
}
