//! The RTP ports of the recordings.

use std::io;
use std::net::IpAddr;

use crate::base::limits::server::PORTS_TRIED;
use crate::io::udp_batch::BatchSocket;

/// Ports for recordings, given out in turn: the one that was used last comes last, so that late
/// packets of a recording do not reach the next one.
pub(super) struct RtpPorts {
    address: IpAddr,
    range: (u16, u16),
    next: u16,
}

impl RtpPorts {
    pub(super) fn new(address: IpAddr, range: (u16, u16)) -> Self {
        Self {
            address,
            range,
            next: range.0,
        }
    }

    /// Binds the next free port of the range. At most `PORTS_TRIED` are tried; the error is that of
    /// the last one.
    pub(super) fn open(&mut self) -> io::Result<BatchSocket> {
        let (first, last) = self.range;
        let ports = u32::from(last - first) + 1;
        let mut last_error = io::Error::from_raw_os_error(libc::EADDRINUSE);
        for _ in 0..ports.min(PORTS_TRIED) {
            let port = self.next;
            self.next = if port == last { first } else { port + 1 };
            match BatchSocket::open(self.address, port) {
                Ok(socket) => return Ok(socket),
                Err(error) => last_error = error,
            }
        }
        Err(last_error)
    }
}

/// Divides a range of ports among several processes, as values of `--rtp-ports`.
pub(super) fn split_range((low, high): (u16, u16), workers: usize) -> Result<Vec<String>, String> {
    let ports = usize::from(high - low) + 1;
    if ports < workers {
        return Err(format!(
            "--rtp-ports {low}-{high} are too few for {workers} workers"
        ));
    }
    let first_of = |worker: usize| usize::from(low) + ports * worker / workers;
    let ranges = (0..workers).map(|worker| {
        let (first, end) = (first_of(worker), first_of(worker + 1));
        format!("{first}-{}", end - 1)
    });
    Ok(ranges.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_is_divided_without_gaps() {
        assert_eq!(
            split_range((100, 109), 3).unwrap(),
            ["100-102", "103-105", "106-109"]
        );
        assert_eq!(split_range((1, 65535), 1).unwrap(), ["1-65535"]);
        assert!(split_range((5, 6), 3).is_err());
    }

    #[test]
    fn ports_are_given_out_in_turn() {
        let local: IpAddr = "127.0.0.1".parse().unwrap();
        // Two neighbouring ports that are free now.
        let range = (20_000..30_000u16).step_by(2).find_map(|low| {
            let both = [low, low + 1].map(|port| BatchSocket::open(local, port));
            both.iter().all(Result::is_ok).then_some((low, low + 1))
        });
        let (low, high) = range.unwrap();
        let mut ports = RtpPorts::new(local, (low, high));
        let first = ports.open().unwrap();
        let second = ports.open().unwrap();
        assert_eq!((first.port(), second.port()), (low, high));
        let error = ports.open().err().unwrap();
        assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
        drop(second);
        assert_eq!(ports.open().unwrap().port(), high);
    }
}
