//! A server in a network namespace of its own, and the wire to it: two veth pairs with a relay
//! between them that forwards whole frames, late, out of order, twice, or not at all. The phone
//! stays where its media engine is.
#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic
)]

use std::collections::BTreeMap;
use std::io::IoSliceMut;
use std::os::fd::{AsRawFd, OwnedFd};
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::Arc;
use std::thread::{sleep, JoinHandle};
use std::time::{Duration, Instant, UNIX_EPOCH};

use crate::common::Random;
use nix::cmsg_space;
use nix::ifaddrs::getifaddrs;
use nix::sys::socket::sockopt::ReceiveTimestampns;
use nix::sys::socket::{
    bind, recvmsg, send, setsockopt, socket, AddressFamily, ControlMessageOwned, MsgFlags,
    SockFlag, SockProtocol, SockType,
};
use nix::sys::time::TimeSpec;

static NUMBER: AtomicU32 = AtomicU32::new(0);

/// What the wire does to frames.
#[derive(Clone, Copy)]
pub struct Weather {
    pub delay_ms: u64,
    pub jitter_ms: u64,
    /// In a hundred.
    pub lost: u64,
    pub doubled: u64,
}

/// 150 ms and out of order, but everything comes.
pub const FAR: Weather = Weather {
    delay_ms: 150,
    jitter_ms: 40,
    lost: 0,
    doubled: 0,
};
/// The same, and one frame in twenty is lost, one in fifty comes twice.
pub const BAD: Weather = Weather {
    lost: 5,
    doubled: 2,
    ..FAR
};

pub struct Network {
    namespace: String,
    link: String,
    pub server: String,
    cut: Arc<AtomicBool>,
    end: Arc<AtomicBool>,
    relay: Option<JoinHandle<()>>,
}

fn ip(arguments: &str) {
    let output = Command::new("ip")
        .args(arguments.split(' '))
        .output()
        .expect("ip (package iproute2)");
    assert!(
        output.status.success(),
        "ip {arguments}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
}

/// A relay sees frames as they leave: with the checksum that a network card would still have to
/// fill in.
fn fill_in_checksums(before: &[&str], link: &str) {
    let words = [before, &["ethtool", "-K", link, "tx", "off"]].concat();
    let output = Command::new(words[0])
        .args(&words[1..])
        .output()
        .expect("ethtool");
    assert!(
        output.status.success(),
        "{words:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
}

impl Network {
    pub fn new(weather: Weather) -> Self {
        let number = (std::process::id() * 8 + NUMBER.fetch_add(1, Ordering::Relaxed)) % 16_000;
        let namespace = format!("callrec-{number}");
        let [phone, near, far, server] = ["p", "n", "f", "s"].map(|end| format!("cr{number}{end}"));
        let host = |last: u32| {
            format!(
                "10.{}.{}.{}",
                77 + number / 8000,
                number / 64 % 125,
                number % 64 * 4 + last
            )
        };
        ip(&format!("netns add {namespace}"));
        ip(&format!("link add {phone} type veth peer name {near}"));
        ip(&format!("link add {server} type veth peer name {far}"));
        ip(&format!("link set {server} netns {namespace}"));
        for (link, address) in [
            (&phone, "02:00:00:00:00:01"),
            (&near, "02:00:00:00:01:01"),
            (&far, "02:00:00:00:01:02"),
        ] {
            ip(&format!("link set {link} address {address} arp off up"));
        }
        ip(&format!(
            "-n {namespace} link set {server} address 02:00:00:00:00:02 arp off up"
        ));
        ip(&format!("-n {namespace} link set lo up"));
        ip(&format!("address add {}/30 dev {phone}", host(1)));
        ip(&format!(
            "-n {namespace} address add {}/30 dev {server}",
            host(2)
        ));
        ip(&format!(
            "neighbour replace {} lladdr 02:00:00:00:00:02 dev {phone} nud permanent",
            host(2)
        ));
        let known = format!(
            "{} lladdr 02:00:00:00:00:01 dev {server} nud permanent",
            host(1)
        );
        ip(&format!("-n {namespace} neighbour replace {known}"));
        fill_in_checksums(&[], &phone);
        fill_in_checksums(&["ip", "netns", "exec", &namespace], &server);
        let (cut, end) = (
            Arc::new(AtomicBool::new(false)),
            Arc::new(AtomicBool::new(false)),
        );
        let ends = [tap(&near), tap(&far)];
        let (cut_off, ended) = (Arc::clone(&cut), Arc::clone(&end));
        let relay = std::thread::spawn(move || relay(&ends, weather, &cut_off, &ended));
        Self {
            namespace,
            link: phone,
            server: host(2),
            cut,
            end,
            relay: Some(relay),
        }
    }

    /// What a program in the server's place is started with.
    pub fn before(&self) -> Vec<String> {
        ["ip", "netns", "exec", &self.namespace]
            .map(str::to_owned)
            .to_vec()
    }

    /// A firewall on the way drops everything, or nothing any more.
    pub fn cut(&self, cut: bool) {
        self.cut.store(cut, Ordering::Relaxed);
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        self.end.store(true, Ordering::Relaxed);
        let _ = self.relay.take().map(JoinHandle::join);
        for words in [
            ["link", "delete", &self.link],
            ["netns", "delete", &self.namespace],
        ] {
            let _ = Command::new("ip").args(words).output();
        }
    }
}

/// All frames of one end of the wire.
fn tap(link: &str) -> OwnedFd {
    let fd = socket(
        AddressFamily::Packet,
        SockType::Raw,
        SockFlag::empty(),
        SockProtocol::EthAll,
    )
    .unwrap();
    let mut addresses = getifaddrs()
        .unwrap()
        .filter(|it| it.interface_name == link)
        .filter_map(|it| it.address);
    let address = addresses
        .find_map(|address| address.as_link_addr().copied())
        .unwrap();
    bind(fd.as_raw_fd(), &address).unwrap();
    let _ = setsockopt(&fd, ReceiveTimestampns, &true); // qemu-user does not know it
    fd
}

/// The next frame of an end: its length, and when it was sent, where the kernel tells; else now. A
/// relay that has to wait for its turn should not mix up more than the wire would.
fn frame(end: &OwnedFd, buffer: &mut [u8]) -> Option<(usize, Instant)> {
    let mut control = cmsg_space!(TimeSpec);
    let mut parts = [IoSliceMut::new(buffer)];
    let message = recvmsg::<()>(
        end.as_raw_fd(),
        &mut parts,
        Some(&mut control),
        MsgFlags::MSG_DONTWAIT,
    )
    .ok()?;
    let sent = message.cmsgs().unwrap().find_map(|control| match control {
        ControlMessageOwned::ScmTimestampns(time) => Some(UNIX_EPOCH + Duration::from(time)),
        _ => None,
    });
    let age = sent
        .and_then(|sent| sent.elapsed().ok())
        .unwrap_or_default();
    Some((message.bytes, Instant::now() - age))
}

fn relay(ends: &[OwnedFd; 2], weather: Weather, cut: &AtomicBool, end: &AtomicBool) {
    let mut random = Random(1);
    let mut waiting: BTreeMap<(Instant, u64), (usize, Vec<u8>)> = BTreeMap::new();
    let (mut buffer, mut number) = ([0; 2048], 0);
    while !end.load(Ordering::Relaxed) {
        for from in [0, 1] {
            while let Some((length, came)) = frame(&ends[from], &mut buffer) {
                // The kernel's own talk on this end (IPv6) is not the wire's.
                let theirs = buffer[6..12] == [2, 0, 0, 0, 0, from as u8 + 1];
                let copies = 1 + u64::from(random.below(100) < weather.doubled);
                if !theirs || cut.load(Ordering::Relaxed) || random.below(100) < weather.lost {
                    continue;
                }
                for _ in 0..copies {
                    let delay =
                        weather.delay_ms * 1000 + random.below(weather.jitter_ms * 1000 + 1);
                    number += 1;
                    let at = (came + Duration::from_micros(delay), number);
                    waiting.insert(at, (1 - from, buffer[..length].to_vec()));
                }
            }
        }
        while let Some(entry) = waiting
            .first_entry()
            .filter(|entry| entry.key().0 <= Instant::now())
        {
            let (to, frame) = entry.remove();
            if !cut.load(Ordering::Relaxed) {
                let _ = send(ends[to].as_raw_fd(), &frame, MsgFlags::empty());
            }
        }
        sleep(Duration::from_micros(500));
    }
}
