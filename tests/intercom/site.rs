//! A whole site of real programs: `callrec run` as a door unit and as two screens, and `callrec-box`
//! between them.
#![cfg(all(feature = "box", feature = "intercom"))]

use std::fs;
use std::net::TcpListener;
use std::path::PathBuf;

use crate::common::intercom_peer::device;
use crate::common::{command, folder, run, Control, Phone, Process};

const HOME: &str = "127.0.0.1";
const COMMUNITY: &str = "127.0.0.2";
const DOOR: &str = "127.0.0.3";

/// A box, its home and a door unit.
struct Site {
    _box: Process,
    dir: PathBuf,
    family_port: u16,
    call_port: u16,
    door: Phone,
    door_port: u16,
}

fn free_port(address: &str) -> u16 {
    let listener = TcpListener::bind((address, 0)).unwrap();
    listener.local_addr().unwrap().port()
}

impl Site {
    fn new() -> Self {
        let (dir, _) = folder();
        let ports = [HOME, COMMUNITY, DOOR].map(free_port);
        let [family_port, call_port, door_port] = ports;
        let config = dir.join("box.conf");
        let text = format!(
            "boxId = 2-1-201\nroomId = 2-1-201\nhomeAddr = {HOME}\ncommunityAddr = {COMMUNITY}\n\
             familyPort = {family_port}\ncallPort = {call_port}\n\
             streamPort = {}\ncommunityPrefix = 127.0.0.0/8\nstateDir = {}\ncontrolSocket = {}\n",
            free_port(HOME),
            dir.join("state").display(),
            dir.join("box").display(),
        );
        fs::write(&config, text).unwrap();
        fs::create_dir(dir.join("state")).unwrap();
        let log = fs::File::create(dir.join("log")).unwrap();
        let mut program = command(env!("CARGO_BIN_EXE_callrec-box"));
        let mut running = Process::default();
        running.start(program.arg("run").arg("-c").arg(config), log);
        let door = device(&format!(
            "intercomRole = door\nintercomId = 2-1-1\nintercomAddr = {DOOR}\nintercomPort = {door_port}"
        ));
        Self {
            _box: running,
            dir,
            family_port,
            call_port,
            door,
            door_port,
        }
    }

    /// A screen that has joined with a token of the box.
    fn screen(&self, name: &str) -> (Phone, Control) {
        let config = self.dir.join("box.conf");
        let config = config.to_str().unwrap();
        let arguments = ["token", "new", "--device", name, "-c", config];
        let made = run(env!("CARGO_BIN_EXE_callrec-box"), &arguments);
        assert!(made.status.success(), "{made:?}");
        let token = self.dir.join(name);
        fs::write(&token, made.stdout).unwrap();
        let screen = device(&format!(
            "intercomRole = screen\nintercomId = 2-1-201\nboxAddr = {HOME}\nboxPort = {}\n\
             boxTokenFile = {}",
            self.family_port,
            token.display()
        ));
        let mut events = screen.watch();
        // It may have joined before it was watched; a call is refused until then.
        crate::common::wait_for("a screen that has joined", || {
            let joined = screen.ask("cmd=AlarmAckRequest&port=0");
            joined.reason() == "unknown-id"
        });
        events.send(b"cmd=CallStatusRequest\n");
        while events.next().unwrap().value("count").is_empty() {}
        (screen, events)
    }

    fn call(&self) -> String {
        let port = self.call_port;
        let request = format!("cmd=CallRequest&to=2-1-201&ip={COMMUNITY}&port={port}");
        let call = self.door.ask(&request);
        assert!(call.success(), "{call:?}");
        call.value("sid")
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.dir);
    }
}

#[test]
fn a_door_calls_the_home_and_one_screen_answers_and_opens() {
    let site = Site::new();
    let (screen, mut events) = site.screen("kitchen");
    let (_other, mut others) = site.screen("hall");
    let mut door = site.door.watch();
    let sid = site.call();
    let incoming = events.until("CallEvent", "incoming");
    assert_eq!(incoming.value("sid"), sid);
    assert!(incoming
        .value("play_video")
        .starts_with("http://127.0.0.1:954/stream/"));
    others.until("CallEvent", "incoming");
    let accept = screen.ask(&format!("cmd=CallAcceptRequest&sid={sid}"));
    assert!(accept.success(), "{accept:?}");
    door.until("CallEvent", "talking");
    let elsewhere = others.until("CallEvent", "ended");
    assert_eq!(elsewhere.value("reason"), "answered_elsewhere");
    events.until("CallEvent", "talking");

    assert!(screen
        .ask(&format!("cmd=OpenDoorRequest&sid={sid}"))
        .success());
    door.until("DoorEvent", "requested");
    let opened = site.door.ask(&format!("cmd=OpenDoorResult&sid={sid}&ok=1"));
    assert!(opened.success(), "{opened:?}");
    events.until("DoorEvent", "opened");
    assert!(screen
        .ask(&format!("cmd=CallEndRequest&sid={sid}"))
        .success());
    assert_eq!(door.until("CallEvent", "ended").value("reason"), "hangup");
    events.until("CallEvent", "ended");
}

#[test]
fn the_door_gives_up_and_the_screens_have_missed_it() {
    let site = Site::new();
    let (_screen, mut events) = site.screen("kitchen");
    let sid = site.call();
    events.until("CallEvent", "incoming");
    assert!(site
        .door
        .ask(&format!("cmd=CallEndRequest&sid={sid}"))
        .success());
    assert_eq!(
        events.until("CallEvent", "missed").value("reason"),
        "cancelled"
    );
}

#[test]
fn a_screen_views_the_door() {
    let site = Site::new();
    let (screen, mut events) = site.screen("kitchen");
    let mut door = site.door.watch();
    let port = site.door_port;
    let call = screen.ask(&format!("cmd=CallRequest&to=2-1-1&ip={DOOR}&port={port}"));
    let sid = call.value("sid");
    let incoming = door.until("CallEvent", "incoming");
    assert_eq!(incoming.value("sid"), sid);
    let accept = site.door.ask(&format!("cmd=CallAcceptRequest&sid={sid}"));
    let published = accept.value("publish_video");
    assert!(
        published.starts_with("http://127.0.0.2:"),
        "the community's side: {accept:?}"
    );
    events.until("CallEvent", "talking");
    assert!(screen
        .ask(&format!("cmd=OpenDoorRequest&sid={sid}"))
        .success());
    door.until("DoorEvent", "requested");
    site.door
        .ask(&format!("cmd=OpenDoorResult&sid={sid}&ok=0&reason=jammed"));
    assert_eq!(
        events.until("DoorEvent", "refused").value("reason"),
        "jammed"
    );
    site.door.ask(&format!("cmd=CallEndRequest&sid={sid}"));
    assert_eq!(events.until("CallEvent", "ended").value("reason"), "hangup");
}
