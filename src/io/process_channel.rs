//! A channel between a process and a child process: whole messages, and each side notices the
//! other's end.

use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};

use nix::sys::socket::{socketpair, AddressFamily, SockFlag, SockType};
use nix::unistd::{read, write};

use crate::io::dir::retry;

/// One end of a channel.
pub struct ProcessChannel(OwnedFd);

/// The result of a receive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Received {
    /// A message of this length.
    Message(usize),
    /// There is no message now.
    Empty,
    /// The other process has ended.
    Closed,
}

impl ProcessChannel {
    /// This process's end, and the one that becomes the child's standard input.
    pub fn pair() -> io::Result<(Self, OwnedFd)> {
        let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
        let (ours, theirs) = socketpair(AddressFamily::Unix, SockType::SeqPacket, None, flags)?;
        Ok((Self(ours), theirs))
    }

    /// The end that the parent has passed to this process.
    pub fn of_standard_input() -> io::Result<Self> {
        Ok(Self(io::stdin().as_fd().try_clone_to_owned()?))
    }

    /// For epoll.
    pub fn fd(&self) -> RawFd {
        self.0.as_raw_fd()
    }

    /// Sends a message. It is lost if the other process reads too slowly.
    pub fn send(&self, message: &[u8]) {
        let _ = retry(|| write(&self.0, message));
    }

    /// Reads the next message into the buffer.
    pub fn receive(&self, buffer: &mut [u8]) -> Received {
        match retry(|| read(&self.0, buffer)) {
            Ok(0) => Received::Closed,
            Ok(len) => Received::Message(len),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Received::Empty,
            Err(_) => Received::Closed,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_come_whole_and_the_end_is_heard() {
        let (ours, theirs) = ProcessChannel::pair().unwrap();
        let theirs = ProcessChannel(theirs);
        let mut buffer = [0; 16];
        assert_eq!(ours.receive(&mut buffer), Received::Empty);
        theirs.send(b"one");
        theirs.send(b"three");
        assert_eq!(ours.receive(&mut buffer), Received::Message(3));
        assert_eq!(ours.receive(&mut buffer), Received::Message(5));
        drop(theirs);
        assert_eq!(ours.receive(&mut buffer), Received::Closed);
    }
}
