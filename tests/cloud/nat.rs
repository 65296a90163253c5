//! Two phones behind NATs of the kernel call each other through a cloud on the Internet between
//! them: network namespaces, nftables, our real programs. Both record the call, sample for sample.
//! Needs root, iproute2 and nftables; `scripts/test` runs it.
#![cfg(all(feature = "cloud", feature = "cloud-server", not(target_arch = "arm")))]

use std::process::Command;

use crate::common::engine::Engine;
use crate::harness::phone::{converse, held, CloudPhone, Conversation, Servers, A, B};
use crate::harness::Running;

const SERVER: &str = "198.51.100.1";
const MASQUERADE: &str =
    "table ip nat { chain out { type nat hook postrouting priority 100; oifname wan masquerade; }
    chain own { type filter hook input priority 0; policy drop; ct state established accept; }
}";

fn must(line: &str) {
    let words: Vec<&str> = line.split(' ').collect();
    let output = Command::new(words[0]).args(&words[1..]).output().unwrap();
    let problem = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{line}: {problem}");
}

/// ```text
/// server 198.51.100.1 = 198.51.100.11 router1 192.168.1.1 = phone1 192.168.1.10 = engine
///                     = 198.51.100.12 router2 192.168.1.1 = phone2 192.168.1.10 = engine
/// ```
/// Both sites have the same addresses inside, as sites have. The engines are outside of all
/// namespaces, each on a cable of its own to its phone.
struct Internet {
    prefix: String,
}

impl Internet {
    fn new() -> Self {
        let this = Self {
            prefix: format!("crc{}", std::process::id()),
        };
        this.add("server");
        this.run("server", "ip link add wan type bridge");
        this.run("server", &format!("ip address add {SERVER}/24 dev wan"));
        this.run("server", "ip link set wan up");
        for site in [1, 2] {
            this.add_site(site);
        }
        this
    }

    fn name(&self, which: &str) -> String {
        format!("{}-{which}", self.prefix)
    }

    fn inside(&self, which: &str) -> Vec<String> {
        let words = ["ip", "netns", "exec", &self.name(which)];
        words.map(str::to_owned).to_vec()
    }

    fn add(&self, which: &str) {
        must(&format!("ip netns add {}", self.name(which)));
        self.run(which, "ip link set lo up");
    }

    fn run(&self, which: &str, line: &str) {
        must(&format!("ip netns exec {} {line}", self.name(which)));
    }

    fn cable(&self, near: (&str, &str), far: (&str, &str)) {
        let (near_space, far_space) = (self.name(near.0), self.name(far.0));
        must(&format!(
            "ip -n {near_space} link add {} type veth peer name {} netns {far_space}",
            near.1, far.1
        ));
    }

    fn add_site(&self, site: u32) {
        let (router, phone) = (format!("router{site}"), format!("phone{site}"));
        self.add(&router);
        self.add(&phone);
        self.cable((&router, "wan"), ("server", &router));
        self.cable((&router, "lan"), (&phone, "lan"));
        self.run("server", &format!("ip link set {router} master wan up"));
        self.run(
            &router,
            &format!("ip address add 198.51.100.1{site}/24 dev wan"),
        );
        self.run(&router, "ip address add 192.168.1.1/24 dev lan");
        self.run(&phone, "ip address add 192.168.1.10/24 dev lan");
        for (which, link) in [(&router, "wan"), (&router, "lan"), (&phone, "lan")] {
            self.run(which, &format!("ip link set {link} up"));
        }
        self.run(&phone, "ip route add default via 192.168.1.1");
        self.run(&router, "sysctl -qw net.ipv4.ip_forward=1");
        let rules = std::env::temp_dir().join(self.name(&router));
        std::fs::write(&rules, MASQUERADE).unwrap();
        self.run(&router, &format!("nft -f {}", rules.display()));
        std::fs::remove_file(rules).unwrap();
        // The engine's cable.
        let (engine, address) = (self.link(site), Self::engine(site));
        let space = self.name(&phone);
        must(&format!(
            "ip link add {engine} type veth peer name engine netns {space}"
        ));
        must(&format!("ip address add {address}.1/30 dev {engine}"));
        must(&format!("ip link set {engine} up"));
        self.run(&phone, &format!("ip address add {address}.2/30 dev engine"));
        self.run(&phone, "ip link set engine up");
    }

    fn link(&self, site: u32) -> String {
        format!("{}e{site}", self.prefix)
    }

    /// The network of an engine and its phone.
    fn engine(site: u32) -> String {
        format!("10.222.{}", std::process::id() % 120 * 2 + site)
    }
}

impl Drop for Internet {
    fn drop(&mut self) {
        for which in ["server", "router1", "router2", "phone1", "phone2"] {
            let _ = Command::new("ip")
                .args(["netns", "delete", &self.name(which)])
                .output();
        }
    }
}

fn servers(internet: &Internet) -> Servers {
    let before = internet.inside("server");
    let cloud = Running::start_behind(
        &before,
        "cloud",
        &format!("listen = {SERVER}:8080\napp = Test DIR/app.key 1000000-1999999\ndatabase = DIR/cloud.db\n"),
    );
    let calls = Running::start_behind(
        &before,
        "calls",
        &format!(
            "listen = {SERVER}:8081\ncloud = http://{SERVER}:8080\nappId = Test\nappKeyFile = DIR/app.key\n\
             apiKeyFile = DIR/api.key\ntransport = relay\nallowPlainHttp = 1\n"
        ),
    );
    Servers { cloud, calls }
}

#[test]
#[ignore = "needs root, iproute2 and nftables"]
fn two_phones_behind_nats_talk_and_both_record() {
    let internet = Internet::new();
    let servers = servers(&internet);
    let mut phones = [(1, A), (2, B)].map(|(site, cid)| {
        let media = format!("{}.2", Internet::engine(site));
        let keys = format!("cloudAllowPlainHttp = 1\nmediaAddr = {media}\n");
        let before = internet.inside(&format!("phone{site}"));
        let before: Vec<&str> = before.iter().map(String::as_str).collect();
        servers.started(servers.prepared(cid, &keys).behind(&before))
    });
    let engines = [1, 2].map(|site| {
        let network = Internet::engine(site);
        Engine::at(&format!("{network}.1"), &format!("{network}.2"))
    });
    let rtp = |engine: &Engine| format!("&rtp={}&codec=PCMU", engine.address());
    let called = phones[0].call(B, &rtp(&engines[0]));
    let sid = called.value("sid");
    phones[1].until("incoming");
    let accepted = phones[1].ask(&format!(
        "cmd=CallAcceptRequest&sid={sid}{}",
        rtp(&engines[1])
    ));
    for phone in &mut phones {
        phone.until("talking");
    }
    let Conversation { said, .. } = converse(&engines, [&called, &accepted]);
    phones[0].act("CallEndRequest", &sid);
    for phone in &mut phones {
        assert_recorded(phone, &said);
    }
}

fn assert_recorded(phone: &mut CloudPhone, said: &[Vec<Vec<u8>>]) {
    let ended = phone.until("ended");
    assert_eq!(ended.value("reason"), "hangup");
    let (_, recording) = phone.recording(&ended);
    for said in said {
        let (audio, said) = (recording.audio(), said.concat());
        assert_eq!(held(&audio, &said), said.len(), "at {}", phone.cid);
    }
}
