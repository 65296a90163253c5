//! 100 000 random peers against an intercom device in virtual time, as bytes, while its user does
//! anything: no panic, no message on a link that is gone, one closing event for each call, and always
//! back to no call.
#![cfg(feature = "box")]

use std::collections::BTreeMap;

use crate::intercom_random::Laws;
use crate::random_peers::{Brought, Peer, Random};
use crate::virtual_box::{accept, call_req, end, keep, opened, reject};
use crate::virtual_intercom::{settings, Device};
use callrec::proto::intercom::endpoint::output::{CallState, Link, Output};
use callrec::proto::intercom::endpoint::settings::Role;
use callrec::wire::intercom::{text, Message};

struct World {
    device: Device,
    laws: Laws,
    peers: BTreeMap<u32, Peer>,
    /// Links that were asked for, and are neither made nor lost.
    attempts: Vec<Link>,
    role: Role,
    came: usize,
    broken: usize,
    talked: usize,
}

fn message(random: &mut Random, sid: &str) -> Message {
    match random.below(16) {
        0 | 1 => call_req(sid, ("2-1-1", 3), ("2-1-201", 2, "")),
        2 => call_req(sid, ("p-1", 4), ("2-1-1", 3, "")),
        3 | 4 => accept(sid),
        5 => reject(sid, random.pick(&["", "declined"])),
        6 => end(sid, random.pick(&["", "answered_elsewhere"])),
        7 | 8 => keep(sid),
        9 => Message::OpenDoor {
            sid: text(sid),
            door: 0,
            ack: true,
        },
        10 => opened(sid),
        11 => Message::JoinAccept {
            room_id: text("2-1-201"),
        },
        12 => Message::JoinReject {
            reason: text("replaced"),
        },
        13 => Message::Emergency {
            alarm: text(random.pick(&["a", "b"])),
            port: 3,
            name: text("smoke"),
            message: text(""),
        },
        14 => Message::SeczoneClear {
            alarm: text(random.pick(&["a", "b"])),
            port: 3,
            reason: text("acked"),
        },
        _ => Message::BadCallReq { sid: text(sid) },
    }
}

impl World {
    fn new(role: Role) -> Self {
        Self {
            device: Device::new(settings(role)),
            laws: Laws::default(),
            peers: BTreeMap::new(),
            attempts: vec![],
            role,
            came: 0,
            broken: 0,
            talked: 0,
        }
    }

    fn peer(&mut self, random: &mut Random) -> Peer {
        self.came += 1;
        let status = self.device.endpoint.status(self.device.now);
        let of_call = status.map_or(String::new(), |status| {
            String::from_utf8_lossy(&status.info.sid).into_owned()
        });
        let own = format!("s{}", self.came);
        Peer::new(random, |random| {
            let sid = random.pick(&["", &own, &own, &of_call, "x"]);
            message(random, sid)
        })
    }

    fn step(&mut self, random: &mut Random) {
        match random.below(24) {
            0..=2 if self.role != Role::Screen => self.come(random),
            0..=2 if random.once_in(3) => self.put(&format!("+{}", random.below(30_000))),
            3 | 4 => self.put(&format!("+{}", random.below(3_000))),
            5 => self.lose(random),
            6 | 7 => self.connect(random),
            8 | 9 => self.user(random),
            _ => self.receive(random),
        }
    }

    /// Somebody connects to this device.
    fn come(&mut self, random: &mut Random) {
        let peer = self.peer(random);
        let peer = if random.once_in(3) {
            peer
        } else {
            let sid = format!("s{}", self.came);
            peer.after(&call_req(&sid, ("2-1-201", 2), ("2-1-1", 3, "")))
        };
        let from = [11, 0, 2, random.below(5) as u8].into();
        let link = self.device.endpoint.handle_accepted(self.device.now, from);
        if let Some(link) = link {
            self.laws.links.push(link);
            self.peers.insert(link.0, peer);
        }
        self.look();
    }

    /// A link of this device is made, or cannot be.
    fn connect(&mut self, random: &mut Random) {
        let Some(link) = self.attempts.pop() else {
            return;
        };
        let now = self.device.now;
        if random.once_in(4) {
            self.laws.gone.insert(link.0);
            self.device.endpoint.handle_lost(now, link);
            return self.look();
        }
        let peer = self.peer(random);
        let first = if self.role == Role::Screen {
            Message::JoinAccept {
                room_id: text("2-1-201"),
            }
        } else {
            accept("")
        };
        self.peers.insert(link.0, peer.after(&first));
        let local = [11, 0, 11, 1].into();
        self.device.endpoint.handle_connected(now, link, local);
        self.look();
    }

    fn pick(&self, random: &mut Random) -> Option<u32> {
        let number = random.below(self.peers.len().max(1));
        self.peers.keys().nth(number).copied()
    }

    fn lose(&mut self, random: &mut Random) {
        let Some(link) = self.pick(random).filter(|_| random.once_in(4)) else {
            return;
        };
        self.gone(link);
    }

    fn gone(&mut self, link: u32) {
        self.peers.remove(&link);
        self.laws.gone.insert(link);
        self.device
            .endpoint
            .handle_lost(self.device.now, Link(link));
        self.look();
    }

    fn receive(&mut self, random: &mut Random) {
        let Some(link) = self.pick(random) else {
            return;
        };
        let now = self.device.now;
        let Some(peer) = self.peers.get_mut(&link) else {
            return;
        };
        if peer.is_done() && random.once_in(6) {
            return self.gone(link);
        }
        for brought in peer.receive(random, now) {
            let endpoint = &mut self.device.endpoint;
            match brought {
                Brought::Message(message) => endpoint.handle_message(now, Link(link), *message),
                Brought::Bad => endpoint.handle_message(now, Link(link), Message::Unknown),
                Brought::Broken(_) => {
                    self.broken += 1;
                    return self.gone(link);
                }
            }
            self.look();
            if !self.peers.contains_key(&link) {
                return;
            }
        }
    }

    fn user(&mut self, random: &mut Random) {
        let word = random.pick(&[
            "dial type=3",
            "dial type=4",
            "answer",
            "answer",
            "reject",
            "silence",
            "open",
            "result ok",
            "ack 3",
            "hang-up",
        ]);
        if let Some(status) = self.device.endpoint.status(self.device.now) {
            self.device.sid = status.info.sid;
        }
        self.put(word);
    }

    fn put(&mut self, input: &str) {
        self.device.put(input);
        self.check();
    }

    /// What the device wants done after an input that is not a word.
    fn look(&mut self) {
        self.put("+0");
    }

    fn check(&mut self) {
        for output in &self.device.outputs {
            self.laws.check(output);
            match output {
                Output::Connect(link, _) => self.attempts.push(*link),
                Output::Close(link) => {
                    self.peers.remove(&link.0);
                    self.attempts.retain(|attempt| attempt != link);
                }
                _ => {}
            }
        }
        let status = self.device.endpoint.status(self.device.now);
        let talks = status.is_some_and(|status| status.state == CallState::Talking);
        self.talked += usize::from(talks);
        let is_idle = self.device.endpoint.is_idle();
        assert_eq!(self.laws.open.len(), usize::from(!is_idle));
        assert_eq!(self.device.endpoint.counts().bugs, 0);
        // Callers, the call and the box.
        assert!(self.peers.len() <= 8 + 2, "{} links", self.peers.len());
    }

    /// All go, and time passes: nothing is left.
    fn end(&mut self) {
        while let Some((link, _)) = self.peers.first_key_value() {
            let link = *link;
            self.gone(link);
        }
        for link in std::mem::take(&mut self.attempts) {
            self.gone(link.0);
        }
        self.put("+400000");
        assert!(self.device.endpoint.is_idle() && self.laws.open.is_empty());
    }
}

/// This many peers of a device with this role, several of them at once.
fn run(role: Role, peers: usize) {
    let mut world = World::new(role);
    let mut random = Random::new(role as u64 + 1);
    while world.came < peers {
        world.step(&mut random);
    }
    world.end();
    let (calls, talked, broken) = (world.laws.closed, world.talked, world.broken);
    let shown = format!("{calls} calls, {talked} turns of talking, {broken} broken links");
    assert!(
        calls > peers / 10 && talked > peers / 20 && broken > peers / 100,
        "{shown}"
    );
}

#[test]
fn random_callers_leave_nothing_at_a_door() {
    run(Role::Door, 40_000);
}

#[test]
fn random_callers_leave_nothing_at_a_phone_of_the_property() {
    run(Role::Property, 40_000);
}

#[test]
fn random_boxes_leave_nothing_at_a_screen() {
    run(Role::Screen, 20_000);
}
