//! An intercom device whose peers, connections and user do anything at any time, in virtual time: no
//! panic, no message on a closed link, exactly one closing event for each call, and always back to no
//! call.

use std::collections::BTreeSet;

use crate::virtual_intercom::{settings, Device};
use callrec::proto::intercom::endpoint::output::{
    CallState, Direction, Event, Link, Outcome, Output,
};
use callrec::proto::intercom::endpoint::settings::Role;
use callrec::wire::intercom::text;

const STEPS: usize = 100_000;

/// xorshift64*.
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) as usize % end
    }

    fn pick<'a>(&mut self, words: &[&'a str]) -> &'a str {
        words[self.below(words.len())]
    }
}

/// What programs have been told, and which links are gone.
#[derive(Default)]
pub(crate) struct Laws {
    pub(crate) open: BTreeSet<Vec<u8>>,
    pub(crate) closed: usize,
    /// Links are numbered: all that were named, and those that are gone.
    pub(crate) gone: BTreeSet<u32>,
    pub(crate) links: Vec<Link>,
}

impl Laws {
    pub(crate) fn check(&mut self, output: &Output) {
        match output {
            Output::Connect(link, _) => self.links.push(*link),
            Output::Send(link, _) => assert!(!self.gone.contains(&link.0), "{link:?} is gone"),
            Output::Close(link) => {
                assert!(self.gone.insert(link.0), "{link:?} is closed twice");
            }
            Output::Event(Event::Call(state, info, _)) => match state {
                CallState::Calling | CallState::Incoming => {
                    assert!(self.open.insert(info.sid.to_vec()), "{info:?} begins twice");
                    assert_eq!(self.open.len(), 1, "one call at a time");
                }
                CallState::Waiting => {}
                _ => assert!(
                    self.open.contains(&info.sid[..]),
                    "{info:?} has no beginning"
                ),
            },
            // A second caller's call has ended as soon as it began; its sid is not the running one's.
            Output::Event(Event::Closed(closed))
                if closed.outcome == Outcome::Busy && closed.info.direction == Direction::In =>
            {
                assert!(!self.open.contains(&closed.info.sid[..]), "{closed:?}");
            }
            Output::Event(Event::Closed(closed)) => {
                assert!(self.open.remove(&closed.info.sid[..]), "{closed:?}");
                self.closed += 1;
            }
            Output::Event(_) => {}
        }
    }
}

fn message(random: &mut Random) -> String {
    let name = random.pick(&[
        "call_req",
        "call_req type=2",
        "call_req type=4",
        "call_accept",
        "call_reject declined",
        "call_reject",
        "call_end",
        "call_end answered_elsewhere",
        "call_keep",
        "call_keep",
        "call_keep",
        "open_door ack",
        "open_door",
        "open_door_result ok",
        "open_door_result no_app",
        "join_accept",
        "join_accept",
        "alarm id=a",
        "clear acked id=a",
        "unknown",
    ]);
    let sid = random.pick(&["", "", "", " sid=", " sid=x", " sid=y"]);
    format!("< {name}{sid}")
}

fn step(device: &mut Device, laws: &mut Laws, random: &mut Random) {
    // Mostly the last link, sometimes any that was ever there.
    let last = device.link;
    if random.below(4) == 0 && !laws.links.is_empty() {
        device.link = Some(laws.links[random.below(laws.links.len())]);
    }
    if let Some(status) = device.endpoint.status(device.now) {
        if random.below(4) > 0 {
            device.sid = status.info.sid;
        }
    } else if random.below(2) == 0 {
        device.sid = text(&format!("s{}", random.below(1 << 30)));
    }
    let is_gone = device.link.is_some_and(|link| laws.gone.contains(&link.0));
    let input = match random.below(20) {
        0..=9 => message(random),
        10 => "connected".into(),
        11 if !is_gone => "lost".into(),
        12 => "accepted".into(),
        13 => random.pick(&["dial", "dial type=3", "dial type=4"]).into(),
        14 => random
            .pick(&["answer", "answer", "reject", "silence"])
            .into(),
        15 => random.pick(&["open", "result ok", "ack 3"]).into(),
        16 if random.below(4) == 0 => "hang-up".into(),
        17 if random.below(8) == 0 => format!("+{}", random.below(400_000)),
        _ => format!("+{}", random.below(4000)),
    };
    // The transport says nothing more of a link that is gone.
    if is_gone && (input.starts_with('<') || input == "connected") {
        device.link = last;
        return;
    }
    device.put(&input);
    if input == "lost" {
        laws.gone.extend(device.link.map(|link| link.0));
    }
    for output in &device.outputs {
        laws.check(output);
    }
    if input == "accepted" {
        laws.links.extend(device.link);
    } else if device.link != last
        && !device
            .outputs
            .iter()
            .any(|o| matches!(o, Output::Connect(..)))
    {
        device.link = last;
    }
}

fn run(role: Role, seed: u64) {
    let mut device = Device::new(settings(role));
    let mut laws = Laws::default();
    let mut random = Random(seed);
    for _ in 0..STEPS {
        step(&mut device, &mut laws, &mut random);
        assert_eq!(laws.open.len(), usize::from(!device.endpoint.is_idle()));
        assert_eq!(device.endpoint.counts().bugs, 0);
    }
    if let Some(status) = device.endpoint.status(device.now) {
        device.sid = status.info.sid;
        let shown = device.put("hang-up");
        if shown.contains("refused") {
            device.put("reject");
        }
        device.outputs.iter().for_each(|output| laws.check(output));
    }
    assert!(device.endpoint.is_idle() && laws.open.is_empty());
    assert!(laws.closed > 1000, "only {} calls", laws.closed);
}

#[test]
fn a_screen_keeps_its_laws() {
    run(Role::Screen, 0x5EED);
}

#[test]
fn a_door_keeps_its_laws() {
    run(Role::Door, 0xD00E);
}

#[test]
fn a_property_phone_keeps_its_laws() {
    run(Role::Property, 0xCAFE);
}
