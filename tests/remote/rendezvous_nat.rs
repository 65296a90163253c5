//! Phone and caller behind NATs of the kernel, and the rendezvous server between them: network
//! namespaces, nftables, our real programs. Needs root, iproute2 and nftables;
//! `scripts/test` runs it. Not under qemu-user, which has no IP_OPTIONS.
#![cfg(all(feature = "server", feature = "tools", not(target_arch = "arm")))]

use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};

use crate::common::{words_of, Phone};

const KEY: &str = "0123456789abcdefghijklmnopqrstuv";
const SERVER: &str = "198.51.100.1";
/// The size of the recording that is fetched, in bytes.
const LENGTH: u32 = 300_000;
const NAMESPACES: [&str; 5] = ["server", "router1", "router2", "phone", "caller"];

/// How a router translates UDP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Nat {
    /// Datagrams to its address are forwarded to the host inside, whoever sent them.
    FullCone,
    /// MASQUERADE: the port is preserved, and only replies are let in. Other datagrams are
    /// delivered to the router itself.
    KeepsPorts,
    /// The same, but the router drops other datagrams.
    Guarded,
    /// MASQUERADE --random-fully: another port for each destination.
    Symmetric,
}

impl Nat {
    fn rules(self, host: &str) -> String {
        let (port, forward, own) = match self {
            Self::FullCone => (
                "",
                format!("iifname wan meta l4proto udp dnat to {host}"),
                "accept",
            ),
            Self::KeepsPorts => ("", String::new(), "accept"),
            Self::Guarded => ("", String::new(), "drop"),
            Self::Symmetric => ("fully-random", String::new(), "accept"),
        };
        format!(
            "table ip nat {{
                chain out {{ type nat hook postrouting priority 100; oifname wan masquerade {port}; }}
                chain in {{ type nat hook prerouting priority -100; {forward}; }}
                chain own {{ type filter hook input priority 0; policy {own}; }}
            }}"
        )
    }
}

/// Datagrams to the server's host, but not to its port, are for the relay.
const COUNT_RELAYED: &str =
    "table ip relay { chain in { type filter hook input priority 0; ip protocol udp udp dport != 7042 counter; }; }";

/// A host and the router between it and the Internet.
struct Site {
    router: &'static str,
    /// The router's address on the Internet, with its prefix length.
    wan: &'static str,
    /// The router's address in the host's network.
    lan: &'static str,
    host: &'static str,
    /// The host's own address.
    address: &'static str,
    nat: Nat,
}

/// The namespaces, and the programs in those of server and phone.
struct Network {
    dir: PathBuf,
    prefix: String,
    phone: Option<Phone>,
    server: Option<Child>,
}

fn must(words: &[&str]) {
    let output = Command::new(words[0])
        .args(&words[1..])
        .output()
        .unwrap_or_else(|e| panic!("{words:?}: {e}"));
    assert!(
        output.status.success(),
        "{words:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
}

impl Network {
    /// A phone that has registered with the server.
    fn new(phone_nat: Nat, caller_nat: Nat, options: &[&str]) -> Self {
        let (dir, _) = crate::common::folder();
        let prefix = dir
            .display()
            .to_string()
            .rsplit("callrec-it-")
            .next()
            .unwrap()
            .to_owned();
        let mut network = Self {
            dir,
            prefix,
            phone: None,
            server: None,
        };
        network.wire(phone_nat, caller_nat);
        network.serve(options);
        let text = format!(
            "fspEnabled = 1\nfspPassword = pw\nfspPasswordFile = {}\np2pServer = {SERVER}\n\
             p2pCid = phone1\np2pKey = {KEY}\np2pInviteCode = sesame",
            network.path("changed")
        );
        let before = network.inside("phone");
        let before: Vec<&str> = before.iter().map(String::as_str).collect();
        let phone = network.phone.insert(Phone::prepared(&text).behind(&before));
        phone.start();
        crate::common::wait_for("the registration", || phone.log().contains("registered"));
        network
    }

    fn serve(&mut self, options: &[&str]) {
        fs::write(self.dir.join("devices"), format!("phone1 = {KEY}\n")).unwrap();
        self.load("server", COUNT_RELAYED);
        let mut words = self.inside("server");
        words.extend(words_of(env!("CARGO_BIN_EXE_callrec-server")));
        words.extend([
            "rendezvous".into(),
            "--devices".into(),
            self.path("devices"),
        ]);
        words.extend(options.iter().map(|option| (*option).to_owned()));
        let log = fs::File::create(self.dir.join("server.log")).unwrap();
        self.server = Some(
            Command::new(&words[0])
                .args(&words[1..])
                .stderr(log)
                .spawn()
                .unwrap(),
        );
    }

    fn path(&self, name: &str) -> String {
        self.dir.join(name).display().to_string()
    }

    fn name(&self, which: &str) -> String {
        format!("{}-{which}", self.prefix)
    }

    /// The command that starts a program in a namespace.
    fn inside(&self, which: &str) -> Vec<String> {
        ["ip", "netns", "exec", &self.name(which)]
            .map(str::to_owned)
            .to_vec()
    }

    fn run(&self, which: &str, words: &[&str]) {
        let name = self.name(which);
        must(&[&["ip", "netns", "exec", &name], words].concat());
    }

    /// Connects the namespaces: the server's bridge stands for the Internet, and each host is
    /// behind a router of its own.
    ///
    /// ```text
    /// server 198.51.100.1 = 198.51.100.11 router1 192.168.1.1 = phone 192.168.1.10
    ///                     = 198.51.100.12 router2 10.0.0.1    = caller 10.0.0.5
    /// ```
    fn wire(&self, phone_nat: Nat, caller_nat: Nat) {
        for which in NAMESPACES {
            must(&["ip", "netns", "add", &self.name(which)]);
            self.run(which, &["ip", "link", "set", "lo", "up"]);
        }
        self.run("server", &["ip", "link", "add", "wan", "type", "bridge"]);
        // A host with several addresses sends from the first one by default.
        for address in ["198.51.100.2/24", "198.51.100.1/24"] {
            self.run("server", &["ip", "addr", "add", address, "dev", "wan"]);
        }
        self.run("server", &["ip", "link", "set", "wan", "up"]);
        self.connect(&Site {
            router: "router1",
            wan: "198.51.100.11/24",
            lan: "192.168.1.1",
            host: "phone",
            address: "192.168.1.10",
            nat: phone_nat,
        });
        self.connect(&Site {
            router: "router2",
            wan: "198.51.100.12/24",
            lan: "10.0.0.1",
            host: "caller",
            address: "10.0.0.5",
            nat: caller_nat,
        });
    }

    /// Puts a site's router between its host and the bridge.
    fn connect(&self, site: &Site) {
        let Site { router, host, .. } = *site;
        self.cable((router, "wan"), ("server", router));
        self.cable((router, "lan"), (host, "lan"));
        let to_bridge = ["ip", "link", "set", router, "master", "wan", "up"];
        self.run("server", &to_bridge);
        let lan = format!("{}/24", site.lan);
        let address = format!("{}/24", site.address);
        self.run(router, &["ip", "addr", "add", site.wan, "dev", "wan"]);
        self.run(router, &["ip", "addr", "add", &lan, "dev", "lan"]);
        self.run(host, &["ip", "addr", "add", &address, "dev", "lan"]);
        for (which, link) in [(router, "wan"), (router, "lan"), (host, "lan")] {
            self.run(which, &["ip", "link", "set", link, "up"]);
        }
        self.run(host, &["ip", "route", "add", "default", "via", site.lan]);
        self.run(router, &["sysctl", "-qw", "net.ipv4.ip_forward=1"]);
        self.load(router, &site.nat.rules(site.address));
    }

    /// Makes a pair of virtual Ethernet interfaces. Each end is a namespace and the interface's
    /// name.
    fn cable(&self, near: (&str, &str), far: (&str, &str)) {
        let near_space = self.name(near.0);
        let far_space = self.name(far.0);
        let add = ["ip", "-n", &near_space, "link", "add", near.1];
        let peer = ["type", "veth", "peer", "name", far.1, "netns", &far_space];
        must(&[&add[..], &peer].concat());
    }

    fn load(&self, which: &str, rules: &str) {
        fs::write(self.dir.join("rules"), rules).unwrap();
        self.run(which, &["nft", "-f", &self.path("rules")]);
    }

    /// The datagrams to the relay, counted by the kernel.
    fn relayed(&self) -> u64 {
        let words = [
            "netns",
            "exec",
            &self.name("server"),
            "nft",
            "list",
            "table",
            "ip",
            "relay",
        ];
        let output = Command::new("ip").args(words).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let count = text
            .split("packets ")
            .nth(1)
            .and_then(|rest| rest.split(' ').next());
        count
            .unwrap_or_else(|| panic!("no counter: {text}"))
            .parse()
            .unwrap()
    }

    /// Runs `callrec fetch` in a namespace.
    fn fetch(&self, from: &str, phone: &str, invite: &str, words: &[&str]) -> Output {
        fs::write(self.dir.join("password"), "pw\n").unwrap();
        let mut all = self.inside(from);
        all.extend(words_of(env!("CARGO_BIN_EXE_callrec")));
        let options = [
            "fetch",
            "--id",
            phone,
            "--server",
            SERVER,
            "--invite",
            invite,
            "--password-file",
        ];
        all.extend(options.map(str::to_owned));
        all.push(self.path("password"));
        all.extend(words.iter().map(|word| (*word).to_owned()));
        Command::new(&all[0])
            .args(&all[1..])
            .stdin(Stdio::null())
            .output()
            .unwrap()
    }

    /// Fetches a recording; returns the number of datagrams through the relay, or the error of
    /// `callrec fetch`.
    fn fetches(&self, from: &str) -> Result<u64, String> {
        let name = "Record_20260102_101500.wav";
        let bytes: Vec<u8> = (0..LENGTH)
            .map(|i| (i.wrapping_mul(i) >> 7) as u8)
            .collect();
        fs::write(self.phone.as_ref().unwrap().stick().join(name), &bytes).unwrap();
        let (to, before) = (self.path("got"), self.relayed());
        let output = self.fetch(
            from,
            "phone1",
            "sesame",
            &["--to", &to, "get", &format!("Recorder/20260102/{name}")],
        );
        if !output.status.success() {
            return Err(String::from_utf8_lossy(&output.stderr).into_owned());
        }
        assert!(
            fs::read(self.dir.join("got/phone1").join(name)).unwrap() == bytes,
            "the file differs from the phone's"
        );
        fs::remove_dir_all(to).unwrap();
        Ok(self.relayed() - before)
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        if let Some(mut server) = self.server.take() {
            let _ = server.kill();
            let _ = server.wait();
        }
        drop(self.phone.take());
        for which in NAMESPACES {
            let _ = Command::new("ip")
                .args(["netns", "del", &self.name(which)])
                .output();
        }
        let _ = fs::remove_dir_all(&self.dir);
    }
}

#[test]
#[ignore = "needs root, iproute2, nftables"]
fn nats_that_let_pings_in_are_traversed_directly() {
    for (phone, caller) in [
        (Nat::FullCone, Nat::FullCone),
        (Nat::KeepsPorts, Nat::KeepsPorts),
        (Nat::Guarded, Nat::Guarded),
        (Nat::FullCone, Nat::KeepsPorts),
        (Nat::Guarded, Nat::KeepsPorts),
        (Nat::FullCone, Nat::Symmetric),
        (Nat::Symmetric, Nat::FullCone),
    ] {
        // There is a relay, which is not needed.
        let network = Network::new(phone, caller, &["--relay", SERVER]);
        for _ in 0..3 {
            assert_eq!(network.fetches("caller"), Ok(0), "{phone:?} {caller:?}");
        }
    }
}

#[test]
#[ignore = "needs root, iproute2, nftables"]
fn a_caller_behind_the_phones_own_router_reaches_it_there() {
    // The router does not support hairpinning: it forwards nothing from inside to its own address.
    for nat in [Nat::Guarded, Nat::Symmetric] {
        let network = Network::new(nat, nat, &[]);
        assert_eq!(network.fetches("phone"), Ok(0), "{nat:?}");
    }
}

#[test]
#[ignore = "needs root, iproute2, nftables"]
fn symmetric_nats_need_the_relay() {
    for (phone, caller) in [
        (Nat::Symmetric, Nat::Symmetric),
        (Nat::KeepsPorts, Nat::Symmetric),
    ] {
        let network = Network::new(phone, caller, &["--relay", SERVER]);
        let relayed = network.fetches("caller").unwrap();
        assert!(
            relayed > 2 * u64::from(LENGTH) / 1460,
            "{phone:?} {caller:?}: {relayed} datagrams"
        );
        drop(network);
        let network = Network::new(phone, caller, &[]);
        let problem = network.fetches("caller").unwrap_err();
        assert!(
            problem.contains(" 408 ") && problem.contains("NATs"),
            "{problem}"
        );
    }
}

#[test]
#[ignore = "needs root, iproute2, nftables"]
fn refusals_have_their_codes() {
    let network = Network::new(Nat::KeepsPorts, Nat::KeepsPorts, &[]);
    for (phone, invite, code) in [
        ("phone1", "guess", " 403 "),
        ("phone1", "", " 403 "),
        ("phone2", "sesame", " 404 "),
    ] {
        let output = network.fetch("caller", phone, invite, &["ls"]);
        let words = String::from_utf8_lossy(&output.stderr);
        assert!(
            output.status.code() == Some(1) && words.contains(code) && words.lines().count() == 1,
            "{words}"
        );
    }
}
