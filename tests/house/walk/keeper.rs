//! The keeper of the recording server and the rendezvous server.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command as Program;

use super::document::Command;
use super::made::{names, BUILDS, KEY};
use super::Walk;
use crate::common::{wait_for, Phone};

#[test]
fn the_servers_keeper() {
    keeper(false);
}

#[test]
#[ignore = "needs the package rsync: scripts/test installs it"]
fn the_servers_keeper_who_backs_up() {
    keeper(true);
}

/// The folders and files of the keeper's computer.
fn keepers_computer(walk: &mut Walk) {
    let source = walk.folder.0.join("source");
    for folder in ["usr/local/bin", "etc/systemd/system", "var/lib/callrec"] {
        fs::create_dir_all(walk.folder.0.join(folder)).unwrap();
    }
    fs::create_dir(&source).unwrap();
    symlink(fs::canonicalize("src").unwrap(), source.join("src")).unwrap();
    let options = walk.block("listen = ").join("\n");
    fs::write(source.join("record.conf"), options).unwrap();
    // tests/container_office runs it.
    let compose = walk.block("export CALLREC_ADDRESS=").join("\n");
    let file = "board/container/compose.yaml";
    assert!(compose.contains(file) && fs::exists(file).unwrap());
    let phones = format!("0015651a2b3c = {KEY}, sesame\n");
    fs::write(source.join("phones.conf"), phones).unwrap();
    let bin = walk.folder.path("bin/");
    walk.replace("target/release/", &bin);
    for folder in ["/usr/local/bin/", "/etc/", "/var/lib/callrec"] {
        walk.replace(folder, &walk.folder.path(&folder[1..]));
    }
    walk.here = source;
}

fn keeper(has_rsync: bool) {
    let mut walk = Walk::new("src/server/README.md");
    keepers_computer(&mut walk);
    walk.fake("ffplay", "heard");
    walk.replace("0.0.0.0:10000", "127.0.0.1:0 --rtp-ports 42000-42399");
    walk.replace("127.0.0.1:9100", "127.0.0.1:0");
    walk.replace("10.0.0.0/8", "127.0.0.0/8");
    walk.replace("bash|zsh|fish", "bash");
    walk.replace("[COMMAND]", "record");
    walk.replace("phones.conf", "phones.conf --listen 127.0.0.1:0");
    walk.replace("--phones 100 --seconds 10", "--phones 3 --seconds 1");
    walk.replace("FILE", "record.conf");
    walk.leave_out(&[
        ("cargo build", BUILDS),
        ("useradd", "adds a user to this computer"),
        ("systemctl", "needs systemd as the first process"),
        ("journalctl", "needs systemd as the first process"),
    ]);
    if !has_rsync {
        walk.leave_out(&[("rsync", "needs the package rsync")]);
    }
    let recordings = walk.folder.0.join("var/lib/callrec");
    let store = ObjectStore::new(&mut walk);
    let mut phone = None;
    while let Some(command) = walk.next() {
        if walk.is_at(&command, "callrec-server record") && phone.is_none() {
            phone = Some(keepers_phone(&mut walk, &command));
        } else if store.is_at(&mut walk, &command) {
            let log = walk.start(&command);
            walk.wait_until_said(&log, " is ready on ");
            walk.stop();
        } else if walk.is_at(&command, "callrec-server rendezvous") {
            let log = walk.start(&command);
            walk.wait_until_said(&log, "1 phones known");
            walk.stop();
        } else {
            keeper_follows(&mut walk, &command, &recordings, has_rsync);
        }
    }
    walk.end();
}

/// Starts the server, and a phone that records to it.
fn keepers_phone(walk: &mut Walk, command: &Command) -> Phone {
    let log = walk.start(command);
    let said = walk.wait_until_said(&log, " is ready on ");
    let (_, address) = said.split_once(" is ready on ").unwrap();
    let address = address.split([' ', ',', '\n']).next().unwrap();
    walk.replace("127.0.0.1:10000", address);
    let port = address.strip_prefix("127.0.0.1:").unwrap();
    let phone = Phone::new(&format!("serverAddr = 127.0.0.1\nserverPort = {port}"));
    let socket = phone.socket();
    let call = format!(
        "callrec-sim call --seconds 1 --quiet --set remote_number=100 --socket {}",
        socket.display()
    );
    walk.replace("callrec-sim call", &call);
    phone
}

fn keeper_follows(walk: &mut Walk, command: &Command, recordings: &Path, has_rsync: bool) {
    if walk.is_at(command, "callrec verify backup/") && !has_rsync {
        let mut copy = Program::new("cp");
        copy.arg("-a").arg(recordings).arg(walk.here.join("backup"));
        assert!(copy.status().unwrap().success());
    }
    let printed = walk.follow(command);
    if walk.is_at(command, "callrec-sim call") {
        let file = finished(recordings, 1).remove(0);
        walk.replace("FILE", file.to_str().unwrap());
    }
    if walk.is_at(command, "callrec-sim load") {
        finished(recordings, 4);
    }
    for (begin, expected) in [
        ("callrec-server check FILE", "allow = 10.0.0.0/8\n"),
        ("callrec-server completions", "complete "),
        ("callrec-server man", ".TH CALLREC\\-SERVER\\-RECORD"),
        ("callrec list --number 100", "1 recording,"),
        ("callrec verify /var", ": ok\n"),
        ("callrec verify backup", ": ok\n"),
    ] {
        let is_as_expected = !walk.is_at(command, begin) || printed.contains(expected);
        assert!(is_as_expected, "{command:?}: {printed}");
    }
    for (begin, file) in [
        ("callrec play FILE", "../heard"),
        ("callrec export FILE call.wav", "call.wav"),
        ("install -m 755", "../usr/local/bin/callrec-server"),
        ("install -D", "../etc/callrec/record.conf"),
        (
            "install -m 644 src",
            "../etc/systemd/system/callrec-server-record.service",
        ),
    ] {
        if walk.is_at(command, begin) {
            let length = fs::metadata(walk.here.join(file)).unwrap().len();
            assert!(length > 0, "{command:?}");
        }
    }
}

/// The server's recordings, once so many are finished.
fn finished(folder: &Path, count: usize) -> Vec<PathBuf> {
    let mut found = vec![];
    wait_for("finished recordings", || {
        found.clear();
        for device in fs::read_dir(folder).unwrap() {
            let device = device.unwrap().path();
            let sidecars = names(&device, ".json").into_iter();
            let files = sidecars.map(|name| device.join(name).with_extension("wav"));
            found.extend(files);
        }
        found.len() >= count
    });
    found
}

/// An object storage that nothing is uploaded to.
struct ObjectStore {
    #[cfg(feature = "s3")]
    _store: crate::common::fake_store::FakeStore,
}

const TO_STORE: &str = "AWS_ACCESS_KEY_ID=";

impl ObjectStore {
    #[cfg(feature = "s3")]
    fn new(walk: &mut Walk) -> Self {
        use crate::common::fake_store::{FakeStore, Reply};
        let store = FakeStore::new(|_| Reply::Body(vec![]));
        let address = format!("http://{}", store.address);
        walk.environment.push(("AWS_ENDPOINT_URL", address));
        let folder = walk.folder.path("to-store");
        let options = format!("pbx --listen 127.0.0.1:0 --dir {folder}");
        walk.replace("pbx ...", &options);
        Self { _store: store }
    }

    #[cfg(not(feature = "s3"))]
    fn new(walk: &mut Walk) -> Self {
        walk.leave_out(&[(TO_STORE, "needs a build with the feature s3")]);
        Self {}
    }

    fn is_at(&self, walk: &mut Walk, command: &Command) -> bool {
        cfg!(feature = "s3") && walk.is_at(command, TO_STORE)
    }
}
