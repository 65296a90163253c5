//! The parameters of one recording, and the information about its call.

use crate::base::limits::{FRAME_SAMPLES, HOST_BYTES, MAX_PORTS, TEXT_BYTES};
use crate::base::time::Instant;
use crate::proto::media::formats::PortFormats;
use crate::proto::media::leg_monitor::Heard;
use crate::proto::media::rtp_stream::RtpStream;
use crate::proto::recording::file_writer::FilePlan;
use crate::wire::control::Text;
use crate::wire::g711::Law;
use crate::wire::recording::{Codec, Header};

/// The leg ports in order, then the local stream's.
pub type Ports = heapless::Vec<u16, MAX_PORTS>;
/// An address or a host name.
pub type Host = heapless::String<HOST_BYTES>;
/// The phone's hardware address: 12 lower-case hex digits.
pub type Device = heapless::String<12>;

/// Normalizes a hardware address, with or without the usual separators, to 12 lower-case hex
/// digits.
pub fn device(text: &[u8]) -> Option<Device> {
    let mut device = Device::new();
    for byte in text.iter().filter(|byte| !b":-.".contains(byte)) {
        device.push(char::from(byte.to_ascii_lowercase())).ok()?;
    }
    (device.len() == 12 && device.bytes().all(|byte| byte.is_ascii_hexdigit())).then_some(device)
}

/// Formats a hardware address.
pub fn device_of(mac: [u8; 6]) -> Device {
    let digit = |value: u8| char::from(b"0123456789abcdef"[usize::from(value & 15)]);
    mac.into_iter()
        .flat_map(|byte| [digit(byte >> 4), digit(byte)])
        .collect()
}

/// What the phone knows of a call.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Call {
    /// The other party's number.
    pub remote_number: Text<TEXT_BYTES>,
    /// The other party's name.
    pub remote_name: Text<TEXT_BYTES>,
    /// The phone's own number.
    pub local_number: Text<TEXT_BYTES>,
    /// The phone's own name.
    pub local_name: Text<TEXT_BYTES>,
    /// The direction from the phone's point of view; `None` if it was not given.
    pub incoming: Option<bool>,
    /// Why the recording was stopped; empty if no reason was given.
    pub stop_reason: Text<TEXT_BYTES>,
    /// Which of the four parties' values a stop has changed.
    pub changed: [bool; 4],
    /// The recorder has stopped it by itself, not a client or a server.
    pub is_stopped_here: bool,
    /// Which parties are in the recording, once all of it is mixed.
    pub heard: Option<Heard>,
    /// It is a call of the building intercom.
    pub intercom: Option<IntercomCall>,
}

/// What the sidecar of an intercom call says besides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IntercomCall {
    /// The call's key.
    pub sid: Text<INTERCOM_TEXT_BYTES>,
    /// The id of the other device.
    pub peer: Text<INTERCOM_TEXT_BYTES>,
    /// The recording begins here, although its file is opened later: until then the daemon keeps the
    /// call's sound.
    pub answered_at: Instant,
}

impl IntercomCall {
    /// What kind of call it is: of the building intercom, or through the cloud, whose devices are
    /// called `cloud:CID`.
    pub fn kind(&self) -> &'static str {
        if self.peer.starts_with(b"cloud:") {
            "cloud"
        } else {
            "intercom"
        }
    }
}

/// The length of a key or an id of the intercom.
pub const INTERCOM_TEXT_BYTES: usize = 64;

impl Call {
    /// The parties' numbers and names with their keys, and whether a stop has changed them.
    pub fn parties(&self) -> [(&'static str, &Text<TEXT_BYTES>, bool); 4] {
        let [a, b, c, d] = self.changed;
        [
            ("remote_number", &self.remote_number, a),
            ("remote_name", &self.remote_name, b),
            ("local_number", &self.local_number, c),
            ("local_name", &self.local_name, d),
        ]
    }

    /// Applies the values of a stop request: its reason, and those values that are neither empty
    /// nor known.
    pub fn update(&mut self, stop: Self) {
        let known = [
            &mut self.remote_number,
            &mut self.remote_name,
            &mut self.local_number,
            &mut self.local_name,
        ];
        let new = [
            stop.remote_number,
            stop.remote_name,
            stop.local_number,
            stop.local_name,
        ];
        for ((known, new), changed) in known.into_iter().zip(new).zip(&mut self.changed) {
            if !new.is_empty() && *known != new {
                *known = new;
                *changed = true;
            }
        }
        self.stop_reason = stop.stop_reason;
    }
}

/// The recording server, and how the phone identifies itself to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerSettings {
    /// An address, or a name to be looked up.
    pub host: Host,
    /// The port of its control connections.
    pub port: u16,
    /// The terminator of messages to the server.
    pub message_end: &'static [u8],
    /// If it fails, the recording continues on the stick.
    pub fallback: bool,
}

/// How a recording is to be made.
#[derive(Clone, Debug)]
pub struct Setup {
    /// Unique among the live ones.
    pub id: u32,
    /// The recording's codec.
    pub law: Law,
    /// Random: SSRC, first timestamp, first sequence number.
    pub seed: [u32; 2],
    /// Frames are stored with their RTP header.
    pub rtp_header: bool,
    /// A pause is recorded as silence.
    pub pause_is_silence: bool,
    /// Bytes of a part, 0 for no limit; bytes to leave free; delete old recordings.
    pub limit: u64,
    /// Frames after which it ends, pauses not counted; 0: never.
    pub max_frames: u64,
    /// Frames without audio after which it ends, pauses not counted; 0: never.
    pub idle_frames: u64,
    /// Bytes that stay free.
    pub reserve: u64,
    /// Old recordings may be deleted to make room.
    pub cover: bool,
    /// The phone's hardware address.
    pub device: Device,
    /// The call information.
    pub call: Call,
    /// What the payload types of its ports mean.
    pub formats: PortFormats,
    /// Formats that were declared and are decoded.
    pub understood: Text<TEXT_BYTES>,
    /// Formats that were declared and are not decoded.
    pub undecodable: Text<TEXT_BYTES>,
    /// The server to send the frames to; `None`: they go to the stick.
    pub server: Option<ServerSettings>,
}

impl Setup {
    /// The local stream, with start values from the seed. A server gets RTP headers even if the
    /// files have none.
    pub fn stream(&self) -> RtpStream {
        let [ssrc, rest] = self.seed;
        let [s0, s1, t0, t1] = rest.to_be_bytes();
        let timestamp = u32::from_be_bytes([t0, t1, s0, s1]);
        RtpStream::new(
            self.law,
            ssrc,
            u16::from_be_bytes([s0, s1]),
            timestamp,
            self.rtp_header || self.server.is_some(),
        )
    }

    /// If the server fails, the recording continues on the stick.
    pub fn falls_back(&self) -> bool {
        self.server.as_ref().is_some_and(|server| server.fallback)
    }

    /// The parameters of the files on the stick.
    pub fn plan(&self) -> FilePlan {
        let header = Header {
            codec: Codec::G711(self.law),
            rtp_len: self.stream().rewound(0, self.rtp_header).frame_bytes() as u32,
            increment: FRAME_SAMPLES as u32,
            data_size: 0,
            big_endian: false,
        };
        FilePlan {
            header,
            limit: self.limit,
            reserve: self.reserve,
            cover: self.cover,
        }
    }
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            id: 0,
            law: Law::Mu,
            seed: [0; 2],
            rtp_header: true,
            pause_is_silence: false,
            limit: 0,
            max_frames: 0,
            idle_frames: 0,
            reserve: 0,
            cover: false,
            device: Device::new(),
            call: Call::default(),
            formats: PortFormats::default(),
            understood: Text::new(),
            undecodable: Text::new(),
            server: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_is_twelve_digits_however_it_is_written() {
        for text in [
            "0c383e0000fe",
            "0C:38:3E:00:00:FE",
            "0c-38-3e-00-00-fe",
            "0c38.3e00.00fe",
        ] {
            assert_eq!(
                device(text.as_bytes()).as_deref(),
                Some("0c383e0000fe"),
                "{text}"
            );
        }
        for text in [
            "",
            "x4",
            "0c383e0000f",
            "0c383e0000fe0",
            "0c383e0000fg",
            "../../../../",
        ] {
            assert_eq!(device(text.as_bytes()), None, "{text}");
        }
        assert_eq!(device_of([12, 56, 62, 0, 0, 254]), "0c383e0000fe");
    }

    #[test]
    fn a_stop_replaces_what_it_names_and_what_is_new() {
        let text = |text: &str| Text::from_slice(text.as_bytes()).unwrap();
        let mut call = Call {
            remote_number: text("100"),
            local_name: text("Ann"),
            ..Call::default()
        };
        let stop = Call {
            remote_number: text("101"),
            local_name: text("Ann"),
            stop_reason: text("bye"),
            ..Call::default()
        };
        call.update(stop);
        assert_eq!(
            call.parties()
                .map(|(_, value, changed)| (value.len(), changed)),
            [(3, true), (0, false), (0, false), (3, false)]
        );
        assert_eq!(
            (&call.remote_number[..], &call.stop_reason[..]),
            (&b"101"[..], &b"bye"[..])
        );
    }
}
