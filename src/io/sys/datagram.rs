//! Receives datagrams on a port that is only read, and their kernel arrival times on request.

use std::io;
use std::mem::zeroed;
use std::os::fd::{AsRawFd, BorrowedFd};

use crate::io::sys::raw::{check, set_option, SO_RXQ_OVFL};
use crate::io::timespec::Timespec;

// asm-generic/socket.h; the libc crate does not have them for all targets.
const SO_MEMINFO: i32 = 55;
// asm-generic/sockios.h: the arrival of the datagram that was read last, as two longs.
const SIOCGSTAMPNS_OLD: u32 = 0x8907;

/// Has the kernel timestamp datagrams on arrival, and count those it drops. If this option does not
/// exist (qemu-user), drops are not counted.
pub fn stamp_arrivals(socket: BorrowedFd) -> io::Result<()> {
    arrival(socket); // the first request enables the timestamps
    match set_option(socket, libc::SOL_SOCKET, SO_RXQ_OVFL, 1) {
        Err(error) if error.raw_os_error() == Some(libc::ENOPROTOOPT) => Ok(()),
        done => done,
    }
}

/// Requests a receive buffer of this size; beyond the system's limit if that is permitted.
pub fn receive_buffer(socket: BorrowedFd, bytes: i32) -> io::Result<()> {
    let set = |option| set_option(socket, libc::SOL_SOCKET, option, bytes);
    set(libc::SO_RCVBUFFORCE).or_else(|_| set(libc::SO_RCVBUF))
}

/// Reads one datagram without blocking; returns its length, which may be larger than the buffer.
pub fn receive(socket: BorrowedFd, buffer: &mut [u8]) -> io::Result<usize> {
    let flags = libc::MSG_DONTWAIT | libc::MSG_TRUNC;
    // SAFETY: the kernel writes at most `buffer.len()` bytes into `buffer`.
    check(unsafe {
        libc::recv(
            socket.as_raw_fd(),
            buffer.as_mut_ptr().cast(),
            buffer.len(),
            flags,
        )
    })
}

/// Like `receive`, with several hundred instructions more: also returns the number of datagrams
/// that the kernel has dropped on this socket since it was opened, modulo 2^32; `None` if there
/// were none.
pub fn receive_and_count(
    socket: BorrowedFd,
    buffer: &mut [u8],
) -> io::Result<(usize, Option<u32>)> {
    let mut control = [0u64; 8];
    let mut vector = libc::iovec {
        iov_base: buffer.as_mut_ptr().cast(),
        iov_len: buffer.len(),
    };
    // SAFETY: `message` points at `vector`, `buffer` and `control`, all alive and exclusively ours
    // until the call returns; the CMSG macros walk `control` within the length the kernel has set.
    unsafe {
        let mut message: libc::msghdr = zeroed();
        message.msg_iov = &mut vector;
        message.msg_iovlen = 1;
        message.msg_control = control.as_mut_ptr().cast();
        message.msg_controllen = size_of_val(&control) as _;
        let flags = libc::MSG_DONTWAIT | libc::MSG_TRUNC;
        let len = check(libc::recvmsg(socket.as_raw_fd(), &mut message, flags))?;
        let mut dropped = None;
        let mut header = libc::CMSG_FIRSTHDR(&message);
        while let Some(cmsg) = header.as_ref() {
            let data = libc::CMSG_DATA(header);
            #[allow(clippy::unnecessary_cast)] // 32 bits on some targets
            let bytes = (cmsg.cmsg_len as usize).saturating_sub(data as usize - header as usize);
            if (cmsg.cmsg_level, cmsg.cmsg_type) == (libc::SOL_SOCKET, SO_RXQ_OVFL) && bytes >= 4 {
                dropped = Some(data.cast::<u32>().read_unaligned());
            }
            header = libc::CMSG_NXTHDR(&message, header);
        }
        Ok((len, dropped))
    }
}

/// The number of datagrams that the kernel has dropped on this socket since it was opened, modulo
/// 2^32; `None` if this is not available (before Linux 4.12).
pub fn drops(socket: BorrowedFd) -> Option<u32> {
    // linux/sock_diag.h: nine numbers, of which the last one is SK_MEMINFO_DROPS.
    let mut numbers = [0u32; 9];
    let mut size = size_of_val(&numbers) as libc::socklen_t;
    // SAFETY: the kernel writes at most `size` bytes into `numbers`, and their number into `size`.
    let done = unsafe {
        let numbers = numbers.as_mut_ptr().cast();
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            SO_MEMINFO,
            numbers,
            &mut size,
        )
    };
    (done == 0 && size as usize == size_of_val(&numbers)).then_some(numbers[8])
}

/// The wall-clock time at which the kernel received the datagram that was read last; the seconds
/// may be truncated to 32 bits. `None` if it is not available.
pub fn arrival(socket: BorrowedFd) -> Option<Timespec> {
    let mut words: [libc::c_long; 2] = [0; 2];
    // SAFETY: the kernel writes two longs, for which there is room.
    let done = unsafe {
        libc::ioctl(
            socket.as_raw_fd(),
            SIOCGSTAMPNS_OLD as _,
            words.as_mut_ptr(),
        )
    };
    #[allow(clippy::unnecessary_cast)] // 32 bits on some targets
    (done == 0).then_some(Timespec {
        seconds: words[0] as i64,
        nanos: words[1] as u32,
    })
}
