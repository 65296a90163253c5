//! The rules as one command of `nft`, which the kernel carries out as a whole: a table of our own,
//! with a chain for each hook that comes before those of others.

use crate::home_box::firewall::networks::Networks;
use crate::home_box::firewall::step::{Command, Step};
use crate::home_box::settings::Forward;

const TABLE: &str = "ip callrec";

/// The command that installs the rules.
pub(super) fn install(program: &str, networks: &Networks) -> Vec<Step> {
    // A table that does not exist cannot be deleted: it is added before.
    let mut script = format!("add table {TABLE}; delete table {TABLE}; add table {TABLE}");
    let chains = [
        // Others' filters have priority 0, address translation -100 and 100.
        (
            "CALLREC-FORWARD",
            "filter hook forward priority -10",
            forward_rules(networks),
        ),
        (
            "CALLREC-INPUT",
            "filter hook input priority -10",
            input_rules(networks),
        ),
        (
            "CALLREC-PREROUTING",
            "nat hook prerouting priority -110",
            prerouting_rules(networks),
        ),
        (
            "CALLREC-POSTROUTING",
            "nat hook postrouting priority 90",
            postrouting_rules(networks),
        ),
    ];
    for (name, hook, rules) in chains {
        script.push_str(&format!("; add chain {TABLE} {name} {{ type {hook}; }}"));
        for rule in rules {
            script.push_str(&format!("; add rule {TABLE} {name} {rule}"));
        }
    }
    vec![Step::Run(Command::new(vec![program.into(), script]))]
}

/// Removes the table.
pub(super) fn remove(program: &str) -> Result<(), String> {
    let command = |arguments: &str| {
        let all = format!("{program} {arguments} {TABLE}");
        Command::new(all.split(' ').map(str::to_owned).collect())
    };
    if !command("list table").succeeds() {
        return Ok(());
    }
    command("delete table").run()
}

fn forward_rules(networks: &Networks) -> Vec<String> {
    let home = &networks.home.interface;
    let community = &networks.community.interface;
    let outward = format!("iifname \"{home}\" oifname \"{community}\"");
    let inward = format!("iifname \"{community}\" oifname \"{home}\"");
    let forwarded = networks.forwards.iter().map(|forward| {
        let target = target(forward);
        let original = original(networks, forward);
        format!("{outward} {target} {original} accept")
    });
    let mut rules: Vec<String> = forwarded.collect();
    rules.extend([
        format!("{outward} ct state established,related accept"),
        format!("{inward} ct state established,related accept"),
        format!("{outward} drop"),
        format!("{inward} drop"),
    ]);
    rules
}

/// Linux takes packets for each of its addresses from any interface.
fn input_rules(networks: &Networks) -> Vec<String> {
    let Networks {
        home, community, ..
    } = networks;
    vec![
        format!(
            "iifname \"{}\" ip daddr {} drop",
            community.interface, home.address
        ),
        format!(
            "iifname \"{}\" ip daddr {} drop",
            home.interface, community.address
        ),
    ]
}

fn prerouting_rules(networks: &Networks) -> Vec<String> {
    let home = &networks.home;
    let rule = |forward: &Forward| {
        format!(
            "iifname \"{}\" ip daddr {} tcp dport {} dnat to {}",
            home.interface, home.address, forward.port, forward.to
        )
    };
    networks.forwards.iter().map(rule).collect()
}

/// See the same of `iptables` for why it is no `masquerade`.
fn postrouting_rules(networks: &Networks) -> Vec<String> {
    let community = &networks.community;
    let rule = |forward: &Forward| {
        format!(
            "oifname \"{}\" {} {} snat to {}",
            community.interface,
            target(forward),
            original(networks, forward),
            community.address
        )
    };
    networks.forwards.iter().map(rule).collect()
}

fn target(forward: &Forward) -> String {
    format!(
        "ip daddr {} tcp dport {}",
        forward.to.ip(),
        forward.to.port()
    )
}

/// Matches connections that this `forward` has turned, and no others' rule.
fn original(networks: &Networks, forward: &Forward) -> String {
    format!(
        "ct status dnat ct original ip daddr {} ct original proto-dst {}",
        networks.home.address, forward.port
    )
}
