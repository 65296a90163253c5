//! `coverOlderRecordings` in the running daemon: what is deleted, in which order, and how much work
//! a turn does for it.

use std::fs;
use std::path::PathBuf;

use crate::common::file::read;
use crate::common::sticky::{older, system, Sticky};
use crate::common::{wait_for, Phone};

const MIB: u64 = 1 << 20;

#[test]
#[ignore = "needs root: scripts/test runs it"]
fn covering_deletes_the_oldest_recordings_and_nothing_else() {
    let sticky = Sticky::new("coverOlderRecordings = 1");
    let foreign = [
        "a.wav",
        "record_19990101_000000.wav",
        "Record_19990101_000000.txt",
        "Recorder.wav",
        "notes",
    ];
    foreign
        .iter()
        .for_each(|name| fs::write(sticky.path().join(name), "x").unwrap());
    let old: Vec<PathBuf> = [
        "20200101_000000",
        "20200101_000000_2",
        "20200101_000000_10",
        "20210101_000000",
    ]
    .iter()
    .map(|time| older(&format!("Record_{time}.wav"), &sticky, 150))
    .collect();
    sticky.leave_free(MIB + 64 * 1024 + 12 * 1024);
    let (start, talker) = sticky.start();
    let gone = || old.iter().take_while(|path| !path.exists()).count();
    wait_for("two to be deleted", || gone() >= 2);
    assert_eq!(
        old.iter().filter(|path| path.exists()).count(),
        old.len() - gone(),
        "the oldest first"
    );
    assert!(gone() < 4, "no more than is needed");
    let sent = talker.end();
    let stop = sticky.phone.stop(&start.id());
    read(&sticky.path().join(stop.value("files"))).assert_holds(&sent.concat());
    foreign
        .iter()
        .for_each(|name| assert!(sticky.path().join(name).exists(), "{name}"));
    assert!(sticky.path().join("holiday.mp4").exists());
    assert_eq!(sticky.phone.stat("deleted") as usize, gone());
}

#[test]
#[ignore = "needs root: scripts/test runs it"]
fn covering_ends_with_disk_full_when_nothing_old_is_left() {
    let sticky = Sticky::new("coverOlderRecordings = 1");
    let mut watch = sticky.phone.watch();
    sticky.leave_free(MIB + 64 * 1024 + 8 * 1024);
    let (start, talker) = sticky.start();
    let failed = watch.until("RecordEvent", "failed");
    assert_eq!(failed.value("reason").split(':').next(), Some("disk-full"));
    drop(talker);
    read(&sticky.path().join(start.value("file")));
    // Now it is old: what comes next may take its place, if that is enough.
    fs::remove_file(sticky.path().join("holiday.mp4")).unwrap();
    sticky.leave_free(MIB);
    let refused = sticky.phone.ask("cmd=RecordStartRequest").reason();
    assert_eq!(refused, "disk-full", "it was too small");
    assert_eq!(sticky.phone.files(), ["holiday.mp4"]);
}

#[test]
#[ignore = "needs root: scripts/test runs it"]
fn covering_is_not_stopped_by_a_folder_or_link_with_a_recordings_name() {
    let sticky = Sticky::new("coverOlderRecordings = 1");
    fs::create_dir(sticky.path().join("Record_19990101_000000.wav")).unwrap();
    let kept = sticky.phone.path("kept");
    fs::write(&kept, "x").unwrap();
    std::os::unix::fs::symlink(&kept, sticky.path().join("Record_19990101_000001.wav")).unwrap();
    let old = older("Record_20200101_000000.wav", &sticky, 150);
    sticky.leave_free(MIB + 64 * 1024 + 12 * 1024);
    let (start, talker) = sticky.start();
    talker.wait(10);
    wait_for("the old one to go", || {
        !old.exists() || sticky.phone.stat("failed") > 0
    });
    assert_eq!(
        sticky.phone.stat("failed"),
        0,
        "the recording ended: {}",
        sticky.phone.log()
    );
    let sent = talker.end();
    let stop = sticky.phone.stop(&start.id());
    read(&sticky.path().join(stop.value("files"))).assert_holds(&sent.concat());
    assert!(kept.exists());
}

#[test]
#[ignore = "needs root: scripts/test runs it"]
fn a_recording_that_cannot_be_deleted_lets_the_others_go() {
    let sticky = Sticky::new("coverOlderRecordings = 1");
    let stuck = older("Record_20200101_000000.wav", &sticky, 150);
    let old: Vec<PathBuf> = (1..40)
        .map(|n| older(&format!("Record_20200101_0000{n:02}.wav"), &sticky, 50))
        .collect();
    // A file that something is mounted on is busy.
    system(
        "mount",
        &["--bind", stuck.to_str().unwrap(), stuck.to_str().unwrap()],
    );
    sticky.leave_free(MIB);
    let start = sticky.phone.ask("cmd=RecordStartRequest&legs=1");
    let stop = start.success().then(|| sticky.phone.stop(&start.id()));
    system("umount", &["-l", stuck.to_str().unwrap()]);
    assert!(
        stop.is_some_and(|stop| stop.success()),
        "{}",
        sticky.phone.log()
    );
    assert!(stuck.exists() && !old[0].exists() && old[38].exists());
    let told = sticky
        .phone
        .log()
        .matches("Record_20200101_000000.wav: not deleted to make room")
        .count();
    assert_eq!(told, 1, "{}", sticky.phone.log());
}

#[cfg(not(target_arch = "arm"))]
/// What the daemon has done between two polls, at the most: names of the folder read (calls), files
/// deleted.
fn busiest_turn(trace: &str) -> (usize, usize) {
    let turns = trace.split("epoll_wait(");
    turns.fold((0, 0), |(reads, deletions), turn| {
        let (now_read, now_deleted) = (
            turn.matches("getdents64(").count(),
            turn.matches("unlinkat(").count(),
        );
        (reads.max(now_read), deletions.max(now_deleted))
    })
}

#[test]
#[cfg(not(target_arch = "arm"))] // strace would trace qemu-user, and the emulated phone has no memory for so many files
#[ignore = "needs root and the package strace: scripts/test installs it"]
fn a_turn_has_a_bound_whatever_is_on_the_stick() {
    const FILES: usize = 20_000;
    let phone = Phone::prepared("usbRequireMount = 1\ncoverOlderRecordings = 1");
    let log = phone.path("strace").to_str().unwrap().to_owned();
    let calls = "trace=epoll_wait,epoll_pwait,getdents64,unlinkat";
    let phone = phone.behind(&["strace", "-D", "-f", "-qq", "-o", &log, "-e", calls]);
    let sticky = Sticky::started(phone, "size=100m,nr_inodes=60000");
    for n in 0..FILES {
        older(
            &format!("Record_2020{:02}01_{:06}.wav", 1 + n / 10_000, n % 10_000),
            &sticky,
            1,
        );
    }
    sticky.leave_free(0);
    let (start, talker) = sticky.start();
    talker.wait(300);
    let sent = talker.end();
    let stop = sticky.phone.stop(&start.id());
    read(&sticky.path().join(stop.value("files"))).assert_holds(&sent.concat());
    let gone = sticky.phone.stat("deleted") as usize;
    assert!(
        gone > 200 && sticky.phone.files().len() == 2 + FILES - gone,
        "{gone} recordings had to go"
    );
    let trace = fs::read_to_string(&log).unwrap();
    let (reads, deletions) = busiest_turn(&trace);
    assert!(
        trace.matches("unlinkat(").count() >= gone,
        "the trace is whole"
    );
    // 128 names of 48 bytes are three buffers of 2 KiB and a part of one; a recording, and its
    // sidecar.
    assert!(
        (1..=5).contains(&reads) && (1..=2).contains(&deletions),
        "{reads} reads, {deletions} deletions in a turn"
    );
}
