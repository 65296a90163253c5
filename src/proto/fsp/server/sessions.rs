//! Sessions: the clients, their keys, and what the keys prove.
//!
//! Each reply has a fresh key, which the next request must return: there is one request at a time.
//! Real clients need more than the protocol text says (each was measured with them):
//! - Several programs behind one address have a session each, by port; one that has died locks
//!   nobody out.
//! - Debian's library shares one key between all processes of a machine: a key of another port of
//!   the same address is accepted.
//! - The first key of a session is arbitrary.
//!
//! A request with a wrong key changes nothing at all, so that nobody can disturb a session with
//! forged requests.

use core::net::{IpAddr, Ipv6Addr, SocketAddr};

use crate::base::limits::fsp::{RETRY, SESSIONS, TIMEOUT};
use crate::base::time::Instant;
use crate::proto::fsp::server::tree::File;

/// A client's address; an IPv4 address is mapped to IPv6.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ClientAddress {
    pub(super) host: [u8; 16],
    port: u16,
}

impl From<SocketAddr> for ClientAddress {
    fn from(address: SocketAddr) -> Self {
        let host = match address.ip() {
            IpAddr::V4(host) => host.to_ipv6_mapped(),
            IpAddr::V6(host) => host,
        };
        Self {
            host: host.octets(),
            port: address.port(),
        }
    }
}

impl ClientAddress {
    pub(super) fn ip(&self) -> IpAddr {
        Ipv6Addr::from(self.host).to_canonical()
    }
}

/// One client.
#[derive(Clone, Copy, Debug)]
pub(super) struct Session {
    pub(super) address: ClientAddress,
    /// The key of the last reply, which the next request must have.
    next_key: u16,
    /// The key of the last request, which a resend of it has.
    last_key: u16,
    /// When the last request was accepted.
    last_request: Instant,
    /// The client has not sent BYE.
    active: bool,
    /// The client has returned one of our keys: the address is really the sender's.
    pub(super) proven: bool,
    /// The last password was right.
    pub(super) trusted: bool,
    /// The block size of the last listing; 0: there was none.
    pub(super) block: usize,
    /// The recording in progress that the client reads, and the length that it is served with.
    pub(super) pinned: Option<(File, u32)>,
    /// The sequence number, without the count of resends, of the last password change that
    /// succeeded.
    pub(super) changed: Option<u16>,
}

/// All clients.
pub(super) struct Sessions(Vec<Session>);

/// A request that is to be executed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Admitted {
    /// The index of the session.
    pub(super) session: usize,
    /// The request was answered before; the reply may be lost.
    pub(super) is_resend: bool,
    /// The key of the reply.
    pub(super) key: u16,
}

impl Sessions {
    /// No sessions. This is the only allocation.
    pub(super) fn new() -> Self {
        Self(Vec::with_capacity(SESSIONS))
    }

    pub(super) fn of(&mut self, session: usize) -> &mut Session {
        &mut self.0[session]
    }

    /// Checks the key of a request. `None`: the request gets no reply, and nothing has changed.
    ///
    /// `random` becomes the key of the reply.
    pub(super) fn admit(
        &mut self,
        now: Instant,
        address: ClientAddress,
        key: u16,
        random: u16,
    ) -> Option<Admitted> {
        let next_key = if random == key {
            random.wrapping_add(1)
        } else {
            random
        };
        let known = self.0.iter().position(|session| session.address == address);
        let old = known.map(|known| self.0[known]);
        let mut session = old.unwrap_or_else(|| Session::new(address));
        let is_live = session.is_live(now);
        let is_recent = now.since(session.last_request) < RETRY;
        if key == session.next_key && old.is_some() || self.is_shared(now, address, key) {
            session.proven = true;
        } else if is_live && key == session.last_key {
            if is_recent {
                return None;
            }
            return self.admit_resend(now, known?);
        } else if is_live && (session.proven || is_recent) {
            // The address of an unproven session may be forged: such a session locks out the real
            // client for one resend, not longer.
            return None;
        } else {
            session = Session::new(address);
        }
        session.last_key = key;
        session.next_key = next_key;
        session.last_request = now;
        session.active = true;
        let index = known.unwrap_or_else(|| self.vacate(now));
        self.0[index] = session;
        Some(Admitted {
            session: index,
            is_resend: false,
            key: next_key,
        })
    }

    fn admit_resend(&mut self, now: Instant, index: usize) -> Option<Admitted> {
        let session = self.0.get_mut(index)?;
        session.last_request = now;
        Some(Admitted {
            session: index,
            is_resend: true,
            key: session.next_key,
        })
    }

    /// Ends a session. Its last key is still accepted.
    pub(super) fn end(&mut self, session: usize) {
        self.0[session].active = false;
    }

    /// Whether another session of the same host has this key.
    fn is_shared(&self, now: Instant, address: ClientAddress, key: u16) -> bool {
        let has_key = |other: &Session| {
            let is_same_host = other.address.host == address.host && other.address != address;
            is_same_host && other.next_key == key
        };
        self.0
            .iter()
            .any(|other| has_key(other) && now.since(other.last_request) < TIMEOUT)
    }

    /// A new session's index. When there is no room, the least valuable session is replaced: forged
    /// addresses, which prove nothing, replace only each other, and a client that does not know the
    /// password never replaces one that does.
    fn vacate(&mut self, now: Instant) -> usize {
        if self.0.len() < SESSIONS {
            let nobody = ClientAddress {
                host: [0; 16],
                port: 0,
            };
            self.0.push(Session::new(nobody));
            return self.0.len() - 1;
        }
        let mut least = (u8::MAX, now, 0);
        for (index, session) in self.0.iter().enumerate() {
            let value = if session.is_live(now) {
                2 * u8::from(session.trusted) + u8::from(session.proven)
            } else {
                0
            };
            if (value, session.last_request) <= (least.0, least.1) {
                least = (value, session.last_request, index);
            }
        }
        least.2
    }
}

impl Session {
    fn new(address: ClientAddress) -> Self {
        Self {
            address,
            next_key: 0,
            last_key: 0,
            last_request: Instant::default(),
            active: false,
            proven: false,
            trusted: false,
            block: 0,
            pinned: None,
            changed: None,
        }
    }

    /// The length that this file is served with, if it is the recording in progress that the client
    /// reads.
    pub(super) fn pinned_length(&self, file: File) -> Option<u32> {
        let (pinned, length) = self.pinned?;
        (pinned == file).then_some(length)
    }

    fn is_live(&self, now: Instant) -> bool {
        self.active && now.since(self.last_request) < TIMEOUT
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::time::Duration;

    fn at(millis: u64) -> Instant {
        Instant::from_nanos(0) + Duration::from_millis(100_000 + millis)
    }

    fn peer(host: u8, port: u16) -> ClientAddress {
        SocketAddr::from(([192, 0, 2, host], port)).into()
    }

    /// `Some(is_resend)` if the request is admitted.
    fn ask(
        sessions: &mut Sessions,
        millis: u64,
        address: ClientAddress,
        key: u16,
        random: u16,
    ) -> Option<bool> {
        sessions
            .admit(at(millis), address, key, random)
            .map(|admitted| admitted.is_resend)
    }

    #[test]
    fn keys_go_back_and_forth() {
        let mut sessions = Sessions::new();
        let (ann, bob) = (peer(1, 1000), peer(2, 1000));
        assert_eq!(
            ask(&mut sessions, 0, ann, 0xABCD, 11),
            Some(false),
            "the first key is arbitrary"
        );
        assert!(!sessions.of(0).proven);
        assert_eq!(ask(&mut sessions, 1, ann, 11, 12), Some(false));
        assert!(sessions.of(0).proven);
        assert_eq!(ask(&mut sessions, 2, ann, 11, 13), None, "a duplicate");
        assert_eq!(ask(&mut sessions, 2, ann, 77, 13), None, "a guess");
        assert_eq!(
            ask(&mut sessions, 2, bob, 12, 14),
            Some(false),
            "another address"
        );
        assert!(
            !sessions.of(1).proven,
            "a key of another address proves nothing"
        );
        assert_eq!(
            ask(&mut sessions, 3, ann, 12, 15),
            Some(false),
            "the rejected requests changed nothing"
        );
    }

    #[test]
    fn a_resend_gets_the_same_key_after_a_second() {
        let mut sessions = Sessions::new();
        let ann = peer(1, 1000);
        ask(&mut sessions, 0, ann, 5, 11);
        ask(&mut sessions, 10, ann, 11, 12);
        assert_eq!(ask(&mut sessions, 1009, ann, 11, 13), None);
        assert_eq!(
            sessions.admit(at(1010), ann, 11, 13),
            Some(Admitted {
                session: 0,
                is_resend: true,
                key: 12
            })
        );
        assert_eq!(
            ask(&mut sessions, 1100, ann, 11, 13),
            None,
            "a resend counts as the last request"
        );
        assert_eq!(ask(&mut sessions, 1101, ann, 12, 14), Some(false));
    }

    #[test]
    fn an_unknown_key_is_rejected_until_the_session_is_over() {
        let mut sessions = Sessions::new();
        let ann = peer(1, 1000);
        ask(&mut sessions, 0, ann, 5, 10);
        ask(&mut sessions, 0, ann, 10, 11);
        for millis in (1000..60_000).step_by(1000) {
            assert_eq!(
                ask(&mut sessions, millis, ann, 99, 50),
                None,
                "it does not keep the session alive either"
            );
        }
        sessions.of(0).trusted = true;
        assert_eq!(ask(&mut sessions, 60_000, ann, 99, 51), Some(false));
        assert!(!sessions.of(0).proven && !sessions.of(0).trusted);
    }

    #[test]
    fn an_unproven_session_is_replaced_by_the_first_resend() {
        let mut sessions = Sessions::new();
        let ann = peer(1, 1000);
        ask(&mut sessions, 0, ann, 666, 11);
        assert_eq!(ask(&mut sessions, 10, ann, 5, 12), None);
        assert_eq!(ask(&mut sessions, 1350, ann, 5, 12), Some(false));
    }

    #[test]
    fn after_bye_any_key_is_accepted_and_the_last_one_still_proves() {
        let mut sessions = Sessions::new();
        let ann = peer(1, 1000);
        for (key, fresh) in [(5, 11), (11, 12)] {
            ask(&mut sessions, 0, ann, key, fresh);
        }
        sessions.end(0);
        assert_eq!(ask(&mut sessions, 1, ann, 12, 13), Some(false));
        assert!(sessions.of(0).proven);
        sessions.end(0);
        assert_eq!(ask(&mut sessions, 2, ann, 77, 14), Some(false));
        assert!(!sessions.of(0).proven);
    }

    #[test]
    fn programs_of_one_machine_may_share_a_key() {
        let mut sessions = Sessions::new();
        let mut key = 0;
        for round in 0..100u16 {
            let port = 1000 + round % 3;
            assert_eq!(
                ask(
                    &mut sessions,
                    u64::from(round),
                    peer(1, port),
                    key,
                    500 + round
                ),
                Some(false),
                "{round}"
            );
            key = 500 + round;
        }
        sessions.end(0);
        assert_eq!(
            ask(&mut sessions, 200, peer(1, 2000), key, 900),
            Some(false),
            "also the last key of one that ended"
        );
        assert!(sessions.of(3).proven);
        assert_eq!(
            ask(&mut sessions, 201, peer(2, 2000), 900, 901),
            Some(false)
        );
        assert!(!sessions.of(4).proven, "another machine's");
    }

    #[test]
    fn forged_addresses_replace_only_each_other() {
        let mut sessions = Sessions::new();
        ask(&mut sessions, 0, peer(1, 1000), 5, 11);
        ask(&mut sessions, 1, peer(1, 1000), 11, 12);
        for n in 0..10_000u16 {
            ask(
                &mut sessions,
                2 + u64::from(n),
                peer(9, n),
                0,
                n.wrapping_mul(7) | 1,
            );
        }
        assert_eq!(sessions.0.len(), SESSIONS);
        assert_eq!(
            ask(&mut sessions, 20_000, peer(1, 1000), 12, 13),
            Some(false)
        );
        assert!(sessions.of(0).proven && sessions.of(0).address == peer(1, 1000));
    }
}
