//! A small file system in the stick's place: it comes and goes, fills up, is read-only, is exchanged.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use common::file::{read, read_unfinished};
use common::{wait_for, Answer, Phone, Talker};
use nix::sys::signal::Signal;

const MIB: u64 = 1 << 20;

/// A phone with a folder that a tmpfs can be mounted on.
struct Sticky {
    phone: Phone,
    mounts: std::cell::Cell<u32>,
}

impl Sticky {
    /// Nothing is mounted yet.
    fn bare(config: &str) -> Self {
        Self { phone: Phone::new(&format!("usbRequireMount = 1\n{config}")), mounts: std::cell::Cell::new(0) }
    }

    /// 2 MiB are mounted, and the daemon knows.
    fn new(config: &str) -> Self {
        let this = Self::bare(config);
        let mut watch = this.phone.watch();
        this.mount("size=2m");
        let event = watch.until("StickEvent", "mounted");
        assert_eq!(event.value("path"), this.phone.stick().to_str().unwrap());
        this
    }

    fn path(&self) -> PathBuf {
        self.phone.stick()
    }

    fn mount(&self, options: &str) {
        system("mount", &["-t", "tmpfs", "-o", options, "tmpfs", self.path().to_str().unwrap()]);
        self.mounts.set(self.mounts.get() + 1);
    }

    fn unmount(&self) {
        system("umount", &["-l", self.path().to_str().unwrap()]);
        self.mounts.set(self.mounts.get() - 1);
    }

    fn remount(&self, options: &str) {
        system("mount", &["-o", &format!("remount,{options}"), self.path().to_str().unwrap()]);
    }

    fn free(&self) -> u64 {
        let space = nix::sys::statvfs::statvfs(&self.path()).unwrap();
        #[allow(clippy::unnecessary_cast)] // 32 bits on some targets
        let (blocks, size) = (space.blocks_available() as u64, space.fragment_size() as u64);
        blocks * size
    }

    /// Fills the stick with a foreign file until this many bytes are free.
    fn leave_free(&self, bytes: u64) {
        let filler = self.path().join("holiday.mp4");
        let length = fs::metadata(&filler).map_or(0, |entry| entry.len());
        fs::write(&filler, vec![7; (length + self.free() - bytes) as usize]).unwrap();
        assert_eq!(self.free(), bytes / 4096 * 4096);
    }

    fn start(&self) -> (Answer, Talker) {
        let start = self.phone.record("&legs=1");
        let talker = Talker::new(start.ports()[0], 0xBEEF);
        (start, talker)
    }
}

impl Drop for Sticky {
    fn drop(&mut self) {
        self.phone.kill();
        (0..self.mounts.get()).for_each(|_| self.unmount());
    }
}

fn system(program: &str, arguments: &[&str]) {
    let output = Command::new(program).args(arguments).output().unwrap();
    assert!(output.status.success(), "{program} {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// A recording of 20 frames that was made before.
fn older(name: &str, sticky: &Sticky, frames: u32) -> PathBuf {
    let mut bytes = b"PCMU".to_vec();
    bytes.resize(64, 0);
    [172, 160, frames * 172].iter().for_each(|number: &u32| bytes.extend(number.to_le_bytes()));
    for n in 0..frames {
        bytes.extend(common::rtp(0, n as u16, n * 160, 1, &[0xFF; 160]));
    }
    let path = sticky.path().join(name);
    fs::write(&path, bytes).unwrap();
    path
}

#[test]
#[ignore = "needs root: scripts/test runs it"]
fn without_a_mount_nothing_is_written_and_with_one_it_works() {
    let sticky = Sticky::bare("");
    assert_eq!(sticky.phone.ask("cmd=RecordStartRequest").reason(), "no-stick");
    assert!(sticky.phone.files().is_empty(), "nothing fills the root file system");
    let mut watch = sticky.phone.watch();
    sticky.mount("size=2m");
    let event = watch.until("StickEvent", "mounted");
    assert_eq!(event.value("free_mib"), "2");
    let (start, talker) = sticky.start();
    talker.wait(20);
    let sent = talker.end();
    let stop = sticky.phone.stop(&start.id());
    read(&sticky.path().join(stop.value("files"))).assert_holds(&sent.concat());
    sticky.unmount();
    watch.until("StickEvent", "removed");
    assert_eq!(sticky.phone.ask("cmd=RecordStartRequest").reason(), "no-stick");
    assert!(sticky.phone.files().is_empty());
}

#[test]
#[ignore = "needs root: scripts/test runs it"]
fn a_stick_that_is_pulled_ends_what_is_played_from_it() {
    let sticky = Sticky::new("");
    older("Record_20260101_100000.wav", &sticky, 5000);
    let mut watch = sticky.phone.watch();
    let listeners = [common::listener::Listener::new(), common::listener::Listener::new()];
    let ids = listeners.each_ref().map(|to| sticky.phone.play("Record_20260101_100000.wav", to, "").id());
    assert!(sticky.phone.ask(&format!("cmd=PlayPauseRequest&id={}", ids[1])).success());
    listeners[0].take(10);
    sticky.unmount();
    let events = [(); 2].map(|()| watch.until("PlayEvent", "failed"));
    assert!(events.iter().zip(&ids).all(|(event, id)| event.id() == *id), "{events:?}");
    assert!(events.iter().all(|event| event.value("reason").starts_with("stick-lost: ")), "{events:?}");
    assert_eq!(sticky.phone.play("Record_20260101_100000.wav", &listeners[0], "").reason(), "no-stick");
}

#[test]
#[ignore = "needs root: scripts/test runs it"]
fn a_stick_that_is_pulled_ends_its_recordings_and_the_next_one_works() {
    let sticky = Sticky::new("");
    let mut watch = sticky.phone.watch();
    for _ in 0..3 {
        let (first, talker) = sticky.start();
        let second = sticky.phone.record("");
        talker.wait(30);
        sticky.unmount();
        assert_eq!(watch.until("StickEvent", "removed").value("path"), sticky.path().to_str().unwrap());
        for start in [&first, &second] {
            let event = watch.until("RecordEvent", "failed");
            assert_eq!(event.value("reason").split(':').next(), Some("stick-lost"), "{event:?}");
            assert!([first.id(), second.id()].contains(&event.id()));
            assert_eq!(sticky.phone.ask(&format!("cmd=RecordStopRequest&id={}", start.id())).reason(), "unknown-id");
        }
        assert_eq!(sticky.phone.ask("cmd=RecordStartRequest").reason(), "no-stick");
        assert!(sticky.phone.files().is_empty(), "nothing goes into the folder below");
        sticky.mount("size=2m");
        watch.until("StickEvent", "mounted");
    }
    let (start, talker) = sticky.start();
    talker.wait(20);
    let sent = talker.end();
    read(&sticky.path().join(sticky.phone.stop(&start.id()).value("files"))).assert_holds(&sent.concat());
}

#[test]
#[ignore = "needs root: scripts/test runs it"]
fn a_stick_that_is_exchanged_unseen_is_the_new_stick() {
    let sticky = Sticky::new("");
    let old = sticky.phone.record("&legs=0");
    let torn = sticky.path().join("torn");
    fs::write(&torn, "on the old one").unwrap();
    // The daemon sees both changes at once: the path is the same, the stick is not.
    sticky.phone.signal(Signal::SIGSTOP);
    sticky.unmount();
    sticky.mount("size=2m");
    older("Record_20200101_000000.wav", &sticky, 3);
    let cut = sticky.path().join("Record_20200101_000000.wav");
    fs::File::options().append(true).open(&cut).unwrap().set_len(76 + 172 + 9).unwrap();
    sticky.phone.signal(Signal::SIGCONT);
    let _ = sticky.phone.ask(&format!("cmd=RecordStopRequest&id={}", old.id()));
    let (start, talker) = sticky.start();
    talker.wait(10);
    let sent = talker.end();
    let stop = sticky.phone.stop(&start.id());
    let path = sticky.path().join(stop.value("files"));
    assert!(path.exists(), "{} is not on the stick that is there", stop.value("files"));
    read(&path).assert_holds(&sent.concat());
    wait_for("the new stick's repair", || fs::metadata(&cut).unwrap().len() == 76 + 172);
}

#[test]
#[ignore = "needs root: scripts/test runs it"]
fn a_stick_mounted_over_another_one_is_used() {
    let sticky = Sticky::new("");
    let mut watch = sticky.phone.watch();
    sticky.mount("size=3m");
    let (start, _talker) = sticky.start();
    let path = sticky.path().join(start.value("file"));
    assert!(path.exists(), "recorded below the stick that is seen");
    sticky.phone.stop(&start.id());
    sticky.unmount();
    watch.until("StickEvent", "mounted");
    let start = sticky.phone.record("");
    assert!(sticky.path().join(start.value("file")).exists());
}

#[test]
#[ignore = "needs root: scripts/test runs it"]
fn an_idle_daemon_lets_the_stick_be_unmounted() {
    let sticky = Sticky::new("");
    sticky.phone.stop(&sticky.phone.record("").id());
    system("umount", &[sticky.path().to_str().unwrap()]);
    sticky.mounts.set(0);
    wait_for("the removal", || sticky.phone.ask("cmd=RecordStartRequest&legs=0").reason() == "no-stick");
}

#[test]
#[ignore = "needs root: scripts/test runs it"]
fn the_reserve_ends_a_recording_with_a_whole_file_and_the_daemon_goes_on() {
    let sticky = Sticky::new("");
    let mut watch = sticky.phone.watch();
    // 1 MiB of reserve, 64 KiB of elbow room, and two seconds of audio.
    sticky.leave_free(MIB + 64 * 1024 + 20 * 1024);
    let (start, talker) = sticky.start();
    watch.until("RecordEvent", "recording");
    let full = watch.until("StickEvent", "full");
    assert_eq!(full.value("path"), sticky.path().to_str().unwrap());
    assert_eq!(full.value("free_mib"), "1", "{full:?}");
    let failed = watch.until("RecordEvent", "failed");
    assert_eq!((failed.id(), failed.value("file")), (start.id(), start.value("file")));
    assert_eq!(failed.value("reason").split(':').next(), Some("disk-full"));
    assert!(sticky.free() >= MIB, "{} bytes are free", sticky.free());
    let sent = talker.end();
    let recording = read(&sticky.path().join(start.value("file")));
    let numbers: Vec<usize> = recording.numbers(&sent).into_iter().flatten().collect();
    assert!(numbers.len() > 50 && numbers.iter().zip(0..).all(|(n, i)| *n == i), "{numbers:?}");
    assert_eq!(sticky.phone.ask("cmd=RecordStartRequest").reason(), "disk-full");
    assert_eq!(sticky.phone.files().len(), 2, "a start that is refused leaves no file");
    fs::remove_file(sticky.path().join("holiday.mp4")).unwrap();
    let (start, talker) = sticky.start();
    talker.wait(10);
    let sent = talker.end();
    read(&sticky.path().join(sticky.phone.stop(&start.id()).value("files"))).assert_holds(&sent.concat());
}

#[test]
#[ignore = "needs root: scripts/test runs it"]
fn a_stick_that_others_fill_to_the_last_byte_keeps_a_whole_file() {
    let sticky = Sticky::new("usbReserve = 0");
    let mut watch = sticky.phone.watch();
    let (start, talker) = sticky.start();
    talker.wait(40);
    let filler = sticky.path().join("holiday.mp4");
    let _ = fs::write(&filler, vec![1; 3 * MIB as usize]);
    let failed = watch.until("RecordEvent", "failed");
    assert_eq!(failed.value("reason").split(':').next(), Some("disk-full"));
    let sent = talker.end();
    let (recording, size) = read_unfinished(&sticky.path().join(start.value("file")));
    let whole = read(&sticky.path().join(start.value("file")));
    assert_eq!((recording.frames.len(), size as usize), (whole.frames.len(), whole.frames.len() * 172));
    assert!(whole.numbers(&sent).into_iter().flatten().zip(0..).all(|(n, i)| n == i));
    assert_eq!(sticky.phone.ask("cmd=RecordStartRequest").reason(), "disk-full");
    fs::remove_file(filler).unwrap();
    sticky.phone.stop(&sticky.phone.record("").id());
}

#[test]
#[ignore = "needs root: scripts/test runs it"]
fn covering_deletes_the_oldest_recordings_and_nothing_else() {
    let sticky = Sticky::new("coverOlderRecordings = 1");
    let foreign = ["a.wav", "record_19990101_000000.wav", "Record_19990101_000000.txt", "Recorder.wav", "notes"];
    foreign.iter().for_each(|name| fs::write(sticky.path().join(name), "x").unwrap());
    let old: Vec<PathBuf> = ["20200101_000000", "20200101_000000_2", "20200101_000000_10", "20210101_000000"]
        .iter()
        .map(|time| older(&format!("Record_{time}.wav"), &sticky, 150))
        .collect();
    sticky.leave_free(MIB + 64 * 1024 + 12 * 1024);
    let (start, talker) = sticky.start();
    let gone = || old.iter().take_while(|path| !path.exists()).count();
    wait_for("two to be deleted", || gone() >= 2);
    assert_eq!(old.iter().filter(|path| path.exists()).count(), old.len() - gone(), "the oldest first");
    assert!(gone() < 4, "no more than is needed");
    let sent = talker.end();
    let stop = sticky.phone.stop(&start.id());
    read(&sticky.path().join(stop.value("files"))).assert_holds(&sent.concat());
    foreign.iter().for_each(|name| assert!(sticky.path().join(name).exists(), "{name}"));
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
    wait_for("the old one to go", || !old.exists() || sticky.phone.stat("failed") > 0);
    assert_eq!(sticky.phone.stat("failed"), 0, "the recording ended: {}", sticky.phone.log());
    let sent = talker.end();
    let stop = sticky.phone.stop(&start.id());
    read(&sticky.path().join(stop.value("files"))).assert_holds(&sent.concat());
    assert!(kept.exists());
}

#[test]
#[ignore = "needs root: scripts/test runs it"]
fn a_stick_that_is_read_only_is_none_until_it_can_be_written() {
    let sticky = Sticky::new("");
    let mut watch = sticky.phone.watch();
    sticky.phone.stop(&sticky.phone.record("").id());
    let torn = older("Record_20200101_000000.wav", &sticky, 3);
    fs::File::options().append(true).open(&torn).unwrap().set_len(76 + 172 + 9).unwrap();
    sticky.remount("ro");
    watch.until("StickEvent", "removed");
    assert_eq!(sticky.phone.ask("cmd=RecordStartRequest").reason(), "no-stick");
    sticky.remount("rw");
    watch.until("StickEvent", "mounted");
    wait_for("the repair", || fs::metadata(&torn).unwrap().len() == 76 + 172);
    sticky.phone.stop(&sticky.phone.record("").id());
    sticky.unmount();
    watch.until("StickEvent", "removed");
    sticky.mount("size=2m,ro");
    assert_eq!(sticky.phone.ask("cmd=RecordStartRequest").reason(), "no-stick");
}
