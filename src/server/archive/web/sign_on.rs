//! Sign-on by a proxy: whom `X-Forwarded-User` and `X-Forwarded-Groups` name, when a trusted proxy sends
//! them. From any other address both are as if they were not there.
//!
//! An account of that name decides what somebody may do, and one that is disabled keeps him out. Without
//! an account it is the greatest role among his groups: `callrec-ROLE`, or `callrec-ROLE@TENANT`.

use std::net::IpAddr;

use axum::http::HeaderMap;
use serde_json::json;

use super::error::ApiError;
use super::viewer::{Proof, Viewer};
use crate::server::archive::accounts::users::{check_name, Rights, Role};
use crate::server::archive::app::App;
use crate::server::archive::audit::Actor;
use crate::server::archive::lock::lock;
use crate::server::archive::scan::now;
use crate::server::archive::settings::ArchiveSettings;
use crate::server::archive::tenants::{Tenants, DEFAULT_TENANT};

const USER: &str = "x-forwarded-user";
const GROUPS: &str = "x-forwarded-groups";
/// What the names of our groups begin with: the directory has many others.
const GROUP_PREFIX: &str = "callrec-";

/// Whom a proxy has let in.
#[derive(Clone, Debug)]
pub(super) struct SignOn {
    user: String,
    groups: String,
}

/// Why somebody whom a proxy has let in is kept out here.
#[derive(Clone, Debug)]
pub(super) struct SignOnRefusal(pub(super) String);

/// This address is a proxy of ours.
pub(super) fn is_trusted(settings: &ArchiveSettings, ip: &IpAddr) -> bool {
    let mut networks = settings.trusted_proxy.iter();
    networks.any(|network| network.contains(ip))
}

/// Whom the request's headers name; `None`: nobody, or it is no proxy of ours that says so.
pub(super) fn named(
    settings: &ArchiveSettings,
    peer: IpAddr,
    headers: &HeaderMap,
) -> Result<Option<SignOn>, SignOnRefusal> {
    if !is_trusted(settings, &peer) {
        return Ok(None);
    }
    let user = only(headers, USER)?.unwrap_or_default();
    if user.is_empty() {
        return Ok(None);
    }
    check_name(&user).map_err(|problem| SignOnRefusal(format!("{USER}: {problem}")))?;
    let groups = only(headers, GROUPS)?.unwrap_or_default();
    Ok(Some(SignOn { user, groups }))
}

/// A header's value. Two lines of one name are a proxy's beside its client's: nobody knows which is which.
fn only(headers: &HeaderMap, name: &str) -> Result<Option<String>, SignOnRefusal> {
    let mut lines = headers.get_all(name).into_iter();
    let line = lines.next();
    if lines.next().is_some() {
        let words = "came twice; the proxy must replace what its clients send";
        return Err(SignOnRefusal(format!("{name} {words}")));
    }
    let text = line.map(|line| std::str::from_utf8(line.as_bytes()));
    match text.transpose() {
        Ok(text) => Ok(text.map(|text| text.trim().to_owned())),
        Err(_) => Err(SignOnRefusal(format!("{name} is not UTF-8"))),
    }
}

/// Somebody's rights by his groups; a directory may put a `/` before each.
fn rights_of<'a>(groups: impl Iterator<Item = &'a str>, tenants: &Tenants) -> Option<Rights> {
    let rights = groups.filter_map(|group| {
        let group = group.trim().trim_start_matches('/');
        let group = group.strip_prefix(GROUP_PREFIX)?;
        let (role, tenant) = group.split_once('@').unwrap_or((group, DEFAULT_TENANT));
        let tenant = tenant.to_lowercase();
        Some(Rights {
            role: Role::parse(role)?,
            tenant: Some(tenant).filter(|tenant| tenants.has(tenant))?,
            devices: vec![],
        })
    });
    // The first of the greatest: `max_by_key` would take the last.
    rights.reduce(|best, next| if next.role > best.role { next } else { best })
}

/// What somebody may do whom others have let in.
pub(super) struct Admission {
    pub(super) rights: Rights,
    /// An account of his name says so, not his groups.
    pub(super) has_account: bool,
}

/// Finds out what somebody may do whom others have let in; or why he may not come further.
pub(super) fn admission<'a>(
    app: &App,
    user: &str,
    groups: impl Iterator<Item = &'a str>,
) -> Result<Result<Admission, String>, ApiError> {
    let account = app.accounts.user(user)?;
    let has_account = account.is_some();
    let rights = match account {
        Some(account) if account.is_disabled => Err("is disabled".to_owned()),
        Some(account) => Ok(account.rights),
        None => rights_of(groups, &app.settings.tenants).ok_or_else(|| {
            format!(
                "has no account here, and is in no group such as {GROUP_PREFIX}{}",
                Role::Agent.name()
            )
        }),
    };
    Ok(rights.map(|rights| Admission {
        rights,
        has_account,
    }))
}

/// Finds out what he may do, and writes into the audit log that he has come.
pub(super) fn viewer(
    app: &App,
    sign_on: &SignOn,
    from: String,
) -> Result<Result<Viewer, SignOnRefusal>, ApiError> {
    let SignOn { user, groups } = sign_on;
    let admission = match admission(app, user, groups.split(','))? {
        Ok(admission) => admission,
        Err(problem) => {
            let actor = Actor {
                who: user.clone(),
                from,
                ..Actor::default()
            };
            log_once(app, &actor, "login-failed")?;
            return Ok(Err(SignOnRefusal(format!("{user}: {problem}"))));
        }
    };
    let Admission {
        rights,
        has_account,
    } = admission;
    let viewer = Viewer {
        name: user.clone(),
        rights,
        from,
        proof: Proof::Proxy { has_account },
    };
    log_once(app, &viewer.actor(), "login")?;
    Ok(Ok(viewer))
}

/// A proxy names its people with each request; a line for as long as a session would last is enough.
fn log_once(app: &App, actor: &Actor, what: &str) -> Result<(), ApiError> {
    let Actor {
        who,
        role,
        tenant,
        from,
    } = actor;
    let key = format!("{what}\n{who}\n{role}\n{tenant}\n{from}");
    let seconds = app.settings.session_hours as i64 * 3600;
    if !lock(&app.sign_ons).is_new(&key, now(), seconds) {
        return Ok(());
    }
    let more = json!({"by": "proxy"});
    let logged = app
        .audit
        .append(&app.accounts, actor, what, "", more, now());
    logged.map_err(|problem| {
        lock(&app.sign_ons).forget(&key);
        ApiError::audit(&problem)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::archive::tenants::TenantRule;

    #[test]
    fn groups_give_the_greatest_role_of_a_tenant_that_exists() {
        let mut tenants = Tenants::default();
        tenants.add(TenantRule::parse("acme a*").unwrap());
        let of = |groups: &str| {
            let rights = rights_of(groups.split(','), &tenants)?;
            Some(format!("{} {}", rights.role.name(), rights.tenant))
        };
        for (groups, expected) in [
            ("callrec-agent", Some("agent default")),
            ("staff, /callrec-supervisor ,x", Some("supervisor default")),
            ("callrec-agent,callrec-admin@Acme", Some("admin acme")),
            ("callrec-agent@acme,callrec-agent", Some("agent acme")),
            ("callrec-admin@nobody", None),
            ("callrec-root", None),
            ("admin", None),
            ("xcallrec-admin", None),
            ("Callrec-Admin", None),
            ("callrec-admin@", None),
            ("", None),
        ] {
            assert_eq!(of(groups).as_deref(), expected, "{groups}");
        }
    }
}
