//! The system calls that have no safe wrapper without a heap: the only `unsafe` of the project but the allocator.
#![allow(unsafe_code)]

use std::io;
use std::mem::{size_of, size_of_val, zeroed};
#[cfg(feature = "fsp")]
use std::net::SocketAddr;
use std::os::fd::{AsRawFd, BorrowedFd};

pub use crate::io::timespec::{Civil, Timespec};
#[cfg(feature = "server")]
pub use batch::{receive_batch, Batch};
pub use filter::{let_all_in, let_in};

#[cfg(feature = "server")]
mod batch;
mod filter;

// asm-generic/socket.h; the libc crate does not have them for all targets.
const SO_RXQ_OVFL: i32 = 40;
const SO_MEMINFO: i32 = 55;
// asm-generic/sockios.h: the arrival of the datagram that was read last, as two longs.
const SIOCGSTAMPNS_OLD: u32 = 0x8907;

// With 32 bits a phone's wall clock ends in January 2038; .cargo/config.toml asks the libc crate for 64.
#[cfg(target_env = "musl")]
const _: () = assert!(
    size_of::<libc::time_t>() == 8,
    "build with --cfg=libc_unstable_musl_v1_2"
);

/// A point of the monotonic clock.
pub fn monotonic() -> Timespec {
    clock(libc::CLOCK_MONOTONIC)
}

/// The time of day, UTC.
pub fn wall() -> Timespec {
    clock(libc::CLOCK_REALTIME)
}

/// Raises the number of descriptors that this program may have to the most that the system allows it.
pub fn raise_descriptor_limit() {
    // SAFETY: `limit` is valid for both calls. Not `setrlimit`: musl's brings 1500 bytes for threads with it.
    unsafe {
        let mut limit: libc::rlimit = zeroed();
        if libc::prlimit(0, libc::RLIMIT_NOFILE, std::ptr::null(), &mut limit) == 0 {
            limit.rlim_cur = limit.rlim_max;
            libc::prlimit(0, libc::RLIMIT_NOFILE, &limit, std::ptr::null_mut());
        }
    }
}

fn clock(id: libc::clockid_t) -> Timespec {
    // SAFETY: `time` is a valid place for the result; with a known clock the call cannot fail.
    let time = unsafe {
        let mut time: libc::timespec = zeroed();
        libc::clock_gettime(id, &mut time);
        time
    };
    #[allow(clippy::unnecessary_cast)] // 32 bits on some targets
    Timespec {
        seconds: time.tv_sec as i64,
        nanos: time.tv_nsec as u32,
    }
}

/// Local time (TZ, /etc/localtime) of UTC seconds.
pub fn local_time(seconds: i64) -> Option<Civil> {
    let seconds = libc::time_t::try_from(seconds).ok()?;
    // SAFETY: both pointers are valid for the call; `localtime_r` keeps neither.
    let tm = unsafe {
        let mut tm: libc::tm = zeroed();
        if libc::localtime_r(&seconds, &mut tm).is_null() {
            return None;
        }
        tm
    };
    Some(Civil {
        year: tm.tm_year + 1900,
        month: tm.tm_mon + 1,
        day: tm.tm_mday,
        hour: tm.tm_hour,
        minute: tm.tm_min,
        second: tm.tm_sec,
        #[allow(clippy::unnecessary_cast)] // 32 bits on some targets
        offset_minutes: (tm.tm_gmtoff / 60) as i32,
    })
}

/// Asks the kernel to stamp datagrams with their arrival, and to count those it drops. Where there is no such
/// option (qemu-user), nothing is counted.
pub fn stamp_arrivals(socket: BorrowedFd) -> io::Result<()> {
    arrival(socket); // from the first time it is asked on, it keeps them
    match set_option(socket, libc::SOL_SOCKET, SO_RXQ_OVFL, 1) {
        Err(error) if error.raw_os_error() == Some(libc::ENOPROTOOPT) => Ok(()),
        done => done,
    }
}

/// Asks for a receive buffer of this size; past the system's limit where we may.
pub fn receive_buffer(socket: BorrowedFd, bytes: i32) -> io::Result<()> {
    let set = |option| set_option(socket, libc::SOL_SOCKET, option, bytes);
    set(libc::SO_RCVBUFFORCE).or_else(|_| set(libc::SO_RCVBUF))
}

fn set_option(socket: BorrowedFd, level: i32, option: i32, value: i32) -> io::Result<()> {
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

/// Reads one datagram without waiting; returns its length, which may be more than the buffer's.
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

/// The same, at some hundred instructions more, with the number of datagrams that the kernel has dropped
/// on this socket since it was opened, modulo 2^32; `None`: none.
pub fn receive_and_count(
    socket: BorrowedFd,
    buffer: &mut [u8],
) -> io::Result<(usize, Option<u32>)> {
    let mut control = [0u64; 8];
    let mut vector = libc::iovec {
        iov_base: buffer.as_mut_ptr().cast(),
        iov_len: buffer.len(),
    };
    // SAFETY: `message` points at `vector`, `buffer` and `control`, all alive and exclusively ours until
    // the call returns; the CMSG macros walk `control` within the length the kernel has set.
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

/// The number of datagrams that the kernel has dropped on this socket since it was opened, modulo 2^32; `None` where it
/// cannot be asked (before Linux 4.12).
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

/// Who sent a datagram, and to which of our addresses: the way back.
#[cfg(feature = "fsp")]
#[derive(Clone, Copy)]
pub struct Origin {
    /// The sender's address as the kernel writes it; one of IPv4 is shorter, and stands in the same place.
    peer: libc::sockaddr_in6,
    peer_len: libc::socklen_t,
    /// A control message with our address (ip(7), IP_PKTINFO; ipv6(7), IPV6_PKTINFO).
    control: [u64; 6],
    control_len: usize,
}

#[cfg(feature = "fsp")]
impl Origin {
    /// The sender.
    pub fn peer(&self) -> SocketAddr {
        address(&self.peer)
    }
}

/// What the kernel has written: an address of IPv6, or one of IPv4 in its place.
#[cfg(feature = "fsp")]
fn address(name: &libc::sockaddr_in6) -> SocketAddr {
    let port = u16::from_be(name.sin6_port);
    match i32::from(name.sin6_family) {
        // `sin_addr` stands where `sin6_flowinfo` does.
        libc::AF_INET => (name.sin6_flowinfo.to_ne_bytes(), port).into(),
        _ => (name.sin6_addr.s6_addr, port).into(),
    }
}

/// Asks the kernel to say which of our addresses each datagram was sent to.
#[cfg(feature = "fsp")]
pub fn tell_destinations(socket: BorrowedFd, ipv6: bool) -> io::Result<()> {
    match ipv6 {
        false => set_option(socket, libc::IPPROTO_IP, libc::IP_PKTINFO, 1),
        true => set_option(socket, libc::IPPROTO_IPV6, libc::IPV6_RECVPKTINFO, 1),
    }
}

/// Reads one datagram without waiting, and says where it came from. One that is longer than `buffer` is cut.
#[cfg(feature = "fsp")]
pub fn receive_from(socket: BorrowedFd, buffer: &mut [u8]) -> io::Result<(usize, Origin)> {
    let mut vector = libc::iovec {
        iov_base: buffer.as_mut_ptr().cast(),
        iov_len: buffer.len(),
    };
    // SAFETY: all zeros are a valid address and control message; `message` points at `vector`, `buffer` and `origin`,
    // all alive and exclusively ours until the call returns, with their lengths. The kernel aligns the only control
    // message of that level, an `in_pktinfo`, in `control`, which is aligned to 8.
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
            // The reply's address is ours, its way out the routing's: no interface.
            (*libc::CMSG_DATA(header).cast::<libc::in_pktinfo>()).ipi_ifindex = 0;
        }
        Ok((len, origin))
    }
}

/// The IP options of all that a socket sends from now on.
#[cfg(feature = "fsp")]
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

/// Sends a datagram back, from the address that the other one was sent to.
#[cfg(feature = "fsp")]
pub fn send_back(socket: BorrowedFd, bytes: &[u8], origin: &Origin) -> io::Result<()> {
    let mut vector = libc::iovec {
        iov_base: bytes.as_ptr().cast_mut().cast(),
        iov_len: bytes.len(),
    };
    // SAFETY: `message` points at `vector`, `bytes` and `origin`, which the call only reads, with their lengths.
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

/// When the kernel got the datagram that was read last, by the wall clock; the seconds may be cut to 32
/// bits. `None` where it cannot say.
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

/// Reads directory entries (getdents64(2)) into `buffer`; 0 at the end.
pub fn directory_entries(directory: BorrowedFd, buffer: &mut [u8]) -> io::Result<usize> {
    // SAFETY: the kernel writes at most `buffer.len()` bytes into `buffer`.
    let read = unsafe {
        libc::syscall(
            libc::SYS_getdents64,
            directory.as_raw_fd(),
            buffer.as_mut_ptr(),
            buffer.len(),
        )
    };
    check(read as isize)
}

/// Where a symbolic link leads (readlink(2)); what does not fit is cut.
pub fn read_link(path: &[u8], buffer: &mut [u8]) -> io::Result<usize> {
    let mut name = [0u8; 128];
    let place = name.get_mut(..path.len()).filter(|_| path.len() < 128);
    place
        .ok_or_else(|| io::Error::from_raw_os_error(libc::ENAMETOOLONG))?
        .copy_from_slice(path);
    // SAFETY: `name` ends with a NUL; the kernel writes at most `buffer.len()` bytes into `buffer`.
    check(unsafe {
        libc::readlink(
            name.as_ptr().cast(),
            buffer.as_mut_ptr().cast(),
            buffer.len(),
        )
    })
}

/// Random bytes from the kernel without waiting; `false` where there are none yet, or no such call.
pub fn random(bytes: &mut [u8]) -> bool {
    // SAFETY: the kernel writes at most `bytes.len()` bytes into `bytes`.
    let got = unsafe {
        libc::syscall(
            libc::SYS_getrandom,
            bytes.as_mut_ptr(),
            bytes.len(),
            libc::GRND_NONBLOCK,
        )
    };
    usize::try_from(got).is_ok_and(|got| got == bytes.len())
}

/// The address of the interface with this number, if there is one and it is Ethernet (netdevice(7)).
pub fn ethernet_address(any_socket: BorrowedFd, number: i32) -> Option<[u8; 6]> {
    let fd = any_socket.as_raw_fd();
    // SAFETY: the kernel reads and writes a whole `ifreq`; the union's member is the one that the call has filled.
    let address = unsafe {
        let mut request: libc::ifreq = zeroed();
        request.ifr_ifru.ifru_ifindex = number;
        check(libc::ioctl(fd, libc::SIOCGIFNAME as _, &mut request) as isize).ok()?;
        check(libc::ioctl(fd, libc::SIOCGIFHWADDR as _, &mut request) as isize).ok()?;
        request.ifr_ifru.ifru_hwaddr
    };
    let [a, b, c, d, e, f, ..] = address.sa_data.map(|byte| byte as u8);
    (address.sa_family == libc::ARPHRD_ETHER).then_some([a, b, c, d, e, f])
}

/// A non-blocking socket on which the kernel tells of devices that come and go.
pub fn device_events() -> io::Result<std::os::fd::OwnedFd> {
    use std::os::fd::FromRawFd;
    const KERNEL_GROUP: u32 = 1;
    let kind = libc::SOCK_DGRAM | libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK;
    // SAFETY: the descriptor is new and ours; `address` is a whole sockaddr_nl that `bind` only reads.
    unsafe {
        let fd = libc::socket(libc::AF_NETLINK, kind, libc::NETLINK_KOBJECT_UEVENT);
        check(fd as isize)?;
        let fd = std::os::fd::OwnedFd::from_raw_fd(fd);
        let mut address: libc::sockaddr_nl = zeroed();
        address.nl_family = libc::AF_NETLINK as u16;
        address.nl_groups = KERNEL_GROUP;
        let size = size_of::<libc::sockaddr_nl>() as u32;
        check(libc::bind(fd.as_raw_fd(), (&raw const address).cast(), size) as isize)?;
        Ok(fd)
    }
}

/// A non-blocking descriptor that becomes readable whenever the wall clock is set (timerfd_create(2)).
pub fn clock_changes() -> io::Result<std::os::fd::OwnedFd> {
    use std::os::fd::FromRawFd;
    let flags = libc::TFD_CLOEXEC | libc::TFD_NONBLOCK;
    // SAFETY: the descriptor is new and ours; `never` is a whole itimerspec that the kernel only reads.
    unsafe {
        let fd = libc::timerfd_create(libc::CLOCK_REALTIME, flags);
        check(fd as isize)?;
        let fd = std::os::fd::OwnedFd::from_raw_fd(fd);
        let mut never: libc::itimerspec = zeroed();
        // As late as 32 bits go: a kernel before 5.1 takes no more. After it has expired it still tells of changes.
        never.it_value.tv_sec = i32::MAX as _;
        let flags = libc::TFD_TIMER_ABSTIME | libc::TFD_TIMER_CANCEL_ON_SET;
        check(libc::timerfd_settime(fd.as_raw_fd(), flags, &never, std::ptr::null_mut()) as isize)?;
        Ok(fd)
    }
}

/// Has large allocations mapped, not cut from a heap that is cleared by hand: pages that no call uses
/// stay untouched. musl, on the phone, does so anyway.
pub fn map_large_allocations() {
    #[cfg(target_env = "gnu")]
    // SAFETY: two numbers for the allocator, set before any other thread exists.
    unsafe {
        libc::mallopt(libc::M_MMAP_THRESHOLD, 16 * 1024);
        libc::mallopt(libc::M_TOP_PAD, 0);
    }
}

fn check(result: isize) -> io::Result<usize> {
    usize::try_from(result).map_err(|_| io::Error::last_os_error())
}
