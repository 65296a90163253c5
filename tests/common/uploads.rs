//! Recordings that a phone sends to a scripted server, and the stream that arrives there.

use super::scripted::{Scripted, Talk};
use super::{wait_for, Answer, Control, Phone};

/// Asks for a recording on a connection of its own; its answer comes when the server has spoken.
pub fn ask(phone: &Phone, keys: &str) -> Control {
    let mut control = phone.control();
    control.send(format!("cmd=RecordStartRequest{keys}\n").as_bytes());
    control
}

/// A recording that the server takes.
pub fn record(phone: &Phone, server: &Scripted) -> (Talk, Answer) {
    let mut control = ask(phone, "&legs=1");
    let mut talk = server.accept();
    talk.agree();
    let answer = control.next().unwrap();
    assert!(answer.success(), "{answer:?}");
    (talk, answer)
}

/// Stops a recording while the server answers.
pub fn stop(phone: &Phone, talk: &mut Talk) -> Answer {
    let mut control = phone.control();
    control.send(format!("cmd=RecordStopRequest&id={}\n", talk.id).as_bytes());
    talk.finish();
    control.next().unwrap()
}

/// Waits until the recordings that are not paused have so many frames more.
pub fn wait_for_frames(phone: &Phone, more: u64) {
    let before = phone.stat("frames");
    wait_for("frames", || phone.stat("frames") >= before + more);
}

/// Checks that packets are one stream; their payloads by sequence number, counted from the first.
pub fn stream(packets: &[Vec<u8>]) -> Vec<(u16, Vec<u8>)> {
    let number = |packet: &[u8]| u16::from_be_bytes([packet[2], packet[3]]);
    for pair in packets.windows(2) {
        assert_eq!(number(&pair[1]), number(&pair[0]).wrapping_add(1));
        let time = |packet: &[u8]| u32::from_be_bytes(packet[4..8].try_into().unwrap());
        assert_eq!(time(&pair[1]), time(&pair[0]).wrapping_add(160));
        assert_eq!(pair[0][8..12], pair[1][8..12], "one source");
    }
    packets
        .iter()
        .map(|packet| (number(packet), packet[12..].to_vec()))
        .collect()
}

/// Those of `sent` that are not among the payloads.
pub fn lost(payloads: &[Vec<u8>], sent: &[Vec<u8>]) -> usize {
    sent.iter()
        .filter(|payload| !payloads.contains(payload))
        .count()
}
