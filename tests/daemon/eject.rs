//! `EjectRequest`: what uses the stick ends, and it can be unplugged.

use crate::common::file::read;
use crate::common::listener::Listener;
use crate::common::sticky::{older, Sticky};
use crate::common::{Phone, Talker};

#[test]
#[ignore = "needs root: scripts/test runs it"]
fn an_ejected_stick_is_unmounted_and_whole() {
    let sticky = Sticky::new("");
    older("Record_20260101_100000.wav", &sticky, 5000);
    let listener = Listener::new();
    sticky
        .phone
        .play("Record_20260101_100000.wav", &listener, "");
    listener.take(3);
    let (start, talker) = sticky.start();
    talker.wait(20);
    let mut watch = sticky.phone.watch();
    let keeper = sticky.path().join("kept");
    std::fs::create_dir(&keeper).unwrap();
    let mut control = sticky.phone.control();
    let status = control.ask("cmd=StickStatusRequest");
    assert_eq!(status.value("state"), "mounted");
    let other = crate::common::sticky::system;
    let seen = sticky.phone.path("seen");
    std::fs::create_dir(&seen).unwrap();
    // The file system is kept elsewhere, to look at it afterwards.
    other(
        "mount",
        &[
            "--bind",
            sticky.path().to_str().unwrap(),
            seen.to_str().unwrap(),
        ],
    );
    let sent = talker.end();
    let answer = control.ask("cmd=EjectRequest");
    assert_eq!(answer.0, "cmd=EjectResponse&result=success&unmounted=1");
    sticky.mounts.set(0);
    let stopped = watch.until("RecordEvent", "stopped");
    assert_eq!(
        (stopped.id(), stopped.value("reason")),
        (start.id(), "ejected".into())
    );
    watch.until("StickEvent", "ejected");
    let file = seen.join(start.value("file"));
    read(&file).assert_holds(&sent.concat());
    let sidecar = std::fs::read_to_string(file.with_extension("json")).unwrap();
    assert!(sidecar.contains("\"end\":\"stopped\""), "{sidecar}");
    other("umount", &[seen.to_str().unwrap()]);
    assert!(sticky.phone.files().is_empty(), "nothing is mounted there");

    let status = control.ask("cmd=StickStatusRequest");
    assert_eq!(status.value("state"), "ejected");
    let refusal = control.ask("cmd=RecordStartRequest");
    assert!(refusal.value("reason").starts_with("no-stick: ejected"));
    assert_eq!(control.ask("cmd=EjectRequest").reason(), "no-stick");
    let stop = sticky.phone.stop(&start.id());
    assert_eq!(stop.value("frames"), stopped.value("frames"));
    // Another one comes.
    sticky.mount("size=2m");
    watch.until("StickEvent", "mounted");
    let start = sticky.phone.record("&legs=1");
    sticky.phone.stop(&start.id());
}

#[test]
#[ignore = "needs root: scripts/test runs it"]
fn a_stick_that_another_program_uses_stays() {
    let sticky = Sticky::new("");
    let name = sticky.path().join("song.mp3");
    std::fs::write(&name, "x").unwrap();
    let open = std::fs::File::open(&name).unwrap();
    let refusal = sticky.phone.ask("cmd=EjectRequest");
    assert_eq!(refusal.reason(), "busy");
    let status = sticky.phone.ask("cmd=StickStatusRequest");
    assert_eq!(status.value("state"), "mounted");
    let start = sticky.phone.record("&legs=1");
    sticky.phone.stop(&start.id());
    drop(open);
    assert!(sticky.phone.ask("cmd=EjectRequest").success());
    sticky.mounts.set(0);
}

#[test]
fn a_folder_that_cannot_be_unmounted_counts_as_ejected() {
    let phone = Phone::new("");
    let start = phone.record("&legs=1");
    let talker = Talker::new(start.ports()[0], 7);
    talker.wait(10);
    let answer = phone.ask("cmd=EjectRequest");
    assert_eq!(answer.0, "cmd=EjectResponse&result=success&unmounted=0");
    talker.end();
    assert_eq!(
        phone.ask("cmd=StickStatusRequest").value("state"),
        "ejected"
    );
    let refusal = phone.ask("cmd=RecordStartRequest");
    assert!(refusal.value("reason").starts_with("no-stick: ejected"));
    let mut control = phone.control();
    assert!(control.ask("cmd=SubscribeRequest").success());
    let watch = control.next().unwrap();
    assert_eq!(
        (watch.value("cmd"), watch.value("state")),
        ("StickEvent".into(), "ejected".into())
    );
    // Another folder in its place is another stick.
    std::fs::rename(phone.stick(), phone.path("old")).unwrap();
    std::fs::create_dir(phone.stick()).unwrap();
    let start = phone.record("&legs=1");
    phone.stop(&start.id());
}
