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
