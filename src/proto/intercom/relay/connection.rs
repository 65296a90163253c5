//! One connection of a relay.

use core::net::IpAddr;

use crate::base::time::Instant;
use crate::proto::intercom::relay::outgoing::Outgoing;
use crate::wire::flv::tag_reader::TagReader;
use crate::wire::http::BodyReader;

/// A connection.
pub(super) struct Connection {
    pub(super) side: &'static str,
    pub(super) address: IpAddr,
    /// Its request is `HEAD`: a reply to it has no body.
    pub(super) is_head: bool,
    pub(super) state: State,
    pub(super) outgoing: Outgoing,
}

/// What it does.
pub(super) enum State {
    /// Its request has not come whole.
    Head {
        buffer: Vec<u8>,
        until: Instant,
    },
    Publishing(Box<Publishing>),
    /// For somebody who publishes the stream that it wants to play.
    Waiting {
        stream: Vec<u8>,
        form: Form,
        until: Instant,
    },
    Playing {
        stream: Vec<u8>,
        form: Form,
        needs_key: bool,
    },
    /// The program that has this relay replies (`Relay::poll_asked`).
    Asked,
    /// The reply says why; what it sends is read until then.
    Refused {
        until: Instant,
    },
    /// It is closed once all was sent.
    Over,
}

/// How a player gets a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// As it is.
    Flv,
    /// Its sound, as a WAV that grows; whether its header was sent.
    Wav { has_begun: bool },
}

/// A stream that comes in.
pub(super) struct Publishing {
    pub(super) stream: Vec<u8>,
    pub(super) body: BodyReader,
    pub(super) input: TagReader,
    pub(super) silent_at: Instant,
}

impl State {
    /// The stream that it publishes or plays.
    pub(super) fn stream(&self) -> Option<&[u8]> {
        match self {
            Self::Publishing(publishing) => Some(&publishing.stream),
            Self::Waiting { stream, .. } | Self::Playing { stream, .. } => Some(stream),
            Self::Head { .. } | Self::Refused { .. } | Self::Asked | Self::Over => None,
        }
    }
}

impl Connection {
    pub(super) fn new(side: &'static str, address: IpAddr, until: Instant) -> Self {
        let state = State::Head {
            buffer: vec![],
            until,
        };
        Self {
            side,
            address,
            is_head: false,
            state,
            outgoing: Outgoing::default(),
        }
    }

    pub(super) fn deadline(&self) -> Instant {
        match &self.state {
            State::Head { until, .. } | State::Waiting { until, .. } | State::Refused { until } => {
                *until
            }
            State::Publishing(publishing) => publishing.silent_at,
            State::Playing { .. } | State::Asked | State::Over => Instant::NEVER,
        }
    }
}
