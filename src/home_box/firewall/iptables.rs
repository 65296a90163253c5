//! The rules as commands of `iptables`, legacy and nft alike.
//!
//! Each chain is built under another name, jumped to, and then takes the place and name of the
//! chain of an earlier installation: at no moment do packets pass that neither the old nor the new
//! rules allow.

use crate::home_box::firewall::networks::Networks;
use crate::home_box::firewall::step::{Command, Step};
use crate::home_box::settings::Forward;

/// A chain of ours, and the built-in chain that jumps to it.
struct Chain {
    table: &'static str,
    hook: &'static str,
    name: &'static str,
    /// While it is being built.
    new_name: &'static str,
}

const FORWARD: Chain = Chain {
    table: "filter",
    hook: "FORWARD",
    name: "CALLREC-FORWARD",
    new_name: "CALLREC-FORWARD-NEW",
};
const INPUT: Chain = Chain {
    table: "filter",
    hook: "INPUT",
    name: "CALLREC-INPUT",
    new_name: "CALLREC-INPUT-NEW",
};
const PREROUTING: Chain = Chain {
    table: "nat",
    hook: "PREROUTING",
    name: "CALLREC-PREROUTING",
    new_name: "CALLREC-PREROUTING-NEW",
};
const POSTROUTING: Chain = Chain {
    table: "nat",
    hook: "POSTROUTING",
    name: "CALLREC-POSTROUTING",
    new_name: "CALLREC-POSTROUTING-NEW",
};
const CHAINS: [Chain; 4] = [FORWARD, INPUT, PREROUTING, POSTROUTING];
/// Jumps to one chain that are removed: more than anybody has made by hand.
const MAX_JUMPS: usize = 64;

/// The commands that install the rules.
pub(super) fn install(program: &str, networks: &Networks) -> Vec<Step> {
    let rules = [
        forward_rules(networks),
        input_rules(networks),
        prerouting_rules(networks),
        postrouting_rules(networks),
    ];
    let chains = CHAINS.iter().zip(&rules);
    let commands = chains.flat_map(|(chain, rules)| chain.install(program, rules));
    commands.map(Step::Run).collect()
}

/// Removes the chains.
pub(super) fn remove(program: &str) -> Result<(), String> {
    for chain in CHAINS {
        chain.remove(program, chain.name)?;
        chain.remove(program, chain.new_name)?;
    }
    Ok(())
}

/// Removes chains that are being built.
pub(super) fn remove_unfinished(program: &str) {
    for chain in CHAINS {
        let _ = chain.remove(program, chain.new_name);
    }
}

impl Chain {
    /// A command for the chain's table.
    fn words(&self, program: &str, arguments: &str) -> Vec<String> {
        // -w: wait for others that are changing rules.
        let all = format!("{program} -w -t {} {arguments}", self.table);
        all.split(' ').map(str::to_owned).collect()
    }

    fn install(&self, program: &str, rules: &[String]) -> Vec<Command> {
        let Self {
            hook,
            name,
            new_name,
            ..
        } = self;
        let must = |arguments: String| Command::new(self.words(program, &arguments));
        let may = |arguments: String| Command::optional(self.words(program, &arguments));
        // What an installation left that was interrupted.
        let mut commands = vec![
            may(format!("-D {hook} -j {new_name}")),
            may(format!("-F {new_name}")),
            may(format!("-X {new_name}")),
            must(format!("-N {new_name}")),
        ];
        let add = |rule: &String| must(format!("-A {new_name} {rule}"));
        commands.extend(rules.iter().map(add));
        commands.extend([
            must(format!("-I {hook} 1 -j {new_name}")),
            may(format!("-D {hook} -j {name}")),
            may(format!("-F {name}")),
            may(format!("-X {name}")),
            must(format!("-E {new_name} {name}")),
        ]);
        commands
    }

    /// Removes the chain and the jumps to it, if it exists.
    fn remove(&self, program: &str, name: &str) -> Result<(), String> {
        let command = |arguments: &str| Command::new(self.words(program, arguments));
        if !command(&format!("-n -L {name}")).succeeds() {
            return Ok(());
        }
        let jump = command(&format!("-D {} -j {name}", self.hook));
        let mut jumps = 0;
        while jumps < MAX_JUMPS && jump.succeeds() {
            jumps += 1;
        }
        command(&format!("-F {name}")).run()?;
        command(&format!("-X {name}")).run()
    }
}

fn forward_rules(networks: &Networks) -> Vec<String> {
    let (home, community) = (&networks.home.interface, &networks.community.interface);
    let forwarded = networks.forwards.iter().map(|forward| {
        let (to, original) = (forward.to, original(networks, forward));
        format!(
            "-i {home} -o {community} -p tcp -d {} --dport {} {original} -j ACCEPT",
            to.ip(),
            to.port()
        )
    });
    let mut rules: Vec<String> = forwarded.collect();
    let replies = "-m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT";
    rules.extend([
        format!("-i {home} -o {community} {replies}"),
        format!("-i {community} -o {home} {replies}"),
        format!("-i {home} -o {community} -j DROP"),
        format!("-i {community} -o {home} -j DROP"),
    ]);
    rules
}

/// Linux takes packets for each of its addresses from any interface.
fn input_rules(networks: &Networks) -> Vec<String> {
    let Networks {
        home, community, ..
    } = networks;
    vec![
        format!("-i {} -d {} -j DROP", community.interface, home.address),
        format!("-i {} -d {} -j DROP", home.interface, community.address),
    ]
}

fn prerouting_rules(networks: &Networks) -> Vec<String> {
    let home = &networks.home;
    let rule = |forward: &Forward| {
        format!(
            "-i {} -p tcp -d {} --dport {} -j DNAT --to-destination {}",
            home.interface, home.address, forward.port, forward.to
        )
    };
    networks.forwards.iter().map(rule).collect()
}

/// The community's servers know a home by its box's address. MASQUERADE would take the interface's
/// first address, which need not be `communityAddr`.
fn postrouting_rules(networks: &Networks) -> Vec<String> {
    let community = &networks.community;
    let rule = |forward: &Forward| {
        format!(
            "-o {} -p tcp -d {} --dport {} {} -j SNAT --to-source {}",
            community.interface,
            forward.to.ip(),
            forward.to.port(),
            original(networks, forward),
            community.address
        )
    };
    networks.forwards.iter().map(rule).collect()
}

/// Matches connections that this `forward` has turned, and no others' rule.
fn original(networks: &Networks, forward: &Forward) -> String {
    format!(
        "-m conntrack --ctstate DNAT --ctorigdst {} --ctorigdstport {}",
        networks.home.address, forward.port
    )
}
