//! Who speaks with us: keys and what they prove.
//!
//! Each reply carries a fresh key that the next request must bring back: the window is one. What real clients need beyond the
//! protocol's text (each measured with them):
//! - Several programs behind one address have a session each, by port; a dead one locks nobody out.
//! - Debian's library shares one key between all processes of a machine: a key of another port of the same address is taken.
//! - The first key of a session is arbitrary.
//!
//! A request with a wrong key changes nothing at all, so that nobody can disturb a session with forged ones.

use core::net::{IpAddr, Ipv6Addr, SocketAddr};

use crate::base::limits::fsp::{RETRY, SESSIONS, TIMEOUT};
use crate::base::time::Instant;
use crate::proto::fsp::server::tree::File;

/// A client's address; one of IPv4 as IPv6 has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Peer {
    pub(super) host: [u8; 16],
    port: u16,
}

impl From<SocketAddr> for Peer {
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

impl Peer {
    pub(super) fn ip(&self) -> IpAddr {
        Ipv6Addr::from(self.host).to_canonical()
    }
}

/// One client.
#[derive(Clone, Copy, Debug)]
pub(super) struct Session {
    pub(super) peer: Peer,
    /// The key of the last reply, and that of the request before it.
    next_key: u16,
    last_key: u16,
    /// When the last request was taken.
    at: Instant,
    /// It has not said BYE.
    active: bool,
    /// A key of ours came back: the address is really the sender's.
    pub(super) proven: bool,
    /// The last password was right.
    pub(super) trusted: bool,
    /// The block size of its last listing; 0: none.
    pub(super) block: usize,
    /// The recording in progress that it reads, and the length that this one has for it.
    pub(super) pinned: Option<(File, u32)>,
    /// The sequence number, without resends, of the password change that succeeded.
    pub(super) changed: Option<u16>,
}

/// All clients.
pub(super) struct Sessions(Vec<Session>);

/// A request that is to be answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Admitted {
    /// Whose it is.
    pub(super) session: usize,
    /// It was answered before, and the reply may be lost.
    pub(super) again: bool,
    /// The key for the reply.
    pub(super) key: u16,
}

impl Sessions {
    /// No sessions. The only allocation.
    pub(super) fn new() -> Self {
        Self(Vec::with_capacity(SESSIONS))
    }

    pub(super) fn of(&mut self, session: usize) -> &mut Session {
        &mut self.0[session]
    }

    /// Looks at a request's key. `None`: it is not to be answered, and nothing has changed.
    pub(super) fn admit(
        &mut self,
        now: Instant,
        peer: Peer,
        key: u16,
        fresh: u16,
    ) -> Option<Admitted> {
        let fresh = if fresh == key {
            fresh.wrapping_add(1)
        } else {
            fresh
        };
        let known = self.0.iter().position(|session| session.peer == peer);
        let old = known.map(|known| self.0[known]);
        let mut session = old.unwrap_or_else(|| Session::new(peer));
        let live = session.is_live(now);
        if key == session.next_key && old.is_some() || self.is_shared(now, peer, key) {
            session.proven = true;
        } else if live && key == session.last_key {
            if now.since(session.at) < RETRY {
                return None;
            }
            let session = known?;
            self.0[session].at = now;
            return Some(Admitted {
                session,
                again: true,
                key: self.0[session].next_key,
            });
        } else if live && (session.proven || now.since(session.at) < RETRY) {
            // An unproven session is perhaps a forged one: it keeps the client itself out for one resend, not longer.
            return None;
        } else {
            session = Session::new(peer);
        }
        (
            session.last_key,
            session.next_key,
            session.at,
            session.active,
        ) = (key, fresh, now, true);
        let place = known.unwrap_or_else(|| self.place_for_one(now));
        self.0[place] = session;
        Some(Admitted {
            session: place,
            again: false,
            key: fresh,
        })
    }

    /// The session has ended; its last key stays good.
    pub(super) fn end(&mut self, session: usize) {
        self.0[session].active = false;
    }

    fn is_shared(&self, now: Instant, peer: Peer, key: u16) -> bool {
        let shares = |other: &Session| {
            other.next_key == key && other.peer.host == peer.host && other.peer != peer
        };
        self.0
            .iter()
            .any(|other| shares(other) && now.since(other.at) < TIMEOUT)
    }

    /// A new place, or that of the least: forged addresses, which prove nothing, only push out each other, and who does not
    /// know the password nobody who does.
    fn place_for_one(&mut self, now: Instant) -> usize {
        if self.0.len() < SESSIONS {
            self.0.push(Session::new(Peer {
                host: [0; 16],
                port: 0,
            }));
            return self.0.len() - 1;
        }
        let mut least = (u8::MAX, now, 0);
        for (place, session) in self.0.iter().enumerate() {
            let worth = if session.is_live(now) {
                2 * u8::from(session.trusted) + u8::from(session.proven)
            } else {
                0
            };
            if (worth, session.at) <= (least.0, least.1) {
                least = (worth, session.at, place);
            }
        }
        least.2
    }
}

impl Session {
    fn new(peer: Peer) -> Self {
        Self {
            peer,
            next_key: 0,
            last_key: 0,
            at: Instant::default(),
            active: false,
            proven: false,
            trusted: false,
            block: 0,
            pinned: None,
            changed: None,
        }
    }

    fn is_live(&self, now: Instant) -> bool {
        self.active && now.since(self.at) < TIMEOUT
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::time::Duration;

    fn at(millis: u64) -> Instant {
        Instant::from_nanos(0) + Duration::from_millis(100_000 + millis)
    }

    fn peer(host: u8, port: u16) -> Peer {
        SocketAddr::from(([192, 0, 2, host], port)).into()
    }

    /// `Some(again)` if the request is taken.
    fn ask(sessions: &mut Sessions, millis: u64, peer: Peer, key: u16, fresh: u16) -> Option<bool> {
        sessions
            .admit(at(millis), peer, key, fresh)
            .map(|admitted| admitted.again)
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
            "nobody's requests have disturbed it"
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
                again: true,
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
    fn a_strange_key_waits_until_the_session_is_over() {
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
    fn a_session_that_proved_nothing_gives_way_to_the_first_resend() {
        let mut sessions = Sessions::new();
        let ann = peer(1, 1000);
        ask(&mut sessions, 0, ann, 666, 11);
        assert_eq!(ask(&mut sessions, 10, ann, 5, 12), None);
        assert_eq!(ask(&mut sessions, 1350, ann, 5, 12), Some(false));
    }

    #[test]
    fn after_bye_any_key_is_welcome_and_the_last_one_still_proves() {
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
    fn forged_addresses_push_out_each_other_and_nobody_else() {
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
        assert!(sessions.of(0).proven && sessions.of(0).peer == peer(1, 1000));
    }
}
