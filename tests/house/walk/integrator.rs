//! The integrator, who builds callrec into a phone.

use std::fs;
use std::path::Path;

use serde_json::Value;

use super::document::Command;
use super::made::{assert_hears, names, put, put_unfinished, receiver};
use super::shape::assert_agree;
use super::Walk;
use crate::common::{wait_for, Answer, Control, Talker};

#[test]
fn the_integrator() {
    let mut walk = Walk::new("board/README.md");
    let stick = walk.folder.0.join("calls");
    fs::create_dir(&stick).unwrap();
    put(
        &stick,
        "Record_20261121_101500.wav",
        1500,
        "2026-11-21T10:15:00+01:00",
    );
    let (socket, address) = receiver();
    let socket_path = walk.folder.path("callrec.sock");
    let config = walk.folder.path("etc-callrec.conf");
    walk.replace("/tmp/callrec.sock", &socket_path);
    walk.replace("/mnt/usb", stick.to_str().unwrap());
    walk.replace("/tmp/calls", stick.to_str().unwrap());
    walk.replace("/etc/callrec.conf", &config);
    // The configuration for a PC has another socket than a phone's.
    walk.replace("callrec ctl ", &format!("callrec ctl -s {socket_path} "));
    walk.replace("callrec watch", &format!("callrec watch -s {socket_path}"));
    walk.replace("callrec-sim call ", "callrec-sim call --seconds 1 --quiet ");
    walk.replace("port=5004", &address.replace("127.0.0.1:", "port="));
    let example = walk.folder.path("example.conf");
    fs::copy("board/generic/callrec.conf", &example).unwrap();
    walk.replace("FILE", &example);
    walk.leave_out(&[
        ("install.sh", "of the package; scripts/phone runs it"),
        ("uninstall.sh", "of the package; scripts/phone runs it"),
        (
            "/etc/init.d",
            "of the package; tests/init-script.sh runs it",
        ),
    ]);
    let lines = walk.block("usbMount = ").join("\n");
    fs::write(&config, walk.here(&lines)).unwrap();
    let keys = walk.block("{\"id\":").concat();
    let events = walk.block("cmd=StickEvent&state=mounted");
    let calls = walk.block("cmd=CallEvent");
    walk.block("cmd=CallRequest&to=cloud:");
    #[cfg(feature = "intercom")]
    assert_eq!(calls, super::made::intercom_events());
    #[cfg(not(feature = "intercom"))]
    drop(calls);
    let mut talkers = vec![];
    while let Some(command) = walk.next() {
        if walk.is_at(&command, "callrec run") {
            let log = walk.start(&command);
            walk.wait_until_said(&log, "state=mounted");
        } else if walk.is_at(&command, "callrec watch") {
            let log = walk.start(&command);
            let said = walk.wait_until_said(&log, "cmd=StickEvent");
            walk.interrupt();
            // A new subscriber hears what is so already, as such.
            let shown = walk.here(&events[0]) + "&now=1";
            assert_agree(&command.place, &[shown], &said);
        } else {
            integrator_follows(&mut walk, &command, &stick, &keys, &mut talkers);
        }
        if walk.is_at(&command, "callrec ctl 'cmd=PlayStartRequest") {
            assert_hears(&socket);
        }
    }
    walk.end();
}

fn integrator_follows(
    walk: &mut Walk,
    command: &Command,
    stick: &Path,
    sidecar: &str,
    talkers: &mut Vec<Talker>,
) {
    if walk.is_at(command, "callrec ctl ListRequest") {
        // What was recorded by hand is not in the list that is shown.
        for name in names(stick, "") {
            if !name.starts_with("Record_20261121_101500.") {
                fs::remove_file(stick.join(name)).unwrap();
            }
        }
        put_unfinished(stick, "Record_20261120_165001.wav");
    }
    let printed = walk.follow(command);
    if walk.is_at(command, "callrec ctl 'cmd=RecordStartRequest") {
        // The phone's media engine.
        let answer = Answer(printed.trim_end().to_owned());
        let ports = answer.ports();
        *talkers = vec![Talker::new(ports[0], 1), Talker::new(ports[1], 2)];
        let mut control = Control::open(Path::new(&walk.here("/tmp/callrec.sock")));
        wait_for("both legs", || {
            let lines = control.ask_lines("cmd=RecordStatusRequest");
            let frames = lines[0].value("frames").parse::<u32>();
            lines[0].value("heard") == "both" && frames.is_ok_and(|frames| frames > 0)
        });
    }
    if walk.is_at(command, "callrec ctl 'cmd=RecordStopRequest") {
        talkers.clear();
        let answer = Answer(printed.trim_end().to_owned());
        let file = stick.join(answer.value("files")).with_extension("json");
        assert_same_keys(sidecar, &file);
    }
}

/// A document shows all keys of the sidecar that the daemon writes.
fn assert_same_keys(shown: &str, file: &Path) {
    let mut written = Value::Null;
    wait_for("the sidecar's checksum", || {
        let text = fs::read(file).unwrap_or_default();
        written = serde_json::from_slice(&text).unwrap_or_default();
        written["sha256"].is_string()
    });
    let shown: Value = serde_json::from_str(shown).unwrap();
    for key in written.as_object().unwrap().keys() {
        assert!(shown[key] != Value::Null, "{key} is not shown: {shown}");
    }
}
