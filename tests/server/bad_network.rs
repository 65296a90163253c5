//! The phone and the recording server, both real, with a network between them, and every way it can
//! go wrong: both ends killed, stopped, cut off and restarted in the middle of a call. What was
//! said is always somewhere.

use std::collections::BTreeSet;
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::common::server::Server;
use crate::common::{file, wait_for, Answer, Phone, Talker};
use crate::network::{Network, Weather, BAD, FAR};
use nix::sys::signal::Signal;

const DEVICE: &str = "0c383e00face";
/// What the phone and the server may take to notice that the other one is gone: rules 17 and 18,
/// and some seconds for a busy machine.
const NOTICED: Duration = Duration::from_secs(15 + 15);

/// One phone, one server, and the wire.
struct Scene {
    phone: Phone,
    server: Server,
    network: Network,
}

/// A call that is being recorded, with one party talking.
struct Call {
    id: String,
    talker: Talker,
}

impl Scene {
    fn new(weather: Weather) -> Self {
        let network = Network::new(weather);
        let mut server = Server::prepared(&["--listen", &format!("{}:10000", network.server)]);
        server.before = network.before();
        server.start();
        let keys = format!(
            "recordType = server\nserverAddr = {}\nserverPort = 10000\nserverFallback = local\ndeviceMac = {DEVICE}",
            network.server
        );
        Self {
            phone: Phone::new(&keys),
            server,
            network,
        }
    }

    /// A call that the server has said yes to.
    fn call(&self, name: u32) -> Call {
        let mut tries = 0;
        let answer = loop {
            let answer = self.phone.record("&legs=1");
            tries += 1;
            if !answer.value("server").is_empty() {
                break answer;
            }
            // On a network that loses packets, no answer in time is an answer, too.
            assert!(tries < 4, "{answer:?}");
            self.phone.stop(&answer.id());
        };
        Call {
            id: answer.id(),
            talker: Talker::new(answer.ports()[0], name),
        }
    }

    /// The call goes on for so long, ends, and is stopped.
    fn hang_up(&self, call: Call) -> (Vec<Vec<u8>>, Answer) {
        let sent = call.talker.end();
        // The last packets are on their way for as long as the phone waits for late ones.
        sleep(Duration::from_secs(1));
        (sent, self.phone.stop(&call.id))
    }

    /// What of `sent` is in the files of the server, and on the stick.
    fn heard(&self, sent: &[Vec<u8>]) -> [BTreeSet<usize>; 2] {
        let server = self
            .server
            .files(DEVICE)
            .into_iter()
            .filter(|name| name.ends_with(".wav"));
        let server = server.map(|name| self.server.dir.join("recordings").join(DEVICE).join(name));
        let stick = self
            .phone
            .files()
            .into_iter()
            .filter(|name| name.ends_with(".wav"));
        let stick = stick.map(|name| self.phone.stick().join(name));
        let numbers = |path: std::path::PathBuf| {
            file::read(&path)
                .numbers(sent)
                .into_iter()
                .flatten()
                .collect::<Vec<_>>()
        };
        [
            server.flat_map(numbers).collect(),
            stick.flat_map(numbers).collect(),
        ]
    }

    /// The recording has its sidecar: it ended, or was made whole.
    fn until_the_server_has_finished(&self) {
        let finished = || {
            self.server
                .files(DEVICE)
                .iter()
                .any(|name| name.ends_with(".json"))
        };
        within(NOTICED, "the server's end of the recording", finished);
    }

    fn assert_all_is_somewhere(&self, sent: &[Vec<u8>]) {
        let [server, stick] = self.heard(sent);
        let missing: Vec<usize> = (0..sent.len())
            .filter(|n| !server.contains(n) && !stick.contains(n))
            .collect();
        let (first, last) = (server.last(), stick.first());
        assert!(
            missing.is_empty(),
            "missing {missing:?}; server to {first:?}, stick from {last:?}"
        );
    }

    /// Nobody is left recording, and the next call is.
    fn assert_the_next_call_records(&self) {
        assert_eq!(
            self.phone.ask("cmd=RecordStatusRequest").value("count"),
            "0"
        );
        let call = self.call(0x2222);
        call.talker.wait(100);
        let (sent, answer) = self.hang_up(call);
        assert!(
            answer.success() && answer.value("files").is_empty(),
            "{answer:?}"
        );
        let held = || (0..sent.len()).all(|n| self.heard(&sent)[0].contains(&n));
        wait_for("the next call on the server", held);
    }
}

fn within(limit: Duration, what: &str, mut so: impl FnMut() -> bool) {
    let started = Instant::now();
    while !so() {
        assert!(started.elapsed() < limit, "not within {limit:?}: {what}");
        sleep(Duration::from_millis(50));
    }
}

#[test]
#[ignore = "needs root, iproute2 and ethtool"]
fn over_a_bad_network_the_length_is_true_and_what_is_lost_is_counted() {
    let scene = Scene::new(BAD);
    let call = scene.call(0x1111);
    call.talker.wait(500);
    let (sent, answer) = scene.hang_up(call);
    assert!(answer.success(), "{answer:?}");
    scene.until_the_server_has_finished();
    let sidecar = scene.server.sidecar(DEVICE);
    let recording = file::read(&scene.server.file(DEVICE, ".wav"));
    let numbers = recording.numbers(&sent);
    let first = numbers.iter().position(Option::is_some).unwrap();
    for (at, number) in numbers.iter().enumerate().skip(first).take(sent.len() - 10) {
        let place = at - first + numbers[first].unwrap();
        assert!(
            number.is_none_or(|number| number == place),
            "packet {number:?} stands in the place of {place}"
        );
    }
    let whole = numbers.iter().flatten().count();
    assert!(
        whole * 10 > sent.len() * 8,
        "{whole} of {} packets",
        sent.len()
    );
    let lost = sidecar["lost"].as_u64().unwrap();
    assert!(lost > 0 && lost < sent.len() as u64 / 5, "{sidecar}");
    assert!(
        recording.frames.len() + 10 > sent.len(),
        "{} frames for {} packets",
        recording.frames.len(),
        sent.len()
    );
}

#[test]
#[ignore = "needs root, iproute2 and ethtool"]
fn a_server_that_dies_leaves_the_rest_to_the_stick() {
    let mut scene = Scene::new(FAR);
    let mut events = scene.phone.watch();
    let call = scene.call(0x1111);
    call.talker.wait(200);
    scene.server.kill();
    let event = events.until("RecordEvent", "rolled");
    assert!(
        event.value("reason").starts_with("server-lost") && !event.value("file").is_empty(),
        "{event:?}"
    );
    call.talker.wait(call.talker.sent() + 150);
    let (sent, answer) = scene.hang_up(call);
    assert!(
        answer.success() && !answer.value("files").is_empty(),
        "{answer:?}"
    );
    scene.server.start(); // which makes the file whole that was not finished
    scene.until_the_server_has_finished();
    scene.assert_all_is_somewhere(&sent);
    scene.assert_the_next_call_records();
}

/// One of the two is stopped for 20 s in the middle of a call.
fn nothing_is_lost_when_one_stands_still(signal: impl Fn(&Scene, Signal)) {
    let scene = Scene::new(FAR);
    let call = scene.call(0x1111);
    call.talker.wait(100);
    signal(&scene, Signal::SIGSTOP);
    sleep(Duration::from_secs(20));
    signal(&scene, Signal::SIGCONT);
    call.talker.wait(call.talker.sent() + 100);
    let (sent, answer) = scene.hang_up(call);
    assert!(answer.success(), "{answer:?}");
    scene.until_the_server_has_finished();
    scene.assert_all_is_somewhere(&sent);
    scene.assert_the_next_call_records();
}

#[test]
#[ignore = "needs root, iproute2 and ethtool"]
fn a_server_that_stands_still_for_20_s_loses_nothing() {
    nothing_is_lost_when_one_stands_still(|scene, signal| scene.server.signal(signal));
}

#[test]
#[ignore = "needs root, iproute2 and ethtool"]
fn a_phone_that_stands_still_for_20_s_loses_nothing() {
    nothing_is_lost_when_one_stands_still(|scene, signal| scene.phone.signal(signal));
}

#[test]
#[ignore = "needs root, iproute2 and ethtool"]
fn cut_off_from_each_other_both_end_it_and_the_stick_has_the_rest() {
    let scene = Scene::new(FAR);
    let mut events = scene.phone.watch();
    events
        .lines
        .get_mut()
        .set_read_timeout(Some(NOTICED))
        .unwrap();
    let call = scene.call(0x1111);
    call.talker.wait(100);
    scene.network.cut(true);
    let event = events.until("RecordEvent", "rolled");
    assert!(
        event.value("reason").starts_with("server-lost"),
        "{event:?}"
    );
    scene.until_the_server_has_finished();
    scene.network.cut(false);
    call.talker.wait(call.talker.sent() + 100);
    let (sent, answer) = scene.hang_up(call);
    assert!(
        answer.success() && !answer.value("files").is_empty(),
        "{answer:?}"
    );
    scene.assert_all_is_somewhere(&sent);
    scene.assert_the_next_call_records();
}

#[test]
#[ignore = "needs root, iproute2 and ethtool"]
fn a_phone_that_dies_leaves_a_finished_recording() {
    let mut scene = Scene::new(FAR);
    let call = scene.call(0x1111);
    call.talker.wait(200);
    scene.phone.kill();
    scene.until_the_server_has_finished();
    let sent = call.talker.end();
    let [server, _] = scene.heard(&sent);
    // All but what the phone had not sent yet: its playout delay.
    assert!((0..150).all(|n| server.contains(&n)), "{:?}", server.last());
    scene.phone.start();
    scene.assert_the_next_call_records();
}
