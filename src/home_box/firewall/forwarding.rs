//! The kernel's switch `ip_forward`, which is remembered as it was before the firewall was
//! installed.

use std::fs;
use std::io::ErrorKind;

use crate::io::atomic_file;

pub(super) const SWITCH: &str = "/proc/sys/net/ipv4/ip_forward";
/// Changes with each start of the machine, which also resets the switch and the rules.
const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";
const REMEMBERED: &str = "ip_forward";

/// Sets the switch to 1. What it was is remembered in this folder, unless an earlier installation
/// since the machine's start has done so.
pub(super) fn enable(folder: &str) -> Result<(), String> {
    let path = format!("{folder}/{REMEMBERED}");
    let boot = read(BOOT_ID)?.unwrap_or_default();
    let remembered = read(&path)?;
    let known = remembered.as_deref().and_then(|text| value_of(text, &boot));
    if known.is_none() {
        let value = read(SWITCH)?.ok_or_else(|| format!("{SWITCH} does not exist"))?;
        let text = format!("{value} {boot}\n");
        atomic_file::replace(&path, text.as_bytes())
            .map_err(|problem| format!("{path}: {problem}"))?;
    }
    set("1")
}

/// Sets the switch as it was.
pub(super) fn restore(folder: &str) -> Result<(), String> {
    let path = format!("{folder}/{REMEMBERED}");
    let boot = read(BOOT_ID)?.unwrap_or_default();
    let Some(text) = read(&path)? else {
        return Ok(());
    };
    if let Some(value) = value_of(&text, &boot) {
        set(value)?;
    }
    atomic_file::remove(&path);
    Ok(())
}

/// The remembered value, if it was written since this start of the machine.
fn value_of<'a>(text: &'a str, boot: &str) -> Option<&'a str> {
    let (value, written) = text.split_once(' ')?;
    let is_value = value == "0" || value == "1";
    (is_value && written == boot).then_some(value)
}

fn set(value: &str) -> Result<(), String> {
    fs::write(SWITCH, value).map_err(|problem| format!("{SWITCH}: {problem}"))
}

/// A file's text without the blanks around it; `None` if it does not exist.
fn read(path: &str) -> Result<Option<String>, String> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text.trim().into())),
        Err(problem) if problem.kind() == ErrorKind::NotFound => Ok(None),
        Err(problem) => Err(format!("{path}: {problem}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_earlier_start_of_the_machine_left_is_not_taken() {
        assert_eq!(value_of("0 boot-1", "boot-1"), Some("0"));
        assert_eq!(value_of("1 boot-1", "boot-1"), Some("1"));
        for text in ["0 boot-2", "2 boot-1", "0", "", "0  boot-1"] {
            assert_eq!(value_of(text, "boot-1"), None, "{text}");
        }
    }
}
