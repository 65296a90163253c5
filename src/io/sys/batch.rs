//! Many datagrams in one call, for a server.

use std::io;
use std::mem::{size_of, zeroed};
use std::net::SocketAddr;
use std::os::fd::{AsRawFd, BorrowedFd};

use crate::base::limits::server::DATAGRAMS_AT_ONCE;
use crate::base::limits::DATAGRAM_BYTES;
use crate::io::sys::raw::{address, check, SO_RXQ_OVFL};

/// Buffers for the datagrams of one `receive_batch` call, each with its length, whether it was
/// truncated, and its source.
pub struct Batch {
    bytes: Box<[[u8; DATAGRAM_BYTES]; DATAGRAMS_AT_ONCE]>,
    read: heapless::Vec<(usize, bool, SocketAddr), DATAGRAMS_AT_ONCE>,
    /// Datagrams the kernel has dropped on this socket since it was opened, modulo 2^32, if it
    /// says.
    pub dropped: Option<u32>,
}

impl Default for Batch {
    fn default() -> Self {
        Self {
            bytes: Box::new([[0; DATAGRAM_BYTES]; DATAGRAMS_AT_ONCE]),
            read: heapless::Vec::new(),
            dropped: None,
        }
    }
}

impl Batch {
    /// Each datagram with its source; `None` instead of the bytes of a datagram that was too long.
    pub fn datagrams(&self) -> impl Iterator<Item = (SocketAddr, Option<&[u8]>)> {
        let datagrams = self.read.iter().zip(self.bytes.iter());
        datagrams.map(|((len, cut, from), bytes)| (*from, bytes.get(..*len).filter(|_| !cut)))
    }
}

/// Reads as many datagrams as are waiting and fit, without blocking; returns their number.
pub fn receive_batch(socket: BorrowedFd, batch: &mut Batch) -> io::Result<usize> {
    const NAME: usize = size_of::<libc::sockaddr_in6>();
    let mut controls = [[0u64; 4]; DATAGRAMS_AT_ONCE];
    batch.read.clear();
    batch.dropped = None;
    // SAFETY: all zeros are valid for these structures. Each message points at its own vector,
    // name, control and bytes, all alive and exclusively ours until the call returns, with their
    // lengths.
    unsafe {
        let mut names: [libc::sockaddr_in6; DATAGRAMS_AT_ONCE] = zeroed();
        let mut vectors: [libc::iovec; DATAGRAMS_AT_ONCE] = zeroed();
        let mut messages: [libc::mmsghdr; DATAGRAMS_AT_ONCE] = zeroed();
        for (number, message) in messages.iter_mut().enumerate() {
            let bytes = &mut batch.bytes[number];
            vectors[number] = libc::iovec {
                iov_base: bytes.as_mut_ptr().cast(),
                iov_len: bytes.len(),
            };
            let header = &mut message.msg_hdr;
            header.msg_iov = &raw mut vectors[number];
            header.msg_iovlen = 1;
            header.msg_name = (&raw mut names[number]).cast();
            header.msg_namelen = NAME as _;
            header.msg_control = controls[number].as_mut_ptr().cast();
            header.msg_controllen = size_of::<[u64; 4]>() as _;
        }
        let first = messages.as_mut_ptr();
        let flags = libc::MSG_DONTWAIT as _;
        let read = libc::recvmmsg(
            socket.as_raw_fd(),
            first,
            DATAGRAMS_AT_ONCE as u32,
            flags,
            std::ptr::null_mut(),
        );
        let read = check(read as isize)?;
        for (number, message) in messages[..read].iter().enumerate() {
            let cmsg = libc::CMSG_FIRSTHDR(&message.msg_hdr);
            if cmsg
                .as_ref()
                .is_some_and(|c| (c.cmsg_level, c.cmsg_type) == (libc::SOL_SOCKET, SO_RXQ_OVFL))
            {
                batch.dropped = Some(libc::CMSG_DATA(cmsg).cast::<u32>().read_unaligned());
            }
            let cut = message.msg_hdr.msg_flags & libc::MSG_TRUNC != 0;
            let from = address(&names[number]);
            // An IPv4-mapped IPv6 address is converted to IPv4.
            let from = SocketAddr::new(from.ip().to_canonical(), from.port());
            let _ = batch.read.push((message.msg_len as usize, cut, from));
        }
        Ok(read)
    }
}
