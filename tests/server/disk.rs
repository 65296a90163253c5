//! The recordings' folder is removed, replaced or full: the server reports it, and continues once
//! it works again.

use std::fs;

use crate::common::server::{RecordingPhone, Server};
use crate::common::small_disk::SmallDisk;
use crate::common::{file, wait_for};
use nix::sys::signal::{kill, Signal};
use nix::unistd::Pid;

const METRICS: [&str; 2] = ["--metrics", "127.0.0.1:0"];

fn is_healthy(server: &Server) -> bool {
    server.page("/healthz").0.contains(" 200 ")
}

/// What a health check is told, once the server is unhealthy.
fn reason(server: &Server) -> String {
    wait_for("an unhealthy server", || !is_healthy(server));
    server.page("/healthz").1
}

fn refusal(server: &Server) -> String {
    RecordingPhone::start(server.connect(), "9", "&device=late")
        .err()
        .unwrap()
        .reason()
}

/// Records 30 frames as this device; they are in its file in the folder.
fn assert_records(server: &Server, device: &str) {
    let mut phone = server.phone("1", &format!("&device={device}"));
    phone.send(30, false);
    assert!(phone.stop().success());
    assert_eq!(
        file::read(&server.file(device, ".wav")).frames,
        phone.payloads()
    );
    assert_eq!(server.sidecar(device)["result"], "success");
}

fn lines_with(server: &Server, words: &str) -> usize {
    server
        .log()
        .lines()
        .filter(|line| line.contains(words))
        .count()
}

#[test]
fn a_removed_folder_is_told_of_and_used_again_once_it_is_there() {
    let server = Server::new(&METRICS);
    let folder = server.dir.join("recordings");
    let mut phone = server.phone("1", "&device=a");
    phone.send(30, false);
    fs::remove_dir_all(&folder).unwrap();
    // The phone is told: it may go on to its own stick.
    assert_eq!(
        phone.line.next().unwrap().0,
        "cmd=RecordStopRequest&id=1&reason=disk-error"
    );
    let words = reason(&server);
    assert!(
        words.contains(&format!("the folder {} does not exist", folder.display())),
        "{words}"
    );
    assert!(
        words.contains("create it or mount its file system"),
        "{words}"
    );
    assert_eq!(
        (refusal(&server).as_str(), server.metric("disk_trouble")),
        ("disk-error", 1)
    );
    phone
        .line
        .send(b"cmd=RecordStopResponse&id=1&result=success\n");
    wait_for("the end", || server.metric("recordings") == 0);
    fs::create_dir(&folder).unwrap();
    wait_for("a healthy server", || is_healthy(&server));
    assert_records(&server, "b");
    assert_eq!(
        (server.metric("disk_trouble"), server.metric("unfinished")),
        (0, 0)
    );
    assert_eq!(
        lines_with(&server, "does not exist"),
        1,
        "one line for one change"
    );
    assert_eq!(lines_with(&server, "recordings can be stored again"), 1);
}

#[test]
#[cfg_attr(
    target_arch = "arm",
    ignore = "under qemu-user no ARM program starts another"
)]
fn workers_tell_of_their_folder_and_one_that_hangs_is_not_healthy() {
    let server = Server::new(&[&METRICS[..], &["--workers", "2"]].concat());
    let folder = server.dir.join("recordings");
    wait_for("healthy workers", || is_healthy(&server));
    fs::remove_dir(&folder).unwrap();
    wait_for("all workers to notice", || {
        server
            .page("/healthz")
            .1
            .contains("0 of 2 processes can store recordings")
    });
    let words = reason(&server);
    assert!(
        words.contains(&format!("the folder {} does not exist", folder.display())),
        "{words}"
    );
    fs::create_dir(&folder).unwrap();
    wait_for("healthy workers", || is_healthy(&server));
    let pid = server.pid();
    let list = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap();
    let worker = Pid::from_raw(list.split_whitespace().next().unwrap().parse().unwrap());
    kill(worker, Signal::SIGSTOP).unwrap();
    let words = reason(&server);
    assert!(words.contains("1 of 2 processes"), "{words}");
    kill(worker, Signal::SIGCONT).unwrap();
    wait_for("healthy workers", || is_healthy(&server));
}

#[test]
#[ignore = "needs root"]
fn a_file_system_mounted_over_the_folder_gets_what_is_recorded_from_then_on() {
    let server = Server::new(&METRICS);
    let mut phone = server.phone("1", "&device=a");
    phone.send(30, false);
    wait_for("the packets", || {
        server
            .page("/metrics")
            .1
            .contains("{verdict=\"audio\"} 30\n")
    });
    let disk = SmallDisk::over(&server, "size=20m");
    // What runs goes on there, in another file.
    wait_for("another file", || !server.files("a").is_empty());
    phone.send(30, false);
    assert!(phone.stop().success());
    let sidecar = server.sidecar("a");
    assert_eq!(
        (&sidecar["part"], &sidecar["end"]),
        (&2.into(), &"stopped".into())
    );
    let behind = file::read(&server.file("a", ".wav")).frames;
    assert_records(&server, "b");
    assert!(is_healthy(&server));
    // Without the file system the first folder is there again, with the first part.
    drop(disk);
    let unmounted = || lines_with(&server, "names another folder than before") == 2;
    wait_for("the first folder", unmounted);
    let sidecar = server.sidecar("a");
    assert_eq!(
        (&sidecar["part"], &sidecar["end"]),
        (&1.into(), &"rolled".into())
    );
    let frames = [file::read(&server.file("a", ".wav")).frames, behind].concat();
    assert_eq!(frames, phone.payloads(), "nothing is lost between the two");
    assert!(server.files("b").is_empty());
    assert_records(&server, "c");
    assert!(is_healthy(&server));
}

#[test]
#[ignore = "needs root"]
fn a_full_disk_without_reserve_is_told_of_and_the_sidecar_is_written_later() {
    let mut server = Server::prepared(&[&METRICS[..], &["--reserve", "0"]].concat());
    let disk = SmallDisk::over(&server, "size=400k");
    server.start();
    let mut phone = server.phone("1", "&device=a");
    phone.send(50, false);
    wait_for("the packets", || {
        server
            .page("/metrics")
            .1
            .contains("{verdict=\"audio\"} 50\n")
    });
    disk.fill("other");
    phone.send(250, false);
    assert!(phone.line.next().unwrap().0.ends_with("reason=disk-full"));
    phone
        .line
        .send(b"cmd=RecordStopResponse&id=1&result=success\n");
    wait_for("a sidecar that waits", || server.metric("unfinished") == 1);
    let words = reason(&server);
    assert!(
        words.starts_with("disk full: ") && words.contains("delete files"),
        "{words}"
    );
    assert_eq!(
        (refusal(&server).as_str(), server.metric("disk_trouble")),
        ("disk-full", 3)
    );
    assert!(
        !server.files("a").iter().any(|name| name.ends_with(".json")),
        "{:?}",
        server.files("a")
    );
    fs::remove_file(disk.0.join("other")).unwrap();
    wait_for("a healthy server", || is_healthy(&server));
    let sidecar = server.sidecar("a");
    assert_eq!(
        (&sidecar["end"], &sidecar["result"]),
        (&"disk-full".into(), &"failed".into())
    );
    wait_for("nothing that waits", || server.metric("unfinished") == 0);
    assert_eq!(
        sidecar["frames"],
        file::read(&server.file("a", ".wav")).frames.len()
    );
    assert_records(&server, "b");
}

#[test]
#[ignore = "needs root"]
fn a_disk_that_has_room_and_takes_no_files_is_full_until_it_takes_them() {
    let mut server = Server::prepared(&[&METRICS[..], &["--reserve", "0"]].concat());
    let disk = SmallDisk::over(&server, "size=20m,nr_inodes=2");
    server.start();
    wait_for("a first look", || is_healthy(&server));
    fs::write(disk.0.join("other"), "").unwrap();
    assert_eq!(refusal(&server), "disk-full");
    let words = reason(&server);
    assert!(words.starts_with("disk full: "), "{words}");
    disk.remount("nr_inodes=100");
    wait_for("a healthy server", || is_healthy(&server));
    assert_records(&server, "a");
    // A disk that is read-only is no full one.
    disk.remount("ro");
    let words = reason(&server);
    assert!(words.contains("files cannot be created"), "{words}");
    disk.remount("rw");
    wait_for("a healthy server", || is_healthy(&server));
    assert_records(&server, "b");
}

#[test]
#[ignore = "needs root"]
fn a_disk_that_fills_up_stops_recordings_with_valid_files_and_refuses_new_ones() {
    let mut server = Server::prepared(&["--reserve", "1", "--metrics", "127.0.0.1:0"]);
    let disk = SmallDisk::over(&server, "size=4m");
    server.start();
    let free = || {
        let body = server.page("/metrics").1;
        let value = body
            .lines()
            .find_map(|line| line.strip_prefix("callrec_free_bytes "))
            .unwrap();
        value.parse::<u64>().unwrap()
    };
    wait_for("a first look at the disk", || free() == 4 << 20);
    let mut phone = server.phone("1", "&device=0c383e000001");
    phone.send(50, false);
    std::fs::write(disk.0.join("other"), vec![0; 3_500_000]).unwrap();
    let stop = phone.line.next().unwrap();
    assert_eq!(stop.0, "cmd=RecordStopRequest&id=1&reason=disk-full");
    phone
        .line
        .send(b"cmd=RecordStopResponse&id=1&result=success\n");
    let sidecar = server.sidecar("0c383e000001");
    assert_eq!(
        (&sidecar["end"], &sidecar["result"]),
        (&"disk-full".into(), &"failed".into())
    );
    assert_eq!(
        file::read(&server.file("0c383e000001", ".wav")).frames,
        phone.payloads()
    );
    let refused = RecordingPhone::start(server.connect(), "2", "&device=0c383e000001")
        .err()
        .unwrap();
    assert_eq!(refused.reason(), "disk-full");
    // Whoever asks for its health must not be told of a disk as it was when the last phone called.
    let is_healthy = || server.page("/healthz").0.contains(" 200 ");
    drop(phone);
    wait_for("an unhealthy server", || !is_healthy());
    std::fs::remove_file(disk.0.join("other")).unwrap();
    wait_for("a healthy one, without anybody who calls", is_healthy);
    wait_for("room", || {
        RecordingPhone::start(server.connect(), "3", "&device=b").is_ok()
    });
}

#[test]
#[ignore = "needs root"]
fn a_write_that_finds_no_room_ends_on_a_whole_frame() {
    let mut server = Server::prepared(&["--reserve", "0"]);
    let disk = SmallDisk::over(&server, "size=400k");
    server.start();
    let mut phone = server.phone("1", "&device=0c383e000001");
    phone.send(50, false);
    let path = server.file("0c383e000001", ".wav");
    wait_for("the first frames", || {
        std::fs::metadata(&path).unwrap().len() > 76 + 20 * 172
    });
    let mut size = 400_000;
    while std::fs::write(disk.0.join("other"), vec![0; size]).is_err() {
        size -= 4096; // as much as there is room for, but one page
    }
    phone.send(100, true);
    assert!(phone.line.next().unwrap().0.ends_with("reason=disk-full"));
    drop(phone);
    wait_for("the end", || {
        server.log().contains(" end=disk-full result=failed")
    });
    let recording = file::read(&path);
    assert!(recording.frames.len() >= 30, "{}", recording.frames.len());
}
