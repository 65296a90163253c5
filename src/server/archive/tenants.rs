//! Which tenant a device is of: the first line of the configuration that matches its folder.

use crate::server::archive::glob::matches;

/// The tenant of all devices that no line names. It always exists.
pub(super) const DEFAULT_TENANT: &str = "default";

/// A line `tenant = NAME GLOB,...`.
#[derive(Clone, Debug)]
pub(super) struct TenantRule {
    name: String,
    globs: Vec<String>,
}

/// All lines, in order.
#[derive(Clone, Debug, Default)]
pub(super) struct Tenants(Vec<TenantRule>);

impl TenantRule {
    pub(super) fn parse(value: &str) -> Result<Self, String> {
        let wrong = || format!("must be NAME GLOB,..., not '{value}'");
        let (name, globs) = value.trim().split_once(' ').ok_or_else(wrong)?;
        let globs = globs_of(globs);
        if globs.is_empty()
            || !name
                .chars()
                .all(|c| c.is_alphanumeric() || "-_.".contains(c))
        {
            return Err(wrong());
        }
        Ok(Self {
            name: name.to_lowercase(),
            globs,
        })
    }
}

/// The patterns of a list with commas.
pub(super) fn globs_of(list: &str) -> Vec<String> {
    let globs = list
        .split(',')
        .map(str::trim)
        .filter(|glob| !glob.is_empty());
    globs.map(str::to_owned).collect()
}

impl Tenants {
    pub(super) fn add(&mut self, rule: TenantRule) {
        self.0.push(rule);
    }

    /// The tenant of a device's folder.
    pub(super) fn of(&self, folder: &str) -> &str {
        let is_it = |rule: &&TenantRule| rule.globs.iter().any(|glob| matches(glob, folder));
        self.0
            .iter()
            .find(is_it)
            .map_or(DEFAULT_TENANT, |rule| &rule.name)
    }

    /// There is a tenant of this name.
    pub(super) fn has(&self, name: &str) -> bool {
        name == DEFAULT_TENANT || self.0.iter().any(|rule| rule.name == name)
    }

    /// The lines of the configuration.
    pub(super) fn lines(&self) -> Vec<String> {
        let line = |rule: &TenantRule| format!("{} {}", rule.name, rule.globs.join(","));
        self.0.iter().map(line).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_line_that_matches_decides() {
        let mut tenants = Tenants::default();
        for line in ["Acme 0c38*,0c39*", "other *"] {
            tenants.add(TenantRule::parse(line).unwrap());
        }
        assert_eq!(tenants.of("0C383e000001"), "acme");
        assert_eq!(tenants.of("0d"), "other");
        assert_eq!(Tenants::default().of("0d"), "default");
        assert!(tenants.has("acme") && tenants.has("default") && !tenants.has("nobody"));
        assert!(TenantRule::parse("acme").is_err() && TenantRule::parse("a/b *").is_err());
    }
}
