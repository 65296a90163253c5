//! Parsers of values. An error says what the value must be; the caller puts line and key before it.

use crate::wire::decimal::parse_decimal;

/// `0` or `1`.
pub(crate) fn switch(value: &str) -> Result<bool, String> {
    one_of(value, &[("0", false), ("1", true)])
}

/// One of several words.
pub(crate) fn one_of<T: Copy>(value: &str, choices: &[(&str, T)]) -> Result<T, String> {
    let mut names = String::new();
    for (name, choice) in choices {
        if *name == value {
            return Ok(*choice);
        }
        add_choice(&mut names, name);
    }
    Err(format!("must be {names}, not '{value}'"))
}

fn add_choice(names: &mut String, name: &str) {
    if !names.is_empty() {
        names.push_str(" or ");
    }
    names.push_str(name);
}

/// A decimal number within these limits, which the type can hold.
pub(crate) fn number<T: TryFrom<u32>>(value: &str, least: u32, most: u32) -> Result<T, String> {
    let number = bounded(value, least, most)?;
    T::try_from(number).map_err(|_| out_of_bounds(value, least, most))
}

/// The part of `number` that does not depend on the type: it is in the program once.
fn bounded(value: &str, least: u32, most: u32) -> Result<u32, String> {
    parse_decimal(value.as_bytes())
        .and_then(|number| u32::try_from(number).ok())
        .filter(|number| (least..=most).contains(number))
        .ok_or_else(|| out_of_bounds(value, least, most))
}

fn out_of_bounds(value: &str, least: u32, most: u32) -> String {
    format!("must be a number from {least} to {most}, not '{value}'")
}

/// A range of ports, `LOW-HIGH`.
pub(crate) fn ports(value: &str) -> Result<(u16, u16), String> {
    let port = |text: &str| number::<u16>(text.trim(), 1, 65535).ok();
    let range = value
        .split_once('-')
        .and_then(|(low, high)| port(low).zip(port(high)));
    range
        .filter(|(low, high)| low <= high)
        .ok_or_else(|| format!("must be LOW-HIGH with ports from 1 to 65535, not '{value}'"))
}

/// `None` for the word `auto`.
pub(super) fn auto(value: &str) -> Option<&str> {
    (value != "auto").then_some(value)
}

/// An absolute path of at most this many bytes.
pub(crate) fn absolute(path: &str, most: usize) -> Result<String, String> {
    if !path.starts_with('/') {
        return Err(format!("must be an absolute path, not '{path}'"));
    }
    if path.len() > most {
        return Err(format!("must be at most {most} bytes long"));
    }
    Ok(path.into())
}

/// An IP address.
pub(super) fn ip_address(value: &str) -> Result<core::net::IpAddr, String> {
    value
        .parse()
        .map_err(|_| format!("must be an IP address, not '{value}'"))
}

/// Printed in place of a secret.
#[cfg(feature = "fsp")]
pub(crate) const HIDDEN: &str = "(hidden)";

/// A secret: not the word that is printed in its place.
#[cfg(feature = "fsp")]
pub(crate) fn secret(value: &str) -> Result<&str, String> {
    if value == HIDDEN {
        return Err(format!(
            "is {HIDDEN}, which is printed in place of a secret; write the secret itself"
        ));
    }
    Ok(value)
}

/// An IP address or a host name, without a port.
pub(crate) fn host(value: &str) -> Result<String, String> {
    let is_allowed = |b: u8| b.is_ascii_alphanumeric() || b".-_".contains(&b);
    let is_name = (1..=253).contains(&value.len()) && value.bytes().all(is_allowed);
    if is_name || ip_address(value).is_ok() {
        Ok(value.into())
    } else {
        Err(format!(
            "must be an IP address or a host name, without a port, not '{value}'"
        ))
    }
}

/// A MAC address without separators.
pub(super) fn mac(value: &str) -> Result<String, String> {
    let is_digit = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
    if value.len() == 12 && value.bytes().all(is_digit) {
        Ok(value.into())
    } else {
        Err(format!(
            "must be auto or 12 lower-case hex digits, not '{value}'"
        ))
    }
}
