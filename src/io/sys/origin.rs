//! Datagrams that are answered from the address to which they were sent.

use std::io;
use std::mem::{size_of, zeroed};
use std::net::SocketAddr;
use std::os::fd::{AsRawFd, BorrowedFd};

use crate::io::sys::raw::{address, check, set_option};

/// The sender of a datagram, and the local address to which it was sent, for the reply.
#[derive(Clone, Copy)]
pub struct Origin {
    /// The sender's address as written by the kernel; an IPv4 address is shorter and stored in the
    /// same memory.
    peer: libc::sockaddr_in6,
    peer_len: libc::socklen_t,
    /// A control message with the local address (ip(7), IP_PKTINFO; ipv6(7), IPV6_PKTINFO).
    control: [u64; 6],
    control_len: usize,
}

impl Origin {
    /// The sender.
    pub fn peer(&self) -> SocketAddr {
        address(&self.peer)
    }
}

/// Has the kernel report the local address to which each datagram was sent.
pub fn report_destinations(socket: BorrowedFd, ipv6: bool) -> io::Result<()> {
    if ipv6 {
        set_option(socket, libc::IPPROTO_IPV6, libc::IPV6_RECVPKTINFO, 1)
    } else {
        set_option(socket, libc::IPPROTO_IP, libc::IP_PKTINFO, 1)
    }
}

/// Reads one datagram without blocking, and returns its length and origin. A datagram that is
/// longer than `buffer` is truncated.
pub fn receive_from(socket: BorrowedFd, buffer: &mut [u8]) -> io::Result<(usize, Origin)> {
    let mut vector = libc::iovec {
        iov_base: buffer.as_mut_ptr().cast(),
        iov_len: buffer.len(),
    };
    // SAFETY: all zeros are a valid address and control message; `message` points at `vector`,
    // `buffer` and `origin`, all alive and exclusively ours until the call returns, with their
    // lengths. The only control message of this level, an `in_pktinfo`, is aligned by the kernel
    // within `control`, which is aligned to 8.
    unsafe {
        let mut origin: Origin = zeroed();
        let mut message: libc::msghdr = zeroed();
        message.msg_iov = &mut vector;
        message.msg_iovlen = 1;
        message.msg_name = (&raw mut origin.peer).cast();
        message.msg_namelen = size_of::<libc::sockaddr_in6>() as _;
        message.msg_control = origin.control.as_mut_ptr().cast();
        message.msg_controllen = size_of::<[u64; 6]>() as _;
        let len = check(libc::recvmsg(
            socket.as_raw_fd(),
            &mut message,
            libc::MSG_DONTWAIT,
        ))?;
        origin.peer_len = message.msg_namelen;
        #[allow(clippy::unnecessary_cast)] // 32 bits on some targets
        {
            origin.control_len = message.msg_controllen as usize;
        }
        let header = libc::CMSG_FIRSTHDR(&message);
        if header
            .as_ref()
            .is_some_and(|header| header.cmsg_level == libc::IPPROTO_IP)
        {
            // The reply uses the local address, but routing chooses the interface.
            (*libc::CMSG_DATA(header).cast::<libc::in_pktinfo>()).ipi_ifindex = 0;
        }
        Ok((len, origin))
    }
}

/// Sets the IP options of all datagrams that a socket sends from now on.
pub fn ip_options(socket: BorrowedFd, options: &[u8]) -> io::Result<()> {
    // SAFETY: the kernel reads `options.len()` bytes from `options`, which lives through the call.
    let done = unsafe {
        let len = options.len() as u32;
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::IPPROTO_IP,
            libc::IP_OPTIONS,
            options.as_ptr().cast(),
            len,
        )
    };
    check(done as isize).map(|_| ())
}

/// Sends a reply, from the address to which the request was sent.
pub fn send_back(socket: BorrowedFd, bytes: &[u8], origin: &Origin) -> io::Result<()> {
    let mut vector = libc::iovec {
        iov_base: bytes.as_ptr().cast_mut().cast(),
        iov_len: bytes.len(),
    };
    // SAFETY: `message` points at `vector`, `bytes` and `origin`, which the call only reads, with
    // their lengths.
    let sent = unsafe {
        let mut message: libc::msghdr = zeroed();
        message.msg_iov = &mut vector;
        message.msg_iovlen = 1;
        message.msg_name = (&raw const origin.peer).cast_mut().cast();
        message.msg_namelen = origin.peer_len;
        message.msg_control = origin.control.as_ptr().cast_mut().cast();
        message.msg_controllen = origin.control_len as _;
        libc::sendmsg(socket.as_raw_fd(), &message, libc::MSG_DONTWAIT)
    };
    check(sent).map(|_| ())
}
