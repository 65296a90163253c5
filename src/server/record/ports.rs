//! The RTP ports of the recordings.

use std::io;
use std::net::IpAddr;

use crate::io::udp_batch::Inlet;

/// The ports that recordings are given, one after the other: one that has just been used comes last, so that
/// nothing which is late for one recording comes to the next.
pub(super) struct Ports {
    address: IpAddr,
    range: (u16, u16),
    next: u16,
}

impl Ports {
    pub(super) fn new(address: IpAddr, range: (u16, u16)) -> Self {
        Self {
            address,
            range,
            next: range.0,
        }
    }

    /// Binds a free one.
    pub(super) fn open(&mut self, most: u32) -> io::Result<(u16, Inlet)> {
        let ports = u32::from(self.range.1 - self.range.0) + 1;
        let mut last = io::Error::from_raw_os_error(libc::EADDRINUSE);
        for _ in 0..ports.min(most) {
            let port = self.next;
            self.next = if port == self.range.1 {
                self.range.0
            } else {
                port + 1
            };
            match Inlet::open(self.address, port) {
                Ok(inlet) => return Ok((port, inlet)),
                Err(error) => last = error,
            }
        }
        Err(last)
    }
}
