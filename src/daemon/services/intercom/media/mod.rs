//! The sound of the running call: streams played and published, the media engine's RTP, and the
//! recording.
//!
//! ```text
//! peer's stream --> party ---+--> line --> bridge (RTP to the media engine)
//!                            +--> feed --> recording
//! leg port ----> bridge -----+--> line --> publisher (own stream)
//! or own stream --> party    +--> feed --> recording
//! ```
//! Without `rtp` the application plays and publishes by itself, and the phone is one more player of
//! both streams, for the recording alone. While a media engine is served, the loop wakes every
//! 20 ms.

use log::info;
use mio::event::Event;

use crate::base::limits::sound::{SILENT_FRAMES, SOUND_LINGER};
use crate::base::limits::FRAME_SAMPLES;
use crate::base::time::Instant;
use crate::config::Config;
use crate::daemon::context::Context;
use crate::daemon::media_ports::FreePorts;
use crate::daemon::turn::{Tokens, Work};
use crate::io::clock::Now;
use crate::proto::intercom::endpoint::output::{CallInfo, Closed};
use crate::proto::intercom::endpoint::request::Rtp;
use crate::proto::intercom::endpoint::urls::{Url, Urls};
use crate::proto::intercom::sound::line::SoundLine;
use crate::proto::intercom::sound::publisher::StreamPublisher;
use crate::proto::intercom::sound::stream::StreamMachine;
use crate::proto::recorder::outbox::To;
use crate::proto::recorder::reason::Reason as Refusal;
use crate::wire::control::Writer;
use crate::wire::flv::sound_codec;
use crate::wire::g711::Law;
use crate::wire::intercom::{Id, Sid};
pub(super) use bridge::Bridge;
use call_recording::{CallRecording, FileName};
use party::Party;
use stream_client::{Progress, StreamClient};

mod bridge;
mod call_recording;
mod party;
mod stream_client;

const PEER: usize = 0;
const OWN: usize = 1;
const PUBLISHER: usize = 2;
/// Sources of the media, after its first one.
pub(super) const SOURCES: usize = 3;

/// The media of the device's calls, one after the other.
pub(super) struct CallMedia {
    first_source: usize,
    ports: FreePorts,
    parties: [Party; 2],
    publish: StreamClient,
    publisher: StreamPublisher,
    /// To the media engine, and from it.
    lines: [SoundLine; 2],
    bridge: Option<Bridge>,
    recording: CallRecording,
    state: State,
    /// An answered call whose media begin once the recording of the one before is read.
    wanted: Option<Wanted>,
    /// Silent frames that have not been published yet.
    silent_frames: usize,
    records: bool,
    own_id: Id,
    law: Law,
}

struct Wanted {
    info: CallInfo,
    urls: Urls,
    answered_at: Instant,
}

enum State {
    Idle,
    Running(Sid),
    /// The call has ended; sound that is on its way is awaited until this time.
    Ending(Instant),
}

impl CallMedia {
    pub(super) fn new(config: &Config, tokens: Tokens, first_source: usize) -> Self {
        let token = |source| tokens.token(first_source + source);
        Self {
            first_source,
            ports: FreePorts::new(config.media_addr, config.media_ports),
            parties: [Party::new(token(PEER), 0), Party::new(token(OWN), 1)],
            publish: StreamClient::new(token(PUBLISHER)),
            publisher: StreamPublisher::new(),
            lines: [SoundLine::new(), SoundLine::new()],
            bridge: None,
            recording: CallRecording::new(),
            state: State::Idle,
            wanted: None,
            silent_frames: 0,
            records: config.intercom.record,
            own_id: config.intercom.settings().map_or(Id::new(), |own| own.id),
            law: config.settings().law,
        }
    }

    /// Ports for a call with a media engine; they are used from `set_bridge` on.
    pub(super) fn open_bridge(&mut self, now: Instant, rtp: &Rtp) -> Result<Bridge, Refusal> {
        Bridge::open(now, &mut self.ports, rtp.to, rtp.law.unwrap_or(self.law))
    }

    pub(super) fn set_bridge(&mut self, bridge: Option<Bridge>) {
        if bridge.is_some() {
            self.bridge = bridge;
        }
    }

    /// The call has a media engine.
    pub(super) fn is_bridged(&self) -> bool {
        self.bridge.is_some()
    }

    pub(super) fn handle_event(&mut self, source: usize, event: &Event) {
        match source - self.first_source {
            PUBLISHER => self.publish.set_ready(event),
            party => self.parties[party.min(OWN)].client.set_ready(event),
        }
    }

    /// The call was answered.
    pub(super) fn handle_talking(&mut self, now: Instant, info: &CallInfo, urls: &Urls) {
        if matches!(&self.state, State::Running(sid) if *sid == info.sid) {
            return;
        }
        self.wanted = Some(Wanted {
            info: info.clone(),
            urls: urls.clone(),
            answered_at: now,
        });
        if matches!(self.state, State::Running(_)) {
            self.state = State::Ending(now);
        }
    }

    /// The call has ended.
    pub(super) fn handle_closed(&mut self, now: Instant, closed: &Closed) {
        self.wanted = None;
        self.recording.handle_end(now, &closed.reason);
        self.publisher.finish();
        self.bridge = None;
        self.state = match self.state {
            State::Running(_) => State::Ending(now + SOUND_LINGER),
            _ => State::Ending(now),
        };
    }

    /// The file of a call's recording; empty if there is none.
    pub(super) fn recording_of(&self, sid: &[u8]) -> FileName {
        self.recording.file(sid)
    }

    /// The device ends: nothing is awaited.
    pub(super) fn handle_shutdown(&mut self, now: Instant, context: &mut Context) {
        self.finish(context);
        self.recording.turn(now, true, context);
    }

    pub(super) fn turn(&mut self, now: &Now, context: &mut Context) -> Work {
        let at = now.monotonic;
        self.begin_wanted(at, context);
        if !matches!(self.state, State::Idle) {
            self.read(at, context);
            self.mix(at);
            self.publish(at, context);
        }
        let is_complete = match self.state {
            State::Idle => true,
            State::Running(_) => false,
            State::Ending(until) => at >= until || self.is_read(),
        };
        if is_complete && !matches!(self.state, State::Idle) {
            self.finish(context);
        }
        self.recording.turn(at, is_complete, context);
        let clients = self.parties.iter().map(|party| &party.client);
        let has_more = clients.chain([&self.publish]).any(StreamClient::has_more);
        if has_more && !is_complete {
            Work::Left
        } else {
            Work::Done
        }
    }

    pub(super) fn next_deadline(&self) -> Instant {
        let lines = match (&self.state, &self.bridge) {
            (State::Running(_), Some(_)) => self.lines[0].next_deadline(),
            _ => Instant::NEVER,
        };
        let ending = match self.state {
            State::Ending(until) => until,
            _ => Instant::NEVER,
        };
        let wanted = self
            .wanted
            .as_ref()
            .map_or(Instant::NEVER, |_| Instant::default());
        let clients = self.parties.iter().map(|party| &party.client);
        let clients = clients
            .chain([&self.publish])
            .map(StreamClient::next_deadline);
        clients
            .chain([lines, ending, wanted])
            .min()
            .unwrap_or(Instant::NEVER)
    }

    fn begin_wanted(&mut self, now: Instant, context: &mut Context) {
        if context.feed.is_in_use() || !matches!(self.state, State::Idle) {
            return;
        }
        let Some(wanted) = self.wanted.take() else {
            return;
        };
        let Wanted {
            info,
            urls,
            answered_at,
        } = wanted;
        self.state = State::Running(info.sid.clone());
        if self.records {
            self.recording
                .begin(answered_at, &self.own_id, &info, context);
        }
        if self.records || self.bridge.is_some() {
            self.parties[PEER].begin(now, sound_of(&urls.play_audio, &urls.play_video));
        }
        let own = sound_of(&urls.publish_audio, &urls.publish_video);
        if let Some(bridge) = &self.bridge {
            for line in &mut self.lines {
                let [ssrc, rest, _] = context.random.words();
                line.begin(now, bridge.law, [ssrc, rest]);
            }
            self.silent_frames = 0;
            if !own.is_empty() {
                self.publish.begin(now, own);
            }
        } else if self.records {
            self.parties[OWN].begin(now, own);
        }
    }

    /// Reads the streams, and what the media engine has sent.
    fn read(&mut self, now: Instant, context: &mut Context) {
        let registry = context.poll.registry();
        let feed = &mut context.feed;
        let has_engine = self.bridge.is_some();
        let line = has_engine.then_some(&mut self.lines[0]);
        self.parties[PEER].turn(now, registry, feed, line);
        self.parties[OWN].turn(now, registry, feed, None);
        if let Some(bridge) = &mut self.bridge {
            let line = &mut self.lines[1];
            bridge.read(now, &mut context.clock, |arrival, datagram| {
                feed.push(OWN, arrival, datagram);
                line.handle_rtp(arrival, datagram);
            });
            feed.set_covered(OWN, now);
            self.lines.iter_mut().for_each(|line| line.handle_read(now));
        }
        for party in &mut self.parties {
            if let Some(format) = party.take_foreign() {
                report_foreign(format, context);
            }
        }
    }

    /// Passes on the frames that are due.
    fn mix(&mut self, now: Instant) {
        let Some(bridge) = &self.bridge else { return };
        while let Some(frame) = self.lines[0].poll_frame(now) {
            bridge.send(&frame.packet);
        }
        while let Some(frame) = self.lines[1].poll_frame(now) {
            if !self.publish.is_open() {
                continue;
            }
            self.silent_frames += usize::from(frame.is_idle);
            if self.silent_frames == SILENT_FRAMES || !frame.is_idle {
                let silence = [bridge.law.silence(); SILENT_FRAMES * FRAME_SAMPLES];
                let silence = &silence[..self.silent_frames * FRAME_SAMPLES];
                let next = frame.millis + 20 * u32::from(frame.is_idle);
                let first = next.wrapping_sub(20 * self.silent_frames as u32);
                if !silence.is_empty() {
                    self.publisher.push_codes(bridge.law, first, silence);
                }
                self.silent_frames = 0;
            }
            if !frame.is_idle {
                let codes = frame.codes();
                self.publisher.push_codes(bridge.law, frame.millis, codes);
            }
        }
    }

    fn publish(&mut self, now: Instant, context: &mut Context) {
        let registry = context.poll.registry();
        let publisher: &mut dyn StreamMachine = &mut self.publisher;
        match self.publish.turn(now, registry, publisher, &mut |_| {}) {
            Progress::Lost(problem) if matches!(self.state, State::Running(_)) => {
                log::warn!("intercom: the own stream is not published: {problem:?}")
            }
            Progress::Lost(_) | Progress::Connected | Progress::Nothing => {}
        }
    }

    /// Everything that the streams had has been read.
    fn is_read(&self) -> bool {
        self.parties.iter().all(|party| !party.client.is_open()) && !self.publish.is_open()
    }

    fn finish(&mut self, context: &mut Context) {
        for party in &mut self.parties {
            party.finish(&mut context.feed);
        }
        if self.publisher.lost_tags() > 0 {
            let lost = self.publisher.lost_tags();
            info!("intercom: {lost} tags were not published: the network did not take them");
        }
        self.publish.end();
        self.state = State::Idle;
    }
}

/// Where a party's sound is: a door's is in the stream of its picture.
fn sound_of<'a>(audio: &'a Url, video: &'a Url) -> &'a Url {
    if audio.is_empty() {
        video
    } else {
        audio
    }
}

/// What is not G.711 is neither bridged nor recorded: the programs that have subscribed are told.
fn report_foreign(format: u8, context: &mut Context) {
    let mut buffer = [0; 128];
    let mut writer = Writer::new(&mut buffer, "StreamEvent");
    writer
        .pair("state", "not-recordable")
        .pair("codec", sound_codec(format));
    let len = writer.finish().unwrap_or(0);
    context.push(To::Subscribers, &buffer[..len]);
}
