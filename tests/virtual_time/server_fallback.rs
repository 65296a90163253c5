//! Calls that a recording server does not take, or not to their end, and that go on to the stick:
//! in virtual time.

use crate::virtual_phone::calls::{audio, start, states, stop, talk, to_server};
use crate::virtual_phone::server::Manner;
use crate::virtual_phone::{joined, missing, ms, value, Phone};
use callrec::proto::recorder::Settings;
use callrec::proto::recording::file_writer::DiskError;
use callrec::wire::rtp::Packet;

/// The server's frames and the stick's, joined by their sequence numbers: none is missing, and
/// those that both have are the same.
fn assert_whole(phone: &Phone, sent: &[Vec<u8>]) {
    let server = phone.server.packets(0);
    let stick = phone.frames();
    let first = Packet::parse(&stick[0]).unwrap().sequence;
    let (last, _) = server.last().map(|packet| (packet.0, packet.1)).unwrap();
    let ahead = last.wrapping_sub(first).wrapping_add(1);
    assert!(
        ahead < 0x8000,
        "the stick begins {} frames too late",
        ahead.wrapping_neg()
    );
    let overlap = usize::from(ahead);
    assert!(overlap <= 1200, "{overlap} frames twice");
    let shared = server.len() - overlap.min(server.len());
    for (packet, frame) in server[shared..]
        .iter()
        .zip(&stick[overlap - (server.len() - shared)..])
    {
        let frame = Packet::parse(frame).unwrap();
        assert_eq!((packet.0, &packet.3[..]), (frame.sequence, frame.payload));
    }
    let behind = stick
        .iter()
        .skip(overlap)
        .flat_map(|frame| frame[12..].to_vec());
    let whole: Vec<u8> = audio(&server).into_iter().chain(behind).collect();
    assert_eq!(missing(&whole, sent, 40), [0usize; 0]);
}

#[test]
fn with_a_stick_to_fall_back_to_no_call_is_lost_at_its_start() {
    for manner in [
        Manner::Refuses("no license"),
        Manner::Silent,
        Manner::Unreachable,
        Manner::Absent,
    ] {
        for rtp_header in [true, false] {
            let mut phone = Phone::new(Settings {
                rtp_header,
                ..to_server(true)
            });
            phone.server.manner = manner;
            let sent = talk(&mut phone, 500);
            let id = start(&mut phone);
            let answer = phone.answers.last().unwrap().clone();
            phone.run_for(ms(10_000));
            let stopped = stop(&mut phone, id);
            assert_eq!(value(&stopped, "files"), value(&answer, "file"));
            assert_eq!(missing(&phone.audio(), &sent, 40), [0usize; 0], "{answer}");
            assert_eq!(states(&phone), ["recording", "stopped"]);
            let event = phone
                .events
                .iter()
                .find(|event| event.contains("state=recording"))
                .unwrap();
            let reason = value(event, "reason").unwrap();
            assert!(
                reason.starts_with("server-") || reason.starts_with("no-server: "),
                "{event}"
            );
            assert_eq!(value(event, "file"), value(&answer, "file"));
        }
    }
}

#[test]
fn a_server_that_is_lost_in_a_call_leaves_no_gap() {
    // When it dies, and how long it takes until the phone knows: a reset, a dead process, a dead
    // line.
    for (dies, noticed, errno) in [
        (400, 0, 0),
        (1003, 20, 104),
        (9217, 3000, 104),
        (20_000, 17_000, 110),
        (41_111, 17_000, 110),
    ] {
        let mut phone = Phone::new(to_server(true));
        let id = start(&mut phone);
        let sent = talk(&mut phone, 3300);
        phone.run_for(ms(dies));
        phone.server.die(phone.now, ms(noticed), errno);
        phone.run_for(ms(66_500 - dies));
        let answer = stop(&mut phone, id);
        assert_eq!(value(&answer, "parts"), Some("1"));
        assert_whole(&phone, &sent);
        assert_eq!(states(&phone), ["recording", "rolled", "stopped"]);
        let rolled = phone
            .events
            .iter()
            .find(|event| event.contains("state=rolled"))
            .unwrap();
        assert!(
            value(rolled, "reason")
                .unwrap()
                .starts_with("server-lost: the connection has ended"),
            "{rolled}"
        );
        assert_eq!(value(rolled, "file"), value(&answer, "files"));
        assert_eq!(phone.counted("frames_lost"), 0);
    }
}

#[test]
fn frames_that_do_not_arrive_for_three_seconds_go_to_the_stick() {
    let mut phone = Phone::new(to_server(true));
    let id = start(&mut phone);
    let sent = talk(&mut phone, 900);
    phone.run_for(ms(8000));
    phone.server.trouble_from = Some((phone.now, 111));
    phone.server.dead_from = Some(phone.now);
    phone.run_for(ms(10_500));
    stop(&mut phone, id);
    assert_whole(&phone, &sent);
    let rolled = phone
        .events
        .iter()
        .find(|event| event.contains("state=rolled"))
        .unwrap();
    assert!(
        rolled.contains("server-lost: RTP does not reach it"),
        "{rolled}"
    );
}

#[test]
fn a_call_that_was_paused_goes_on_without_a_gap_in_the_file() {
    for rtp_header in [true, false] {
        let mut phone = Phone::new(Settings {
            rtp_header,
            ..to_server(true)
        });
        let id = start(&mut phone);
        let sent = talk(&mut phone, 1000);
        phone.run_for(ms(5000));
        phone.request(&format!("cmd=RecordPauseRequest&id={id}"));
        phone.run_for(ms(2000));
        phone.request(&format!("cmd=RecordResumeRequest&id={id}"));
        phone.run_for(ms(3000));
        phone.server.die(phone.now, ms(100), 104);
        phone.run_for(ms(3000));
        phone.request(&format!("cmd=RecordPauseRequest&id={id}"));
        phone.run_for(ms(2000));
        phone.request(&format!("cmd=RecordResumeRequest&id={id}"));
        phone.run_for(ms(5500));
        stop(&mut phone, id);
        let lost = missing(&phone.audio(), &sent, 40);
        assert!(
            (195..=205).contains(&lost.len()),
            "{} packets are missing, 200 were paused",
            lost.len()
        );
    }
}

#[test]
fn what_a_server_does_not_confirm_at_the_stop_goes_to_the_stick() {
    let mut phone = Phone::new(to_server(true));
    let id = start(&mut phone);
    let sent = talk(&mut phone, 500);
    phone.run_for(ms(9000));
    phone.server.die(phone.now, ms(60_000), 110);
    phone.run_for(ms(1100));
    let answer = stop(&mut phone, id);
    assert_eq!(
        (value(&answer, "result"), value(&answer, "parts")),
        (Some("success"), Some("1"))
    );
    assert_whole(&phone, &sent);
    assert_eq!(states(&phone), ["recording", "rolled", "stopped"]);
}

#[test]
fn a_server_that_stops_because_it_has_to_leaves_the_call_to_the_stick() {
    for reason in ["disk-full", "disk-error: 5", "shutdown"] {
        let mut phone = Phone::new(to_server(true));
        let id = start(&mut phone);
        let sent = talk(&mut phone, 400);
        phone.run_for(ms(4000));
        let now = phone.now;
        phone.server.say(
            now,
            0,
            &format!("cmd=RecordStopRequest&id={id}&reason={reason}\n"),
        );
        phone.run_for(ms(4500));
        assert_eq!(
            phone.server.heard.last().unwrap(),
            &format!("cmd=RecordStopResponse&id={id}&result=success")
        );
        stop(&mut phone, id);
        assert_whole(&phone, &sent);
        let rolled = phone
            .events
            .iter()
            .find(|event| event.contains("state=rolled"))
            .unwrap();
        assert_eq!(
            value(rolled, "reason"),
            Some(format!("server-lost: it has stopped: {reason}").as_str())
        );
    }
}

#[test]
fn without_a_stick_the_servers_reason_stands() {
    let mut phone = Phone::new(to_server(true));
    phone.stick.fail = Some((1, DiskError::Lost));
    phone.stick.stays_broken = true;
    phone.server.manner = Manner::Refuses("no license");
    phone.request("cmd=RecordStartRequest");
    phone.run_for(ms(1000));
    assert_eq!(
        value(phone.answers.last().unwrap(), "reason"),
        Some("server-refused: no license")
    );

    phone.server.manner = Manner::Accepts;
    let id = start(&mut phone);
    phone.run_for(ms(2000));
    phone.server.die(phone.now, ms(0), 104);
    phone.run_for(ms(1000));
    let event = phone.events.last().unwrap();
    assert_eq!(
        (value(event, "state"), value(event, "id")),
        (Some("failed"), Some(id.to_string().as_str()))
    );
    assert!(
        value(event, "reason").unwrap().starts_with("server-lost"),
        "{event}"
    );

    // At the stop nobody knows better than that all has been sent.
    (phone.server.dead_from, phone.server.noticed_at) = (None, None);
    let id = start(&mut phone);
    phone.run_for(ms(2000));
    phone.server.die(phone.now, ms(60_000), 104);
    let answer = stop(&mut phone, id);
    assert_eq!(
        (value(&answer, "result"), value(&answer, "parts")),
        (Some("success"), Some("0"))
    );
}

#[test]
fn the_daemons_end_does_not_wait_for_a_server_long() {
    // Asked but not answered; running but not confirmed, with a stick and without.
    for (manner, fallback) in [
        (Manner::Silent, false),
        (Manner::Accepts, false),
        (Manner::Accepts, true),
    ] {
        let mut phone = Phone::new(to_server(fallback));
        phone.server.manner = manner;
        phone.request("cmd=RecordStartRequest");
        phone.run_for(ms(1500));
        phone.server.die(phone.now, ms(60_000), 110);
        let ended = phone.now;
        while !phone.recorder.is_idle() {
            phone.recorder.handle_shutdown(phone.now);
            phone.run_for(ms(20));
        }
        assert!(
            phone.now.since(ended) <= ms(1500),
            "{} ms",
            phone.now.since(ended).millis()
        );
        assert_eq!(phone.stick.files.len(), usize::from(fallback));
        assert!(phone.answers.len() == 1);
    }
}

#[test]
fn a_server_that_dies_takes_no_other_recording_with_it() {
    let mut phone = Phone::new(to_server(true));
    let first = start(&mut phone);
    let second = phone.start("&sink=local");
    let talked = talk(&mut phone, 1000);
    phone.run_for(ms(5000));
    phone.server.die(phone.now, ms(2000), 104);
    phone.run_for(ms(15_100));
    let answer = phone
        .request(&format!("cmd=RecordStopRequest&id={second}"))
        .unwrap();
    assert!(
        (1005..=1010).contains(&value(&answer, "frames").unwrap().parse::<u32>().unwrap()),
        "{answer}"
    );
    stop(&mut phone, first);
    assert_eq!(phone.stick.files.len(), 2);
    let audio = |bytes: &[u8]| {
        joined([bytes])
            .iter()
            .flat_map(|frame| frame[12..].to_vec())
            .collect::<Vec<u8>>()
    };
    let whole = phone
        .stick
        .files
        .values()
        .filter(|file| missing(&audio(&file.bytes), &talked, 40).is_empty());
    assert_eq!(whole.count(), 1, "the ring held all of so short a call");
}
