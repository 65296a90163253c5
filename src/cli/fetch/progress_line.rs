//! A line that shows the progress of a transfer. It is only printed on a terminal.

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use crate::cli::console::{harmless, Console};

/// The interval of updates.
const UPDATE_INTERVAL: Duration = Duration::from_millis(200);
/// The width of the bar in characters.
const WIDTH: u64 = 24;

pub(super) struct ProgressLine {
    terminal: bool,
    name: String,
    started: Instant,
    /// The bytes that an earlier transfer had left.
    first: Option<u64>,
    total: u64,
    shown_at: Option<Instant>,
}

impl ProgressLine {
    pub(super) fn new() -> Self {
        let terminal = std::io::stderr().is_terminal();
        Self {
            terminal,
            name: String::new(),
            started: Instant::now(),
            first: None,
            total: 0,
            shown_at: None,
        }
    }

    /// Begins a transfer of this many bytes.
    pub(super) fn begin(&mut self, name: &str, total: u64) {
        self.name = harmless(name);
        self.first = None;
        self.total = total;
        self.started = Instant::now();
        self.shown_at = None;
    }

    /// Shows that this many bytes have been fetched.
    pub(super) fn show(&mut self, console: &mut Console, done: u64) {
        if !self.terminal
            || self
                .shown_at
                .is_some_and(|at| at.elapsed() < UPDATE_INTERVAL)
        {
            return;
        }
        self.shown_at = Some(Instant::now());
        let first = *self.first.get_or_insert(done);
        let fetched = done.saturating_sub(first);
        let took = self.started.elapsed();
        let line = line(&self.name, done, self.total, fetched, took);
        let _ = console.err.put(format!("\r{line}\x1b[K").as_bytes());
    }

    /// Removes the line, so that others can be printed.
    pub(super) fn clear(&mut self, console: &mut Console) {
        if self.shown_at.take().is_some() {
            let _ = console.err.put(b"\r\x1b[K");
        }
    }
}

fn line(name: &str, done: u64, total: u64, fetched: u64, took: Duration) -> String {
    let percent = (done * 100).checked_div(total).unwrap_or(100).min(100);
    let filled = percent * WIDTH / 100;
    let bar: String = (0..WIDTH)
        .map(|n| if n < filled { '=' } else { ' ' })
        .collect();
    let rate = fetched as f64 / took.as_secs_f64().max(0.001) / 1e6;
    format!(
        "{name} [{bar}] {percent:3} %  {:.1} of {:.1} MB  {rate:.1} MB/s",
        done as f64 / 1e6,
        total as f64 / 1e6
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_shows_progress_and_rate() {
        let half = line(
            "a.wav",
            5_000_000,
            10_000_000,
            4_000_000,
            Duration::from_secs(2),
        );
        assert_eq!(
            half,
            "a.wav [============            ]  50 %  5.0 of 10.0 MB  2.0 MB/s"
        );
        assert!(line("a", 0, 0, 0, Duration::ZERO).contains("100 %"));
        assert!(
            line("a", 7, 5, 7, Duration::ZERO).contains("100 %"),
            "it has grown"
        );
    }
}
