//! Pausing and resuming recordings of the running daemon.

use crate::common::file::{read, Recording};
use crate::common::{Phone, Talker, SILENCE};

/// A call that is paused and resumed: its recording, and all packets that were sent.
fn paused_call(phone: &Phone) -> (Recording, Vec<Vec<u8>>) {
    let start = phone.record("&legs=1");
    let talker = Talker::new(start.ports()[0], 7);
    talker.wait(40);
    assert!(phone
        .ask(&format!("cmd=RecordPauseRequest&id={}", start.id()))
        .success());
    assert!(
        phone
            .ask(&format!("cmd=RecordPauseRequest&id={}", start.id()))
            .success(),
        "paused when paused"
    );
    talker.wait(80);
    assert!(phone
        .ask(&format!("cmd=RecordResumeRequest&id={}", start.id()))
        .success());
    talker.wait(120);
    let sent = talker.end();
    let stop = phone.stop(&start.id());
    let recording = read(&phone.stick().join(stop.value("files")));
    assert_eq!(stop.value("frames"), recording.frames.len().to_string());
    assert_eq!(
        stop.value("duration_ms"),
        (recording.frames.len() * 20).to_string()
    );
    (recording, sent)
}

#[test]
fn a_pause_that_skips_leaves_no_gap_in_the_sequence() {
    let phone = Phone::new("pauseMode = skip");
    let (recording, sent) = paused_call(&phone);
    let numbers: Vec<usize> = recording.numbers(&sent).into_iter().flatten().collect();
    assert!(
        numbers.windows(2).all(|pair| pair[0] < pair[1]),
        "{numbers:?}"
    );
    let gaps: Vec<(usize, usize)> = numbers
        .windows(2)
        .filter(|pair| pair[1] != pair[0] + 1)
        .map(|pair| (pair[0], pair[1]))
        .collect();
    assert_eq!(gaps.len(), 1, "{numbers:?}");
    assert!(gaps[0].1 - gaps[0].0 >= 20, "{gaps:?}");
    let silent = recording
        .frames
        .iter()
        .filter(|frame| frame.iter().all(|code| *code == SILENCE))
        .count();
    assert!(
        silent + numbers.len() >= recording.frames.len() - 4,
        "{silent} {} {}",
        numbers.len(),
        sent.len()
    );
    assert_eq!(
        (numbers[0], numbers[numbers.len() - 1]),
        (0, sent.len() - 1)
    );
}

#[test]
fn a_pause_that_is_silence_keeps_the_length_true() {
    let phone = Phone::new("pauseMode = silence");
    let (recording, sent) = paused_call(&phone);
    let numbers = recording.numbers(&sent);
    let first = numbers.iter().position(Option::is_some).unwrap();
    let known: Vec<usize> = numbers.iter().copied().flatten().collect();
    assert_eq!((known[0], known[known.len() - 1]), (0, sent.len() - 1));
    assert!(known.len() < sent.len() - 20, "nothing was paused");
    for (place, number) in numbers.iter().enumerate().skip(first) {
        assert!(
            number.is_none_or(|number| number == place - first),
            "frame {place} is packet {number:?}"
        );
    }
}

#[test]
fn a_pause_can_be_taken_back_and_a_paused_recording_stopped() {
    let phone = Phone::new("");
    let mut watch = phone.watch();
    let id = phone.record("").id();
    for request in ["Resume", "Pause", "Pause", "Resume", "Pause"] {
        let answer = phone.ask(&format!("cmd=Record{request}Request&id={id}"));
        assert_eq!(
            answer.0,
            format!("cmd=Record{request}Response&result=success&id={id}")
        );
    }
    let status = phone
        .control()
        .ask_lines(&format!("cmd=RecordStatusRequest&id={id}"));
    assert_eq!(status[0].value("state"), "paused");
    phone.stop(&id);
    let states: Vec<String> = (0..5)
        .map(|_| watch.next().unwrap().value("state"))
        .collect();
    assert_eq!(
        states,
        ["recording", "paused", "resumed", "paused", "stopped"],
        "a state that stays is no event"
    );
}
