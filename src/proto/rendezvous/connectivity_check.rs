//! The way from one endpoint to another, through both NATs: pings, in ever longer steps, to where the other one may be.
//!
//! Each ping opens the own NAT for the address that it goes to, so both sides must climb; the first one is for nothing
//! else, and goes no further, since the other side's may not be open yet. A full cone lets the
//! other side's first ping in; a NAT that keeps ports, the one after ours. Where the other one's pings come from
//! counts more than what the server has said: behind a symmetric NAT it is another port. Two symmetric NATs never
//! meet; then the server's relay is left.
//!
//! ```text
//! every 200 ms x3   PING connid+"E" to the address in its own network, connid+"P" to the one that the server sees
//! every 200 ms x3   PING connid+"P"
//! then              NFY ping_fork to the server, and every 600 ms x3  PING connid+"P"
//! ```

use core::net::SocketAddrV4;

use super::transaction::{Ask, Question};
use super::Name;
use crate::base::limits::rendezvous::{LADDERS, PEER_KNOWN, PONGS};
use crate::base::time::{Duration, Instant};

/// What a PING's tag says about the address that it was sent to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tag {
    /// The one in its own network.
    Inside,
    /// The one that the server sees.
    Outside,
    /// A port of our relay.
    Relay,
}

impl Tag {
    /// The character behind the connection's id.
    pub fn letter(self) -> u8 {
        match self {
            Self::Inside => b'E',
            Self::Outside => b'P',
            Self::Relay => b'R',
        }
    }
}

/// What is to be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// A PING; one that only `opens` our own NAT.
    #[allow(missing_docs)]
    Ping {
        to: SocketAddrV4,
        tag: Tag,
        opens: bool,
    },
    /// NFY ping_fork, to the server.
    Fork,
    /// A BIND with this number, to the relay.
    Bind(SocketAddrV4, u32),
}

#[derive(Clone, Copy)]
enum Rung {
    Ping(Tag, u64),
    Fork,
}

const E: Rung = Rung::Ping(Tag::Inside, 0);
const P: Rung = Rung::Ping(Tag::Outside, 200);
const SLOW: Rung = Rung::Ping(Tag::Outside, 600);
const RUNGS: [Rung; 13] = [E, P, E, P, E, P, P, P, P, Rung::Fork, SLOW, SLOW, SLOW];

/// The number of the rung behind the first ping to the address that the server sees.
const FIRST_OUTSIDE: usize = 2;

/// How far it has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// Pings are sent.
    Climbing,
    /// The other one has answered, from there.
    Reached(SocketAddrV4),
    /// All pings have been sent in vain; the other one may still come.
    Failed,
}

/// One connection in the making.
pub struct Ladder {
    /// The server's name for it.
    pub connid: Name,
    /// What opens the relay to us.
    pub token: Name,
    /// What the server has told both ends, for proofs; or empty.
    pub secret: Name,
    inside: Option<SocketAddrV4>,
    outside: SocketAddrV4,
    /// The relay that it is to be, and the BIND that is not answered yet.
    relay: Option<SocketAddrV4>,
    bind: Option<Question>,
    progress: Progress,
    rung: usize,
    next_at: Instant,
    forked: bool,
    ladders: u8,
    relays: u8,
    pongs: u8,
    expires_at: Instant,
}

impl Ladder {
    /// A ladder to an endpoint that is at `outside` for the server, and says that it is at `inside` for itself.
    pub fn new(
        now: Instant,
        connid: Name,
        inside: Option<SocketAddrV4>,
        outside: SocketAddrV4,
    ) -> Self {
        // Only what may be a place behind its NAT: nobody has us send pings to a third.
        let private = |ed: &SocketAddrV4| {
            ed.ip().is_private() || ed.ip().is_link_local() || ed.ip() == outside.ip()
        };
        let inside = inside.filter(|ed| *ed != outside && private(ed));
        Self {
            connid,
            inside,
            outside,
            token: Name::new(),
            secret: Name::new(),
            relay: None,
            bind: None,
            progress: Progress::Climbing,
            rung: 0,
            next_at: now,
            forked: false,
            ladders: 1,
            relays: 0,
            pongs: 0,
            expires_at: now + PEER_KNOWN,
        }
    }

    /// How far it has come.
    pub fn progress(&self) -> Progress {
        self.progress
    }

    /// Whether its id is forgotten.
    pub fn is_over(&self, now: Instant) -> bool {
        now >= self.expires_at
    }

    /// Whether it could give its place to another one.
    pub fn is_done(&self) -> bool {
        self.progress != Progress::Climbing
    }

    /// Whether the other one has come through and has had our answer. It may be content, and answer no pings of ours any
    /// more: a caller that fetches five times in a second must not find all places taken by itself.
    pub fn is_answered(&self) -> bool {
        self.pongs > 0
    }

    /// When `poll` has something to do.
    pub fn next_deadline(&self) -> Instant {
        let ping_at = if self.is_done() {
            self.expires_at
        } else {
            self.next_at
        };
        let bind_at = self
            .bind
            .map_or(self.expires_at, |bind| bind.next_deadline());
        ping_at.min(bind_at).min(self.expires_at)
    }

    /// What is to be sent now.
    pub fn poll(&mut self, now: Instant) -> Option<Step> {
        if let (Some(relay), Some(bind)) = (self.relay, &mut self.bind) {
            match bind.poll(now) {
                Ask::Now => return Some(Step::Bind(relay, bind.mid)),
                Ask::GiveUp => self.bind = None,
                Ask::Wait => {}
            }
        }
        while self.progress == Progress::Climbing && now >= self.next_at {
            let Some(rung) = RUNGS.get(self.rung) else {
                self.progress = Progress::Failed;
                return None;
            };
            self.rung += 1;
            match *rung {
                Rung::Fork if self.relay.is_some() || self.forked => {}
                Rung::Fork => {
                    self.forked = true;
                    return Some(Step::Fork);
                }
                Rung::Ping(Tag::Inside, _) => {
                    if let Some(inside) = self.inside {
                        return Some(Step::Ping {
                            to: inside,
                            tag: Tag::Inside,
                            opens: false,
                        });
                    }
                }
                Rung::Ping(tag, wait) => {
                    self.next_at = now + Duration::from_millis(wait);
                    let tag = if self.relay.is_some() {
                        Tag::Relay
                    } else {
                        tag
                    };
                    let opens = self.rung == FIRST_OUTSIDE && tag == Tag::Outside;
                    return Some(Step::Ping {
                        to: self.outside,
                        tag,
                        opens,
                    });
                }
            }
        }
        None
    }

    /// A PING with this connection's id has come; `true`: it is to be answered.
    pub fn handle_ping(&mut self, from: SocketAddrV4) -> bool {
        if Some(from) != self.inside {
            self.outside = from;
        }
        self.pongs = self.pongs.saturating_add(1);
        self.pongs <= PONGS
    }

    /// A PONG with this connection's id has come.
    pub fn handle_pong(&mut self, from: SocketAddrV4) {
        // The first one is the shortest way.
        if !matches!(self.progress, Progress::Reached(_)) {
            self.progress = Progress::Reached(from);
        }
    }

    /// The server says that the other one pings from elsewhere.
    pub fn handle_moved(&mut self, now: Instant, outside: Option<SocketAddrV4>) {
        self.outside = outside.unwrap_or(self.outside);
        if self.ladders < LADDERS {
            self.ladders += 1;
            self.climb_again(now);
        }
    }

    /// The relay, if there is one for this connection.
    #[cfg(feature = "tools")]
    pub(super) fn relay(&self) -> Option<SocketAddrV4> {
        self.relay
    }

    /// The server has a relay for this connection; it says so again while it is asked. `mid` is for the BIND.
    ///
    /// Each time all pings are sent anew: the other one may hear of the relay only now.
    pub fn handle_relay(&mut self, now: Instant, relay: SocketAddrV4, mid: u32) {
        (self.inside, self.outside, self.relay) = (None, relay, Some(relay));
        self.bind = Some(Question::new(now, mid));
        if self.relays < LADDERS {
            self.relays += 1;
            self.climb_again(now);
        }
    }

    /// The answer to a BIND has come; `false`: not to ours.
    pub fn handle_bound(&mut self, from: SocketAddrV4, mid: u32) -> bool {
        let ours = self.relay == Some(from) && self.bind.is_some_and(|bind| bind.mid == mid);
        if ours {
            self.bind = None;
        }
        ours
    }

    fn climb_again(&mut self, now: Instant) {
        if !matches!(self.progress, Progress::Reached(_)) {
            (self.progress, self.rung, self.next_at) = (Progress::Climbing, 0, now);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> SocketAddrV4 {
        text.parse().unwrap()
    }

    fn ladder(inside: &str) -> Ladder {
        Ladder::new(
            Instant::default(),
            Name::new(),
            Some(address(inside)),
            address("203.0.113.5:9531"),
        )
    }

    /// All that is sent, with its time in milliseconds.
    fn climb(ladder: &mut Ladder) -> Vec<(u64, Step)> {
        let (mut now, mut sent) = (Instant::default(), vec![]);
        while !ladder.is_done() {
            while let Some(step) = ladder.poll(now) {
                sent.push((now.nanos() / 1_000_000, step));
            }
            now = now.max(ladder.next_deadline());
        }
        sent
    }

    #[test]
    fn pings_in_the_sdks_steps_then_fails() {
        let (inside, outside) = (address("192.168.1.7:9531"), address("203.0.113.5:9531"));
        let sent = climb(&mut ladder("192.168.1.7:9531"));
        let p = |at| {
            (
                at,
                Step::Ping {
                    to: outside,
                    tag: Tag::Outside,
                    opens: at == 0,
                },
            )
        };
        let e = |at| {
            (
                at,
                Step::Ping {
                    to: inside,
                    tag: Tag::Inside,
                    opens: false,
                },
            )
        };
        let quick = [
            e(0),
            p(0),
            e(200),
            p(200),
            e(400),
            p(400),
            p(600),
            p(800),
            p(1000),
        ];
        let slow = [(1200, Step::Fork), p(1200), p(1800), p(2400)];
        assert_eq!(sent, [&quick[..], &slow].concat());
    }

    #[test]
    fn an_inner_address_is_pinged_only_where_it_can_be_one() {
        for (inside, pinged) in [
            ("10.1.2.3:5", true),
            ("169.254.7.7:5", true),
            ("203.0.113.5:9532", true),
            ("203.0.113.5:9531", false),
            ("198.51.100.1:53", false),
            ("127.0.0.1:5", false),
        ] {
            let sent = climb(&mut ladder(inside));
            assert_eq!(
                sent.iter()
                    .any(|(_, step)| matches!(step, Step::Ping { tag: Tag::Inside, to, .. } if *to == address(inside))),
                pinged,
                "{inside}"
            );
            assert_eq!(sent.len(), if pinged { 13 } else { 10 });
        }
    }

    #[test]
    fn the_first_answer_counts_and_ends_it() {
        let mut ladder = ladder("10.1.2.3:5");
        assert!(ladder.poll(Instant::default()).is_some());
        ladder.handle_pong(address("10.1.2.3:5"));
        ladder.handle_pong(address("203.0.113.5:9531"));
        assert_eq!(ladder.progress(), Progress::Reached(address("10.1.2.3:5")));
        ladder.handle_moved(Instant::default(), None);
        assert_eq!(ladder.poll(Instant::default()), None);
        assert!(!ladder
            .is_over(Instant::default() + PEER_KNOWN.saturating_sub(Duration::from_millis(1))));
        assert!(ladder.is_over(ladder.next_deadline()));
    }

    #[test]
    fn a_peer_that_has_moved_is_pinged_there_within_bounds() {
        let mut ladder = ladder("198.51.100.1:53");
        climb(&mut ladder);
        let (mut now, mut sent) = (Instant::default(), 0);
        for n in 1..=20 {
            let new = SocketAddrV4::new([203, 0, 113, 5].into(), 1000 + n);
            assert!(ladder.handle_ping(new));
            ladder.handle_moved(now, None);
            for _ in 0..10 {
                now = now + Duration::from_millis(100);
                while let Some(step) = ladder.poll(now) {
                    let to_new =
                        matches!(step, Step::Ping { to, tag: Tag::Outside, .. } if to == new);
                    assert!(to_new || step == Step::Fork);
                    sent += 1;
                }
            }
        }
        assert_eq!(
            sent,
            2 * 5 + 9,
            "two ladders that were left after a second, and a whole one"
        );
        let answered = (0..200)
            .filter(|_| ladder.handle_ping(address("203.0.113.5:1")))
            .count();
        assert_eq!(answered, usize::from(PONGS) - 20);
    }

    #[test]
    fn a_relay_is_pinged_alone() {
        let mut ladder = ladder("10.1.2.3:5");
        climb(&mut ladder);
        let relay = address("198.51.100.1:20000");
        ladder.handle_relay(Instant::default(), relay, 5);
        assert_eq!(ladder.poll(Instant::default()), Some(Step::Bind(relay, 5)));
        assert!(
            !ladder.handle_bound(relay, 4)
                && !ladder.handle_bound(address("198.51.100.1:20001"), 5)
        );
        assert!(ladder.handle_bound(relay, 5));
        let sent = climb(&mut ladder);
        assert_eq!(sent.len(), 9);
        assert!(sent.iter().all(|(_, step)| *step
            == Step::Ping {
                to: relay,
                tag: Tag::Relay,
                opens: false
            }));
    }
}
