//! The firewall that separates the home's network from the community's (contract, section 5.13).
//!
//! Between the two networks only replies pass, and connections from the home to a port that
//! `forward` names. The rules are in chains of our own, which are jumped to first; others' rules and
//! the policies of the built-in chains stay as they are. `iptables` and `nftables` make the
//! commands, of which `step` runs one; `forwarding` is the kernel's switch `ip_forward`.

use std::fs;
use std::os::unix::fs::MetadataExt;

use crate::home_box::settings::BoxSettings;
use crate::home_box::state_dir;

mod forwarding;
mod iptables;
mod networks;
mod nftables;
mod step;
mod tools;

use networks::Networks;
use step::Step;
use tools::Tool;

/// The commands that `install` runs, one on a line.
pub(super) fn show(settings: &BoxSettings) -> Result<String, String> {
    let lines = steps(settings)?
        .iter()
        .map(|step| format!("{step}\n"))
        .collect();
    Ok(lines)
}

/// Installs the rules, in place of those of an earlier time.
pub(super) fn install(settings: &BoxSettings) -> Result<(), String> {
    let steps = steps(settings)?;
    needs_root()?;
    state_dir::create(&settings.state_dir)?;
    for step in &steps {
        let done = match step {
            Step::EnableForwarding => forwarding::enable(&settings.state_dir),
            Step::Run(command) => command.run(),
        };
        if let Err(problem) = done {
            undo();
            return Err(problem);
        }
    }
    Ok(())
}

/// Removes the rules, and sets `ip_forward` as it was before they were installed.
pub(super) fn remove(settings: &BoxSettings) -> Result<(), String> {
    needs_root()?;
    // First, so that nothing passes between the networks that did not before.
    forwarding::restore(&settings.state_dir)?;
    for tool in tools::installed() {
        match tool {
            Tool::Iptables(program) => iptables::remove(&program)?,
            Tool::Nft(program) => nftables::remove(&program)?,
        }
    }
    Ok(())
}

fn steps(settings: &BoxSettings) -> Result<Vec<Step>, String> {
    let networks = Networks::of(settings)?;
    let tool = tools::installed().next();
    let tool = tool.ok_or("neither iptables nor nft is installed")?;
    let mut steps = match tool {
        Tool::Iptables(program) => iptables::install(&program, &networks),
        Tool::Nft(program) => nftables::install(&program, &networks),
    };
    // Last: nothing is forwarded before the rules are there.
    steps.push(Step::EnableForwarding);
    Ok(steps)
}

/// Takes back what an installation that failed has begun; rules of an earlier one stay.
fn undo() {
    for tool in tools::installed() {
        if let Tool::Iptables(program) = tool {
            iptables::remove_unfinished(&program);
        }
    }
}

fn needs_root() -> Result<(), String> {
    // The owner of a process's files in /proc is its effective user.
    match fs::metadata("/proc/self") {
        Ok(own) if own.uid() != 0 => Err("only root can change the firewall".into()),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests;
