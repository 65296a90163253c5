//! A phone in the cloud: one call at a time. Not here: sockets, the helper with the vendor's
//! transport, and the sound.
//!
//! ```text
//! caller  Placing -> Requested -> Alerting -> Talking
//! callee  Announced -> Ringing -> Talking
//!                        `-> Silenced ^
//! ```
//! With the vendor's transport `Opening` comes before `Talking`. What a device does reaches the other
//! one through the application server (`posts`), which knows all calls: one that it does not know
//! does not ring. Each call that programs are told of has one `Event::Closed`.
//!
//! Inputs go to `handle_*`; then outputs are taken from `poll_output` until there is none.

use crate::base::limits::cloud::{MAX_OUTPUTS, REMEMBERED_SIDS, SID_MEMORY};
use crate::base::time::Instant;
use crate::proto::cloud::channel::{Channel, ChannelOutput};
use crate::proto::cloud::phone::call::{Call, Stage};
use crate::proto::cloud::posts::{Post, Posts};
use crate::proto::intercom::endpoint::ids::IdSource;
use crate::proto::intercom::endpoint::output::{CallInfo, Event};
use crate::proto::intercom::endpoint::status::Status;
use crate::proto::intercom::endpoint::urls::Urls;
use crate::wire::cloud::message::{Kind, Sid, Url};
use crate::wire::intercom::Reason;
use settings::Settings;

mod call;
mod closing;
mod device;
mod messages;
mod outcomes;
mod requests;
pub mod settings;
mod timeouts;
mod url_check;

/// An output of the phone.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(clippy::large_enum_variant)] // in a queue that is allocated once
pub enum Output {
    /// Begin to open the channel, with the token as it is now.
    OpenChannel,
    /// Close the channel.
    CloseChannel,
    /// Tell the cloud that this message has come.
    Acknowledge(u64),
    /// Tell the programs that have subscribed.
    Event(Event),
    /// The call was answered: play and publish its streams, at the relay with this number.
    OpenStreams(CallInfo, Urls, usize),
    /// Start the helper with the vendor's transport, which has the call's sound.
    StartTransport(TransportMode, Url),
    /// Have it go.
    StopTransport,
}

/// What the helper is to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TransportMode {
    /// Open the caller's URL.
    Open,
    /// Wait until the callee opens this device's.
    Wait,
}

/// What the helper has said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TransportEvent {
    /// The connection to the other device is there.
    Accepted,
    /// The other device has closed it.
    Closed,
    /// The helper has ended, or could not be started.
    Ended,
}

/// What was ignored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Messages that were no call messages, not from whom they said, or of another call.
    pub ignored: u64,
    /// Calls with a URL that is not opened.
    pub refused_urls: u64,
    /// Calls that came too late, or a second time.
    pub stale: u64,
    /// Requests that found no room.
    pub dropped: u64,
    /// Outputs for which there was no room: a bug.
    pub bugs: u64,
}

/// The state machine of one phone.
pub struct CloudPhone {
    settings: Settings,
    ids: IdSource,
    channel: Channel,
    posts: Posts,
    call: Option<Call>,
    /// The line is busy with a call of another kind.
    line_busy: bool,
    /// Calls that are over, of which device, and until when they are remembered.
    over: heapless::Deque<(Sid, u32, Instant), REMEMBERED_SIDS>,
    outputs: heapless::Deque<Output, MAX_OUTPUTS>,
    counts: Counts,
}

impl CloudPhone {
    /// A phone that begins to work; the seed is random and secret. Its channel is opened at once:
    /// `handle_timeout` is due.
    pub fn new(now: Instant, settings: Settings, seed: [u8; 32]) -> Self {
        Self {
            settings,
            ids: IdSource::new(seed),
            channel: Channel::new(now),
            posts: Posts::default(),
            call: None,
            line_busy: false,
            over: heapless::Deque::new(),
            outputs: heapless::Deque::new(),
            counts: Counts::default(),
        }
    }

    /// No call, in any state.
    pub fn is_idle(&self) -> bool {
        self.call.is_none()
    }

    /// This is its call.
    pub fn has_call(&self, sid: &[u8]) -> bool {
        let call = self.call.as_ref().filter(|call| call.stage.is_told());
        call.is_some_and(|call| call.sid == sid)
    }

    /// What was ignored so far.
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// The line is busy with a call of another kind, or free again.
    pub fn set_line_busy(&mut self, is_busy: bool) {
        self.line_busy = is_busy;
    }

    /// The next output.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// The request to the application server that is to be sent now; `handle_outcome` follows.
    pub fn poll_post(&mut self, now: Instant) -> Option<Post> {
        self.posts.poll(now)
    }

    /// When `poll_post` has a request.
    pub fn next_post_at(&self) -> Instant {
        self.posts.next_deadline()
    }

    /// Nothing is left to be told to the application server.
    pub fn has_told_all(&self) -> bool {
        self.posts.is_empty()
    }

    /// The channel's request is answered.
    pub fn handle_channel_answered(&mut self, now: Instant, status: u16, date: Option<u64>) {
        let jitter = self.ids.number();
        self.channel.handle_answered(now, status, date, jitter);
        self.follow_channel(now);
    }

    /// The outputs of `CHANNEL_BYTES` more find room.
    pub fn has_room(&self) -> bool {
        self.outputs.len() <= MAX_OUTPUTS / 2
    }

    /// Takes bytes of the channel, `CHANNEL_BYTES` at most.
    pub fn handle_channel_bytes(&mut self, now: Instant, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let used = self.channel.handle_bytes(now, bytes);
            bytes = &bytes[used..];
            self.follow_channel(now);
        }
    }

    /// The channel could not be opened, or has ended.
    pub fn handle_channel_lost(&mut self, now: Instant) {
        let jitter = self.ids.number();
        self.channel.handle_lost(now, jitter);
        self.follow_channel(now);
    }

    fn follow_channel(&mut self, now: Instant) {
        while let Some(output) = self.channel.poll_output() {
            match output {
                ChannelOutput::Open => self.output(Output::OpenChannel),
                ChannelOutput::Close => self.output(Output::CloseChannel),
                ChannelOutput::Acknowledge(id) => self.output(Output::Acknowledge(id)),
                ChannelOutput::State(state) => self.output(Output::Event(Event::Cloud(state))),
                ChannelOutput::Message(src, message) => self.handle_message(now, src, &message),
            }
        }
    }

    /// The running call, if programs are told of one.
    pub fn status(&self, now: Instant) -> Option<Status> {
        let call = self.call.as_ref().filter(|call| call.stage.is_told())?;
        Some(Status {
            info: call.info.clone(),
            state: call.shown(),
            since_ms: now.since(call.since).millis(),
        })
    }

    /// What is now as events: the call, the channel. `None` after the last one.
    pub fn present(&self, number: usize) -> Option<Event> {
        let call = self.call.as_ref().filter(|call| call.stage.is_told());
        match (call, number) {
            (Some(call), 0) => {
                let urls = match call.stage {
                    Stage::Talking => call.urls.clone(),
                    _ => Urls::default(),
                };
                Some(Event::Call(call.shown(), call.info.clone(), urls))
            }
            (Some(_), 1) | (None, 0) => self.channel.told().map(Event::Cloud),
            _ => None,
        }
    }

    /// Tells the application server what this device does.
    fn post(&mut self, kind: Kind, sid: Sid, reason: Reason) {
        let mut post = Post::new(kind, sid);
        post.reason = reason;
        self.push_post(post);
    }

    fn push_post(&mut self, post: Post) {
        if !self.posts.push(post) {
            self.counts.dropped += 1;
        }
    }

    fn is_over(&self, now: Instant, sid: &Sid, from: u32) -> bool {
        let mut over = self.over.iter();
        over.any(|(known, of, until)| known == sid && *of == from && now < *until)
    }

    fn remember(&mut self, now: Instant, sid: Sid, from: u32) {
        if self.over.is_full() {
            self.over.pop_front();
        }
        let _ = self.over.push_back((sid, from, now + SID_MEMORY));
    }

    fn output(&mut self, output: Output) {
        if self.outputs.push_back(output).is_err() {
            debug_assert!(false, "bug: too many outputs of one input");
            self.counts.bugs += 1;
        }
    }
}

#[cfg(test)]
mod tests;
