//! Control clients in numbers and with bad manners: too many, silent, deaf, gone; a recording
//! meanwhile stays intact.

use std::io::{Read, Write};

use crate::common::file::read;
use crate::common::witness::Witness;
use crate::common::{wait_for, Phone};

/// Every one of a crowd that speaks at once gets one of two answers: its own, or that the daemon is
/// busy. As many are refused as the daemon counts.
#[test]
fn a_hundred_connections_at_once_are_answered_or_refused() {
    let mut phone = Phone::new("");
    let witness = Witness::new(&phone);
    let mut watcher = phone.control();
    assert!(watcher.ask("cmd=StatsRequest").success());
    let mut crowd: Vec<_> = (0..100).map(|_| phone.control()).collect();
    for control in &mut crowd {
        // Fails if the daemon has refused the connection already; the refusal can still be read.
        let _ = control.lines.get_mut().write_all(b"cmd=StatsRequest\n");
    }
    let mut served = 0;
    let mut refused = 0;
    for control in &mut crowd {
        let answer = control.next().expect("an answer or a refusal");
        if answer.success() {
            served += 1;
        } else {
            assert_eq!(answer.reason(), "busy");
            refused += 1;
        }
    }
    assert!(served > 0, "all {refused} were refused");
    let counted = watcher.ask("cmd=StatsRequest").value("too_many_clients");
    assert_eq!(counted, refused.to_string());
    drop(crowd);
    wait_for("room for a client", || {
        let mut control = phone.control();
        let request = control.lines.get_mut().write_all(b"cmd=StatsRequest\n");
        request.is_ok() && control.next().is_some_and(|answer| answer.success())
    });
    witness.assert_unharmed();
    assert!(phone.lives());
}

#[test]
fn connections_that_say_nothing_keep_nobody_out() {
    let mut phone = Phone::new("");
    let mut speaker = phone.control();
    let mut heard = || assert!(speaker.ask("cmd=StatsRequest").success());
    heard();
    // One after the other: what has just come may be about to speak.
    let silence = |_| (phone.control(), heard()).0;
    let mut silent: Vec<_> = (0..40).map(silence).collect();
    assert!(phone.control().ask("cmd=StatsRequest").success());
    assert_eq!(silent[0].next().unwrap().reason(), "busy");
    assert!(silent[0].next().is_none());
    assert!(silent[39].ask("cmd=StatsRequest").success());
    // Sixteen that have spoken stay.
    drop(silent);
    heard();
    heard();
    let speaking = |_| {
        let mut control = phone.control();
        assert!(control.ask("cmd=StatsRequest").success());
        control
    };
    let mut crowd: Vec<_> = (0..15).map(speaking).collect();
    assert_eq!(phone.control().next().unwrap().reason(), "busy");
    assert!(crowd
        .iter_mut()
        .all(|control| control.ask("cmd=StatsRequest").success()));
    assert!(phone.lives());
}

#[test]
fn a_subscriber_that_does_not_read_is_cut_off_and_the_others_hear_everything() {
    let mut phone = Phone::new("");
    let witness = Witness::new(&phone);
    let mut deaf = phone.watch();
    let mut watch = phone.watch();
    let mut control = phone.control();
    let mut ids = vec![];
    let heard = std::thread::spawn(move || {
        let mut heard = vec![];
        while let Some(event) = watch.next() {
            let last = event.value("state") == "mounted";
            heard.push((event.id(), event.value("state")));
            if last || heard.len() > 100_000 {
                break;
            }
        }
        heard
    });
    while control.ask("cmd=StatsRequest").value("slow_client") == "0" {
        assert!(ids.len() < 5000, "it is kept for ever");
        let id = control.ask("cmd=RecordStartRequest&legs=0").id();
        assert!(control
            .ask(&format!("cmd=RecordStopRequest&id={id}"))
            .success());
        ids.push(id);
    }
    let mut rest = vec![];
    deaf.lines.read_to_end(&mut rest).unwrap();
    assert!(!rest.is_empty(), "what it was sent it can still read");
    witness.assert_unharmed();
    assert!(phone.lives());
    phone.end();
    let heard = heard.join().unwrap();
    for id in &ids {
        let states: Vec<&str> = heard
            .iter()
            .filter(|(of, _)| of == id)
            .map(|(_, state)| state.as_str())
            .collect();
        assert_eq!(states, ["recording", "stopped"]);
    }
}

#[test]
fn a_client_that_goes_away_takes_nothing_with_it() {
    let mut phone = Phone::new("");
    let mut watch = phone.watch();
    let mut owner = phone.control();
    let start = owner.ask("cmd=RecordStartRequest&legs=1");
    drop(owner);
    let mut hasty = phone.control();
    hasty.send(format!("cmd=RecordPauseRequest&id={}\n", start.id()).as_bytes());
    drop(hasty);
    watch.until("RecordEvent", "paused");
    let mut half = phone.control();
    half.send(b"cmd=RecordStartRequest&legs=0\ncmd=RecordStopReq");
    drop(half);
    watch.until("RecordEvent", "recording");
    let mut last = phone.control();
    last.send(format!("cmd=RecordStopRequest&id={}\n", start.id()).as_bytes());
    drop(last);
    assert_eq!(watch.until("RecordEvent", "stopped").id(), start.id());
    read(&phone.stick().join(start.value("file")));
    assert!(phone.lives());
}

#[test]
fn a_client_that_waits_for_a_descriptor_is_heard_when_there_is_one() {
    let mut phone = Phone::prepared("").behind(&["prlimit", "--nofile=24"]);
    phone.start();
    let id = phone.record("&legs=4").id();
    let crowd: Vec<_> = (0..16).map(|_| phone.control()).collect();
    let mut last = phone.control();
    last.send(b"cmd=StatsRequest\n");
    wait_for("the descriptors to run out", || {
        phone.log().contains("control socket: accept: ")
    });
    // No other connection follows: the daemon has to remember that some are still in the queue. The
    // clients before this one have left, so it gets a place.
    drop(crowd);
    let answer = last.next().expect("an answer");
    assert!(answer.success(), "{answer:?}");
    phone.stop(&id);
    assert!(phone.lives());
}
