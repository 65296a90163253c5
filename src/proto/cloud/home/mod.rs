//! A home's box in the cloud: while a door's call rings on the home's screens, the phones of the
//! owners ring, too. The router (`proto::intercom::home_box`) takes them for one more screen: it
//! gets and gives messages of the intercom here. Not here: sockets.
//!
//! ```text
//! Placing --placed--> Ringing --accept--> Talking
//!    `------accept------------------------^
//! ```
//! Inputs go to `handle_*`; then outputs are taken from `poll_output` until there is none.

use std::collections::VecDeque;

use crate::base::limits::cloud::{HOME_KEEP, REMEMBERED_SIDS};
use crate::base::time::Instant;
use crate::proto::cloud::channel::{Channel, ChannelOutput};
use crate::proto::cloud::posts::{Post, Posts};
use crate::proto::intercom::endpoint::ids::IdSource;
use crate::proto::intercom::endpoint::output::CloudState;
use crate::wire::cloud::message::{parse_sid, Kind, Reason, Sid};
use crate::wire::intercom::{cut, Message, Party, Sid as CallSid, Stream};

mod device;
mod messages;

/// The phones that one call may ring.
pub const MAX_OWNERS: usize = 8;

/// An output of the box in the cloud.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(clippy::large_enum_variant)] // few at a time
pub enum Output {
    /// Begin to open the channel, with the token as it is now.
    OpenChannel,
    /// Close the channel.
    CloseChannel,
    /// Tell the cloud that this message has come.
    Acknowledge(u64),
    /// Tell those who have subscribed.
    State(CloudState),
    /// This phone has sent this message; for the router.
    Message(u32, Message),
    /// No phone rings any more, and none has declined; for the router.
    NobodyRings,
    /// A phone has answered: its sound goes to the door, the door's stream to it.
    OpenStreams(Streams),
    /// Not any more.
    CloseStreams,
}

/// The streams of a call with a phone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Streams {
    /// The call's key in the cloud.
    pub sid: Sid,
    /// The box itself: the door's stream has its number.
    pub own: u32,
    /// The phone that has answered.
    pub phone: u32,
    /// The door's stream on the box's stream server; empty if there is none.
    pub door: Stream,
    /// The stream that the door plays.
    pub heard: Stream,
}

/// The call of which the cloud knows.
struct Call {
    /// As the home knows it.
    home_sid: CallSid,
    sid: Sid,
    /// 0 while nobody has answered.
    phone: u32,
    door: Stream,
    heard: Stream,
    next_keep_at: Instant,
}

/// The box.
pub struct HomeInCloud {
    cid: u32,
    owners: heapless::Vec<u32, MAX_OWNERS>,
    ids: IdSource,
    channel: Channel,
    posts: Posts,
    call: Option<Call>,
    /// The application server remembers a call for an hour: its key names no other one.
    used: VecDeque<Sid>,
    outputs: VecDeque<Output>,
}

impl HomeInCloud {
    /// A box that begins to work; the seed is random and secret. Its channel is opened at once:
    /// `handle_timeout` is due.
    pub fn new(now: Instant, cid: u32, owners: &[u32], seed: [u8; 32]) -> Self {
        Self {
            cid,
            owners: owners.iter().copied().take(MAX_OWNERS).collect(),
            ids: IdSource::new(seed),
            channel: Channel::new(now),
            posts: Posts::default(),
            call: None,
            used: VecDeque::new(),
            outputs: VecDeque::new(),
        }
    }

    /// The next output.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// The channel is open: phones can be called.
    pub fn is_online(&self) -> bool {
        self.channel.told() == Some(CloudState::Online)
    }

    /// What was told last of the channel.
    pub fn told(&self) -> Option<CloudState> {
        self.channel.told()
    }

    /// Nothing is left to be told to the application server.
    pub fn has_told_all(&self) -> bool {
        self.posts.is_empty()
    }

    /// The router sends this to the phones.
    pub fn handle_router(&mut self, now: Instant, message: &Message) {
        match message {
            Message::CallReq { sid, src, dest } => self.ring(now, sid, src, dest),
            Message::CallEnd { reason, .. } | Message::CallReject { reason, .. } => {
                self.end(&cut(reason));
            }
            Message::CallKeep { .. } => self.keep(now),
            Message::OpenDoorResult { ok, reason, .. } => {
                let reason: Reason = match (ok, reason.is_empty()) {
                    (true, _) => Reason::new(),
                    (false, true) => cut(b"refused"),
                    (false, false) => cut(reason),
                };
                self.post_in_call(Kind::OpenDoorResult, reason);
            }
            _ => {}
        }
    }

    /// The owners' phones are called. The application server is told once the requests before
    /// this one are answered; the screens do not wait for that.
    fn ring(&mut self, now: Instant, home_sid: &CallSid, src: &Party, dest: &Party) {
        self.end(&Reason::new());
        let sid = parse_sid(home_sid).filter(|sid| !self.used.contains(sid));
        let sid = sid.unwrap_or_else(|| self.own_sid());
        if self.used.len() >= REMEMBERED_SIDS {
            self.used.pop_front();
        }
        self.used.push_back(sid);
        // A door's picture and sound are one stream, named by its video id.
        let door = if src.video.is_empty() {
            &src.audio
        } else {
            &src.video
        };
        self.call = Some(Call {
            home_sid: home_sid.clone(),
            sid,
            phone: 0,
            door: stream_id(door),
            heard: stream_id(&dest.audio),
            next_keep_at: now + HOME_KEEP,
        });
        let mut post = Post::new(Kind::Call, sid);
        post.to = self.owners.clone();
        if !self.posts.push(post) {
            self.lose_ring();
        }
    }

    fn own_sid(&mut self) -> Sid {
        let digits: CallSid = self.ids.id();
        parse_sid(&digits).unwrap_or([b'0'; 16])
    }

    /// The router ends the call, or the phones' part in it. Before an answer the application server
    /// takes that as `cancel`; so it does not matter which of both comes first.
    fn end(&mut self, reason: &Reason) {
        let Some(call) = self.call.take() else {
            return;
        };
        let mut post = Post::new(Kind::End, call.sid);
        // The kind says it already.
        if &reason[..] != b"hangup" {
            post.reason = reason.clone();
        }
        let _ = self.posts.push(post);
        self.close_streams(&call);
    }

    /// The phone's stream has ended, and does not come back.
    pub fn handle_stream_ended(&mut self) {
        let Some(call) = self.call.as_ref().filter(|call| call.phone > 0) else {
            return;
        };
        let (phone, sid) = (call.phone, call.home_sid.clone());
        self.end(&cut(b"lost"));
        let reason = cut(b"lost");
        let message = Message::CallEnd { sid, reason };
        self.outputs.push_back(Output::Message(phone, message));
    }

    fn close_streams(&mut self, call: &Call) {
        if call.phone > 0 {
            self.outputs.push_back(Output::CloseStreams);
        }
    }

    /// The door's keep-alives are rarer here: each is a request.
    fn keep(&mut self, now: Instant) {
        let Some(call) = self.call.as_mut().filter(|call| call.phone > 0) else {
            return;
        };
        if now >= call.next_keep_at && self.posts.is_empty() {
            call.next_keep_at = now + HOME_KEEP;
            self.post_in_call(Kind::Keep, Reason::new());
        }
    }

    fn post_in_call(&mut self, kind: Kind, reason: Reason) {
        let Some(call) = &self.call else {
            return;
        };
        let mut post = Post::new(kind, call.sid);
        post.reason = reason;
        let _ = self.posts.push(post);
    }

    /// No phone rings; the screens do.
    fn lose_ring(&mut self) {
        self.call = None;
        self.outputs.push_back(Output::NobodyRings);
    }

    /// When `handle_timeout` is due.
    pub fn next_deadline(&self) -> Instant {
        self.channel.next_deadline()
    }

    /// Does what is due.
    pub fn handle_timeout(&mut self, now: Instant) {
        let jitter = self.ids.number();
        self.channel.handle_timeout(now, jitter);
        self.follow_channel(now);
    }

    fn follow_channel(&mut self, now: Instant) {
        while let Some(output) = self.channel.poll_output() {
            let output = match output {
                ChannelOutput::Open => Output::OpenChannel,
                ChannelOutput::Close => Output::CloseChannel,
                ChannelOutput::Acknowledge(id) => Output::Acknowledge(id),
                ChannelOutput::State(state) => Output::State(state),
                ChannelOutput::Message(src, message) => {
                    self.handle_message(now, src, &message);
                    continue;
                }
            };
            self.outputs.push_back(output);
        }
    }
}

/// The id of a stream on the box's own server; empty for a URL, which is elsewhere.
fn stream_id(stream: &Stream) -> Stream {
    if stream.windows(3).any(|part| part == b"://") {
        return Stream::new();
    }
    let id = stream.strip_suffix(b".flv").unwrap_or(stream);
    cut(id)
}

#[cfg(test)]
mod tests;
