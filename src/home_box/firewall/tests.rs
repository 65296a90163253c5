//! The commands, as text.

use super::networks::Side;
use super::*;
use crate::home_box::settings::Forward;

fn networks(forwards: &[Forward]) -> Networks<'_> {
    let side = |interface: &str, address: [u8; 4]| Side {
        interface: interface.into(),
        address: address.into(),
    };
    Networks {
        home: side("eth0", [192, 168, 1, 22]),
        community: side("eth1.5", [11, 0, 1, 22]),
        forwards,
    }
}

fn forwards() -> Vec<Forward> {
    let text = "forward = 7894 11.0.0.1:1935\n";
    BoxSettings::parse(text).unwrap().forwards
}

fn lines(steps: &[Step]) -> Vec<String> {
    steps.iter().map(Step::to_string).collect()
}

#[test]
fn iptables_builds_each_chain_before_it_counts() {
    let forwards = forwards();
    let lines = lines(&iptables::install("iptables", &networks(&forwards)));
    let expected = "\
iptables -w -t filter -D FORWARD -j CALLREC-FORWARD-NEW
iptables -w -t filter -F CALLREC-FORWARD-NEW
iptables -w -t filter -X CALLREC-FORWARD-NEW
iptables -w -t filter -N CALLREC-FORWARD-NEW
iptables -w -t filter -A CALLREC-FORWARD-NEW -i eth0 -o eth1.5 -p tcp -d 11.0.0.1 --dport 1935 -m conntrack --ctstate DNAT --ctorigdst 192.168.1.22 --ctorigdstport 7894 -j ACCEPT
iptables -w -t filter -A CALLREC-FORWARD-NEW -i eth0 -o eth1.5 -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT
iptables -w -t filter -A CALLREC-FORWARD-NEW -i eth1.5 -o eth0 -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT
iptables -w -t filter -A CALLREC-FORWARD-NEW -i eth0 -o eth1.5 -j DROP
iptables -w -t filter -A CALLREC-FORWARD-NEW -i eth1.5 -o eth0 -j DROP
iptables -w -t filter -I FORWARD 1 -j CALLREC-FORWARD-NEW
iptables -w -t filter -D FORWARD -j CALLREC-FORWARD
iptables -w -t filter -F CALLREC-FORWARD
iptables -w -t filter -X CALLREC-FORWARD
iptables -w -t filter -E CALLREC-FORWARD-NEW CALLREC-FORWARD";
    let expected: Vec<&str> = expected.lines().collect();
    assert_eq!(lines[..expected.len()], expected);
    for rule in [
        "iptables -w -t filter -A CALLREC-INPUT-NEW -i eth1.5 -d 192.168.1.22 -j DROP",
        "iptables -w -t filter -A CALLREC-INPUT-NEW -i eth0 -d 11.0.1.22 -j DROP",
        "iptables -w -t nat -A CALLREC-PREROUTING-NEW -i eth0 -p tcp -d 192.168.1.22 --dport 7894 -j DNAT --to-destination 11.0.0.1:1935",
        "iptables -w -t nat -A CALLREC-POSTROUTING-NEW -o eth1.5 -p tcp -d 11.0.0.1 --dport 1935 -m conntrack --ctstate DNAT --ctorigdst 192.168.1.22 --ctorigdstport 7894 -j SNAT --to-source 11.0.1.22",
    ] {
        assert!(lines.iter().any(|line| line == rule), "{rule}: {lines:#?}");
    }
    // Nothing is done to a built-in chain but to jump from it.
    let on_hooks = lines.iter().filter(|line| !line.contains(" CALLREC-"));
    assert_eq!(on_hooks.count(), 0);
    assert!(lines.iter().all(|line| !line.contains(" -P ")));
}

#[test]
fn nft_is_one_command_for_a_shell() {
    let forwards = forwards();
    let lines = lines(&nftables::install("/usr/sbin/nft", &networks(&forwards)));
    let [line] = &lines[..] else {
        panic!("{lines:#?}");
    };
    let script = line.strip_prefix("/usr/sbin/nft '").unwrap();
    let script = script.strip_suffix('\'').unwrap();
    assert!(!script.contains('\''));
    let parts: Vec<&str> = script.split("; add rule ip callrec ").collect();
    let rules: Vec<&str> = parts[1..]
        .iter()
        .map(|part| part.split("; ").next().unwrap())
        .collect();
    let expected = "\
CALLREC-FORWARD iifname \"eth0\" oifname \"eth1.5\" ip daddr 11.0.0.1 tcp dport 1935 ct status dnat ct original ip daddr 192.168.1.22 ct original proto-dst 7894 accept
CALLREC-FORWARD iifname \"eth0\" oifname \"eth1.5\" ct state established,related accept
CALLREC-FORWARD iifname \"eth1.5\" oifname \"eth0\" ct state established,related accept
CALLREC-FORWARD iifname \"eth0\" oifname \"eth1.5\" drop
CALLREC-FORWARD iifname \"eth1.5\" oifname \"eth0\" drop
CALLREC-INPUT iifname \"eth1.5\" ip daddr 192.168.1.22 drop
CALLREC-INPUT iifname \"eth0\" ip daddr 11.0.1.22 drop
CALLREC-PREROUTING iifname \"eth0\" ip daddr 192.168.1.22 tcp dport 7894 dnat to 11.0.0.1:1935
CALLREC-POSTROUTING oifname \"eth1.5\" ip daddr 11.0.0.1 tcp dport 1935 ct status dnat ct original ip daddr 192.168.1.22 ct original proto-dst 7894 snat to 11.0.1.22";
    assert_eq!(rules, expected.lines().collect::<Vec<_>>());
}

#[test]
fn without_forwards_nothing_passes_but_replies() {
    let networks = networks(&[]);
    for steps in [
        iptables::install("iptables", &networks),
        nftables::install("nft", &networks),
    ] {
        let text = lines(&steps).join("\n").to_lowercase();
        assert_eq!(text.matches("accept").count(), 2, "{text}");
        assert!(!text.contains("dnat") && !text.contains("snat"), "{text}");
        assert_eq!(text.matches("drop").count(), 4, "{text}");
    }
}

#[test]
fn addresses_that_no_interface_has_are_named() {
    let text = "homeAddr = 127.0.0.1\ncommunityAddr = 203.0.113.7\n";
    let settings = BoxSettings::parse(text).unwrap();
    let problem = show(&settings).unwrap_err();
    assert!(
        problem.starts_with("communityAddr 203.0.113.7 is on no interface"),
        "{problem}"
    );
}
