//! The firewall of `callrec-box` on the kernel's packet filter: a box between a home network and a
//! community network, each a network namespace. Nothing but the firewall keeps the community's hosts
//! out of the home.
#![cfg(all(feature = "box", not(target_arch = "arm")))]

use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};

use crate::common::{assert_fails, stderr_of, wait_for, words_of};

const NAMESPACES: [&str; 3] = ["home", "box", "community"];
const SWITCH: &str = "/proc/sys/net/ipv4/ip_forward";
/// Answers each connection with the caller's address.
const SERVER: &str = "
import socket, sys
listener = socket.create_server((sys.argv[1], int(sys.argv[2])))
while True:
    connection, peer = listener.accept()
    connection.sendall(peer[0].encode())
    connection.close()
";
/// Prints what the server says; nothing if it cannot be reached within so many seconds.
const CLIENT: &str = "
import socket, sys
try:
    with socket.create_connection((sys.argv[1], int(sys.argv[2])), float(sys.argv[3])) as connection:
        print(connection.recv(100).decode(), end='')
except OSError:
    pass
";

/// ```text
/// home 192.168.1.50 = 192.168.1.22 box 11.0.1.22 = 11.0.0.1 community
/// ```
struct Site {
    dir: PathBuf,
    prefix: String,
    /// Programs that the box has not, and one in place of another one.
    mounts: String,
    servers: Vec<Child>,
}

impl Site {
    fn new() -> Self {
        let (dir, number) = crate::common::folder();
        let mut site = Self {
            dir,
            prefix: format!("crb{}-{number}", std::process::id()),
            mounts: String::new(),
            servers: vec![],
        };
        site.wire();
        let text = format!(
            "homeAddr = 192.168.1.22\ncommunityAddr = 11.0.1.22\nstateDir = {}\n\
             forward = 7894 11.0.0.1:1935\n",
            site.dir.join("state").display()
        );
        fs::write(site.conf(), text).unwrap();
        site.serve("community", "11.0.0.1", 1935);
        site.serve("community", "11.0.0.1", 8088);
        site.serve("home", "192.168.1.50", 80);
        site.serve("box", "0.0.0.0", 7891);
        site
    }

    fn wire(&self) {
        for which in NAMESPACES {
            must(&["ip", "netns", "add", &self.name(which)]);
            self.run(which, "ip link set lo up");
        }
        // The first address of an interface is not always the one that the box is known by.
        for (side, first, own, peers) in [
            (
                "home",
                "192.168.1.2/24",
                "192.168.1.22/24",
                "192.168.1.50/24",
            ),
            ("community", "11.0.9.9/8", "11.0.1.22/8", "11.0.0.1/8"),
        ] {
            let far = self.name(side);
            self.run(
                "box",
                &format!("ip link add {side}0 type veth peer name eth0 netns {far}"),
            );
            for address in [first, own] {
                self.run("box", &format!("ip addr add {address} dev {side}0"));
            }
            self.run("box", &format!("ip link set {side}0 up"));
            self.run(side, &format!("ip addr add {peers} dev eth0"));
            self.run(side, "ip link set eth0 up");
        }
        self.run("home", "ip route add default via 192.168.1.22");
        // An intruder in the community, who sets a way into the home by himself.
        self.run("community", "ip route add 192.168.1.0/24 via 11.0.1.22");
        self.run("box", "sysctl -qw net.ipv4.ip_forward=0");
    }

    fn serve(&mut self, which: &str, address: &str, port: u16) {
        let port = port.to_string();
        let words = ["python3", "-c", SERVER, address, &port];
        let server = self.inside(which, &words).spawn().unwrap();
        self.servers.push(server);
        let probe = if address == "0.0.0.0" {
            "127.0.0.1"
        } else {
            address
        };
        wait_for("the server", || self.reaches(which, probe, &port));
    }

    fn reaches(&self, from: &str, address: &str, port: &str) -> bool {
        !self.ask(from, address, port, "0.4").is_empty()
    }

    /// As whom the server at this address sees a client.
    fn seen_as(&self, from: &str, address: &str, port: &str) -> String {
        self.ask(from, address, port, "20")
    }

    fn ask(&self, from: &str, address: &str, port: &str, seconds: &str) -> String {
        let output = self
            .inside(from, &["python3", "-c", CLIENT, address, port, seconds])
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", stderr_of(&output));
        String::from_utf8(output.stdout).unwrap()
    }

    fn conf(&self) -> PathBuf {
        self.dir.join("box.conf")
    }

    fn name(&self, which: &str) -> String {
        format!("{}-{which}", self.prefix)
    }

    fn inside(&self, which: &str, words: &[&str]) -> Command {
        let mut command = Command::new("ip");
        command
            .args(["netns", "exec", &self.name(which)])
            .args(words)
            .stdin(Stdio::null());
        command
    }

    fn run(&self, which: &str, words: &str) -> String {
        let words: Vec<&str> = words.split(' ').collect();
        let output = self.inside(which, &words).output().unwrap();
        assert!(output.status.success(), "{words:?}: {}", stderr_of(&output));
        String::from_utf8(output.stdout).unwrap()
    }

    /// `callrec-box firewall ACTION` on the box.
    fn try_firewall(&self, action: &str) -> Output {
        let mut words = words_of(env!("CARGO_BIN_EXE_callrec-box"));
        let conf = self.conf().display().to_string();
        words.extend(["firewall", action, "-c", &conf].map(str::to_owned));
        // Each `ip netns exec` has mounts of its own.
        let script = format!("{}exec \"$@\"", self.mounts);
        words.splice(0..0, ["sh", "-c", &script, "sh"].map(str::to_owned));
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        self.inside("box", &words).output().unwrap()
    }

    fn firewall(&self, action: &str) -> String {
        let output = self.try_firewall(action);
        assert!(output.status.success(), "{}", stderr_of(&output));
        String::from_utf8(output.stdout).unwrap()
    }

    /// The rules as the kernel has them, without counters.
    fn rules(&self, tool: &str) -> String {
        if tool == "nft" {
            return self.run("box", "nft list ruleset");
        }
        let tables = ["filter", "nat"];
        tables
            .map(|table| self.run("box", &format!("{tool} -t {table} -S")))
            .concat()
    }

    fn ip_forward(&self) -> String {
        self.run("box", &format!("cat {SWITCH}"))
    }

    /// Who reaches whom without a firewall.
    const OPEN: [(&'static str, &'static str, &'static str); 5] = [
        ("home", "11.0.1.22", "7891"),
        ("community", "192.168.1.50", "80"),
        ("community", "192.168.1.22", "7891"),
        ("home", "11.0.0.1", "1935"),
        ("home", "11.0.0.1", "8088"),
    ];

    /// The networks are separated, and the one port is forwarded.
    fn assert_separated(&self) {
        let seen_as = |from, address, port| self.seen_as(from, address, port);
        assert_eq!(seen_as("home", "192.168.1.22", "7894"), "11.0.1.22");
        assert_eq!(seen_as("home", "192.168.1.22", "7891"), "192.168.1.50");
        assert_eq!(seen_as("community", "11.0.1.22", "7891"), "11.0.0.1");
        let more = [
            ("home", "11.0.1.22", "7894"),
            ("community", "192.168.1.22", "7894"),
            ("community", "11.0.1.22", "7894"),
        ];
        for (from, address, port) in Self::OPEN.into_iter().chain(more) {
            let reaches = self.reaches(from, address, port);
            assert!(!reaches, "{from} reaches {address}:{port}");
        }
        assert_eq!(self.ip_forward(), "1\n");
    }

    /// From here on the box has no such program.
    fn hide(&mut self, program: &str) {
        self.replace(program, "/dev/null");
    }

    fn replace(&mut self, program: &str, by: &str) {
        let mount = format!("mount --bind {by} /usr/sbin/{program} && ");
        self.mounts.push_str(&mount);
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        for server in &mut self.servers {
            let _ = server.kill();
            let _ = server.wait();
        }
        for which in NAMESPACES {
            let _ = Command::new("ip")
                .args(["netns", "del", &self.name(which)])
                .output();
        }
        let _ = fs::remove_dir_all(&self.dir);
    }
}

fn must(words: &[&str]) {
    let output = Command::new(words[0]).args(&words[1..]).output().unwrap();
    assert!(output.status.success(), "{words:?}: {}", stderr_of(&output));
}

/// Installs, installs again, and removes; `tool` lists the rules.
fn separates(site: &Site, tool: &str, others: &[&str]) {
    for rule in others {
        site.run("box", rule);
    }
    let before = site.rules(tool);
    site.run("box", "sysctl -qw net.ipv4.ip_forward=1");
    for (from, address, port) in Site::OPEN {
        let seen_as = site.seen_as(from, address, port);
        assert!(!seen_as.is_empty(), "{from} {address}:{port}");
    }
    site.run("box", "sysctl -qw net.ipv4.ip_forward=0");
    site.firewall("install");
    site.assert_separated();
    let once = site.rules(tool);
    for line in before.lines() {
        assert!(once.contains(line), "{line}: {once}");
    }
    site.firewall("install");
    assert_eq!(site.rules(tool), once, "installed twice");
    site.assert_separated();
    site.firewall("remove");
    assert_eq!(site.rules(tool), before);
    assert_eq!(site.ip_forward(), "0\n");
    site.firewall("remove");
    assert_eq!(site.rules(tool), before, "removed twice");
}

#[test]
#[ignore = "needs root and iproute2, iptables, nftables"]
fn iptables_separates_the_networks() {
    let others = [
        "iptables -A FORWARD -j ACCEPT",
        "iptables -A INPUT -j ACCEPT",
        "iptables -t nat -A POSTROUTING -s 203.0.113.7 -j MASQUERADE",
    ];
    separates(&Site::new(), "iptables", &others);
}

#[test]
#[ignore = "needs root and iproute2, iptables, nftables"]
fn legacy_iptables_separates_the_networks() {
    let mut site = Site::new();
    site.replace("iptables", "/usr/sbin/iptables-legacy");
    let others = ["iptables-legacy -A FORWARD -j ACCEPT"];
    separates(&site, "iptables-legacy", &others);
}

#[test]
#[ignore = "needs root and iproute2, iptables, nftables"]
fn nft_separates_the_networks() {
    let mut site = Site::new();
    site.hide("iptables");
    let others = [
        "nft add table ip others",
        "nft add chain ip others forward { type filter hook forward priority 0 ; }",
        "nft add rule ip others forward accept",
    ];
    separates(&site, "nft", &others);
    site.hide("nft");
    let output = site.try_firewall("install");
    assert_fails(&output, 1, &["neither iptables nor nft is installed"]);
    assert_eq!(site.ip_forward(), "0\n");
}

#[test]
#[ignore = "needs root and iproute2, iptables, nftables"]
fn what_is_shown_is_what_install_runs() {
    let site = Site::new();
    let shown = site.firewall("show");
    assert_eq!(
        site.rules("iptables").matches("CALLREC").count(),
        0,
        "only shown"
    );
    let script = site.dir.join("rules.sh");
    fs::write(&script, &shown).unwrap();
    let by_hand = |site: &Site| {
        let output = site
            .inside("box", &["sh", script.to_str().unwrap()])
            .output();
        assert!(output.unwrap().status.success());
        (site.rules("iptables"), site.ip_forward())
    };
    let first = by_hand(&site);
    assert_eq!(by_hand(&site), first, "run twice");
    site.assert_separated();
    site.firewall("remove");
    site.firewall("install");
    assert_eq!(site.rules("iptables"), first.0);
}

#[test]
#[ignore = "needs root and iproute2, iptables, nftables"]
fn rules_are_first_and_follow_the_configuration() {
    let site = Site::new();
    site.firewall("install");
    for table in ["filter -I FORWARD", "filter -I INPUT", "nat -I PREROUTING"] {
        site.run(
            "box",
            &format!("iptables -t {table} -s 203.0.113.7 -j ACCEPT"),
        );
    }
    let text = fs::read_to_string(site.conf()).unwrap();
    fs::write(
        site.conf(),
        text.replace("7894 11.0.0.1:1935", "7895 11.0.0.1:8088"),
    )
    .unwrap();
    site.firewall("install");
    let rules = site.rules("iptables");
    for hook in ["FORWARD", "INPUT", "PREROUTING"] {
        let first = rules
            .lines()
            .find(|line| line.starts_with(&format!("-A {hook} ")));
        assert_eq!(
            first.unwrap(),
            format!("-A {hook} -j CALLREC-{hook}"),
            "{rules}"
        );
    }
    assert_eq!(rules.matches("203.0.113.7").count(), 3);
    assert_eq!(site.seen_as("home", "192.168.1.22", "7895"), "11.0.1.22");
    assert!(!site.reaches("home", "192.168.1.22", "7894"));
    // An installation that was interrupted, and one whose forward is wrong.
    site.run("box", "iptables -N CALLREC-FORWARD-NEW");
    site.run("box", "iptables -I FORWARD -j CALLREC-FORWARD-NEW");
    site.firewall("install");
    assert_eq!(
        site.rules("iptables").lines().count(),
        rules.lines().count()
    );
    fs::write(site.conf(), text.replace(":1935", ":nowhere")).unwrap();
    let before = site.rules("iptables");
    assert_fails(&site.try_firewall("install"), 2, &["line 4", "forward"]);
    assert_eq!(site.rules("iptables"), before);
}
