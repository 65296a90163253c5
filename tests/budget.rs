//! What the daemon costs the phone: wake-ups, memory, descriptors. Counts, not times.
//! A program of its own: a stick that another test mounts wakes every daemon.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::fs;
use std::thread::sleep;
use std::time::{Duration, Instant};

use common::scripted::Scripted;
use common::{wait_for, Phone, Talker};

fn status(phone: &Phone, key: &str) -> u64 {
    let text = fs::read_to_string(format!("/proc/{}/status", phone.pid())).unwrap();
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix(key)?.strip_prefix(':'))
        .unwrap();
    line.split_whitespace().next().unwrap().parse().unwrap()
}

/// How often the process went to sleep by itself: an epoll that returns goes back to sleep.
fn sleeps(phone: &Phone) -> u64 {
    status(phone, "voluntary_ctxt_switches")
}

fn assert_asleep_for(phone: &Phone, seconds: u64) {
    let mut control = phone.control();
    let wakeups: u64 = control
        .ask("cmd=StatsRequest")
        .value("wakeups")
        .parse()
        .unwrap();
    phone.wait_until_asleep();
    let before = sleeps(phone);
    sleep(Duration::from_secs(seconds));
    assert_eq!(
        sleeps(phone) - before,
        0,
        "it was awake in {seconds} s of nothing"
    );
    let after: u64 = control
        .ask("cmd=StatsRequest")
        .value("wakeups")
        .parse()
        .unwrap();
    // Asking wakes it: the second question, and that earlier answers were read.
    assert!(after - wakeups <= 4, "{wakeups} {after}");
}

#[test]
fn an_idle_daemon_never_wakes() {
    let phone = Phone::new("");
    let _watch = phone.watch();
    assert_asleep_for(&phone, 10);
}

#[test]
fn a_daemon_without_a_stick_never_wakes() {
    let phone = Phone::new("usbMount = auto\nusbRequireMount = 1");
    assert_asleep_for(&phone, 3);
}

#[test]
fn a_daemon_that_has_recorded_goes_back_to_sleep() {
    let phone = Phone::new("");
    let start = phone.record("&legs=2");
    let talker = Talker::new(start.ports()[0], 1);
    talker.wait(20);
    phone.stop(&start.id());
    assert_asleep_for(&phone, 3);
}

#[test]
fn a_call_of_two_legs_costs_ten_wakeups_a_second_at_most() {
    let phone = Phone::new("");
    let start = phone.record("&legs=2");
    let ports = start.ports();
    let talkers = [Talker::new(ports[0], 1), Talker::new(ports[1], 2)];
    talkers[0].wait(20);
    let mut control = phone.control();
    let mut wakeups = || {
        control
            .ask("cmd=StatsRequest")
            .value("wakeups")
            .parse::<u64>()
            .unwrap()
    };
    let (first, began, slept) = (wakeups(), Instant::now(), sleeps(&phone));
    sleep(Duration::from_secs(5));
    let (slept, woken, seconds) = (
        sleeps(&phone) - slept,
        wakeups() - first,
        began.elapsed().as_secs_f64(),
    );
    assert!(
        (woken as f64) <= seconds * 10.0,
        "{woken} wake-ups in {seconds} s"
    );
    // A sync may wait for the disk, some times each.
    assert!(
        (slept as f64) <= seconds * 20.0,
        "slept {slept} times in {seconds} s"
    );
    assert!(woken >= 5, "{woken} wake-ups: nothing was recorded");
}

#[test]
fn a_call_to_a_server_costs_fifty_wakeups_a_second_and_nothing_when_it_is_over() {
    let server = Scripted::new();
    let phone = Phone::new(&server.config());
    let mut control = phone.control();
    control.send(b"cmd=RecordStartRequest&legs=2\n");
    let mut talk = server.accept();
    talk.agree();
    let ports = control.next().unwrap().ports();
    let talkers = [Talker::new(ports[0], 1), Talker::new(ports[1], 2)];
    talkers[0].wait(20);
    let mut wakeups = || {
        control
            .ask("cmd=StatsRequest")
            .value("wakeups")
            .parse::<u64>()
            .unwrap()
    };
    let (first, began) = (wakeups(), Instant::now());
    sleep(Duration::from_secs(4));
    let (woken, seconds) = (wakeups() - first, began.elapsed().as_secs_f64());
    assert!(
        (woken as f64) <= seconds * 52.0,
        "{woken} wake-ups in {seconds} s"
    );
    assert!(woken >= 20, "{woken} wake-ups: nothing was sent");
    control.send(format!("cmd=RecordStopRequest&id={}\n", talk.id).as_bytes());
    talk.finish();
    assert!(control.next().unwrap().success() && talk.is_closed());
    assert_asleep_for(&phone, 2);
}

#[test]
#[cfg_attr(
    target_arch = "arm",
    ignore = "qemu-user shows its own memory; scripts/phone runs it"
)]
fn memory_and_descriptors_do_not_grow_with_calls() {
    let phone = Phone::new("");
    let open = || {
        fs::read_dir(format!("/proc/{}/fd", phone.pid()))
            .unwrap()
            .count()
    };
    let call = || {
        let starts: Vec<_> = (0..4).map(|_| phone.record("&legs=8")).collect();
        let talkers: Vec<_> = starts[0]
            .ports()
            .iter()
            .map(|port| Talker::new(*port, u32::from(*port)))
            .collect();
        talkers[0].wait(30);
        starts
            .iter()
            .for_each(|start| drop(phone.stop(&start.id())));
    };
    call();
    let (memory, descriptors) = (status(&phone, "VmRSS"), open());
    assert!(memory < 8 * 1024, "{memory} KiB");
    (0..5).for_each(|_| call());
    // A page here and there is touched for the first time; twenty recordings that leave something
    // would show.
    assert!(
        status(&phone, "VmHWM") <= memory + 512,
        "{memory} KiB, then {} KiB",
        status(&phone, "VmHWM")
    );
    wait_for("all descriptors to be given back", || open() <= descriptors);
    assert_eq!(status(&phone, "Threads"), 1);
}

#[test]
#[cfg_attr(
    target_arch = "arm",
    ignore = "qemu-user shows its own memory; scripts/phone runs it"
)]
fn places_that_nobody_uses_cost_address_space_alone() {
    let memory = |config: &str| {
        let phone = Phone::new(config);
        phone.stat("wakeups"); // it answers: it has allocated all it will
        status(&phone, "VmRSS")
    };
    let (few, many) = (memory("maxRecordings = 4"), memory("maxRecordings = 1024"));
    // 300 KiB of address space each, of which some 30 KiB are touched, on a phone a fourth more
    // than on a PC; src/base/limits.rs says that only what a call uses ever is.
    assert!(
        many < few + 48 * 1024,
        "{few} KiB for 4 places, {many} KiB for 1024"
    );
}
