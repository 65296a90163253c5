//! Whole calls to a recording server, in virtual time.

use crate::virtual_phone::calls::{audio, start, states, stop, talk, to_server};
use crate::virtual_phone::legs::{leg, packets};
use crate::virtual_phone::server::Manner;
use crate::virtual_phone::{missing, ms, value, Phone};
use callrec::proto::recorder::Settings;

#[test]
fn a_call_reaches_the_server_bit_for_bit_frame_by_frame() {
    let mut phone = Phone::new(to_server(false));
    let id = start(&mut phone);
    let answer = phone.answers.last().unwrap().clone();
    assert_eq!(
        (value(&answer, "server"), value(&answer, "port")),
        (Some("10.0.0.9"), Some("40000"))
    );
    let sent = talk(&mut phone, 500);
    phone.run_for(ms(10_020));
    let answer = stop(&mut phone, id);
    let packets = phone.server.packets(0);
    assert_eq!(
        value(&answer, "frames"),
        Some(packets.len().to_string().as_str())
    );
    assert!((500..=505).contains(&packets.len()), "{}", packets.len());
    assert_eq!(missing(&audio(&packets), &sent, 40), [0usize; 0]);
    for pair in packets.windows(2) {
        let expected = (pair[0].0.wrapping_add(1), pair[0].1.wrapping_add(160));
        assert_eq!(
            (pair[1].0, pair[1].1, pair[1].2),
            (expected.0, expected.1, false)
        );
    }
    assert!(phone.stick.files.is_empty());
    assert_eq!(phone.server.heard.len(), 2);
    assert_eq!(states(&phone), ["recording", "stopped"]);
}

#[test]
fn a_stop_says_who_was_not_heard() {
    for (keys, legs, heard) in [
        ("", 2, None),
        ("", 1, Some("one")),
        ("", 0, Some("none")),
        ("&legs=1", 1, None),
    ] {
        let mut phone = Phone::new(to_server(false));
        phone.request(&format!("cmd=RecordStartRequest&sink=server{keys}"));
        phone.run_for(ms(100));
        let answer = phone.answers.last().unwrap();
        let id = value(answer, "id").unwrap().parse().unwrap();
        for port in 0..legs {
            let stream = leg(phone.now, port, 0, 5, &packets(100, 160));
            phone.send(stream);
        }
        phone.run_for(ms(2020));
        stop(&mut phone, id);
        let request = phone.server.heard.last().unwrap();
        assert_eq!(value(request, "cmd"), Some("RecordStopRequest"));
        assert_eq!(value(request.trim_end(), "heard"), heard, "{keys} {legs}");
    }
}

#[test]
fn frames_go_out_one_by_one_and_fifty_wakeups_a_second_do() {
    let mut phone = Phone::new(to_server(false));
    let id = start(&mut phone);
    talk(&mut phone, 3000);
    phone.run_for(ms(1000));
    let (before, wakeups) = (phone.server.frames.len(), phone.wakeups);
    phone.run_for(ms(50_000));
    assert!(
        phone.wakeups - wakeups <= 2501,
        "{}",
        phone.wakeups - wakeups
    ); // the last one is the test's own
    let frames = &phone.server.frames[before..];
    assert_eq!(frames.len(), 2500);
    for pair in frames.windows(2) {
        assert_eq!(pair[1].1.since(pair[0].1), ms(20));
    }
    // Nobody reads a paused recording's packets fifty times a second.
    phone.request(&format!("cmd=RecordPauseRequest&id={id}"));
    phone.run_for(ms(1000));
    let wakeups = phone.wakeups;
    phone.run_for(ms(6000));
    assert!(phone.wakeups - wakeups <= 60, "{}", phone.wakeups - wakeups);
    stop(&mut phone, id);
}

#[test]
fn a_stick_is_read_for_in_batches_while_a_server_gets_each_frame() {
    let mut phone = Phone::new(to_server(false));
    start(&mut phone);
    phone.start("&sink=local");
    phone.run_for(ms(1200));
    let batches = (0..1000).filter(|_| {
        phone.run_for(ms(20));
        phone.recorder.handle_drained(1, phone.now) && phone.recorder.is_due(1, phone.now + ms(20))
    });
    assert!(batches.count() <= 100, "each 200 ms or less often");
}

#[test]
fn a_pause_is_a_gap_in_the_timestamps_alone() {
    let mut phone = Phone::new(to_server(false));
    let id = start(&mut phone);
    talk(&mut phone, 400);
    phone.run_for(ms(2000));
    assert!(phone
        .request(&format!("cmd=RecordPauseRequest&id={id}"))
        .unwrap()
        .contains("success"));
    phone.run_for(ms(1000));
    let paused = phone.server.frames.len();
    phone.run_for(ms(2000));
    assert_eq!(phone.server.frames.len(), paused, "nothing is sent");
    phone.request(&format!("cmd=RecordResumeRequest&id={id}"));
    phone.run_for(ms(3000));
    assert_eq!(
        phone.server.heard.len(),
        1,
        "the connection knows nothing of it"
    );
    stop(&mut phone, id);
    let packets = phone.server.packets(0);
    let jumps: Vec<_> = packets
        .windows(2)
        .filter(|pair| pair[1].1 != pair[0].1.wrapping_add(160))
        .collect();
    assert_eq!(jumps.len(), 1);
    assert_eq!(
        jumps[0][1].1.wrapping_sub(jumps[0][0].1),
        151 * 160,
        "3 s, and a frame"
    );
    assert!(packets
        .windows(2)
        .all(|pair| pair[1].0 == pair[0].0.wrapping_add(1)));
    let marked: Vec<usize> = (0..packets.len()).filter(|n| packets[*n].2).collect();
    assert_eq!(
        marked,
        [packets
            .iter()
            .position(|packet| packet.0 == jumps[0][1].0)
            .unwrap()]
    );

    let mut phone = Phone::new(Settings {
        pause_is_silence: true,
        ..to_server(false)
    });
    let id = start(&mut phone);
    phone.request(&format!("cmd=RecordPauseRequest&id={id}"));
    phone.run_for(ms(2000));
    let packets = phone.server.packets(0);
    assert!(
        packets.len() >= 80
            && packets
                .iter()
                .all(|(.., payload)| payload.iter().all(|code| *code == 0xFF))
    );
}

#[test]
fn what_came_before_the_answer_is_sent_after_it() {
    let mut phone = Phone::new(to_server(false));
    phone.server.delay = ms(2500); // connected, asked, answered: 5 s
    let sent = talk(&mut phone, 400);
    phone.request("cmd=RecordStartRequest");
    let started = phone.now;
    phone.run_until(started + ms(4990));
    assert!(
        phone.server.frames.is_empty() && phone.answers.is_empty(),
        "no RTP before the answer"
    );
    phone.run_for(ms(510));
    let burst = phone
        .server
        .frames
        .windows(5)
        .map(|frames| frames[4].1.since(frames[0].1));
    assert!(
        burst.min().unwrap() >= ms(10),
        "not more than four frames at once"
    );
    assert!(
        phone.server.frames.len() >= 100,
        "{}",
        phone.server.frames.len()
    );
    phone.run_for(ms(2600));
    let id = value(phone.answers.last().unwrap(), "id")
        .unwrap()
        .parse()
        .unwrap();
    stop(&mut phone, id);
    assert_eq!(
        missing(&audio(&phone.server.packets(0)), &sent, 40),
        [0usize; 0]
    );
}

#[test]
fn while_the_server_thinks_and_nobody_talks_nothing_is_recorded() {
    let mut phone = Phone::new(to_server(false));
    phone.server.delay = ms(1000); // connected, asked, answered: 2 s
    let asked = phone.now;
    let id = start(&mut phone);
    assert!(phone.now.since(asked) >= ms(2000));
    let sent = talk(&mut phone, 100);
    phone.run_for(ms(2000));
    let answer = stop(&mut phone, id);
    let packets = phone.server.packets(0);
    assert_eq!(missing(&audio(&packets), &sent, 40), [0usize; 0]);
    assert!(
        (100..=104).contains(&packets.len()),
        "{} frames",
        packets.len()
    );
    assert_eq!(
        value(&answer, "frames"),
        Some(packets.len().to_string().as_str())
    );
}

#[test]
fn a_refusal_is_told_and_leaves_nothing() {
    for (manner, reason) in [
        (Manner::Refuses("no license"), "server-refused: no license"),
        (
            Manner::Silent,
            "server-timeout: no answer in time (10.0.0.9:10000)",
        ),
        (
            Manner::Unreachable,
            "server-timeout: no connection in time (10.0.0.9:10000)",
        ),
        (
            Manner::Absent,
            "no-server: no connection (10.0.0.9:10000: connection refused)",
        ),
    ] {
        let mut phone = Phone::new(to_server(false));
        phone.server.manner = manner;
        phone.request("cmd=RecordStartRequest");
        phone.run_for(ms(5100));
        let answer = phone.answers.last().expect(reason);
        assert_eq!(
            (value(answer, "result"), value(answer, "reason")),
            (Some("failed"), Some(reason))
        );
        assert!(
            phone.recorder.is_idle()
                && phone.server.frames.is_empty()
                && phone.stick.files.is_empty()
        );
        let event = phone.events.last().expect(reason);
        assert_eq!(
            (states(&phone), value(event, "reason")),
            (vec!["failed"], Some(reason)),
            "others are told, too"
        );
        phone.server.manner = Manner::Accepts;
        let id = start(&mut phone);
        stop(&mut phone, id);
    }
}

#[test]
fn without_a_fallback_a_lost_server_ends_the_recording() {
    let mut phone = Phone::new(to_server(false));
    start(&mut phone);
    phone.run_for(ms(2000));
    phone.server.die(phone.now, ms(0), 104);
    phone.run_for(ms(100));
    assert!(phone.recorder.is_idle() && phone.stick.files.is_empty());
    assert_eq!(states(&phone), ["recording", "failed"]);
    assert!(
        (14..=17).contains(&phone.counted("frames_lost")),
        "what had not been mixed, 320 ms"
    );
}

#[test]
fn the_server_may_stop_and_the_stick_stays_out_of_it() {
    let mut phone = Phone::new(to_server(true));
    let id = start(&mut phone);
    phone.run_for(ms(2000));
    let now = phone.now;
    phone.server.say(
        now,
        0,
        &format!("cmd=RecordStopRequest&id={id}&reason=enough\n"),
    );
    phone.run_for(ms(100));
    let sent = phone.server.frames.len();
    phone.run_for(ms(1000));
    assert_eq!(phone.server.frames.len(), sent, "RTP ends at once");
    assert!(phone.recorder.is_idle() && phone.stick.files.is_empty());
    assert_eq!(
        phone.server.heard.last().unwrap(),
        &format!("cmd=RecordStopResponse&id={id}&result=success")
    );
    assert_eq!(
        (
            states(&phone),
            value(phone.events.last().unwrap(), "reason")
        ),
        (vec!["recording", "stopped"], Some("enough"))
    );
}
