//! Signals as a descriptor that can be polled: no handler runs, and no call is interrupted.

use std::io;
use std::os::fd::{AsRawFd, RawFd};

use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};

/// The meaning of a signal for the daemon.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// SIGTERM, SIGINT: finish the recordings and end.
    End,
    /// SIGHUP: read the configuration again.
    Reload,
}

/// The pending signals.
pub struct Signals(SignalFd);

impl Signals {
    /// Blocks the signals' usual effect and opens their queue.
    pub fn open() -> io::Result<Self> {
        let mut set = SigSet::empty();
        for signal in [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP] {
            set.add(signal);
        }
        set.thread_block()?;
        Ok(Self(SignalFd::with_flags(
            &set,
            SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC,
        )?))
    }

    /// Becomes readable when a signal waits.
    pub fn fd(&self) -> RawFd {
        self.0.as_raw_fd()
    }

    /// The next order.
    pub fn next_order(&mut self) -> Option<Order> {
        let signal = self.0.read_signal().ok()??;
        let hangup = i32::try_from(signal.ssi_signo) == Ok(Signal::SIGHUP as i32);
        Some(if hangup { Order::Reload } else { Order::End })
    }
}
