//! Floods on the very port of a leg, through the running daemon: the kernel keeps them out, and the
//! leg is heard.
// An emulated processor cannot send so much; tests of `io::sys::filter` run there.
#![cfg(not(target_arch = "arm"))]

use std::net::UdpSocket;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::common::file::read;
use crate::common::{in_time, rtp, Phone, Talker};

/// Datagrams a second.
const RATE: u64 = 50_000;
/// Of the leg's packets so many are sent before the flood begins, and so many in all.
const BEFORE: u32 = 50;
const PACKETS: u32 = 500;
/// Frames that the flood may cost: what comes in two batches, until the kernel knows whom to let
/// in.
const LOST: usize = 65;

/// Floods a port until the time is over; the datagrams sent.
fn flood(port: u16, over: &AtomicBool, datagram: impl Fn(u64) -> Vec<u8>) -> u64 {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let begun = Instant::now();
    let mut sent = 0;
    while !over.load(Ordering::Relaxed) {
        while sent < begun.elapsed().as_micros() as u64 * RATE / 1_000_000 {
            let _ = socket.send_to(&datagram(sent), ("127.0.0.1", port));
            sent += 1;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    sent
}

/// A call whose leg's port is flooded: the leg's packets that are not in the recording. `None`:
/// this machine was too busy to talk in time.
fn lost_to(datagram: impl Fn(u64) -> Vec<u8> + Sync) -> Option<usize> {
    let phone = Phone::new("");
    let start = phone.record("&legs=1");
    let port = start.ports()[0];
    let talker = Talker::new(port, 7);
    talker.wait(BEFORE);
    let (over, flooded) = (AtomicBool::new(false), AtomicU64::new(0));
    std::thread::scope(|scope| {
        scope.spawn(|| flooded.store(flood(port, &over, &datagram), Ordering::Relaxed));
        talker.wait(PACKETS);
        over.store(true, Ordering::Relaxed);
    });
    let in_time = talker.was_in_time();
    let sent = talker.end();
    let file = phone.stick().join(phone.stop(&start.id()).value("files"));
    assert!(
        phone.stat("kernel_drop") > flooded.load(Ordering::Relaxed) / 2,
        "the kernel keeps most of it out"
    );
    let audio = read(&file).audio();
    let is_there = |packet: &&Vec<u8>| {
        audio
            .windows(packet.len())
            .any(|run| run == packet.as_slice())
    };
    in_time.then(|| sent.len() - sent.iter().filter(is_there).count())
}

fn assert_heard(what: &str, datagram: impl Fn(u64) -> Vec<u8> + Sync) {
    in_time(|| {
        let lost = lost_to(&datagram);
        assert!(
            lost.is_none_or(|lost| lost <= LOST),
            "{what}: {lost:?} of {PACKETS} packets are not recorded"
        );
        lost.is_some()
    });
}

#[test]
fn a_leg_is_heard_in_a_flood_of_garbage() {
    assert_heard("garbage", |n| n.to_be_bytes().repeat(1 + n as usize % 20));
}

#[test]
fn a_leg_is_heard_in_a_flood_of_strangers() {
    assert_heard("strangers", |n| {
        rtp(0, n as u16, n as u32 * 160, 1000 + n as u32, &[0xFF; 160])
    });
}

#[test]
fn a_leg_is_heard_beside_a_source_that_sends_too_much() {
    assert_heard("one source", |n| {
        rtp(0, n as u16, n as u32 * 160, 99, &[0xFF; 160])
    });
}
