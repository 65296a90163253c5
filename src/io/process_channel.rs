//! What a process and one that it has started say to each other: whole messages, and the end of either is heard.

use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};

use nix::sys::socket::{socketpair, AddressFamily, SockFlag, SockType};
use nix::unistd::{read, write};

use crate::io::dir::retry;

/// One end.
pub struct Link(OwnedFd);

impl Link {
    /// Our end, and the one to give to the other process as its standard input.
    pub fn pair() -> io::Result<(Self, OwnedFd)> {
        let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
        let (ours, theirs) = socketpair(AddressFamily::Unix, SockType::SeqPacket, None, flags)?;
        Ok((Self(ours), theirs))
    }

    /// The end that we were given.
    pub fn of_standard_input() -> io::Result<Self> {
        Ok(Self(io::stdin().as_fd().try_clone_to_owned()?))
    }

    /// For the poll.
    pub fn fd(&self) -> RawFd {
        self.0.as_raw_fd()
    }

    /// Sends a message; one that finds no room is lost.
    pub fn send(&self, message: &[u8]) {
        let _ = retry(|| write(&self.0, message));
    }

    /// The next message's length; `Some(0)`: the other process is gone; `None`: there is none now.
    pub fn receive(&self, buffer: &mut [u8]) -> Option<usize> {
        match retry(|| read(&self.0, buffer)) {
            Ok(len) => Some(len),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => None,
            Err(_) => Some(0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_come_whole_and_the_end_is_heard() {
        let (ours, theirs) = Link::pair().unwrap();
        let theirs = Link(theirs);
        let mut buffer = [0; 16];
        assert_eq!(ours.receive(&mut buffer), None);
        theirs.send(b"one");
        theirs.send(b"three");
        assert_eq!(
            (ours.receive(&mut buffer), ours.receive(&mut buffer)),
            (Some(3), Some(5))
        );
        drop(theirs);
        assert_eq!(ours.receive(&mut buffer), Some(0));
    }
}
