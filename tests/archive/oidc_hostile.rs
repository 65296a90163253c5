//! Sign-on to the archive by OpenID Connect under attack: what an issuer or a browser may send that lets
//! nobody in, or nobody else.
#![cfg(feature = "oidc")]

use serde_json::{json, Value};

use super::oidc::{add_user, log_in, reason, FORM, LIST, PASSWORD};
use crate::common::oidc::{person, Browser, Issuer};
use crate::common::wait_for;

#[test]
#[ignore = "needs the packages openssl and python3: scripts/test installs them"]
fn id_tokens_that_are_not_what_they_should_be_let_nobody_in() {
    let issuer = Issuer::new();
    let archive = issuer.archive(&[]);
    let claims = |claims: Value| json!({"claims": claims});
    let defect = |defect: &str| json!({"defect": defect});
    for (wrong, words) in [
        (
            claims(json!({"nonce": "of another sign-in"})),
            "nonce mismatch",
        ),
        (claims(json!({"nonce": null})), "nonce"),
        (claims(json!({"aud": "another"})), "audience"),
        (claims(json!({"aud": ["callrec", "another"]})), "audience"),
        (claims(json!({"exp": 1_000_000})), "Expired"),
        (claims(json!({"iss": "http://127.0.0.1:1"})), "issuer"),
        (
            claims(json!({"preferred_username": null})),
            "preferred_username",
        ),
        (
            claims(json!({"preferred_username": "../ann"})),
            "preferred_username",
        ),
        (defect("forged"), "ignature"),
        (defect("changed"), "ignature"),
        (defect("none"), "ignature"),
        (defect("hmac"), "algorithm"),
        (defect("denied"), "access_denied"),
        (json!({"defect": "broken", "length": 100}), "cannot be read"),
    ] {
        let mut person = person("ann", &["callrec-admin"]);
        let members = person.as_object_mut().unwrap();
        members.extend(wrong.as_object().unwrap().clone());
        issuer.next(&person);
        let mut browser = Browser::default();
        let reply = browser.sign_in(&archive, &issuer);
        assert_eq!(reply.status, 403, "{wrong}: {}", reply.text());
        assert!(
            reason(&archive).contains(words),
            "{wrong}: {}",
            reason(&archive)
        );
        assert!(browser.cookies.is_empty(), "{wrong}: {:?}", browser.cookies);
        assert_eq!(browser.status(&archive, LIST), 401, "{wrong}");
        // The next one gets in, and several failures in a row would have to wait.
        issuer.next(&crate::common::oidc::person("ann", &["callrec-admin"]));
        assert_eq!(browser.sign_in(&archive, &issuer).status, 303, "{wrong}");
    }
    // An answer that is too long is no answer.
    issuer.next(&json!({"user": "ann", "groups": [], "defect": "broken", "length": 4_000_000}));
    let reply = Browser::default().sign_in(&archive, &issuer);
    assert_eq!(reply.status, 503, "{}", reply.text());
    assert!(
        reason(&archive).contains("longer than"),
        "{}",
        reason(&archive)
    );
}

#[test]
#[ignore = "needs the packages openssl and python3: scripts/test installs them"]
fn a_sign_in_belongs_to_one_browser_and_ends_once() {
    let issuer = Issuer::new();
    let archive = issuer.archive(&[]);
    let refused = |browser: &mut Browser, path: &str, words: &str| {
        let before = browser.cookies.iter().any(|(name, _)| name == "callrec");
        let reply = browser.get(&archive, path);
        assert_eq!(reply.status, 400, "{path}: {}", reply.text());
        assert!(reply.text().contains("begin again"), "{}", reply.text());
        assert!(
            reason(&archive).contains(words),
            "{path}: {}",
            reason(&archive)
        );
        let after = browser.cookies.iter().any(|(name, _)| name == "callrec");
        assert_eq!(before, after, "{path}");
    };
    let mut ann = Browser::default();
    let begun = ann.begin(&archive, "/");
    let back = issuer.sign_in(&begun);
    // Whose browser was led here has not begun it, even if it has begun another one.
    let mut eve = Browser::default();
    refused(&mut eve, &back, "has not begun it");
    eve.begin(&archive, "/");
    refused(&mut eve, &back, "has not begun it");
    // Another state of which the cookie's name is right.
    let state = back
        .split("state=")
        .nth(1)
        .unwrap()
        .split('&')
        .next()
        .unwrap();
    let other = format!(
        "{}{}",
        &state[..16],
        &state[16..].chars().rev().collect::<String>()
    );
    refused(
        &mut Browser {
            cookies: ann.cookies.clone(),
        },
        &back.replace(state, &other),
        "state is wrong",
    );
    let kept = Browser {
        cookies: ann.cookies.clone(),
    };
    assert_eq!(ann.get(&archive, &back).status, 303);
    // The same way back again: this browser has no cookie of it any more, and a copied one does not help.
    refused(&mut ann, &back, "has ended it");
    refused(
        &mut Browser {
            cookies: kept.cookies,
        },
        &back,
        "has ended before",
    );
    assert_eq!(issuer.asked("POST /token"), 1);
}

#[test]
#[ignore = "needs the packages openssl and python3: scripts/test installs them"]
fn a_code_belongs_to_one_sign_in_and_works_once() {
    let issuer = Issuer::new();
    let archive = issuer.archive(&[]);
    let mut ann = Browser::default();
    let back = issuer.sign_in(&ann.begin(&archive, "/"));
    assert_eq!(ann.get(&archive, &back).status, 303);
    // A code that was used, in a sign-in that is new.
    let mut again = Browser::default();
    let fresh = issuer.sign_in(&again.begin(&archive, "/"));
    let code_of = |path: &str| {
        path.split("code=")
            .nth(1)
            .unwrap()
            .split('&')
            .next()
            .unwrap()
            .to_owned()
    };
    assert_eq!(again.sign_in(&archive, &issuer).status, 303);
    let stolen = fresh.replace(&code_of(&fresh), &code_of(&back));
    assert_eq!(again.get(&archive, &stolen).status, 403);
    assert!(
        reason(&archive).contains("invalid_grant"),
        "{}",
        reason(&archive)
    );
    // One that belongs to another sign-in fails by PKCE; an answer of another issuer is not even asked about.
    let (mut one, mut two) = (Browser::default(), Browser::default());
    let (of_one, of_two) = (
        issuer.sign_in(&one.begin(&archive, "/")),
        issuer.sign_in(&two.begin(&archive, "/")),
    );
    assert_eq!(
        two.get(
            &archive,
            &of_two.replace(&code_of(&of_two), &code_of(&of_one))
        )
        .status,
        403
    );
    assert!(
        reason(&archive).contains("invalid_grant"),
        "{}",
        reason(&archive)
    );
    let asked = issuer.asked("POST /token");
    assert_eq!(
        one.get(&archive, &of_one.replace("iss=http", "iss=https"))
            .status,
        403
    );
    assert_eq!(issuer.asked("POST /token"), asked);
}

#[test]
#[ignore = "needs the packages openssl and python3: scripts/test installs them"]
fn guesses_at_the_way_back_have_to_wait() {
    let issuer = Issuer::new();
    let archive = issuer.archive(&[]);
    let guess = "/oidc/callback?code=x&state=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    for _ in 0..5 {
        assert_eq!(archive.get("", guess).status, 400);
    }
    wait_for("a guess that has to wait", || {
        archive.get("", guess).status == 429
    });
    for path in [
        "/oidc/callback",
        "/oidc/callback?state=%00&code=x",
        "/oidc/callback?state=é",
    ] {
        let status = archive.get("", path).status;
        assert!([400, 429].contains(&status), "{path}: {status}");
    }
    // Sessions and passwords are not touched by it.
    add_user(&archive, "ann", "agent");
    assert_eq!(log_in(&archive, &mut Browser::default(), "ann"), 303);
}

#[test]
#[ignore = "needs the packages openssl and python3: scripts/test installs them"]
fn two_tabs_sign_in_at_once() {
    let issuer = Issuer::new();
    let archive = issuer.archive(&[]);
    let mut browser = Browser::default();
    let one = browser.begin(&archive, "/devices");
    let two = browser.begin(&archive, "/audit");
    let (one, two) = (issuer.sign_in(&one), issuer.sign_in(&two));
    for (back, page) in [(two, "/audit"), (one, "/devices")] {
        let reply = browser.get(&archive, &back);
        assert_eq!(
            (reply.status, reply.header("location")),
            (303, page),
            "{}",
            reply.text()
        );
        assert_eq!(browser.status(&archive, page), 200);
    }
    // Cookies of sign-ins that nobody has ended are not kept for ever.
    for _ in 0..40 {
        browser.begin(&archive, "/");
    }
    assert!(browser.cookies.len() < 20, "{}", browser.cookies.len());
    assert_eq!(browser.sign_in(&archive, &issuer).status, 303);
}

#[test]
#[ignore = "needs the packages openssl and python3: scripts/test installs them"]
fn nobody_is_sent_to_another_site() {
    let issuer = Issuer::new();
    let archive = issuer.archive(&[]);
    add_user(&archive, "local", "agent");
    for page in [
        "https://evil.example/",
        "//evil.example",
        "/%5Cevil.example",
        "/%09/evil.example",
        "%2F%2Fevil.example",
        "/a%0d%0aSet-Cookie:%20x=y",
        "/oidc/start",
        "/login",
        "",
    ] {
        let mut browser = Browser::default();
        let back = issuer.sign_in(&browser.begin(&archive, page));
        let reply = browser.get(&archive, &back);
        assert_eq!(
            (reply.status, reply.header("location")),
            (303, "/"),
            "{page}"
        );
        let form = browser
            .get(&archive, &format!("/login?return={page}"))
            .text();
        assert!(!form.contains("evil"), "{page}: {form}");
        let body = format!(
            "user=local&password={}&return={page}",
            PASSWORD.replace(' ', "+")
        );
        let reply = browser.go(&archive, "POST /login", &FORM, &body);
        assert_eq!(
            (reply.status, reply.header("location")),
            (303, "/"),
            "{page}"
        );
    }
    let mut browser = Browser::default();
    let back = issuer.sign_in(&browser.begin(&archive, "/%3Fnumber%3D4930%26q%3Da"));
    assert_eq!(
        browser.get(&archive, &back).header("location"),
        "/?number=4930&q=a"
    );
}
