//! The media engine's side of a call's sound: RTP in and out, on ports of this phone.

use std::io;
use std::net::SocketAddr;

use crate::base::time::Instant;
use crate::daemon::media_ports::FreePorts;
use crate::io::clock::Clock;
use crate::io::stream::Datagrams;
use crate::io::udp::Port;
use crate::proto::recorder::reason::{reason, Reason as Refusal};
use crate::wire::g711::Law;

/// The ports of one call.
pub(in crate::daemon::services::calls) struct Bridge {
    leg: Port,
    speaker: Datagrams,
    /// The codec of both directions.
    pub(super) law: Law,
}

impl Bridge {
    /// Binds a leg port, for a media engine that receives at `to`.
    pub(super) fn open(
        now: Instant,
        ports: &mut FreePorts,
        to: SocketAddr,
        law: Law,
    ) -> Result<Self, Refusal> {
        let failed = |error: io::Error| {
            let errno = error.raw_os_error().unwrap_or(0);
            reason("busy", &format_args!("cannot send to {to} (errno {errno})"))
        };
        Ok(Self {
            speaker: Datagrams::open(to).map_err(failed)?,
            leg: ports.open(now)?,
            law,
        })
    }

    /// Where the media engine sends to.
    pub(in crate::daemon::services::calls) fn leg_port(&self) -> u16 {
        self.leg.number()
    }

    /// Reads what the media engine has sent.
    pub(super) fn read(
        &mut self,
        now: Instant,
        clock: &mut Clock,
        take: &mut dyn FnMut(Instant, &[u8]),
    ) {
        let dropped = drain(&mut self.leg, now, clock, take);
        if dropped > 0 {
            log::warn!(
                "intercom: {dropped} packets of the media engine were dropped by the kernel"
            );
        }
    }

    /// Sends a packet. A media engine that does not listen yet loses it.
    pub(super) fn send(&self, packet: &[u8]) {
        let _ = self.speaker.send(packet);
    }
}

/// Reads what has come; returns how many packets the kernel has dropped.
pub(super) fn drain(
    port: &mut Port,
    now: Instant,
    clock: &mut Clock,
    take: &mut dyn FnMut(Instant, &[u8]),
) -> u32 {
    let mut dropped = 0;
    while port.fill(now, &mut dropped) {
        let stamp = port.stamp(clock);
        let arrival = stamp.certain().unwrap_or_else(|| stamp.nearest(None));
        port.settle(arrival);
        if let Some(datagram) = port.held() {
            take(arrival, datagram);
        }
        port.release();
    }
    dropped
}
