//! A media host: whether it is up, and how many connections it has.
//!
//! A host is up if its last health check was successful. It is down from a failed check, or a
//! connection that could not be established, until a check is successful again.

use std::net::SocketAddr;

use log::{info, warn};
use mio::{Registry, Token};

use crate::base::limits::server::MEDIA_CHECK_INTERVAL;
use crate::base::time::Instant;
use crate::server::record::load_balancer::health_check::HealthCheck;

/// What is known about a host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum HostState {
    /// It has not been checked yet.
    Unknown,
    Up,
    /// With the last problem.
    Down(String),
}

/// One media host.
pub(super) struct MediaHost {
    pub(super) address: SocketAddr,
    pub(super) connections: u64,
    pub(super) failures: u64,
    pub(super) state: HostState,
    /// The check that is running.
    check: Option<HealthCheck>,
    /// When the next one begins.
    check_at: Instant,
}

impl MediaHost {
    pub(super) fn new(address: SocketAddr) -> Self {
        let check_at = Instant::default();
        Self {
            address,
            connections: 0,
            failures: 0,
            state: HostState::Unknown,
            check: None,
            check_at,
        }
    }

    pub(super) fn is_up(&self) -> bool {
        self.state == HostState::Up
    }

    fn is_down(&self) -> bool {
        matches!(self.state, HostState::Down(_))
    }

    /// A check or a connection has failed.
    pub(super) fn fail(&mut self, problem: &str) {
        self.failures += 1;
        if !self.is_down() {
            warn!(
                "media host {}: {problem}; calls are passed to other hosts until it responds",
                self.address
            );
        }
        self.state = HostState::Down(problem.to_owned());
    }

    /// A call had no response from it. The call itself may be at fault, so the host is checked at
    /// once.
    pub(super) fn doubt(&mut self, now: Instant) {
        self.failures += 1;
        self.check_at = self.check_at.min(now);
    }

    /// Begins a check, or gives one up, if that is due.
    pub(super) fn handle_timeout(&mut self, now: Instant, registry: &Registry, token: Token) {
        if self.check.take_if(|check| now >= check.until).is_some() {
            self.fail("does not answer");
        }
        if self.check.is_some() || now < self.check_at {
            return;
        }
        self.check_at = now + MEDIA_CHECK_INTERVAL;
        match HealthCheck::begin(now, self.address, registry, token) {
            Ok(check) => self.check = Some(check),
            Err(error) if is_local_shortage(&error) => {}
            Err(error) => self.fail(&error.to_string()),
        }
    }

    /// Handles an event of its check's connection.
    pub(super) fn handle_check(&mut self) {
        let Some(result) = self.check.as_mut().and_then(HealthCheck::handle) else {
            return;
        };
        self.check = None;
        match result {
            Ok(()) => {
                if self.is_down() {
                    info!("media host {} is up again", self.address);
                }
                self.state = HostState::Up;
            }
            Err(problem) => self.fail(&problem),
        }
    }

    /// When `handle_timeout` is due.
    pub(super) fn next_deadline(&self) -> Instant {
        self.check
            .as_ref()
            .map_or(self.check_at, |check| check.until)
    }
}

/// This process is out of file descriptors, ports or memory: that says nothing about the host.
pub(super) fn is_local_shortage(error: &std::io::Error) -> bool {
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

/// The host with the fewest connections among those whose bit is not set in `tried`; hosts that are
/// down come last.
pub(super) fn choose(hosts: &[MediaHost], tried: u64) -> Option<usize> {
    let untried = hosts
        .iter()
        .enumerate()
        .filter(|(number, _)| tried & 1 << number == 0);
    untried
        .min_by_key(|(_, host)| (host.is_down(), host.connections))
        .map(|(number, _)| number)
}

/// There is a host that has not been tried and is not known to be down.
pub(super) fn has_better(hosts: &[MediaHost], tried: u64) -> bool {
    choose(hosts, tried).is_some_and(|host| !hosts[host].is_down())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_least_busy_host_is_chosen_and_one_that_is_down_comes_last() {
        let mut hosts: Vec<MediaHost> = (1..=3)
            .map(|n| MediaHost::new(SocketAddr::from(([10, 0, 0, n], 1))))
            .collect();
        for (host, connections) in hosts.iter_mut().zip([5, 3, 4]) {
            host.connections = connections;
        }
        assert_eq!(choose(&hosts, 0), Some(1));
        hosts[1].fail("does not answer");
        assert_eq!((choose(&hosts, 0), hosts[1].failures), (Some(2), 1));
        assert_eq!(
            (choose(&hosts, 0b100), has_better(&hosts, 0b100)),
            (Some(0), true)
        );
        assert_eq!(
            (choose(&hosts, 0b101), has_better(&hosts, 0b101)),
            (Some(1), false)
        );
        assert_eq!(choose(&hosts, 0b111), None);
    }
}
