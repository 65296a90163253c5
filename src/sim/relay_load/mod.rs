//! A stream relay, or a server of files, with many players at once: what they get is compared with
//! the film that is published, byte for byte.

use std::ffi::OsString;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use crate::cli::console::print;
use crate::cli::failure::Failure;
use crate::io::descriptors::raise_limit;
use crate::sim::process::{memory, processor};
use film::Film;
use options::{relay_options, RelayOptions, RELAY};
use players::Players;

mod film;
pub(super) mod options;
mod player;
mod players;
mod publisher;

/// After the last player, for the one that had stopped to read.
const PATIENCE: Duration = Duration::from_secs(15);

/// What a server's process had when it was looked at.
struct Needs {
    pid: Option<u32>,
    processor: Option<Duration>,
    idle: Option<u64>,
    /// While all players read.
    most: Option<u64>,
    /// Also while one of them does not.
    most_stalled: Option<u64>,
}

/// Plays; prints a line of what was found.
pub(super) fn relay(arguments: &[OsString]) -> Result<ExitCode, Failure> {
    match relay_options(arguments)? {
        Some(options) => {
            run(&options).map_err(Failure::Failed)?;
            Ok(ExitCode::SUCCESS)
        }
        None => print(RELAY.help),
    }
}

fn run(options: &RelayOptions) -> Result<(), String> {
    raise_limit();
    let film = Film::read(&options.film)?;
    let mut needs = Needs::new(options.pid);
    let mut players = Players::connect(&options.play, options.players, options.stall)?;
    let publisher = options.publish.clone().map(|url| {
        let film = film.clone();
        std::thread::spawn(move || publisher::publish(&url, &film))
    });
    let began = Instant::now();
    let stall = options.stall.then_some(began + STALL_AT);
    let until = began + film.length() + PATIENCE;
    while !players.are_done(&film) && Instant::now() < until {
        let now = Instant::now();
        let is_stalled = stall.is_some_and(|at| now >= at);
        players.stall(stall.is_some_and(|at| (at..at + STALL).contains(&now)))?;
        players.read(&film)?;
        needs.look(is_stalled);
    }
    let late = match publisher.map(std::thread::JoinHandle::join) {
        Some(Ok(published)) => published?,
        Some(Err(_)) => return Err("the publisher has ended".into()),
        None => Duration::ZERO,
    };
    tell(options, &film, &players, &needs, late);
    Ok(())
}

/// When the first player stops to read, and for how long.
const STALL_AT: Duration = Duration::from_secs(4);
const STALL: Duration = Duration::from_secs(10);

fn tell(options: &RelayOptions, film: &Film, players: &Players, needs: &Needs, late: Duration) {
    let stalled = usize::from(options.stall);
    let processor = processor(needs.pid).zip(needs.processor);
    let processor_ms = processor.map(|(now, before)| now.saturating_sub(before).as_millis());
    let more = |most: Option<u64>| Some(most?.saturating_sub(needs.idle?));
    println!(
        "players={} film_bytes={} film_tags={} bytes={} whole={} stalled_tags={} late_ms={} cpu_ms={} kib={} \
         kib_stalled={}",
        players.count(),
        film.bytes.len(),
        film.tag_count(),
        players.bytes(),
        players.whole(film, stalled),
        if options.stall { players.first_tags() } else { 0 },
        late.as_millis(),
        processor_ms.map_or("-".into(), |ms| ms.to_string()),
        more(needs.most).map_or("-".into(), |kib| kib.to_string()),
        more(needs.most_stalled).map_or("-".into(), |kib| kib.to_string()),
    );
}

impl Needs {
    fn new(pid: Option<u32>) -> Self {
        let idle = memory(pid);
        Self {
            pid,
            processor: processor(pid),
            idle,
            most: idle,
            most_stalled: idle,
        }
    }

    fn look(&mut self, is_stalled: bool) {
        let now = memory(self.pid);
        self.most_stalled = self.most_stalled.max(now);
        if !is_stalled {
            self.most = self.most.max(now);
        }
    }
}
