//! A media engine: it sends marked frames in its own time.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::Arc;
use std::thread::{sleep, JoinHandle};
use std::time::{Duration, Instant};

use super::*;

/// The payload of a talker's n-th packet: names n, and never holds 0x7F, the mu-law code that does
/// not survive mixing.
pub fn marked(talker: u32, n: u32) -> Vec<u8> {
    let mut random = Random(u64::from(talker) << 32 | u64::from(n));
    (0..160).map(|_| random.below(0x7F) as u8).collect()
}

/// A party that talks, 20 ms a packet, from another thread until it is told to stop.
pub struct Talker {
    stop: Arc<AtomicBool>,
    sent: Arc<AtomicU32>,
    /// The longest that a packet was late, in ms: a machine that is too busy to talk proves
    /// nothing.
    late: Arc<AtomicU32>,
    thread: Option<JoinHandle<()>>,
    name: u32,
}

impl Talker {
    /// Talks to a port of the daemon.
    pub fn new(port: u16, name: u32) -> Self {
        Self::to((Ipv4Addr::LOCALHOST, port).into(), name)
    }

    pub fn to(address: SocketAddr, name: u32) -> Self {
        let (stop, sent) = (
            Arc::new(AtomicBool::new(false)),
            Arc::new(AtomicU32::new(0)),
        );
        let late = Arc::new(AtomicU32::new(0));
        let (stopped, count, worst) = (Arc::clone(&stop), Arc::clone(&sent), Arc::clone(&late));
        let thread = std::thread::spawn(move || {
            let any: IpAddr = if address.is_ipv4() {
                Ipv4Addr::UNSPECIFIED.into()
            } else {
                Ipv6Addr::UNSPECIFIED.into()
            };
            let socket = UdpSocket::bind((any, 0)).unwrap();
            let started = Instant::now();
            let mut n = 0;
            while !stopped.load(Ordering::Relaxed) {
                let due = started + Duration::from_millis(20) * n;
                sleep(due.saturating_duration_since(Instant::now()));
                worst.fetch_max(due.elapsed().as_millis() as u32, Ordering::Relaxed);
                let packet = rtp(0, n as u16, n * 160, name, &marked(name, n));
                let _ = socket.send_to(&packet, address);
                n += 1;
                count.store(n, Ordering::Relaxed);
            }
        });
        Self {
            stop,
            sent,
            late,
            thread: Some(thread),
            name,
        }
    }

    pub fn sent(&self) -> u32 {
        self.sent.load(Ordering::Relaxed)
    }

    /// Every packet was sent well within the time that a recording waits for it.
    pub fn was_in_time(&self) -> bool {
        self.late.load(Ordering::Relaxed) < 150
    }

    /// Lets it talk until it has sent this many packets.
    pub fn wait(&self, packets: u32) {
        wait_for("a talker", || self.sent() >= packets);
    }

    /// Ends it; what it has sent, packet for packet.
    pub fn end(mut self) -> Vec<Vec<u8>> {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.take().unwrap().join().unwrap();
        (0..self.sent()).map(|n| marked(self.name, n)).collect()
    }
}

impl Drop for Talker {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

/// Tries again what a machine that was too busy to talk in time has spoilt (`false`).
pub fn in_time(what: impl Fn() -> bool) {
    assert!((0..8).any(|_| what()), "this machine is too busy");
}

/// A thread that sends datagrams to a port as fast as it can, until it is dropped.
pub struct Flood {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Flood {
    /// `datagram` makes the n-th one.
    pub fn new(port: u16, datagram: impl Fn(u32) -> Vec<u8> + Send + 'static) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = std::thread::spawn(move || {
            let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
            let mut n = 0;
            while !stopped.load(Ordering::Relaxed) {
                let _ = socket.send_to(&datagram(n), ("127.0.0.1", port));
                n += 1;
            }
        });
        Self {
            stop,
            thread: Some(thread),
        }
    }
}

impl Drop for Flood {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
