//! Sign-on to the archive by OpenID Connect with issuers that are away, are behind TLS, change their keys,
//! or describe themselves wrongly.
#![cfg(feature = "oidc")]

use serde_json::{json, Value};

use super::oidc::{add_user, last, log_in, reason, LIST};
use crate::common::oidc::{person, Browser, Issuer, Tls, PUBLIC};

#[test]
#[ignore = "needs the packages openssl and python3: scripts/test installs them"]
fn an_issuer_that_is_away_costs_nothing_but_its_sign_in() {
    let mut issuer = Issuer::new();
    issuer.kill();
    let archive = issuer.archive(&[]);
    add_user(&archive, "local", "agent");
    let mut browser = Browser::default();
    for _ in 0..3 {
        let reply = browser.get(&archive, "/oidc/start?return=/");
        let text = reply.text();
        assert_eq!(reply.status, 503, "{text}");
        assert!(
            text.contains("<html") && text.contains("does not answer"),
            "{text}"
        );
    }
    // The log has one line for it.
    assert_eq!(
        archive.log().matches("nobody can sign in with it").count(),
        1
    );
    assert_eq!(browser.status(&archive, "/login"), 200);
    assert_eq!(log_in(&archive, &mut Browser::default(), "local"), 303);
    issuer.start();
    assert_eq!(browser.sign_in(&archive, &issuer).status, 303);
    assert!(archive.log().contains("answers again"));
    // It goes away while somebody is there.
    let mut late = Browser::default();
    let back = issuer.sign_in(&late.begin(&archive, "/"));
    issuer.kill();
    let reply = late.get(&archive, &back);
    assert_eq!(reply.status, 503, "{}", reply.text());
    assert!(reason(&archive).contains("/token"), "{}", reason(&archive));
    assert_eq!(browser.status(&archive, LIST), 200, "sessions go on");
    issuer.start();
    assert_eq!(late.sign_in(&archive, &issuer).status, 303);
}

#[test]
#[ignore = "needs the packages openssl and python3: scripts/test installs them"]
fn keys_that_have_changed_are_fetched_again_once_a_minute() {
    let issuer = Issuer::new();
    let archive = issuer.archive(&[]);
    let mut browser = Browser::default();
    let signed = |key: &str, shown: &[&str]| {
        issuer
            .next(&json!({"user": "ann", "groups": ["callrec-agent"], "key": key, "keys": shown}));
    };
    signed("one", &["one"]);
    assert_eq!(browser.sign_in(&archive, &issuer).status, 303);
    assert_eq!(issuer.asked("GET /keys"), 1);
    signed("two", &["one", "two"]);
    assert_eq!(browser.sign_in(&archive, &issuer).status, 303);
    assert_eq!(issuer.asked("GET /keys"), 2);
    // A stranger's key does not make it ask again and again.
    signed("three", &["two", "three"]);
    assert_eq!(browser.sign_in(&archive, &issuer).status, 403);
    assert!(
        reason(&archive).contains("once a minute"),
        "{}",
        reason(&archive)
    );
    assert_eq!(issuer.asked("GET /keys"), 2);
    signed("two", &["two", "three"]);
    assert_eq!(browser.sign_in(&archive, &issuer).status, 303);
}

#[test]
#[ignore = "needs the packages openssl and python3: scripts/test installs them"]
fn a_public_client_has_no_secret_and_claims_may_have_other_names() {
    let issuer = Issuer::new();
    let url = issuer.url();
    let issued_by = [
        "--public",
        PUBLIC,
        "--oidcIssuer",
        &url,
        "--oidcClientId",
        "callrec",
    ];
    let claims = ["--oidcUserClaim", "email", "--oidcGroupsClaim", "roles"];
    let archive = issuer.archive_with(&[&issued_by[..], &claims].concat());
    let with = |claims: Value| {
        issuer.next(&json!({"user": "ann", "groups": [], "public": true, "claims": claims}))
    };
    let mut browser = Browser::default();
    let url = browser.begin(&archive, "/");
    assert!(url.contains("scope=openid+profile+email+groups"), "{url}");
    let url = url.replace("+email", "");
    with(
        json!({"email": "ann@example.org", "email_verified": true, "roles": "callrec-supervisor"}),
    );
    let back = issuer.sign_in(&url);
    assert_eq!(browser.get(&archive, &back).status, 303);
    let line = last(&archive, "login");
    assert_eq!(
        (&line["who"], &line["role"]),
        (&json!("ann@example.org"), &json!("supervisor"))
    );
    with(
        json!({"email": "ann@example.org", "email_verified": false, "roles": "callrec-supervisor"}),
    );
    let url = browser.begin(&archive, "/").replace("+email", "");
    let back = issuer.sign_in(&url);
    assert_eq!(browser.get(&archive, &back).status, 403);
    assert!(
        reason(&archive).contains("verified"),
        "{}",
        reason(&archive)
    );
}

#[test]
#[ignore = "needs the packages openssl and python3: scripts/test installs them"]
fn an_issuer_over_tls_is_believed_if_its_authority_is_the_named_one() {
    let issuer = Issuer::new();
    let tls = Tls::new(&issuer);
    let secret = issuer.secret_file();
    let mut person = person("ann", &["callrec-agent"]);
    person["issuer"] = json!(tls.url);
    issuer.next(&person);
    for (authority, expected) in [("authority", 303), ("stranger", 503)] {
        let authority = tls.certificate(authority);
        let words = [
            "--public",
            PUBLIC,
            "--oidcIssuer",
            &tls.url,
            "--oidcCa",
            &authority,
        ];
        let client = [
            "--oidcClientId",
            "callrec",
            "--oidcClientSecretFile",
            &secret,
        ];
        let archive = issuer.archive_with(&[&words[..], &client].concat());
        let mut browser = Browser::default();
        let begun = browser.get(&archive, "/oidc/start");
        assert_eq!(begun.status, expected, "{}", archive.log());
        if expected == 303 {
            let back = issuer.sign_in(begun.header("location"));
            assert_eq!(
                browser.get(&archive, &back).status,
                303,
                "{}",
                archive.log()
            );
        } else {
            assert!(
                archive.log().contains("nobody can sign in"),
                "{}",
                archive.log()
            );
        }
    }
}

#[test]
#[ignore = "needs the packages openssl and python3: scripts/test installs them"]
fn a_description_that_is_another_issuers_or_leads_into_the_clear_is_not_believed() {
    let issuer = Issuer::new();
    let archive = issuer.archive(&[]);
    for (wrong, words) in [
        (json!({"issuer": "http://127.0.0.1:1"}), "unexpected issuer"),
        (
            json!({"jwks_uri": "http://192.0.2.1/keys"}),
            "must be https",
        ),
        (
            json!({"authorization_endpoint": "http://192.0.2.1/authorize"}),
            "must be https",
        ),
    ] {
        issuer.next(&json!({"user": "ann", "groups": [], "description": wrong}));
        assert_eq!(archive.get("", "/oidc/start").status, 503, "{wrong}");
        assert!(archive.log().contains(words), "{wrong}: {}", archive.log());
        issuer.next(&json!({"user": "ann", "groups": [], "description": {"token_endpoint": "http://192.0.2.1/token"}}));
    }
    // Neither the code nor the secret goes there.
    let reply = Browser::default().sign_in(&archive, &issuer);
    assert_eq!(reply.status, 503, "{}", reply.text());
    assert!(
        reason(&archive).contains("must be https"),
        "{}",
        reason(&archive)
    );
}
