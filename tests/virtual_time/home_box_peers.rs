//! 100 000 random peers against the box in virtual time, as bytes: nothing panics, no message goes to
//! a leg that is gone, no leg is left, each call has one closing event, and the next call works.
#![cfg(feature = "box")]

use std::collections::BTreeMap;

use crate::random_peers::{Brought, Peer, Random};
use crate::virtual_box::*;
use callrec::proto::intercom::home_box::output::BoxEvent;
use callrec::proto::intercom::home_box::rules::{DoorPolicy, JoinVerdict, RejectPolicy, Rules};
use callrec::proto::intercom::home_box::{LegId, Side};
use callrec::wire::intercom::{text, Message};

const SITES: u64 = 500;
const PEERS_OF_SITE: usize = 200;
/// Peers that are there at once: more than have room.
const AT_ONCE: usize = 50;

/// Sums over all sites, which say that the peers have done something.
#[derive(Debug, Default)]
struct Sums {
    peers: usize,
    broken: usize,
    closed_by_box: usize,
    answered: u64,
    opened: u64,
    bad_frames: u64,
    joined: u64,
}

struct Crowd {
    site: Site,
    peers: BTreeMap<LegId, Peer>,
    begun: usize,
    ended: usize,
    sums: Sums,
}

fn rules_of(seed: u64) -> Rules {
    let reject = [
        RejectPolicy::Panel,
        RejectPolicy::Household,
        RejectPolicy::Device,
    ];
    Rules {
        reject: reject[seed as usize % 3],
        door: [DoorPolicy::Talk, DoorPolicy::Ringing][seed as usize % 2],
        no_answer_to: text(if seed % 5 == 0 { "guard" } else { "" }),
        open_ends: seconds(seed % 4),
        ..rules()
    }
}

fn message(random: &mut Random) -> Message {
    let sid = random.pick(&["", "s1", "s1", "s1", "s2"]);
    match random.below(14) {
        0 | 1 => door_calls(sid),
        2 => screen_calls(sid, random.pick(&["11.0.11.1", "10.0.0.1", "11.0.1.22"])),
        3 => call_req(sid, ("2-1-201", 2), ("2-1-201", 2, "")),
        4..=6 => accept(sid),
        7 => reject(sid, random.pick(&["", "declined"])),
        8 => end(sid, ""),
        9 | 10 => keep(sid),
        11 => open_door(sid),
        12 => opened(sid),
        _ => join(random),
    }
}

fn join(random: &mut Random) -> Message {
    Message::JoinFamily {
        token: text(""),
        id: text(random.pick(&["a", "b", "c", "d", ""])),
        device_type: random.below(3) as u8,
    }
}

impl Crowd {
    fn new(seed: u64) -> Self {
        Self {
            site: Site::new(rules_of(seed)),
            peers: BTreeMap::new(),
            begun: 0,
            ended: 0,
            sums: Sums::default(),
        }
    }

    fn step(&mut self, random: &mut Random) {
        let may_come = self.sums.peers < PEERS_OF_SITE && self.peers.len() < AT_ONCE;
        match random.below(30) {
            0..=3 if may_come => self.come(random),
            4 => self.site.pass(ms(random.below(3_000) as u64)),
            5 => {
                if let Some(leg) = self.pick(random) {
                    self.peers.remove(&leg);
                    self.site.close(leg);
                }
            }
            6 if self.site.dialled.is_some() => self.dial(random),
            _ => {
                if let Some(leg) = self.pick(random) {
                    self.receive(random, leg);
                }
            }
        }
        self.look();
    }

    fn come(&mut self, random: &mut Random) {
        self.sums.peers += 1;
        let peer = Peer::new(random, message);
        let side = random.pick(&[Side::Home, Side::Community]);
        // Most say first what such a peer has to say.
        let peer = match (side, random.below(5)) {
            (_, 0) => peer,
            (Side::Home, _) => peer.after(&join(random)),
            (Side::Community, _) => peer.after(&door_calls("s1")),
        };
        let address = [11, 0, 2, random.below(5) as u8];
        if let Some(leg) = self.site.accept(side, address) {
            self.peers.insert(leg, peer);
        }
    }

    fn dial(&mut self, random: &mut Random) {
        if random.once_in(4) {
            return self.site.unreachable();
        }
        // Closed at once if the call is over.
        let peer = Peer::new(random, message).after(&accept(""));
        let (leg, _) = self.site.dialled.unwrap();
        self.peers.insert(leg, peer);
        self.site.connected();
    }

    fn pick(&self, random: &mut Random) -> Option<LegId> {
        let number = random.below(self.peers.len().max(1));
        self.peers.keys().nth(number).copied()
    }

    fn receive(&mut self, random: &mut Random, leg: LegId) {
        let peer = self.peers.get_mut(&leg).unwrap();
        if peer.is_done() && random.once_in(3) {
            self.peers.remove(&leg);
            return self.site.close(leg);
        }
        for brought in peer.receive(random, self.site.now) {
            match brought {
                Brought::Message(message) => self.bring(leg, &message),
                Brought::Bad => self.site.home_box.handle_bad_frame(),
                Brought::Broken(_) => {
                    self.sums.broken += 1;
                    self.peers.remove(&leg);
                    self.site.close(leg);
                }
            }
            self.look();
            // What comes after the box has closed is not looked at.
            if !self.peers.contains_key(&leg) {
                return;
            }
        }
    }

    fn bring(&mut self, leg: LegId, message: &Message) {
        match message {
            Message::Unknown => self.site.home_box.handle_unknown_message(),
            Message::JoinFamily {
                id, device_type, ..
            } => {
                let verdict = JoinVerdict::Device {
                    device: id.clone(),
                    device_type: (*device_type).min(2),
                };
                self.site.judge(leg, verdict);
            }
            message => self.site.send(leg, message),
        }
    }

    /// Each message is for a leg that is there; what the box has closed is gone.
    fn look(&mut self) {
        for line in self.site.take_all() {
            let (leg, what) = line.split_once(' ').unwrap();
            let leg: LegId = leg.parse().unwrap();
            match what {
                "closed" => {
                    self.sums.closed_by_box += usize::from(self.peers.remove(&leg).is_some())
                }
                _ if what.starts_with("connect ") => {}
                _ => assert!(self.peers.contains_key(&leg), "{line}: it is gone"),
            }
        }
        for event in self.site.events.drain(..) {
            if let BoxEvent::Call { state, .. } = event {
                self.ended += usize::from(state == "ended" || state == "missed");
            }
        }
        self.begun += self.site.log.drain(..).count();
        // Screens, those that have not joined, callers, and both ends of a call.
        let legs = self.peers.len();
        assert!(legs <= 16 + 16 + 8 + 2, "{legs} legs");
    }

    /// All go: nothing is left, and the next call works.
    fn end(&mut self) {
        while let Some((leg, _)) = self.peers.pop_first() {
            self.site.close(leg);
            self.look();
        }
        self.site.pass(seconds(200));
        self.look();
        assert_eq!(self.site.state(), "free");
        assert_eq!(self.begun, self.ended, "one closing event a call");
        assert_eq!(self.site.home_box.devices().count(), 0);
        let nothing = callrec::base::time::Instant::NEVER;
        assert_eq!(self.site.home_box.next_deadline(), nothing);
        let counts = self.site.home_box.counts();
        self.sums.answered = counts.answered;
        self.sums.opened = counts.doors_opened;
        self.sums.bad_frames = counts.bad_frames;
        self.sums.joined = counts.joined;
        let screen = self.site.screen("panel", 1);
        let door = self.site.outside();
        self.site.take();
        self.site.send(door, &door_calls("next"));
        assert_eq!(self.site.take(), [format!("{screen} call_req")]);
        self.site.send(screen, &accept("next"));
        assert_eq!(self.site.take(), [format!("{door} call_accept(panel)")]);
    }
}

/// What the peers of one site have done.
fn run(seed: u64) -> Sums {
    let mut random = Random::new(seed);
    let mut crowd = Crowd::new(seed);
    while crowd.sums.peers < PEERS_OF_SITE || crowd.peers.values().any(|peer| !peer.is_done()) {
        crowd.step(&mut random);
    }
    crowd.end();
    crowd.sums
}

#[test]
fn a_hundred_thousand_random_peers_leave_nothing_behind() {
    let mut total = Sums::default();
    for seed in 1..=SITES {
        let sums = std::panic::catch_unwind(|| run(seed));
        let sums = sums.unwrap_or_else(|_| panic!("the peers of seed {seed}"));
        total.peers += sums.peers;
        total.broken += sums.broken;
        total.closed_by_box += sums.closed_by_box;
        total.answered += sums.answered;
        total.opened += sums.opened;
        total.bad_frames += sums.bad_frames;
        total.joined += sums.joined;
    }
    assert_eq!(total.peers, 100_000);
    // They have had calls, and the box has seen through them.
    let shown = format!("{total:?}");
    assert!(total.answered > 1_000 && total.opened > 300, "{shown}");
    assert!(
        total.joined > 20_000 && total.closed_by_box > 20_000,
        "{shown}"
    );
    assert!(total.broken > 2_000 && total.bad_frames > 20_000, "{shown}");
}
