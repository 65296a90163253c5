//! The owner of a stick, who also fetches recordings from phones.

use std::fs;
use std::net::UdpSocket;
use std::path::Path;

use super::document::Command;
use super::made::{assert_hears, free_ports, names, put, put_unfinished, receiver, BUILDS, KEY};
use super::Walk;
use crate::common::{self, wait_for, Phone};

/// The phone of the owner, with his stick in it, and the rendezvous server that it knows.
struct OwnersPhone {
    phone: Phone,
    rendezvous: common::Process,
}

impl OwnersPhone {
    fn new(walk: &mut Walk, stick: &Path) -> Self {
        let [fsp, port] = free_ports();
        let devices = format!("0015651a2b3c = {KEY}\n");
        let devices = walk.folder.file("devices.conf", devices.as_bytes());
        let listen = format!("127.0.0.1:{port}");
        let mut server = common::command(env!("CARGO_BIN_EXE_callrec-server"));
        server.args(["rendezvous", "--listen", &listen, "--devices", &devices]);
        let log = walk.folder.path("rendezvous.log");
        let mut rendezvous = common::Process::default();
        rendezvous.start(&mut server, fs::File::create(&log).unwrap());
        wait_for("the rendezvous server", || {
            fs::read_to_string(&log).unwrap().contains("1 phones known")
        });
        let mut phone = Phone::prepared(&format!(
            "usbMount = {}\nfspEnabled = 1\nfspPassword = secret\nfspAddr = 127.0.0.1\nfspPort = {fsp}\n\
             fspPasswordFile = {}\np2pServer = 127.0.0.1\np2pPort = {port}\np2pCid = 0015651a2b3c\np2pKey = {KEY}\n\
             p2pInviteCode = sesame",
            stick.display(),
            walk.folder.path("changed-password"),
        ));
        phone.start();
        wait_for("the registration", || phone.log().contains("registered"));
        walk.folder.file("stick/phone.pw", b"secret\n");
        walk.replace("192.168.1.20", &format!("127.0.0.1:{fsp}"));
        walk.replace("p2p.example.org", &listen);
        Self { phone, rendezvous }
    }

    /// Both have worked to the end.
    fn end(mut self) {
        assert_eq!(self.phone.end(), Some(0));
        assert!(self.rendezvous.lives());
    }
}

#[test]
fn the_owner_of_a_stick() {
    let mut walk = Walk::new("src/cli/README.md");
    let stick = walk.folder.0.join("stick");
    fs::create_dir(&stick).unwrap();
    put(
        &stick,
        "Record_20260102_101500.wav",
        6100,
        "2026-01-02T10:15:00+01:00",
    );
    put_unfinished(&stick, "Record_20260103_090000.wav");
    walk.here.clone_from(&stick);
    walk.fake("ffplay", "heard");
    let (socket, address) = receiver();
    let bin = walk.folder.path("bin/");
    walk.replace("target/release/", &bin);
    walk.replace("/mnt/usb", stick.to_str().unwrap());
    walk.replace("192.168.1.20:5004", &address);
    let fetched = walk.folder.path("srv/calls");
    walk.replace("/srv/calls", &fetched);
    walk.replace("man -l -", "cat"); // a package that servers do without
    walk.leave_out(&[
        ("cargo build", BUILDS),
        (
            "gftp-text",
            "a package; tests/remote/fsp_clients.rs runs it",
        ),
    ]);
    let mut phone = None;
    while let Some(command) = walk.next() {
        if walk.is_at(&command, "callrec fetch --ip") && phone.is_none() {
            // It would come with this one, too.
            fs::remove_file(stick.join("Record_20260103_090000.wav")).unwrap();
            phone = Some(OwnersPhone::new(&mut walk, &stick));
        }
        owner_follows(&mut walk, &command, &stick, &socket);
    }
    let day = Path::new(&fetched).join("0015651a2b3c/Recorder");
    assert_eq!(names(&day.join("20260102"), ".wav").len(), 1);
    assert_eq!(names(&day.join("20260104"), ".wav").len(), 1);
    phone.unwrap().end();
    walk.end();
}

fn owner_follows(walk: &mut Walk, command: &Command, stick: &Path, socket: &UdpSocket) {
    if walk.is_at(
        command,
        "callrec play Record_20260102_101500.wav 192.168.1.20",
    ) {
        // In real time: two minutes.
        walk.start(command);
        assert_hears(socket);
        walk.interrupt();
        return;
    }
    if walk.is_at(command, "source <(callrec completions bash)") {
        walk.run(command, "; complete -p callrec");
        return;
    }
    if walk.is_at(command, "callrec fetch --id") {
        let start = "2026-01-04T08:00:00+01:00";
        put(stick, "Record_20260104_080000.wav", 100, start);
    }
    let printed = walk.follow(command);
    for (begin, expected) in [
        ("callrec man export | man", ".TH CALLREC\\-EXPORT 1"),
        ("callrec list /mnt/usb", "unfinished"),
        ("callrec list --number 100", "1 recording, 2:02"),
        ("callrec info Record_", "Ann"),
        ("callrec repair", "Record_20260103_090000.wav"),
        ("callrec verify /mnt", "Record_20260102_101500.wav: ok\n"),
        ("callrec fetch --id", "Record_20260104_080000.wav"),
    ] {
        let is_as_expected = !walk.is_at(command, begin) || printed.contains(expected);
        assert!(is_as_expected, "{command:?}: {printed}");
    }
    for (begin, file, bytes) in [
        (
            "callrec play Record_20260102_101500.wav",
            "../heard",
            6100 * 320,
        ),
        (
            "callrec export Record_20260102_101500.wav call.wav",
            "call.wav",
            6100 * 160,
        ),
        (
            "callrec export --from 1:30 --to 2:00 --pcm16",
            "piece.wav",
            30 * 16_000,
        ),
        (
            "callrec export Record_20260102_101500.wav call.svg",
            "call.svg",
            1000,
        ),
    ] {
        if walk.is_at(command, begin) {
            let length = fs::metadata(stick.join(file)).unwrap().len();
            assert!(
                (bytes..bytes + 50_000).contains(&length),
                "{file}: {length}"
            );
        }
    }
}
