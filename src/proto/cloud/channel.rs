//! A device's channel to the cloud: opened, listened to, and opened again when it is lost.
//!
//! ```text
//! Pausing --time--> Opening --answered 200--> Open --lost, silent--> Pausing
//!                      `-- refused, failed --> Pausing
//! ```
//! Inputs go to `handle_*`; then outputs are taken from `poll_output` until there is none.

use crate::base::limits::cloud::{
    CHANNEL_SILENCE, EXCHANGE_TIMEOUT, FIRST_PAUSE, LONGEST_PAUSE, REMEMBERED_MESSAGES,
    REPLACED_PAUSE,
};
use crate::base::time::{Duration, Instant};
use crate::proto::intercom::endpoint::output::CloudState;
use crate::wire::ascii;
use crate::wire::base64;
use crate::wire::cloud::event_stream::{EventReader, StreamEvent};
use crate::wire::cloud::message::MESSAGE_BYTES;
use crate::wire::control::Text;
use crate::wire::json::Object;

/// Outputs of one input: the events of a read, which the owner takes in between.
const MAX_OUTPUTS: usize = 8;
/// Messages that want an acknowledgement.
const FLAG_ACKNOWLEDGED: u64 = 2;
/// Tokens that the cloud does not take.
const UNAUTHORISED: [u16; 2] = [401, 403];

/// An output of the channel.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(clippy::large_enum_variant)] // in a queue that is allocated once
pub enum ChannelOutput {
    /// Begin to connect, with the token as it is now.
    Open,
    /// Close the connection.
    Close,
    /// Tell the cloud that this message has come.
    Acknowledge(u64),
    /// The channel has reached another state.
    State(CloudState),
    /// A message of a device or server; 0: nobody says whose.
    Message(u32, Text<MESSAGE_BYTES>),
}

/// The channel.
pub struct Channel {
    state: State,
    /// Attempts that failed, one after the other.
    failures: u32,
    reader: EventReader,
    /// The cloud's time in Unix seconds, and when it was told.
    clock: Option<(u64, Instant)>,
    told: Option<CloudState>,
    taken: heapless::Deque<u64, REMEMBERED_MESSAGES>,
    outputs: heapless::Deque<ChannelOutput, MAX_OUTPUTS>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Pausing { until: Instant },
    Opening { until: Instant },
    Open { silent_at: Instant },
}

impl Channel {
    /// A channel that is opened at once: `handle_timeout` is due.
    pub fn new(now: Instant) -> Self {
        Self {
            state: State::Pausing { until: now },
            failures: 0,
            reader: EventReader::default(),
            clock: None,
            told: None,
            taken: heapless::Deque::new(),
            outputs: heapless::Deque::new(),
        }
    }

    /// The next output.
    pub fn poll_output(&mut self) -> Option<ChannelOutput> {
        self.outputs.pop_front()
    }

    /// What was told last.
    pub fn told(&self) -> Option<CloudState> {
        self.told
    }

    /// The cloud's time in Unix seconds, if it has told it.
    pub fn unix_seconds(&self, now: Instant) -> Option<u64> {
        let (seconds, at) = self.clock?;
        Some(seconds + now.since(at).millis() / 1000)
    }

    /// The request is answered.
    pub fn handle_answered(&mut self, now: Instant, status: u16, date: Option<u64>, jitter: u64) {
        if !matches!(self.state, State::Opening { .. }) {
            return;
        }
        if let Some(date) = date {
            self.clock = Some((date, now));
        }
        if status == 200 {
            self.reader = EventReader::default();
            self.state = State::Open {
                silent_at: now + CHANNEL_SILENCE,
            };
            return;
        }
        let told = if UNAUTHORISED.contains(&status) {
            CloudState::Refused
        } else {
            CloudState::Lost
        };
        self.output(ChannelOutput::Close);
        self.pause(now, told, jitter);
    }

    /// The connection could not be made, or has ended.
    pub fn handle_lost(&mut self, now: Instant, jitter: u64) {
        if !matches!(self.state, State::Pausing { .. }) {
            self.pause(now, CloudState::Lost, jitter);
        }
    }

    /// Takes bytes of the body up to the end of an event; returns how many were used.
    pub fn handle_bytes(&mut self, now: Instant, bytes: &[u8]) -> usize {
        let State::Open { silent_at } = &mut self.state else {
            return bytes.len();
        };
        let (event, used) = self.reader.next(bytes);
        if bytes[..used].contains(&b'\n') {
            *silent_at = now + CHANNEL_SILENCE;
        }
        if let Some(event) = event {
            self.handle_event(now, &event);
        }
        used
    }

    /// The time of `next_deadline` has come; early and additional calls do no harm.
    pub fn handle_timeout(&mut self, now: Instant, jitter: u64) {
        if now < self.next_deadline() {
            return;
        }
        if matches!(self.state, State::Pausing { .. }) {
            self.state = State::Opening {
                until: now + EXCHANGE_TIMEOUT,
            };
            self.output(ChannelOutput::Open);
        } else {
            self.output(ChannelOutput::Close);
            self.pause(now, CloudState::Lost, jitter);
        }
    }

    /// When `handle_timeout` is due.
    pub fn next_deadline(&self) -> Instant {
        match self.state {
            State::Pausing { until } | State::Opening { until } => until,
            State::Open { silent_at } => silent_at,
        }
    }

    fn handle_event(&mut self, now: Instant, event: &StreamEvent) {
        let Ok(object) = Object::parse(&event.data) else {
            return;
        };
        // The demos of the vendor write the keys small.
        let key = |big: &'static str, small: &'static str| {
            if object.raw(big).is_some() {
                big
            } else {
                small
            }
        };
        let name = object.text::<32>(key("Name", "name"));
        let message = key("Message", "message");
        match ascii::word(&name) {
            "Online" => {
                self.failures = 0;
                self.tell(CloudState::Online);
            }
            "OffLine" if object.text::<16>(message) == b"replaced" => {
                self.output(ChannelOutput::Close);
                self.tell(CloudState::Replaced);
                self.state = State::Pausing {
                    until: now + REPLACED_PAUSE,
                };
            }
            "PopMessage" => {
                // The cloud repeats what it gets no acknowledgement for: also what is known.
                let id = event
                    .id
                    .filter(|_| object.number("Flag") == Some(FLAG_ACKNOWLEDGED));
                let is_new = id.is_none_or(|id| self.take(id));
                if let Some(id) = id {
                    self.output(ChannelOutput::Acknowledge(id));
                }
                if is_new {
                    self.handle_message(&object, message);
                }
            }
            _ => {}
        }
    }

    fn handle_message(&mut self, object: &Object, key: &str) {
        // base64 has four letters for three bytes.
        let letters = object.text::<{ MESSAGE_BYTES.div_ceil(3) * 4 }>(key);
        let mut buffer = [0; MESSAGE_BYTES];
        let Some(bytes) = base64::parse(&letters, &mut buffer) else {
            return;
        };
        let src = object
            .number("SrcID")
            .and_then(|src| u32::try_from(src).ok());
        let text = Text::from_slice(bytes).unwrap_or_default();
        self.output(ChannelOutput::Message(src.unwrap_or(0), text));
    }

    /// `false`: it was taken before.
    fn take(&mut self, id: u64) -> bool {
        if self.taken.iter().any(|taken| *taken == id) {
            return false;
        }
        if self.taken.is_full() {
            self.taken.pop_front();
        }
        self.taken.push_back(id).is_ok()
    }

    /// Waits twice as long each time, with a jitter of 20 %, so that not all devices come back to a
    /// cloud at the same moment.
    fn pause(&mut self, now: Instant, told: CloudState, jitter: u64) {
        self.tell(told);
        let doubled = FIRST_PAUSE.millis() << self.failures.min(5);
        let millis = doubled.min(LONGEST_PAUSE.millis());
        self.failures += 1;
        let millis = millis * (80 + jitter % 41) / 100;
        self.state = State::Pausing {
            until: now + Duration::from_millis(millis),
        };
    }

    fn tell(&mut self, state: CloudState) {
        if self.told != Some(state) {
            self.told = Some(state);
            self.output(ChannelOutput::State(state));
        }
    }

    fn output(&mut self, output: ChannelOutput) {
        let queued = self.outputs.push_back(output);
        debug_assert!(queued.is_ok(), "bug: outputs were not taken");
    }
}

#[cfg(test)]
mod tests;
