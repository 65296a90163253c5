//! Host names -> addresses, on threads of their own: the C library's lookup may take as long as it likes.
//!
//! `ask` gives a ticket, the waker wakes the poll when something was found out, `poll` takes it. A thread lives
//! as long as its lookup; the same name asked for twice is looked up once. This is the one place that uses
//! the heap when something begins: for the thread.

use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::{Arc, OnceLock};

use mio::Waker;

use crate::base::limits::{LOOKUPS, LOOKUP_STACK};

/// A question that was asked; to be polled or given back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ticket(u32);

/// No thread can be had, or too many lookups have not come back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Busy;

struct Lookup {
    ticket: Ticket,
    name: String,
    port: u16,
    askers: u32,
    answer: Arc<OnceLock<Option<SocketAddr>>>,
}

/// The lookups under way.
pub struct Resolver {
    waker: Arc<Waker>,
    lookups: heapless::Vec<Lookup, LOOKUPS>,
    next: u32,
}

impl Resolver {
    /// No thread is started before something is asked.
    pub fn new(waker: Waker) -> Self {
        Self { waker: Arc::new(waker), lookups: heapless::Vec::new(), next: 0 }
    }

    /// Begins to look for a name's address; the port comes back with it.
    pub fn ask(&mut self, name: &str, port: u16) -> Result<Ticket, Busy> {
        let same = |lookup: &&mut Lookup| lookup.name == name && lookup.port == port && lookup.answer.get().is_none();
        if let Some(lookup) = self.lookups.iter_mut().find(same) {
            lookup.askers += 1;
            return Ok(lookup.ticket);
        }
        self.lookups.retain(|lookup| lookup.askers > 0 || lookup.answer.get().is_none());
        if self.lookups.is_full() {
            return Err(Busy);
        }
        let answer = Arc::new(OnceLock::new());
        let (found, waker, host) = (Arc::clone(&answer), Arc::clone(&self.waker), name.to_owned());
        let look = move || {
            let _ = found.set(look_up(&host, port));
            let _ = waker.wake();
        };
        std::thread::Builder::new().stack_size(LOOKUP_STACK).spawn(look).map_err(|_| Busy)?;
        let ticket = Ticket(self.next);
        self.next = self.next.wrapping_add(1);
        let lookup = Lookup { ticket, name: name.to_owned(), port, askers: 1, answer };
        self.lookups.push(lookup).map_err(|_| Busy)?;
        Ok(ticket)
    }

    /// What was found, once, and the ticket is void: `Some(None)` when there is no such name.
    pub fn poll(&mut self, ticket: Ticket) -> Option<Option<SocketAddr>> {
        let lookup = self.lookups.iter_mut().find(|lookup| lookup.ticket == ticket)?;
        let answer = *lookup.answer.get()?;
        lookup.askers = lookup.askers.saturating_sub(1);
        Some(answer)
    }

    /// Nobody waits for this one any more.
    pub fn forget(&mut self, ticket: Ticket) {
        if let Some(lookup) = self.lookups.iter_mut().find(|lookup| lookup.ticket == ticket) {
            lookup.askers = lookup.askers.saturating_sub(1);
        }
    }
}

/// The first IPv4 address, else the first: servers on a phone's network have IPv4, whatever else they have.
fn look_up(name: &str, port: u16) -> Option<SocketAddr> {
    let mut first = None;
    for address in (name, port).to_socket_addrs().ok()? {
        if address.is_ipv4() {
            return Some(address);
        }
        first = first.or(Some(address));
    }
    first
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::{Duration, Instant};

    fn resolver() -> (mio::Poll, Resolver) {
        let poll = mio::Poll::new().unwrap();
        let waker = Waker::new(poll.registry(), mio::Token(7)).unwrap();
        (poll, Resolver::new(waker))
    }

    fn wait(poll: &mut mio::Poll, resolver: &mut Resolver, ticket: Ticket) -> Option<SocketAddr> {
        let mut events = mio::Events::with_capacity(4);
        let started = Instant::now();
        while started.elapsed() < Duration::from_secs(30) {
            if let Some(answer) = resolver.poll(ticket) {
                return answer;
            }
            poll.poll(&mut events, Some(Duration::from_secs(30))).unwrap();
            assert!(events.iter().all(|event| event.token() == mio::Token(7)));
        }
        panic!("no answer");
    }

    #[test]
    fn a_name_is_found_and_one_that_is_none_is_not() {
        let (mut poll, mut resolver) = resolver();
        let ticket = resolver.ask("localhost", 10_000).unwrap();
        assert_eq!(wait(&mut poll, &mut resolver, ticket), Some("127.0.0.1:10000".parse().unwrap()));
        let ticket = resolver.ask("no name at all", 1).unwrap();
        assert_eq!(wait(&mut poll, &mut resolver, ticket), None);
    }

    #[test]
    fn one_lookup_serves_all_who_ask_for_the_name_and_lookups_are_bounded() {
        let (mut poll, mut resolver) = resolver();
        // Lookups that never come back, without waiting for a network that does not answer.
        for n in 0..LOOKUPS as u32 {
            let lookup =
                Lookup { ticket: Ticket(900 + n), name: n.to_string(), port: 1, askers: 1, answer: Arc::default() };
            assert!(resolver.lookups.push(lookup).is_ok());
        }
        assert_eq!(resolver.ask("0", 1), Ok(Ticket(900)));
        assert_eq!(resolver.ask("localhost", 1), Err(Busy));
        resolver.forget(Ticket(901));
        assert_eq!(resolver.ask("localhost", 1), Err(Busy), "its thread is still there");
        resolver.lookups[1].answer.set(None).unwrap();
        let ticket = resolver.ask("localhost", 1).unwrap();
        assert!(wait(&mut poll, &mut resolver, ticket).is_some());
        resolver.lookups[0].answer.set(None).unwrap();
        assert_eq!((resolver.poll(Ticket(900)), resolver.poll(Ticket(900))), (Some(None), Some(None)));
    }
}
