//! System calls for which no safe wrapper without heap allocation exists: except for the allocator,
//! the only `unsafe` code of the project.
#![allow(unsafe_code)]

use std::io;
use std::mem::{size_of, zeroed};
use std::os::fd::{AsRawFd, BorrowedFd};

use raw::check;

pub use crate::io::timespec::{Civil, Timespec};
#[cfg(feature = "server")]
pub use batch::{receive_batch, Batch};
pub use datagram::{arrival, drops, receive, receive_and_count, receive_buffer, stamp_arrivals};
pub use filter::{attach_ssrc_filter, detach_filter};
#[cfg(feature = "fsp")]
pub use origin::{ip_options, receive_from, report_destinations, send_back, Origin};
#[cfg(feature = "cloud")]
pub use process::{reap, spawn};

#[cfg(feature = "server")]
mod batch;
mod datagram;
mod filter;
#[cfg(feature = "fsp")]
mod origin;
#[cfg(feature = "cloud")]
mod process;
mod raw;

// A 32-bit wall clock ends in January 2038; .cargo/config.toml has the libc crate use 64 bits.
#[cfg(target_env = "musl")]
const _: () = assert!(
    size_of::<libc::time_t>() == 8,
    "build with --cfg=libc_unstable_musl_v1_2"
);

/// The monotonic clock.
pub fn monotonic() -> Timespec {
    clock(libc::CLOCK_MONOTONIC)
}

/// The time of day, UTC.
pub fn wall() -> Timespec {
    clock(libc::CLOCK_REALTIME)
}

/// Raises the limit of file descriptors to the hard limit.
pub fn raise_descriptor_limit() {
    // SAFETY: `limit` is valid for both calls. Not `setrlimit`: with musl it adds 1500 bytes of
    // code for threads.
    unsafe {
        let mut limit: libc::rlimit = zeroed();
        if libc::prlimit(0, libc::RLIMIT_NOFILE, std::ptr::null(), &mut limit) == 0 {
            limit.rlim_cur = limit.rlim_max;
            libc::prlimit(0, libc::RLIMIT_NOFILE, &limit, std::ptr::null_mut());
        }
    }
}

/// The path of the running program; nothing if it is unknown or too long. The standard library's
/// function needs the heap.
pub fn program_path(buffer: &mut [u8]) -> &[u8] {
    // SAFETY: the kernel writes at most `buffer.len()` bytes.
    let length = unsafe {
        let link = c"/proc/self/exe".as_ptr();
        libc::readlink(link, buffer.as_mut_ptr().cast(), buffer.len())
    };
    let length = usize::try_from(length).unwrap_or(0);
    let is_whole = length < buffer.len();
    &buffer[..if is_whole { length } else { 0 }]
}

#[inline(always)] // for each packet
fn clock(id: libc::clockid_t) -> Timespec {
    // SAFETY: `time` is valid memory for the result; with a known clock the call cannot fail.
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

/// Converts UTC seconds to local time (TZ, /etc/localtime).
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

/// The target of a symbolic link (readlink(2)), truncated to the buffer.
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

/// Random bytes from the kernel, without blocking; `false` if none are available yet, or the call
/// does not exist.
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

/// The hardware address of the interface with this index, if it exists and is Ethernet
/// (netdevice(7)).
pub fn ethernet_address(any_socket: BorrowedFd, number: i32) -> Option<[u8; 6]> {
    let fd = any_socket.as_raw_fd();
    // SAFETY: the kernel reads and writes a whole `ifreq`; the union's member is the one that the
    // call has filled.
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

/// A non-blocking socket on which the kernel reports devices that are added or removed.
pub fn device_events() -> io::Result<std::os::fd::OwnedFd> {
    use std::os::fd::FromRawFd;
    const KERNEL_GROUP: u32 = 1;
    let kind = libc::SOCK_DGRAM | libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK;
    // SAFETY: the descriptor is new and ours; `address` is a whole sockaddr_nl that `bind` only
    // reads.
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

/// A non-blocking descriptor that becomes readable whenever the wall clock is set
/// (timerfd_create(2)).
pub fn clock_changes() -> io::Result<std::os::fd::OwnedFd> {
    use std::os::fd::FromRawFd;
    let flags = libc::TFD_CLOEXEC | libc::TFD_NONBLOCK;
    // SAFETY: the descriptor is new and ours; `never` is a whole itimerspec that the kernel only
    // reads.
    unsafe {
        let fd = libc::timerfd_create(libc::CLOCK_REALTIME, flags);
        check(fd as isize)?;
        let fd = std::os::fd::OwnedFd::from_raw_fd(fd);
        let mut never: libc::itimerspec = zeroed();
        // The latest 32-bit time: a kernel before 5.1 accepts nothing later. The timer still
        // reports changes after it has expired.
        never.it_value.tv_sec = i32::MAX as _;
        let flags = libc::TFD_TIMER_ABSTIME | libc::TFD_TIMER_CANCEL_ON_SET;
        check(libc::timerfd_settime(fd.as_raw_fd(), flags, &never, std::ptr::null_mut()) as isize)?;
        Ok(fd)
    }
}

/// Has large allocations mapped instead of taken from a heap that is cleared by hand: unused pages
/// stay untouched. On the phone, `Pages` does this.
pub fn map_large_allocations() {
    #[cfg(target_env = "gnu")]
    // SAFETY: two numbers for the allocator, set before any other thread exists.
    unsafe {
        libc::mallopt(libc::M_MMAP_THRESHOLD, 16 * 1024);
        libc::mallopt(libc::M_TOP_PAD, 0);
    }
}
