//! Random peers against the box in virtual time: messages in any order, with any key, connections
//! that come and go, time that passes. Nothing sticks, and the box is free again in the end.
#![cfg(feature = "box")]

use crate::virtual_box::*;
use callrec::proto::intercom::home_box::output::BoxEvent;
use callrec::proto::intercom::home_box::rules::{DoorPolicy, RejectPolicy, Rules};
use callrec::proto::intercom::home_box::{LegId, Side};
use callrec::wire::intercom::{text, Message};

/// Steps of each seed; with the seeds 100 000.
const STEPS: usize = 2_000;
const SEEDS: u64 = 50;

/// Xorshift.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }
}

fn message(random: &mut Random) -> Message {
    let sid = ["", "s1", "s2", "s3"][random.below(4) as usize];
    match random.below(12) {
        0 => door_calls(sid),
        1 => screen_calls(
            sid,
            ["11.0.11.1", "10.0.0.1", "11.0.1.22"][random.below(3) as usize],
        ),
        2 => call_req(sid, ("2-1-201", 2), ("2-1-201", 2, "")),
        3 | 4 => accept(sid),
        5 => reject(sid, ["", "declined"][random.below(2) as usize]),
        6 => end(sid, ""),
        7 | 8 => keep(sid),
        9 => open_door(sid),
        10 => opened(sid),
        _ => Message::SeczoneAck {
            alarm: text("x"),
            by: text("y"),
        },
    }
}

fn rules_of(seed: u64) -> Rules {
    let reject = [
        RejectPolicy::Panel,
        RejectPolicy::Household,
        RejectPolicy::Device,
    ];
    Rules {
        reject: reject[seed as usize % 3],
        door: if seed % 2 == 0 {
            DoorPolicy::Talk
        } else {
            DoorPolicy::Ringing
        },
        no_answer_to: text(if seed % 5 == 0 { "guard" } else { "" }),
        open_ends: seconds(seed % 4),
        ..rules()
    }
}

struct Crowd {
    site: Site,
    legs: Vec<LegId>,
    /// Calls that were announced, and those whose end was.
    begun: usize,
    ended: usize,
}

impl Crowd {
    fn step(&mut self, random: &mut Random) {
        match random.below(10) {
            0 => {
                let side = if random.below(2) == 0 {
                    Side::Home
                } else {
                    Side::Community
                };
                let address = [11, 0, 2, random.below(5) as u8];
                self.legs.extend(self.site.accept(side, address));
            }
            1 if !self.legs.is_empty() => {
                let leg = self.pick(random);
                let device = ["a", "b", "c", ""][random.below(4) as usize];
                self.site.join(leg, device, random.below(3) as u8);
            }
            2 if random.below(4) == 0 && !self.legs.is_empty() => {
                let leg = self.pick(random);
                self.legs.retain(|other| *other != leg);
                self.site.close(leg);
            }
            3 => self.site.pass(ms(random.below(4_000))),
            4 if self.site.dialled.is_some() && random.below(2) == 0 => {
                let leg = self.site.connected();
                self.legs.push(leg);
            }
            4 if self.site.dialled.is_some() => self.site.unreachable(),
            _ if !self.legs.is_empty() => {
                let leg = self.pick(random);
                self.site.send(leg, &message(random));
            }
            _ => {}
        }
        self.look();
    }

    fn pick(&self, random: &mut Random) -> LegId {
        self.legs[random.below(self.legs.len() as u64) as usize]
    }

    fn look(&mut self) {
        for line in self.site.take_all() {
            if let Some(leg) = line.strip_suffix(" closed") {
                let leg: LegId = leg.parse().unwrap();
                self.legs.retain(|other| *other != leg);
            }
        }
        for event in self.site.events.drain(..) {
            if let BoxEvent::Call { state, .. } = event {
                self.ended += usize::from(state == "ended" || state == "missed");
            }
        }
        self.begun += self.site.log.drain(..).count();
    }
}

#[test]
fn nothing_that_peers_do_leaves_the_box_stuck() {
    let mut calls = 0;
    for seed in 1..=SEEDS {
        let mut random = Random(seed);
        let mut crowd = Crowd {
            site: Site::new(rules_of(seed)),
            legs: vec![],
            begun: 0,
            ended: 0,
        };
        for _ in 0..STEPS {
            crowd.step(&mut random);
            let counts = crowd.legs.len();
            assert!(counts <= 16 + 16 + 8 + 2, "seed {seed}: {counts} legs");
        }
        for leg in std::mem::take(&mut crowd.legs) {
            crowd.site.close(leg);
        }
        crowd.site.pass(seconds(200));
        crowd.look();
        assert_eq!(crowd.site.state(), "free", "seed {seed}");
        assert_eq!(
            crowd.begun, crowd.ended,
            "seed {seed}: one closing event a call"
        );
        assert_eq!(crowd.site.home_box.devices().count(), 0);
        calls += crowd.site.home_box.counts().answered;
        // The next call works.
        let screen = crowd.site.screen("panel", 1);
        let door = crowd.site.outside();
        crowd.site.take();
        crowd.site.send(door, &door_calls("next"));
        assert_eq!(
            crowd.site.take(),
            [format!("{screen} call_req")],
            "seed {seed}"
        );
    }
    assert!(calls > 500, "only {calls} calls were answered");
}
