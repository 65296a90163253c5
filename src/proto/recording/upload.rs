//! A recording that goes to a server, and the way from there to the stick.
//!
//! Mixed frames wait in the ring until the server has said yes, then go out one by one, a few more in 20 ms when
//! some have waited. With `serverFallback` the ring keeps what was sent: when the server refuses or fails, all
//! that is in the ring becomes the beginning of a part on the stick, and the call goes on there. So that part
//! repeats up to 24 s of what the server has, and nothing is missing between the two.

use crate::base::limits::{
    BATCH, BURST_FRAMES, FRAME, FRAME_SAMPLES, RTP_FRAME_BYTES, SHUTDOWN_STOP_TIMEOUT,
};
use crate::base::stats::{Counter, Stats};
use crate::base::time::{Duration, Instant};
use crate::proto::record_client::{Done, Input, News, Op};
use crate::proto::recorder::request::Reason;
use crate::proto::recording::file_writer::Part;
use crate::proto::recording::{Change, Failure, Recording, State};

/// Where the frames of a recording go.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Upload {
    /// It was begun for the server.
    pub(super) wanted: bool,
    /// Its frames go there now.
    pub(super) active: bool,
    /// The server did not confirm its end.
    pub(super) unconfirmed: bool,
    /// Bytes at the ring's front that have been sent.
    sent: usize,
    /// Frames that may be sent before `refill_at`.
    burst: u32,
    refill_at: Instant,
}

impl Upload {
    pub(super) fn new(wanted: bool) -> Self {
        Self {
            wanted,
            active: wanted,
            ..Self::default()
        }
    }
}

impl Recording {
    /// Something came from the server's side, or time has passed.
    pub fn handle_server(
        &mut self,
        now: Instant,
        input: Input,
        stats: &mut Stats,
    ) -> Option<Change> {
        self.uplink.handle(now, input, &self.setup, stats);
        if now >= self.upload.refill_at {
            self.upload.burst = BURST_FRAMES;
            // Half a frame, not a whole one: a wake-up may be late, and the next one in time.
            self.upload.refill_at = now + Duration::from_nanos(FRAME.nanos() / 2);
        }
        self.hear(now, stats)
    }

    /// The next thing to be done for the server.
    pub fn server_op(&mut self, now: Instant) -> Option<Op<'_>> {
        let unsent = self.unsent();
        if self.upload.active
            && unsent == 0
            && matches!(self.state, State::Closing(_))
            && self.uplink.is_sending()
        {
            self.uplink.stop(now, &self.setup);
        }
        if self.upload.active && unsent > 0 && self.upload.burst > 0 && self.uplink.is_sending() {
            return Some(Op::Frame(
                self.ring.piece(self.upload.sent, RTP_FRAME_BYTES),
            ));
        }
        self.uplink.op()
    }

    /// Takes the outcome of what `server_op` named, if it was no frame.
    pub fn server_done(
        &mut self,
        now: Instant,
        outcome: Result<Done, i32>,
        stats: &mut Stats,
    ) -> Option<Change> {
        self.uplink.done(now, outcome, &self.setup);
        self.hear(now, stats)
    }

    /// The kernel took the frame, or did not, and had this error to tell of. A frame that it does not take is
    /// not offered again: the next one is due.
    pub fn frame_done(
        &mut self,
        now: Instant,
        taken: bool,
        errno: Option<i32>,
        stats: &mut Stats,
    ) -> Option<Change> {
        if !taken {
            stats.count(Counter::UploadDropped);
        }
        self.upload.burst = self.upload.burst.saturating_sub(1);
        if self.setup.falls_back() {
            self.upload.sent += RTP_FRAME_BYTES;
        } else {
            self.ring.consume(RTP_FRAME_BYTES);
        }
        self.uplink.frame_done(now, errno, &self.setup);
        self.hear(now, stats)
    }

    /// The daemon is to end: the server has less time for its answer.
    pub fn hurry(&mut self, now: Instant) {
        self.uplink.hurry(now + SHUTDOWN_STOP_TIMEOUT);
    }

    /// There is a conversation with a server.
    pub fn talks(&self) -> bool {
        !self.uplink.is_idle()
    }

    /// Frames go to this address; `None` once they go to the stick.
    pub fn server(&self) -> Option<core::net::SocketAddr> {
        self.uplink.media().filter(|_| self.upload.active)
    }

    /// It was begun for a server, whether its frames go there or not.
    pub fn was_for_server(&self) -> bool {
        self.upload.wanted
    }

    /// Why the server failed.
    pub fn why(&self) -> &Reason {
        self.uplink.why()
    }

    /// How often packets are read: a server gets each frame in its time, a stick several at once. Also while the server
    /// is asked, so that the recording begins when it has answered.
    pub(super) fn period(&self) -> Duration {
        let rests = self.timeline.rests() && self.unsent() == 0 && !self.setup.pause_is_silence;
        let asks = matches!(self.state, State::Opening(_));
        if self.upload.active && (asks || self.uplink.is_sending() && !rests) {
            FRAME
        } else {
            BATCH
        }
    }

    /// Room for a frame, if there is any or the oldest one has been sent.
    pub(super) fn make_room(&mut self, stats: &mut Stats) -> bool {
        if self.ring.room() >= RTP_FRAME_BYTES {
            return true;
        }
        if !self.upload.active {
            return false;
        }
        if self.upload.sent == 0 {
            stats.count(Counter::FramesLost);
            self.frames -= 1;
        }
        self.upload.sent = self.upload.sent.saturating_sub(RTP_FRAME_BYTES);
        self.ring.consume(RTP_FRAME_BYTES);
        true
    }

    /// Bytes of the ring that the server has not been sent.
    fn unsent(&self) -> usize {
        self.ring.len() - self.upload.sent
    }

    /// What the conversation's news mean for the recording.
    fn hear(&mut self, now: Instant, stats: &mut Stats) -> Option<Change> {
        let news = self.uplink.take_news().filter(|_| self.upload.active)?;
        let salvages = self.setup.falls_back() && !self.ring.is_empty();
        match (news, self.state) {
            (News::Accepted, State::Opening(client)) => return Some(self.started(client, stats)),
            (News::Accepted, _) => return None,
            (News::Failed, State::Opening(_) | State::Running) if self.setup.falls_back() => {
                self.fall_back();
                return None;
            }
            (News::Failed | News::Unanswered, State::Draining(..) | State::Closing(_))
                if salvages =>
            {
                self.upload.unconfirmed = news == News::Unanswered;
                self.fall_back();
                return None;
            }
            _ => {}
        }
        if news == News::Stopped && self.setup.call.stop_reason.is_empty() {
            self.setup.call.stop_reason.clone_from(self.uplink.words());
        }
        let unsent = (self.unsent() / RTP_FRAME_BYTES) as u64;
        self.frames -= unsent.min(self.frames);
        self.ring.clear();
        self.upload.sent = 0;
        let failed = news == News::Failed;
        if failed {
            stats.count(Counter::Failed);
            stats.add(Counter::FramesLost, unsent + self.timeline.unmixed(now));
        } else {
            stats.add(Counter::UploadDropped, unsent);
        }
        match self.leave(stats) {
            State::Opening(client) => Some(Change::Refused(client, Failure::Server)),
            State::Draining(_, client) | State::Closing(client) if failed => {
                Some(Change::Failed(client, Failure::Server))
            }
            State::Draining(_, client) | State::Closing(client) => Some(Change::Stopped(client)),
            _ if failed => Some(Change::Failed(None, Failure::Server)),
            _ => Some(Change::Stopped(None)),
        }
    }

    /// The call goes on to the stick, beginning with all that the ring holds. The frames get new headers: in a
    /// file a pause leaves no gap in the timestamps, and may be without headers altogether.
    fn fall_back(&mut self) {
        let count = (self.ring.len() / RTP_FRAME_BYTES) as u32;
        self.stream = self.stream.rewound(count, self.setup.rtp_header);
        for _ in 0..count {
            let mut frame = [0; RTP_FRAME_BYTES];
            let codes = &mut frame[RTP_FRAME_BYTES - FRAME_SAMPLES..];
            let stored = self
                .ring
                .piece(RTP_FRAME_BYTES - FRAME_SAMPLES, FRAME_SAMPLES);
            codes
                .iter_mut()
                .zip(stored)
                .for_each(|(code, stored)| *code = *stored);
            self.ring.consume(RTP_FRAME_BYTES);
            let stored = self.ring.push(self.stream.frame(&mut frame));
            debug_assert!(stored, "bug: a frame is not longer than it was");
        }
        (self.upload.active, self.upload.sent) = (false, 0);
        self.part = Part::new(self.setup.plan());
        if matches!(self.state, State::Closing(_)) {
            self.part.finish();
        }
    }
}
