//! A socket filter in the kernel that selects the datagrams to be received.

use std::io;
use std::mem::size_of;
use std::os::fd::{AsRawFd, BorrowedFd};

use crate::base::limits::MAX_SOURCES;
use crate::io::sys::raw::{check, set_option};

/// Has the kernel drop the datagrams of a socket, except for one of `sample`, unless the field at
/// the position of the RTP SSRC has one of these values (socket(7), SO_ATTACH_FILTER).
pub fn attach_ssrc_filter(socket: BorrowedFd, words: &[u32], sample: u32) -> io::Result<()> {
    const UDP_HEADER: u32 = 8;
    const SSRC: u32 = UDP_HEADER + 8;
    let words = words.get(..MAX_SOURCES).unwrap_or(words);
    let count = words.len() as u8;
    let mut program = heapless::Vec::<libc::sock_filter, { MAX_SOURCES + 8 }>::new();
    let mut add = |code: u32, k: u32, jump_if: u8, jump_else: u8| {
        let _ = program.push(libc::sock_filter {
            code: code as u16,
            jt: jump_if,
            jf: jump_else,
            k,
        });
    };
    // A load beyond the end of a datagram would drop it, and so hide a flood of short datagrams.
    add(libc::BPF_LD | libc::BPF_W | libc::BPF_LEN, 0, 0, 0);
    add(
        libc::BPF_JMP | libc::BPF_JGE | libc::BPF_K,
        SSRC + 4,
        0,
        count + 1,
    );
    add(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, SSRC, 0, 0);
    for (word, left) in words.iter().zip((0..count).rev()) {
        add(
            libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K,
            *word,
            left + 3,
            0,
        );
    }
    let random = (libc::SKF_AD_OFF + libc::SKF_AD_RANDOM) as u32;
    add(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, random, 0, 0);
    add(libc::BPF_ALU | libc::BPF_MOD | libc::BPF_K, sample, 0, 0);
    add(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, 0, 0, 1);
    add(libc::BPF_RET | libc::BPF_K, u32::MAX, 0, 0);
    add(libc::BPF_RET | libc::BPF_K, 0, 0, 0);
    let code = libc::sock_fprog {
        len: program.len() as u16,
        filter: program.as_mut_ptr(),
    };
    // SAFETY: the kernel reads a whole `sock_fprog`, and `len` instructions from `program`, which
    // lives through the call.
    let done = unsafe {
        let code: *const libc::sock_fprog = &code;
        let len = size_of::<libc::sock_fprog>() as u32;
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_ATTACH_FILTER,
            code.cast(),
            len,
        )
    };
    check(done as isize).map(|_| ())
}

/// Removes the filter.
pub fn detach_filter(socket: BorrowedFd) -> io::Result<()> {
    set_option(socket, libc::SOL_SOCKET, libc::SO_DETACH_FILTER, 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::UdpSocket;
    use std::os::fd::AsFd;

    /// How many of a thousand datagrams of each kind come through.
    fn come(socket: &UdpSocket, datagram: &[u8]) -> usize {
        let sender = UdpSocket::bind("127.0.0.1:0").unwrap();
        let to = socket.local_addr().unwrap();
        let mut buffer = [0; 64];
        let mut count = 0;
        for _ in 0..1000 {
            assert_eq!(sender.send_to(datagram, to).unwrap(), datagram.len());
            count += usize::from(socket.recv(&mut buffer).is_ok());
        }
        count
    }

    #[test]
    #[cfg_attr(
        target_arch = "arm",
        ignore = "qemu-user has no filters; scripts/phone runs it"
    )]
    fn known_sources_come_through_whole_and_others_as_a_sample() {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.set_nonblocking(true).unwrap();
        let packet = |ssrc: u32| [&[0x80; 8][..], &ssrc.to_be_bytes(), &[1; 20]].concat();
        for count in [1, 2, MAX_SOURCES as u32] {
            let known: Vec<u32> = (7..7 + count).collect();
            attach_ssrc_filter(socket.as_fd(), &known, 64).unwrap();
            for ssrc in &known {
                assert_eq!(come(&socket, &packet(*ssrc)), 1000, "{ssrc} of {count}");
            }
            for stranger in [&packet(6)[..], &packet(7 + count), &[0x80; 11], b"x"] {
                let sample = come(&socket, stranger);
                assert!((1..60).contains(&sample), "{sample} of a thousand");
            }
        }
        detach_filter(socket.as_fd()).unwrap();
        assert_eq!(come(&socket, b"x"), 1000);
    }
}
