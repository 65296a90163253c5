//! A media host: is it up, and how many connections has it?
//!
//! A host is up when it has answered the last question for its health. It is down from a question without an answer, or
//! a connection that could not be made, until it answers again.

use std::net::SocketAddr;

use log::{info, warn};
use mio::{Registry, Token};

use crate::base::limits::server::MEDIA_CHECK_INTERVAL;
use crate::base::time::Instant;
use crate::server::record::load_balancer::check::Check;

/// What is known of a host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// It has not been asked yet.
    Unknown,
    Up,
    /// With what was wrong at last.
    Down(String),
}

/// One media host.
pub(super) struct Host {
    pub(super) address: SocketAddr,
    pub(super) connections: u64,
    pub(super) failures: u64,
    pub(super) state: State,
    /// The question that waits for its answer, and when the next one is asked.
    check: Option<Check>,
    check_at: Instant,
}

impl Host {
    pub(super) fn new(address: SocketAddr) -> Self {
        let check_at = Instant::default();
        Self {
            address,
            connections: 0,
            failures: 0,
            state: State::Unknown,
            check: None,
            check_at,
        }
    }

    pub(super) fn is_up(&self) -> bool {
        self.state == State::Up
    }

    fn is_down(&self) -> bool {
        matches!(self.state, State::Down(_))
    }

    /// It could not be reached, or has not answered.
    pub(super) fn fail(&mut self, problem: &str) {
        self.failures += 1;
        if !self.is_down() {
            warn!(
                "media host {}: {problem}; calls go to others until it answers",
                self.address
            );
        }
        self.state = State::Down(problem.to_owned());
    }

    /// A call has had no answer from it. That may be the call's fault: it is asked at once.
    pub(super) fn doubt(&mut self, now: Instant) {
        self.failures += 1;
        self.check_at = self.check_at.min(now);
    }

    /// Asks for its health, if it is time; gives up waiting, if that is.
    pub(super) fn handle_timeout(&mut self, now: Instant, registry: &Registry, token: Token) {
        if self.check.take_if(|check| now >= check.until).is_some() {
            self.fail("does not answer");
        }
        if self.check.is_some() || now < self.check_at {
            return;
        }
        self.check_at = now + MEDIA_CHECK_INTERVAL;
        match Check::begin(now, self.address, registry, token) {
            Ok(check) => self.check = Some(check),
            Err(error) if is_ours(&error) => {}
            Err(error) => self.fail(&error.to_string()),
        }
    }

    /// Something has come for its check.
    pub(super) fn handle_check(&mut self) {
        let Some(result) = self.check.as_mut().and_then(Check::handle) else {
            return;
        };
        self.check = None;
        match result {
            Ok(()) => {
                if self.is_down() {
                    info!("media host {} is back", self.address);
                }
                self.state = State::Up;
            }
            Err(problem) => self.fail(&problem),
        }
    }

    /// When `handle_timeout` has something to do.
    pub(super) fn next_deadline(&self) -> Instant {
        self.check
            .as_ref()
            .map_or(self.check_at, |check| check.until)
    }
}

/// We are out of descriptors, ports or memory: that says nothing of the host.
pub(super) fn is_ours(error: &std::io::Error) -> bool {
    let ours = [
        libc::EMFILE,
        libc::ENFILE,
        libc::ENOMEM,
        libc::ENOBUFS,
        libc::EADDRNOTAVAIL,
    ];
    error
        .raw_os_error()
        .is_some_and(|number| ours.contains(&number))
}

/// The host with the fewest connections among those that have not been tried, a bit for each; those that are down come
/// last.
pub(super) fn choose(hosts: &[Host], tried: u64) -> Option<usize> {
    let untried = hosts
        .iter()
        .enumerate()
        .filter(|(number, _)| tried & 1 << number == 0);
    untried
        .min_by_key(|(_, host)| (host.is_down(), host.connections))
        .map(|(number, _)| number)
}

/// There is another one to be tried that is not known to be down.
pub(super) fn is_choice(hosts: &[Host], tried: u64) -> bool {
    choose(hosts, tried).is_some_and(|host| !hosts[host].is_down())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_least_busy_host_is_chosen_and_one_that_is_down_comes_last() {
        let mut hosts: Vec<Host> = (1..=3)
            .map(|n| Host::new(SocketAddr::from(([10, 0, 0, n], 1))))
            .collect();
        (
            hosts[0].connections,
            hosts[1].connections,
            hosts[2].connections,
        ) = (5, 3, 4);
        assert_eq!(choose(&hosts, 0), Some(1));
        hosts[1].fail("does not answer");
        assert_eq!((choose(&hosts, 0), hosts[1].failures), (Some(2), 1));
        assert_eq!(
            (choose(&hosts, 0b100), is_choice(&hosts, 0b100)),
            (Some(0), true)
        );
        assert_eq!(
            (choose(&hosts, 0b101), is_choice(&hosts, 0b101)),
            (Some(1), false)
        );
        assert_eq!(choose(&hosts, 0b111), None);
    }
}
