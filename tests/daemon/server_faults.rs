//! Servers that die, refuse or misbehave while the running daemon records to them.

use std::collections::HashMap;
use std::io::Write;
use std::net::Shutdown;
use std::thread::JoinHandle;

use crate::common::scripted::{Scripted, Talk};
use crate::common::uploads::{ask, lost, record, stop, stream};
use crate::common::{in_time, Phone, Talker};

#[test]
fn a_server_that_dies_leaves_no_gap_between_its_part_and_the_sticks() {
    in_time(|| {
        let server = Scripted::new();
        let phone = Phone::new(&(server.config() + "serverFallback = local"));
        let mut watch = phone.watch();
        let (talk, answer) = record(&phone, &server);
        let talker = Talker::new(answer.ports()[0], 3);
        talker.wait(100);
        let theirs = talk.packets(60);
        let id = talk.id.clone();
        drop(talk);
        talker.wait(200);
        if !talker.was_in_time() {
            return false;
        }
        let sent = talker.end();
        let stopped = phone.stop(&id);
        let rolled = watch.until("RecordEvent", "rolled");
        assert!(
            rolled.value("reason").starts_with("server-lost: "),
            "{rolled:?}"
        );
        assert_eq!(rolled.value("file"), stopped.value("files"));
        let recording = crate::common::file::read(&phone.stick().join(stopped.value("files")));
        let mut whole: HashMap<u16, Vec<u8>> = stream(&theirs).into_iter().collect();
        for (n, frame) in recording.frames.iter().enumerate() {
            let number = recording.first.0.wrapping_add(n as u16);
            assert_eq!(
                whole.entry(number).or_insert_with(|| frame.clone()),
                frame,
                "the same in both"
            );
        }
        assert!(
            whole.contains_key(&recording.first.0.wrapping_sub(1))
                || theirs[0][2..4] == recording.first.0.to_be_bytes()
        );
        let payloads: Vec<Vec<u8>> = whole.into_values().collect();
        assert_eq!(lost(&payloads, &sent), 0);
        true
    });
}

#[test]
fn a_server_that_refuses_leaves_the_call_to_the_stick() {
    in_time(|| {
        let server = Scripted::new();
        let phone = Phone::new(&(server.config() + "serverFallback = local"));
        let mut watch = phone.watch();
        let mut control = ask(&phone, "&legs=1");
        let mut talk = server.accept();
        talk.say(&format!(
            "cmd=RecordStartResponse&id={}&result=failed&reason=full\n",
            talk.id
        ));
        let answer = control.next().unwrap();
        assert_eq!(
            answer.value("file"),
            watch.until("RecordEvent", "recording").value("file")
        );
        let talker = Talker::new(answer.ports()[0], 3);
        talker.wait(50);
        if !talker.was_in_time() {
            return false;
        }
        let sent = talker.end();
        let status = phone.control().ask_lines("cmd=RecordStatusRequest");
        assert_eq!(status[0].value("sink"), "local");
        phone.stop(&answer.id());
        crate::common::file::read(&phone.stick().join(answer.value("file")))
            .assert_holds(&sent.concat());
        phone.sidecar(&answer.value("file"), "sha256");
        std::fs::remove_dir_all(phone.stick()).unwrap();
        let mut control = ask(&phone, "");
        let mut talk = server.accept();
        talk.say(&format!(
            "cmd=RecordStartResponse&id={}&result=failed&reason=full\n",
            talk.id
        ));
        assert_eq!(
            control.next().unwrap().value("reason"),
            "server-refused: full",
            "no stick either"
        );
        true
    });
}

/// A server that sends requests and never reads the replies, until its connection is shut down from
/// outside.
fn flood(mut talk: Talk) -> JoinHandle<usize> {
    std::thread::spawn(move || {
        let requests = b"cmd=RecordStopRequest&id=1\ncmd=Hello\n".repeat(100);
        let mut bytes = 0;
        while let Ok(written) = talk.stream.write(&requests) {
            bytes += written;
        }
        bytes
    })
}

/// Accepts a recording byte by byte; the daemon takes a turn for each.
fn agree_slowly(phone: &Phone, talk: &mut Talk) {
    let mut other = phone.control();
    for byte in talk.yes().bytes() {
        talk.stream.write_all(&[byte]).unwrap();
        assert!(other.ask("cmd=StatsRequest").success());
    }
}

#[test]
fn servers_that_misbehave_hurt_nobody_else() {
    in_time(|| {
        let server = Scripted::new();
        let phone = Phone::new(&(server.config() + "maxRecordings = 8"));
        let (mut good, answer) = record(&phone, &server);
        let talker = Talker::new(answer.ports()[0], 9);
        // One answers byte by byte, one floods and never reads, one sends 64 KiB without an end of
        // line, one is silent.
        let mut slow_control = ask(&phone, "");
        let mut slow = server.accept();
        let (flooding, _) = record(&phone, &server);
        let flooded = flooding.stream.try_clone().unwrap();
        let flooding = flood(flooding);
        agree_slowly(&phone, &mut slow);
        assert!(slow_control.next().unwrap().success());
        let (mut endless, _) = record(&phone, &server);
        let _ = endless.stream.write_all(&[b'x'; 65_536]);
        assert!(endless.is_closed());
        let _silent = (ask(&phone, ""), server.accept());
        let wakeups_before = phone.stat("wakeups");
        let packets_before = talker.sent();
        talker.wait(packets_before + 100);
        let wakeups = phone.stat("wakeups") - wakeups_before;
        let packets = u64::from(talker.sent() - packets_before);
        assert!(
            wakeups < 40 * packets,
            "{wakeups} wake-ups in the time of {packets} packets"
        );
        stop(&phone, &mut slow);
        if !talker.was_in_time() {
            return false;
        }
        let sent = talker.end();
        let mut control = phone.control();
        control.send(format!("cmd=RecordStopRequest&id={}\n", good.id).as_bytes());
        good.finish();
        let frames: usize = control.next().unwrap().value("frames").parse().unwrap();
        let payloads: Vec<Vec<u8>> = stream(&good.packets(frames))
            .into_iter()
            .map(|(_, payload)| payload)
            .collect();
        assert_eq!((payloads.len(), lost(&payloads, &sent)), (frames, 0));
        let _ = flooded.shutdown(Shutdown::Both);
        assert!(flooding.join().unwrap() > 0);
        assert_eq!(phone.stat("bug"), 0);
        true
    });
}
