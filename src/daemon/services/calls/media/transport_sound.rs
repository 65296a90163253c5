//! The sound of a call with the vendor's transport: RTP to and from the helper, on loopback ports.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};

use crate::base::time::{Duration, Instant};
use crate::daemon::media_ports::FreePorts;
use crate::daemon::services::calls::media::bridge::drain;
use crate::io::clock::Clock;
use crate::io::stream::Datagrams;
use crate::io::udp::Port;
use crate::proto::recorder::reason::{reason, Reason as Refusal};
use crate::wire::g711::Law;
use crate::wire::rtp::Packet;

/// Without a media engine nobody waits for the sound but the recording.
const READ_EACH: Duration = Duration::from_millis(200);
/// The longest packet that is passed on: 172 bytes are expected.
const PACKET_BYTES: usize = 1500;
const PCMU: u8 = 0;
const PCMA: u8 = 8;

/// The ports of one call.
pub(super) struct TransportSound {
    /// The helper sends the peer's sound here.
    incoming: Port,
    /// It listens there for this phone's.
    outgoing: Datagrams,
    out_port: u16,
    read_at: Instant,
}

impl TransportSound {
    pub(super) fn open(now: Instant, ports: &mut FreePorts) -> Result<Self, Refusal> {
        let incoming = ports.open(now)?;
        // A port that is free: the helper binds it.
        let out_port = ports.open(now)?.number();
        let to = SocketAddr::from((Ipv4Addr::LOCALHOST, out_port));
        let failed = |error: io::Error| {
            let errno = error.raw_os_error().unwrap_or(0);
            reason("busy", &format_args!("cannot send to {to} (errno {errno})"))
        };
        Ok(Self {
            incoming,
            outgoing: Datagrams::open(to).map_err(failed)?,
            out_port,
            read_at: now,
        })
    }

    /// Where the helper sends to, and where it listens.
    pub(super) fn ports(&self) -> [u16; 2] {
        [self.incoming.number(), self.out_port]
    }

    /// Reads what the helper has sent.
    pub(super) fn read(
        &mut self,
        now: Instant,
        clock: &mut Clock,
        take: &mut dyn FnMut(Instant, &[u8]),
    ) {
        self.read_at = now;
        let dropped = drain(&mut self.incoming, now, clock, take);
        if dropped > 0 {
            log::warn!("cloud: {dropped} packets of the helper were dropped by the kernel");
        }
    }

    /// Passes a packet of the media engine on, as PCMU: the helper knows nothing else. What is no
    /// G.711 is left out.
    pub(super) fn send(&self, datagram: &[u8]) {
        let Ok(packet) = Packet::parse(datagram) else {
            return;
        };
        let is_a_law = packet.payload_type == PCMA;
        if !is_a_law && packet.payload_type != PCMU {
            return;
        }
        let header = Packet {
            payload_type: PCMU,
            ..packet
        };
        let mut out = heapless::Vec::<u8, PACKET_BYTES>::new();
        let _ = out.extend_from_slice(&header.emit_header());
        let to_mu = |code: &u8| Law::Mu.encode_one(Law::A.decode_one(*code).into());
        let mut codes = packet.payload.iter();
        let is_whole =
            codes.all(|code| out.push(if is_a_law { to_mu(code) } else { *code }).is_ok());
        if is_whole {
            // A helper that does not listen yet loses it.
            let _ = self.outgoing.send(&out);
        }
    }

    /// When it is read at the latest.
    pub(super) fn next_deadline(&self) -> Instant {
        self.read_at + READ_EACH
    }
}
