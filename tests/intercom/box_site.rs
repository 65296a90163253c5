//! A whole site in network namespaces, with the addresses of the source document: two homes behind
//! their boxes, a door unit and the property's phone in the community.
//!
//! ```text
//! home1 192.168.1.100 -- 192.168.1.22 box1 11.0.1.22 --+
//! home2 192.168.1.100 -- 192.168.1.22 box2 11.0.1.31 --+-- community 11.0.11.1 (door), 11.0.0.1 (property)
//! ```
#![cfg(all(feature = "box", feature = "sim", not(target_arch = "arm")))]

use std::fs::{self, File};
use std::path::PathBuf;
use std::process::{Command, Output};

use crate::common::intercom::Device;
use crate::common::{wait_for, Process};

const BOXES: [(&str, &str); 2] = [("2-1-201", "11.0.1.22"), ("2-1-301", "11.0.1.31")];
const BOX_AT_HOME: &str = "192.168.1.22";
const SCREENS: [&str; 2] = ["192.168.1.100", "192.168.1.101"];
const DOOR: &str = "11.0.11.1";
const PROPERTY: &str = "11.0.0.1";

struct Site {
    dir: PathBuf,
    prefix: String,
    boxes: Vec<Process>,
}

impl Site {
    fn new() -> Self {
        let (dir, number) = crate::common::folder();
        let mut site = Self {
            dir,
            prefix: format!("crs{}-{number}", std::process::id()),
            boxes: vec![],
        };
        site.wire();
        for number in 0..BOXES.len() {
            site.start_box(number);
        }
        site
    }

    /// The name of a namespace: `community`, `home0`, `box1`.
    fn name(&self, which: &str) -> String {
        format!("{}-{which}", self.prefix)
    }

    fn wire(&self) {
        must(&["ip", "netns", "add", &self.name("community")]);
        self.within("community", "ip link add bridge0 type bridge");
        self.within("community", "ip link set bridge0 up");
        self.within("community", "ip link set lo up");
        for address in [DOOR, PROPERTY] {
            self.within("community", &format!("ip addr add {address}/8 dev bridge0"));
        }
        for (number, (_, address)) in BOXES.iter().enumerate() {
            let (home, gateway) = (format!("home{number}"), format!("box{number}"));
            for name in [&home, &gateway] {
                must(&["ip", "netns", "add", &self.name(name)]);
                self.within(name, "ip link set lo up");
            }
            let far = self.name(&home);
            self.within(
                &gateway,
                &format!("ip link add home type veth peer name eth0 netns {far}"),
            );
            let far = self.name("community");
            let peer = format!("port{number}");
            self.within(
                &gateway,
                &format!("ip link add community type veth peer name {peer} netns {far}"),
            );
            self.within(
                "community",
                &format!("ip link set {peer} master bridge0 up"),
            );
            for (interface, address) in [
                ("home", format!("{BOX_AT_HOME}/24")),
                ("community", format!("{address}/8")),
            ] {
                self.within(&gateway, &format!("ip addr add {address} dev {interface}"));
                self.within(&gateway, &format!("ip link set {interface} up"));
            }
            for screen in SCREENS {
                self.within(&home, &format!("ip addr add {screen}/24 dev eth0"));
            }
            self.within(&home, "ip link set eth0 up");
            self.within(&home, &format!("ip route add default via {BOX_AT_HOME}"));
        }
    }

    fn within(&self, which: &str, command: &str) -> Output {
        let name = self.name(which);
        let words: Vec<&str> = command.split(' ').collect();
        must(&[&["ip", "netns", "exec", &name], &words[..]].concat())
    }

    fn path(&self, name: &str) -> String {
        self.dir.join(name).to_str().unwrap().to_owned()
    }

    fn start_box(&mut self, number: usize) {
        let (room, address) = BOXES[number];
        let config = self.path(&format!("box{number}.conf"));
        let socket = self.dir.join(format!("box{number}.sock"));
        let text = format!(
            "roomId = {room}\nhomeAddr = {BOX_AT_HOME}\ncommunityAddr = {address}\nfirewall = install\n\
             forward = 7894 {PROPERTY}:1935\ncentralStream = {PROPERTY}:1935\n\
             stateDir = {}\ncontrolSocket = {}\n",
            self.path(&format!("state{number}")),
            socket.display()
        );
        fs::write(&config, text).unwrap();
        let mut command = Command::new("ip");
        command
            .args(["netns", "exec", &self.name(&format!("box{number}"))])
            .args([env!("CARGO_BIN_EXE_callrec-box"), "run", "-c", &config]);
        let log = self.path(&format!("box{number}.log"));
        let mut process = Process::default();
        process.start(&mut command, File::create(&log).unwrap());
        wait_for("the box to start", || {
            assert!(process.lives(), "{}", fs::read_to_string(&log).unwrap());
            std::os::unix::net::UnixStream::connect(&socket).is_ok()
        });
        self.boxes.push(process);
    }

    /// A screen of a home that has joined.
    fn screen(&self, home: usize, device: &str, arguments: &[&str]) -> Device {
        let token = self.path(&format!("token-{home}-{device}"));
        let config = self.path(&format!("box{home}.conf"));
        let program = env!("CARGO_BIN_EXE_callrec-box");
        let made = must(&[program, "token", "new", "--device", device, "-c", &config]);
        fs::write(&token, made.stdout).unwrap();
        let address = format!("{BOX_AT_HOME}:7891");
        let first = ["screen", "--box", &address, "--token-file", &token];
        let namespace = self.name(&format!("home{home}"));
        let mut screen = Device::sim_within(&namespace, &[&first, arguments].concat());
        screen.says("joined room=");
        screen
    }

    fn outside(&self, arguments: &[&str]) -> Device {
        Device::sim_within(&self.name("community"), arguments)
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        for mut process in self.boxes.drain(..) {
            process.kill();
        }
        let homes =
            (0..BOXES.len()).flat_map(|number| [format!("home{number}"), format!("box{number}")]);
        for name in homes.chain(["community".to_owned()]) {
            let _ = Command::new("ip")
                .args(["netns", "del", &self.name(&name)])
                .status();
        }
        let _ = fs::remove_dir_all(&self.dir);
    }
}

fn must(words: &[&str]) -> Output {
    let output = Command::new(words[0]).args(&words[1..]).output().unwrap();
    assert!(
        output.status.success(),
        "{words:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    output
}

#[test]
#[ignore = "needs root, iproute2 and iptables"]
fn a_door_calls_a_home() {
    let site = Site::new();
    let mut kitchen = site.screen(0, "kitchen", &["--ignore", "--calls", "1"]);
    let mut panel = site.screen(0, "panel", &["--open-door", "--calls", "1"]);
    let address = format!("{}:7892", BOXES[0].1);
    let mut door = site.outside(&[
        "door",
        "--box",
        &address,
        "--seconds",
        "1",
        "--open-door-expected",
    ]);
    door.until("answered by=panel");
    panel.until("opened");
    kitchen.until("ended reason=answered_elsewhere");
    door.succeeds();
    panel.until("ended reason=hangup");
}

#[test]
#[ignore = "needs root, iproute2 and iptables"]
fn a_screen_calls_a_screen_in_another_home() {
    let site = Site::new();
    let mut called = site.screen(1, "panel", &["--calls", "1"]);
    let target = format!("2-1-301@{}", BOXES[1].1);
    let mut caller = site.screen(
        0,
        "panel",
        &["--type", "1", "--call", &target, "--seconds", "1"],
    );
    called.until("ringing from=2-1-201");
    caller.until("answered");
    called.until("ended reason=hangup");
}

#[test]
#[ignore = "needs root, iproute2 and iptables"]
fn the_property_calls_a_door() {
    let site = Site::new();
    let listen = format!("{DOOR}:7895");
    // A door that is called is played by the property's phone: the messages are the same.
    let mut door = site.outside(&[
        "property", "--listen", &listen, "--id", "2-1-1", "--calls", "1",
    ]);
    door.says("listening");
    let mut property = site.outside(&[
        "property",
        "--call",
        &listen,
        "--to",
        "2-1-1",
        "--seconds",
        "1",
    ]);
    property.until("answered");
    door.until("ended reason=hangup");
}

#[test]
#[ignore = "needs root, iproute2 and iptables"]
fn nothing_but_calls_passes_between_home_and_community() {
    let site = Site::new();
    let reach = |from: &str, to: &str, port: u16| {
        let script = format!(
            "import socket\ntry:\n socket.create_connection(('{to}',{port}),1)\n print('yes')\nexcept OSError: print('no')"
        );
        let name = site.name(from);
        let output = must(&["ip", "netns", "exec", &name, "python3", "-c", &script]);
        String::from_utf8(output.stdout).unwrap().trim() == "yes"
    };
    let listen = format!("{PROPERTY}:8088");
    let mut property = site.outside(&["property", "--listen", &listen]);
    property.says("listening");
    assert!(reach("community", PROPERTY, 8088), "it is there");
    assert!(!reach("home0", PROPERTY, 8088), "home to community");
    assert!(
        !reach("home0", BOXES[0].1, 7892),
        "home to the community's side of its box"
    );
    assert!(!reach("community", BOX_AT_HOME, 7891), "community to home");
    assert!(reach("home0", BOX_AT_HOME, 7891), "screens join");
    assert!(reach("community", BOXES[0].1, 7892), "doors call");
}
