//! How one recording is made, and what is known of its call.

use crate::base::limits::{FRAME_SAMPLES, TEXT_BYTES};
use crate::proto::local_stream::LocalStream;
use crate::proto::part::Plan;
use crate::wire::g711::Law;
use crate::wire::message::Text;
use crate::wire::recording::{Codec, Header};

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
    /// `in` or `out`, from the phone's view; `None` when nobody said.
    pub incoming: Option<bool>,
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
    /// Bytes that stay free.
    pub reserve: u64,
    /// Old recordings may be deleted to make room.
    pub cover: bool,
    /// Who calls whom.
    pub call: Call,
}

impl Setup {
    /// The local stream, which begins where the seed says.
    pub fn stream(&self) -> LocalStream {
        let [ssrc, rest] = self.seed;
        let [s0, s1, t0, t1] = rest.to_be_bytes();
        let timestamp = u32::from_be_bytes([t0, t1, s0, s1]);
        LocalStream::new(self.law, ssrc, u16::from_be_bytes([s0, s1]), timestamp, self.rtp_header)
    }

    /// The parts on the stick.
    pub fn plan(&self) -> Plan {
        let header = Header {
            codec: Codec::G711(self.law),
            rtp_len: self.stream().frame_bytes() as u32,
            increment: FRAME_SAMPLES as u32,
            data_size: 0,
            big_endian: false,
        };
        Plan { header, limit: self.limit, reserve: self.reserve, cover: self.cover }
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
            reserve: 0,
            cover: false,
            call: Call::default(),
        }
    }
}
