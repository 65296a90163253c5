//! What a person is told when TLS with a server is refused: what is wrong, and what to do.

use rustls::{CertificateError, Error, InvalidMessage};

/// The server has closed the connection.
pub(super) const CLOSED: &str =
    "it has closed the connection in the handshake: is that its port for https://?";
/// The handshake takes too long.
pub(super) const TIMED_OUT: &str =
    "it does not finish the handshake in time: is that its port for https://, and is it overloaded?";
/// The server sends without end.
pub(super) const FLOOD: &str = "it sends more than the protocol needs, and no data";
/// The first second of 2024: a clock before it has not been set since the device started.
const CLOCK_SET: u64 = 1_704_067_200;

/// Says what is wrong. `now`: this device's clock in Unix seconds.
pub(super) fn words(error: &Error, now: u64) -> String {
    match error {
        Error::InvalidCertificate(problem) => certificate(problem, error, now),
        Error::InvalidMessage(InvalidMessage::InvalidContentType)
        | Error::InvalidMessage(InvalidMessage::UnknownProtocolVersion) => {
            "it answers without TLS: is that its port for https://?".into()
        }
        Error::PeerIncompatible(_) => {
            format!("TLS 1.2 or 1.3 is needed, with a cipher of today: update the server ({error})")
        }
        Error::AlertReceived(_) => format!("it refuses the handshake ({error}): see its log"),
        _ => format!("{error}"),
    }
}

fn certificate(problem: &CertificateError, error: &Error, now: u64) -> String {
    let clock = Date(now);
    match problem {
        // A clock that was never set makes every certificate a future one.
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. }
            if now < CLOCK_SET =>
        {
            format!("the clock of this device is wrong, so no certificate is valid: it says {clock}; set the clock (NTP)")
        }
        CertificateError::NotValidYetContext { not_before, .. } => {
            let since = Date(not_before.as_secs());
            format!("its certificate is valid from {since} on, and the clock of this device says {clock}: set the clock, or give the server another certificate")
        }
        CertificateError::ExpiredContext { not_after, .. } => {
            let until = Date(not_after.as_secs());
            format!("its certificate has expired on {until}, and the clock of this device says {clock}: give the server a new one")
        }
        CertificateError::NotValidForNameContext { presented, .. } => {
            let names = names(presented);
            format!("its certificate is for other names{names}: write one of them in the configuration, or give the server a certificate for this name")
        }
        // An authority that was made anew has its name, and another key.
        CertificateError::UnknownIssuer | CertificateError::BadSignature => {
            "its certificate is signed by nobody who is believed here: name the file with that authority's certificate, or with the server's own, in cloudCa".into()
        }
        _ => format!("its certificate is not accepted ({error}): give the server another one"),
    }
}

/// The names, which come as `DnsName("a.example")`; the firmware, which has no debug formatting, gets
/// none.
fn names(presented: &[String]) -> String {
    let quoted = presented.iter().filter_map(|name| name.split('"').nth(1));
    // A stranger may have written them: a line of the log has room for a few of a name's length.
    let names: Vec<&str> = quoted.filter(|name| name.len() <= 253).take(4).collect();
    if names.is_empty() {
        return String::new();
    }
    format!(" ({})", names.join(", "))
}

/// A day, from Unix seconds.
struct Date(u64);

impl core::fmt::Display for Date {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let mut days = self.0 / 86_400;
        let mut year = 1970;
        let is_leap = |year: u64| year % 4 == 0 && year % 100 != 0 || year % 400 == 0;
        // A certificate may be valid for thousands of years; nobody waits for more.
        while year < 9999 && days >= 365 + u64::from(is_leap(year)) {
            days -= 365 + u64::from(is_leap(year));
            year += 1;
        }
        let february = 28 + u64::from(is_leap(year));
        let mut month = 1;
        for length in [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30] {
            if days < length {
                break;
            }
            days -= length;
            month += 1;
        }
        write!(f, "{year}-{month:02}-{:02}", days + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::time::Duration;
    use rustls::pki_types::UnixTime;

    const NOW: u64 = 1_800_000_000;

    fn at(seconds: u64) -> UnixTime {
        UnixTime::since_unix_epoch(Duration::from_secs(seconds))
    }

    fn not_yet(now: u64) -> String {
        let problem = CertificateError::NotValidYetContext {
            time: at(now),
            not_before: at(NOW + 86_400),
        };
        words(&problem.into(), now)
    }

    #[test]
    fn a_clock_that_was_never_set_is_blamed_in_words() {
        let unset = not_yet(86_400 * 2);
        assert!(
            unset.contains("the clock of this device is wrong"),
            "{unset}"
        );
        assert!(
            unset.contains("1970-01-03") && unset.contains("set the clock (NTP)"),
            "{unset}"
        );
        let set = not_yet(NOW);
        assert!(set.contains("valid from 2027-01-16 on"), "{set}");
        assert!(set.contains("says 2027-01-15"), "{set}");
    }

    #[test]
    fn what_to_do_is_said() {
        let expired = CertificateError::ExpiredContext {
            time: at(NOW),
            not_after: at(951_782_400),
        };
        for (error, expected) in [
            (expired.into(), "expired on 2000-02-29"),
            (CertificateError::UnknownIssuer.into(), "in cloudCa"),
            (InvalidMessage::InvalidContentType.into(), "without TLS"),
            (Error::DecryptError, ""),
        ] {
            let said = words(&error, NOW);
            assert!(said.contains(expected) && !said.is_empty(), "{said}");
        }
    }

    #[test]
    fn days_are_dates() {
        for (seconds, expected) in [
            (0, "1970-01-01"),
            (951_782_400, "2000-02-29"),
            (1_704_067_199, "2023-12-31"),
            (1_704_067_200, "2024-01-01"),
            (253_402_300_799, "9999-12-31"),
        ] {
            assert_eq!(Date(seconds).to_string(), expected);
        }
        // Whatever a certificate says, it ends.
        assert!(Date(u64::MAX).to_string().starts_with("9999-12-"));
    }
}
