//! TCP connections that stall: what is sent waits, again and again, for 5 % of the time in each
//! direction. When and how long is known by a seed.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Milliseconds of a stall, 350 on average.
const STALLS: (u64, u64) = (100, 600);
/// Milliseconds between two of them: 19 times as much.
const BETWEEN: (u64, u64) = (1000, 12_300);
/// How often it is looked whether the next one begins.
const LOOK: Duration = Duration::from_millis(10);

pub struct StallingProxy {
    pub port: u16,
    stalls: Arc<AtomicU64>,
}

impl StallingProxy {
    /// Another port of the server's address that leads to it.
    pub fn new(server: &str, seed: u64) -> Self {
        let (address, _) = server.split_once(':').unwrap();
        let listener = TcpListener::bind((address, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let stalls = Arc::new(AtomicU64::new(0));
        let (server, count) = (server.to_owned(), stalls.clone());
        std::thread::spawn(move || {
            let mut seeds = Random(seed);
            for client in listener.incoming().map_while(Result::ok) {
                let server = TcpStream::connect(&server).unwrap();
                for (from, to) in [(&client, &server), (&server, &client)] {
                    let (from, to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
                    let (random, count) = (Random(seeds.next()), count.clone());
                    std::thread::spawn(move || pass(from, to, random, &count));
                }
            }
        });
        Self { port, stalls }
    }

    /// How often a connection has stalled.
    pub fn stalls(&self) -> u64 {
        self.stalls.load(Ordering::SeqCst)
    }
}

fn pass(mut from: TcpStream, mut to: TcpStream, mut random: Random, stalls: &AtomicU64) {
    from.set_read_timeout(Some(LOOK)).unwrap();
    to.set_nodelay(true).unwrap();
    let mut buffer = [0; 16 * 1024];
    let mut next_stall = Instant::now() + random.millis((0, BETWEEN.0));
    loop {
        if Instant::now() >= next_stall {
            std::thread::sleep(random.millis(STALLS));
            stalls.fetch_add(1, Ordering::SeqCst);
            next_stall = Instant::now() + random.millis(BETWEEN);
        }
        let passed = match from.read(&mut buffer) {
            Ok(0) => break,
            Ok(count) => to.write_all(&buffer[..count]),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                Ok(())
            }
            Err(error) => Err(error),
        };
        if passed.is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Write);
}

/// Numbers by a seed (splitmix64).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ mixed >> 31
    }

    fn millis(&mut self, (least, most): (u64, u64)) -> Duration {
        Duration::from_millis(least + self.next() % (most - least))
    }
}
