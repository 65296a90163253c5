//! Helpers of the other modules: checked results, socket options, addresses.

use std::io;
#[cfg(feature = "fsp")]
use std::net::SocketAddr;
use std::os::fd::{AsRawFd, BorrowedFd};

/// asm-generic/socket.h; the libc crate does not have it for all targets.
pub(super) const SO_RXQ_OVFL: i32 = 40;

pub(super) fn set_option(
    socket: BorrowedFd,
    level: i32,
    option: i32,
    value: i32,
) -> io::Result<()> {
    // SAFETY: the kernel reads `size_of::<i32>()` bytes from `value`, which lives through the call.
    let done = unsafe {
        let value: *const i32 = &value;
        libc::setsockopt(
            socket.as_raw_fd(),
            level,
            option,
            value.cast(),
            size_of::<i32>() as u32,
        )
    };
    check(done as isize).map(|_| ())
}

/// Converts an address that the kernel has written: IPv6, or IPv4 in the same memory.
#[cfg(feature = "fsp")]
pub(super) fn address(name: &libc::sockaddr_in6) -> SocketAddr {
    let port = u16::from_be(name.sin6_port);
    match i32::from(name.sin6_family) {
        // `sin_addr` has the offset of `sin6_flowinfo`.
        libc::AF_INET => (name.sin6_flowinfo.to_ne_bytes(), port).into(),
        _ => (name.sin6_addr.s6_addr, port).into(),
    }
}

#[inline(always)] // for each system call
pub(super) fn check(result: isize) -> io::Result<usize> {
    usize::try_from(result).map_err(|_| io::Error::last_os_error())
}
