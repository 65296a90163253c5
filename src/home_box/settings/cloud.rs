//! The owners' phones in the cloud: `cloudFor`. The other keys are the phone's (`config::cloud`).

use core::fmt::{self, Display};

use crate::config::CloudConfig;
use crate::home_box::settings::values::NONE;
use crate::proto::cloud::home::MAX_OWNERS;
use crate::wire::cloud::token::field;

/// `CID,...`.
pub(super) fn owners(value: &str) -> Result<Vec<u32>, String> {
    if value == NONE {
        return Ok(vec![]);
    }
    let wrong = || {
        format!("must be 1 to {MAX_OWNERS} different numbers of phones, as 1000001,1000002, not '{value}'")
    };
    let mut owners = vec![];
    for part in value.split(',') {
        let cid = field(part.trim().as_bytes()).filter(|cid| *cid > 0);
        let cid = cid.filter(|cid| !owners.contains(cid)).ok_or_else(wrong)?;
        owners.push(cid);
    }
    if owners.len() > MAX_OWNERS {
        return Err(wrong());
    }
    Ok(owners)
}

/// What does not go together.
pub(super) fn problem(cloud: &CloudConfig, owners: &[u32]) -> Option<&'static str> {
    match &cloud.server {
        Some(_) if owners.is_empty() => {
            Some("must be set when cloudServer is: the numbers of the phones that ring")
        }
        Some(_) if owners.contains(&cloud.cid) => {
            Some("must not have the box's own number (cloudCid)")
        }
        None if !owners.is_empty() => {
            Some("needs cloudServer, cloudCid, cloudTokenFile and cloudCalls")
        }
        _ => None,
    }
}

/// As the configuration has it.
pub(super) struct Owners<'a>(pub(super) &'a [u32]);

impl Display for Owners<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str(NONE);
        }
        for (at, cid) in self.0.iter().enumerate() {
            let comma = if at > 0 { "," } else { "" };
            write!(f, "{comma}{cid}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use crate::home_box::settings::BoxSettings;

    const KEYS: &str = "cloudServer = http://127.0.0.1:8080\ncloudCid = 1000009\n\
        cloudTokenFile = /etc/cloud.token\ncloudCalls = http://127.0.0.1:8081\n";

    fn message(lines: &str) -> String {
        let text = format!("{KEYS}{lines}");
        BoxSettings::parse(&text).unwrap_err().to_string()
    }

    #[test]
    fn what_is_read_is_printed() {
        let text = format!("{KEYS}cloudFor = 1000001, 1000002\ncloudRelay = 127.0.0.1:1\n");
        let settings = BoxSettings::parse(&text).unwrap();
        assert_eq!(settings.cloud_for, [1_000_001, 1_000_002]);
        let printed = settings.to_string();
        assert!(
            printed.ends_with("cloudFor = 1000001,1000002\n"),
            "{printed}"
        );
        assert_eq!(BoxSettings::parse(&printed), Ok(settings));
        assert_eq!(
            BoxSettings::parse("cloudFor = none"),
            Ok(BoxSettings::default())
        );
    }

    #[test]
    fn what_is_missing_or_wrong_is_named() {
        let expected = "line 1: cloudFor must be set when cloudServer is";
        assert!(message("").starts_with(expected));
        for (value, expected) in [
            ("x", "must be 1 to 8 different numbers"),
            ("1,1", "must be 1 to 8 different numbers"),
            ("1,2,3,4,5,6,7,8,9", "must be 1 to 8 different numbers"),
            ("1,1000009", "must not have the box's own number"),
        ] {
            let found = message(&format!("cloudFor = {value}"));
            assert!(
                found.starts_with(&format!("line 5: cloudFor {expected}")),
                "{found}"
            );
        }
        let alone = BoxSettings::parse("cloudFor = 1").unwrap_err().to_string();
        assert!(
            alone.starts_with("line 1: cloudFor needs cloudServer"),
            "{alone}"
        );
        let calls = KEYS.replace("cloudCalls", "# cloudCalls");
        let missing = BoxSettings::parse(&calls).unwrap_err().to_string();
        assert!(
            missing.starts_with("line 1: cloudCalls must be set"),
            "{missing}"
        );
    }
}
