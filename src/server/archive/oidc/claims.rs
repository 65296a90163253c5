//! Whom an ID token names, once it has been checked.

use serde_json::{Map, Value};

use crate::server::archive::accounts::users::check_name;
use crate::server::archive::oidc_settings::OidcSettings;

/// Groups that are looked at: a directory may have many.
const MOST_GROUPS: usize = 1000;

/// Whom an issuer has named.
#[derive(Debug)]
pub(in crate::server::archive) struct Named {
    pub(in crate::server::archive) user: String,
    /// What the issuer itself knows him by.
    pub(in crate::server::archive) subject: String,
    pub(in crate::server::archive) groups: Vec<String>,
}

/// Reads the claims; or says what is wrong with them.
pub(in crate::server::archive) fn named(
    settings: &OidcSettings,
    claims: &Map<String, Value>,
) -> Result<Named, String> {
    let claim = settings.user_claim();
    let Some(user) = claims.get(claim).and_then(Value::as_str) else {
        return Err(format!(
            "the ID token has no claim '{claim}'; oidcUserClaim must be one that says who it is"
        ));
    };
    // Whoever can enter any address at the issuer would be anybody here.
    if claim == "email" && claims.get("email_verified") != Some(&Value::Bool(true)) {
        return Err("the issuer has not verified the email address".into());
    }
    check_name(user).map_err(|problem| format!("{claim}: {problem}"))?;
    let subject = claims.get("sub").and_then(Value::as_str);
    Ok(Named {
        user: user.to_owned(),
        subject: subject.unwrap_or_default().chars().take(255).collect(),
        groups: groups(claims.get(settings.groups_claim())),
    })
}

/// A list of names, or one name. It is not split: a directory's names have commas in them.
fn groups(claim: Option<&Value>) -> Vec<String> {
    match claim {
        Some(Value::String(group)) => vec![group.clone()],
        Some(Value::Array(groups)) => {
            let names = groups.iter().filter_map(Value::as_str);
            names.take(MOST_GROUPS).map(str::to_owned).collect()
        }
        _ => vec![],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn of(settings: &[(&str, &str)], claims: &Value) -> Result<Named, String> {
        let mut options = OidcSettings::default();
        for (key, value) in settings {
            options.set(key, value).unwrap();
        }
        named(&options, claims.as_object().unwrap())
    }

    #[test]
    fn the_configured_claims_are_read() {
        let claims = json!({
            "sub": "1", "preferred_username": "ann", "groups": ["a", 5, "b"], "roles": "callrec-agent",
            "email": "ann@example.org", "email_verified": true,
        });
        let ann = of(&[], &claims).unwrap();
        assert_eq!((ann.user.as_str(), ann.subject.as_str()), ("ann", "1"));
        assert_eq!(ann.groups, ["a", "b"]);
        let options = [("oidcUserClaim", "email"), ("oidcGroupsClaim", "roles")];
        let ann = of(&options, &claims).unwrap();
        assert_eq!(
            (ann.user.as_str(), &ann.groups[..]),
            ("ann@example.org", &["callrec-agent".to_owned()][..])
        );
        assert!(of(&[("oidcGroupsClaim", "none")], &claims)
            .unwrap()
            .groups
            .is_empty());
    }

    #[test]
    fn names_that_leave_a_doubt_are_refused() {
        let long = "a".repeat(65);
        for name in [
            json!(""),
            json!("a b"),
            json!("../a"),
            json!(5),
            json!(long),
            json!(null),
        ] {
            let claims = json!({"sub": "1", "preferred_username": name});
            assert!(of(&[], &claims).is_err(), "{name}");
        }
        assert!(of(&[], &json!({"sub": "1"})).is_err());
        let email = [("oidcUserClaim", "email")];
        for verified in [json!(false), json!("true"), json!(null)] {
            let claims = json!({"email": "ann@example.org", "email_verified": verified});
            assert!(of(&email, &claims).is_err(), "{verified}");
        }
    }

    #[test]
    fn a_comma_in_a_groups_name_makes_no_other_group() {
        let claims = json!({"preferred_username": "ann", "groups": "x,callrec-admin"});
        assert_eq!(of(&[], &claims).unwrap().groups, ["x,callrec-admin"]);
    }
}
