//! The sound of the running call: streams played and published, the media engine's RTP, and the
//! recording.
//!
//! ```text
//! peer's stream --> party ---+--> line --> bridge (RTP to the media engine)
//!                            +--> feed --> recording
//! leg port ----> bridge -----+--> publishing (own stream)
//! or own stream --> party    +--> feed --> recording
//! ```
//! Without `rtp` the application plays and publishes by itself, and the phone is one more player of
//! both streams, for the recording alone. While a media engine is served, the loop wakes every
//! 20 ms.

use std::net::SocketAddr;

use mio::event::Event;

use crate::base::limits::sound::{PUBLISH_BYTES, PUBLISH_PICTURE_BYTES, SOUND_LINGER};
use crate::base::time::Instant;
use crate::config::Config;
use crate::daemon::context::Context;
use crate::daemon::media_ports::FreePorts;
use crate::daemon::turn::{Tokens, Work};
use crate::io::clock::Now;
use crate::outgoing::transport::ServerAddress;
use crate::proto::intercom::endpoint::output::{CallInfo, Closed};
use crate::proto::intercom::endpoint::request::Rtp;
use crate::proto::intercom::endpoint::settings::Role;
use crate::proto::intercom::endpoint::urls::{Url, Urls};
use crate::proto::intercom::sound::line::SoundLine;
use crate::proto::recorder::reason::Reason as Refusal;
use crate::streams::StreamServer;
use crate::wire::g711::Law;
#[cfg(feature = "cloud")]
use crate::wire::intercom::cut;
use crate::wire::intercom::{Id, Sid};
pub(super) use bridge::Bridge;
use call_recording::{CallRecording, FileName};
use door_picture::DoorPicture;
use party::Party;
use publishing::Publishing;
use stream_client::StreamClient;
#[cfg(feature = "cloud")]
use transport_sound::TransportSound;

mod beginning;
mod bridge;
mod call_recording;
pub(super) mod door_picture;
mod party;
mod publishing;
mod reading;
mod stream_client;
#[cfg(feature = "cloud")]
mod transport_sound;

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
    publishing: Publishing,
    /// To the media engine.
    line: SoundLine,
    bridge: Option<Bridge>,
    /// The call that the bridge is for.
    bridged: Sid,
    recording: CallRecording,
    state: State,
    /// An answered call whose media begin once the recording of the one before is read.
    wanted: Option<Wanted>,
    /// What comes later is not recorded.
    ended_at: Instant,
    records: bool,
    own_id: Id,
    /// The same in the cloud.
    cloud_id: Id,
    law: Law,
    #[cfg(feature = "cloud")]
    transport: Option<TransportSound>,
    /// The helper goes: what it has sent is read once more.
    #[cfg(feature = "cloud")]
    is_transport_over: bool,
}

struct Wanted {
    info: CallInfo,
    sound: Sound,
    answered_at: Instant,
}

/// Where a call's sound is.
#[derive(Clone)]
#[cfg_attr(feature = "cloud", allow(clippy::large_enum_variant))] // one for each call
pub(super) enum Sound {
    /// In streams. If their URLs have a name, the server is there.
    Streams(Urls, Option<ServerAddress>),
    /// In RTP of the helper with the vendor's transport.
    #[cfg(feature = "cloud")]
    Transport,
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
        let room = match config.intercom.role {
            Some(Role::Door) => PUBLISH_PICTURE_BYTES,
            _ => PUBLISH_BYTES,
        };
        Self {
            first_source,
            ports: FreePorts::new(config.media_addr, config.media_ports),
            parties: [Party::new(token(PEER), 0), Party::new(token(OWN), 1)],
            publishing: Publishing::new(token(PUBLISHER), room),
            line: SoundLine::new(),
            bridge: None,
            bridged: Sid::new(),
            recording: CallRecording::new(),
            state: State::Idle,
            wanted: None,
            ended_at: Instant::NEVER,
            records: config.intercom.record,
            own_id: config.intercom.settings().map_or(Id::new(), |own| own.id),
            law: config.settings().law,
            cloud_id: cloud_id(config),
            #[cfg(feature = "cloud")]
            transport: None,
            #[cfg(feature = "cloud")]
            is_transport_over: false,
        }
    }

    /// Ports for the sound of a helper with the vendor's transport: where it sends the peer's to,
    /// and where it is to listen for this phone's.
    #[cfg(feature = "cloud")]
    pub(super) fn open_transport(&mut self, now: Instant) -> Result<[u16; 2], Refusal> {
        let transport = TransportSound::open(now, &mut self.ports)?;
        let ports = transport.ports();
        self.transport = Some(transport);
        self.is_transport_over = false;
        Ok(ports)
    }

    /// The call's sound goes through a helper.
    #[cfg(feature = "cloud")]
    pub(super) fn has_transport(&self) -> bool {
        self.transport.is_some()
    }

    #[cfg(not(feature = "cloud"))]
    fn has_transport(&self) -> bool {
        false
    }

    /// The helper goes.
    #[cfg(feature = "cloud")]
    pub(super) fn end_transport(&mut self) {
        self.is_transport_over = true;
    }

    /// The peer's stream was played, and has been away since this time.
    #[cfg(feature = "cloud")]
    pub(super) fn peer_gone_since(&self) -> Option<Instant> {
        match self.state {
            State::Running(_) => self.parties[PEER].gone_since(),
            _ => None,
        }
    }

    /// Ports for a call with a media engine; they are used from `set_bridge` on.
    pub(super) fn open_bridge(&mut self, now: Instant, rtp: &Rtp) -> Result<Bridge, Refusal> {
        Bridge::open(now, &mut self.ports, rtp.to, rtp.law.unwrap_or(self.law))
    }

    pub(super) fn set_bridge(&mut self, bridge: Option<Bridge>, sid: &Sid) {
        if bridge.is_some() {
            self.bridge = bridge;
            self.bridged = sid.clone();
        }
    }

    /// The call has a media engine.
    pub(super) fn is_bridged(&self) -> bool {
        self.bridge.is_some()
    }

    pub(super) fn handle_event(&mut self, source: usize, event: &Event) {
        match source - self.first_source {
            PUBLISHER => self.publishing.client.set_ready(event),
            party => self.parties[party.min(OWN)].client.set_ready(event),
        }
    }

    /// A door with a media engine calls, or was answered; `publish_video` is where the peer plays its
    /// stream, `own` the server of the device.
    pub(super) fn handle_picture(&mut self, now: Instant, publish_video: &Url, own: SocketAddr) {
        if self.bridge.is_some() {
            self.publishing.begin_picture(now, publish_video, own);
        }
    }

    /// The id of the door's stream, which the application publishes at the own server.
    pub(super) fn picture_id(&self) -> Option<&[u8]> {
        self.publishing.picture.as_ref().map(DoorPicture::id)
    }

    /// The call was answered, by this device or by the peer. Its media begin at once: whether another
    /// device was first turns out within a second.
    pub(super) fn handle_talking(&mut self, now: Instant, info: &CallInfo, sound: Sound) {
        let runs = matches!(&self.state, State::Running(sid) if *sid == info.sid);
        let wanted = self.wanted.as_ref();
        if runs || wanted.is_some_and(|wanted| wanted.info.sid == info.sid) {
            return;
        }
        self.wanted = Some(Wanted {
            info: info.clone(),
            sound,
            answered_at: now,
        });
        // Nothing of the call before is awaited: the new one is heard at once.
        if !matches!(self.state, State::Idle) {
            self.state = State::Ending(now);
        }
    }

    /// A call has ended. Others than the running one are callers to whom the line was busy.
    pub(super) fn handle_closed(&mut self, now: Instant, closed: &Closed) {
        if !self.follows(&closed.info.sid) {
            return;
        }
        self.wanted = None;
        self.recording.handle_end(now, &closed.reason);
        self.ended_at = now;
        self.publishing.finish();
        self.bridge = None;
        self.state = match self.state {
            State::Running(_) => State::Ending(now + SOUND_LINGER),
            _ => State::Ending(now),
        };
    }

    /// These are the media of this call.
    fn follows(&self, sid: &Sid) -> bool {
        let runs = matches!(&self.state, State::Running(running) if running == sid);
        let wanted = self.wanted.as_ref();
        let is_wanted = wanted.is_some_and(|wanted| wanted.info.sid == *sid);
        let is_bridged = self.bridge.is_some() && self.bridged == *sid;
        runs || is_wanted || is_bridged
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

    pub(super) fn turn(
        &mut self,
        now: &Now,
        context: &mut Context,
        server: Option<&mut StreamServer>,
    ) -> Work {
        let at = now.monotonic;
        self.begin_wanted(at, context);
        if !matches!(self.state, State::Idle) {
            self.read(at, context);
            self.play(at);
        }
        #[cfg(feature = "cloud")]
        if std::mem::take(&mut self.is_transport_over) {
            self.transport = None;
        }
        let is_over = matches!(self.state, State::Ending(_));
        let registry = context.poll.registry();
        self.publishing.turn(at, registry, server, is_over);
        let is_complete = match self.state {
            State::Idle => true,
            State::Running(_) => false,
            State::Ending(until) => at >= until || self.is_read(),
        };
        if is_complete && !matches!(self.state, State::Idle) {
            self.finish(context);
        }
        self.recording.turn(at, is_complete, context);
        let may_begin = self.wanted.is_some() && matches!(self.state, State::Idle);
        if may_begin && !context.feed.is_in_use() {
            return Work::Left;
        }
        let clients = self.parties.iter().map(|party| &party.client);
        let has_more = clients
            .chain([&self.publishing.client])
            .any(StreamClient::has_more);
        if has_more && !is_complete {
            Work::Left
        } else {
            Work::Done
        }
    }

    pub(super) fn next_deadline(&self) -> Instant {
        let lines = match (&self.state, &self.bridge) {
            (State::Running(_), Some(_)) => self.line.next_deadline(),
            (State::Running(_), None) => self.transport_deadline(),
            _ => Instant::NEVER,
        };
        let ending = match self.state {
            State::Ending(until) => until,
            _ => Instant::NEVER,
        };
        let clients = self.parties.iter().map(|party| &party.client);
        let clients = clients
            .chain([&self.publishing.client])
            .map(StreamClient::next_deadline);
        clients
            .chain([lines, ending])
            .min()
            .unwrap_or(Instant::NEVER)
    }

    /// When the sound of a helper is to be read that no media engine waits for.
    #[cfg(feature = "cloud")]
    fn transport_deadline(&self) -> Instant {
        let transport = self.transport.as_ref();
        transport.map_or(Instant::NEVER, TransportSound::next_deadline)
    }

    #[cfg(not(feature = "cloud"))]
    fn transport_deadline(&self) -> Instant {
        Instant::NEVER
    }

    /// Passes on the frames that are due.
    fn play(&mut self, now: Instant) {
        let Some(bridge) = &self.bridge else { return };
        while let Some(packet) = self.line.poll_frame(now) {
            bridge.send(&packet);
        }
    }

    /// Everything that the streams had has been read.
    fn is_read(&self) -> bool {
        self.parties.iter().all(|party| !party.client.is_open())
            && !self.publishing.client.is_open()
    }

    fn finish(&mut self, context: &mut Context) {
        for party in &mut self.parties {
            party.finish(&mut context.feed);
        }
        self.publishing.end();
        self.state = State::Idle;
    }
}

/// What this phone is called in the cloud.
#[cfg(feature = "cloud")]
fn cloud_id(config: &Config) -> Id {
    cut(config.cloud.cid.to_string().as_bytes())
}

#[cfg(not(feature = "cloud"))]
fn cloud_id(_config: &Config) -> Id {
    Id::new()
}
