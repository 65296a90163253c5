//! Sign-on to the archive by OpenID Connect, with an issuer of our own: who gets in, as what, and what
//! an issuer or a browser may send that lets nobody in.
#![cfg(feature = "oidc")]

use std::os::unix::fs::PermissionsExt;

use serde_json::{json, Value};

use crate::common::archive::{archive_command, archive_command_with, Archive};
use crate::common::oidc::{person, Browser, Issuer, PUBLIC};
use crate::common::stderr_of;

pub(crate) const PASSWORD: &str = "correct horse battery";
pub(crate) const FORM: [&str; 2] = [
    "Content-Type: application/x-www-form-urlencoded",
    "Sec-Fetch-Site: same-origin",
];
pub(crate) const LIST: &str = "/api/v1/recordings";

pub(crate) fn add_user(archive: &Archive, name: &str, role: &str) {
    let words = ["user", "add", name, "--role", role];
    let output = archive_command_with(&archive.dir, &words, PASSWORD);
    assert!(output.status.success(), "{output:?}");
}

pub(crate) fn log_in(archive: &Archive, browser: &mut Browser, name: &str) -> u16 {
    let body = format!("user={name}&password={}", PASSWORD.replace(' ', "+"));
    browser.go(archive, "POST /login", &FORM, &body).status
}

/// The last line of the audit log of this kind.
pub(crate) fn last(archive: &Archive, what: &str) -> Value {
    let lines = archive.audit_lines();
    let line = lines.iter().rfind(|line| line["what"] == what);
    line.unwrap_or_else(|| panic!("no {what}: {lines:?}"))
        .clone()
}

/// Why the last one was not let in.
pub(crate) fn reason(archive: &Archive) -> String {
    let line = last(archive, "login-failed");
    assert_eq!(line["more"]["by"], "oidc");
    line["more"]["reason"].as_str().unwrap().to_owned()
}

#[test]
#[ignore = "needs the packages openssl and python3: scripts/test installs them"]
fn who_has_signed_in_elsewhere_is_in_until_he_logs_out() {
    let issuer = Issuer::new();
    let archive = issuer.archive(&[]);
    let mut ann = Browser::default();
    // From the page that was asked for, over the login page, to the issuer, and back to it.
    let asked = ann.get(&archive, "/settings");
    assert_eq!(asked.header("location"), "/login?return=%2Fsettings");
    let page = ann.get(&archive, asked.header("location")).text();
    let link = format!("{PUBLIC}/oidc/start?return=%2Fsettings");
    assert!(page.contains(&format!("href=\"{link}\"")), "{page}");
    assert!(
        page.contains("Sign in with 127.0.0.1") && page.contains("name=\"password\""),
        "{page}"
    );
    let chinese = ["Accept-Language: zh-CN"];
    let page = ann.go(&archive, "GET /login", &chinese, "").text();
    assert!(
        page.contains("使用以下账号登录：") && !page.contains("Sign in"),
        "{page}"
    );
    let start = ann.get(&archive, link.strip_prefix(PUBLIC).unwrap());
    let cookie = start.header("set-cookie").to_owned();
    assert!(
        cookie.contains("Max-Age=600; HttpOnly; SameSite=Lax"),
        "{cookie}"
    );
    let back = issuer.sign_in(start.header("location"));
    let reply = ann.get(&archive, &back);
    assert_eq!(
        (reply.status, reply.header("location")),
        (303, "/settings"),
        "{}",
        reply.text()
    );
    // The session's cookie is there, the sign-in's has gone.
    let names: Vec<&str> = ann.cookies.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["callrec"]);
    assert_eq!(ann.status(&archive, "/settings"), 200);
    let line = last(&archive, "login");
    let expected = json!({"by": "oidc", "issuer": issuer.url(), "sub": "sub-of-ann"});
    assert_eq!(
        (&line["who"], &line["role"], &line["more"]),
        (&json!("ann"), &json!("admin"), &expected)
    );
    // Logging out ends the session itself: a copy of the cookie is worth nothing.
    let session = ann.cookies.clone();
    assert_eq!(ann.go(&archive, "POST /logout", &FORM, "").status, 303);
    let mut thief = Browser { cookies: session };
    assert_eq!(thief.status(&archive, LIST), 401);
    // No token and no code is in what is kept.
    let code = back
        .split("code=")
        .nth(1)
        .unwrap()
        .split('&')
        .next()
        .unwrap();
    let kept = format!("{:?}{}", archive.audit_lines(), archive.log());
    assert!(!kept.contains(code) && !kept.contains("eyJ"), "{kept}");
    assert!(archive.command(&["check"]).status.success());
}

#[test]
#[ignore = "needs the packages openssl and python3: scripts/test installs them"]
fn groups_say_what_somebody_may_do() {
    let issuer = Issuer::new();
    let archive = issuer.archive(&["--tenant", "acme a*"]);
    for (groups, path, expected) in [
        (&["callrec-agent"][..], "/settings", 403),
        (&["callrec-agent"], "/api/v1/stats", 403),
        (&["staff", "/callrec-supervisor"], "/api/v1/stats", 200),
        (&["callrec-agent@acme"], LIST, 200),
    ] {
        issuer.next(&person("bob", groups));
        let mut bob = Browser::default();
        assert_eq!(bob.sign_in(&archive, &issuer).status, 303);
        assert_eq!(bob.status(&archive, path), expected, "{groups:?} {path}");
    }
    assert_eq!(last(&archive, "login")["tenant"], "acme");
}

#[test]
#[ignore = "needs the packages openssl and python3: scripts/test installs them"]
fn local_users_are_beside_it_and_an_account_counts_more_than_groups() {
    let issuer = Issuer::new();
    let archive = issuer.archive(&[]);
    add_user(&archive, "local", "supervisor");
    add_user(&archive, "bob", "agent");
    let mut local = Browser::default();
    assert_eq!(log_in(&archive, &mut local, "local"), 303);
    // bob's groups would make him an administrator.
    issuer.next(&person("bob", &["callrec-admin"]));
    let mut bob = Browser::default();
    assert_eq!(bob.sign_in(&archive, &issuer).status, 303);
    assert_eq!(bob.status(&archive, "/settings"), 403);
    assert_eq!(bob.status(&archive, LIST), 200);
    // An account that is made later counts at once.
    issuer.next(&person("eve", &["callrec-admin"]));
    let mut eve = Browser::default();
    assert_eq!(eve.sign_in(&archive, &issuer).status, 303);
    assert_eq!(eve.status(&archive, "/settings"), 200);
    add_user(&archive, "eve", "agent");
    assert_eq!(eve.status(&archive, "/settings"), 403);
    // Who is disabled is out at once, and does not come in again.
    issuer.next(&person("bob", &["callrec-admin"]));
    assert!(archive
        .command(&["user", "disable", "bob"])
        .status
        .success());
    assert_eq!(bob.status(&archive, LIST), 401);
    assert_eq!(bob.sign_in(&archive, &issuer).status, 403);
    assert_eq!(reason(&archive), "is disabled");
    assert_eq!(bob.status(&archive, LIST), 401);
    assert_eq!(local.status(&archive, LIST), 200);
}

#[test]
#[ignore = "needs the packages openssl and python3: scripts/test installs them"]
fn who_has_no_role_reads_whom_to_ask() {
    let issuer = Issuer::new();
    let archive = issuer.archive(&[]);
    // A group's name with a comma is one name.
    issuer.next(&person(
        "carl",
        &["staff", "x,callrec-admin", "callrec-admin@nobody"],
    ));
    let mut carl = Browser::default();
    let reply = carl.sign_in(&archive, &issuer);
    let text = reply.text();
    assert_eq!(reply.status, 403);
    assert!(
        text.contains("Ask the administrator")
            && text.contains("carl")
            && text.contains("callrec-agent"),
        "{text}"
    );
    let line = last(&archive, "login-failed");
    assert_eq!(line["who"], "carl");
    assert!(reason(&archive).contains("no account"), "{line}");
    assert!(carl.cookies.is_empty(), "{:?}", carl.cookies);
}

#[test]
fn a_configuration_that_cannot_work_is_refused_at_the_start() {
    let (dir, _) = crate::common::folder();
    let (open, empty) = (dir.join("open"), dir.join("empty"));
    for (path, mode, text) in [(&open, 0o640, "secret"), (&empty, 0o600, "\n")] {
        std::fs::write(path, text).unwrap();
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    }
    let (open, empty) = (open.to_str().unwrap(), empty.to_str().unwrap());
    let url = ["--oidcIssuer", "https://sso.example.org"];
    let client = ["--oidcClientId", "callrec"];
    let public = ["--public", PUBLIC];
    for (words, expected) in [
        ([&url[..], &public].concat(), "oidcClientId"),
        ([&url[..], &client].concat(), "public"),
        ([&client[..], &public].concat(), "oidcIssuer"),
        (
            vec!["--oidcIssuer", "http://sso.example.org"],
            "must be https",
        ),
        (vec!["--oidcIssuer", "sso.example.org"], "must be https"),
        (
            [
                &url[..],
                &client,
                &public,
                &["--oidcClientSecretFile", open],
            ]
            .concat(),
            "chmod 600",
        ),
        (
            [
                &url[..],
                &client,
                &public,
                &["--oidcClientSecretFile", empty],
            ]
            .concat(),
            "first line is empty",
        ),
        (
            [
                &url[..],
                &client,
                &public,
                &["--oidcClientSecretFile", "/nowhere"],
            ]
            .concat(),
            "/nowhere",
        ),
    ] {
        let output = archive_command(&dir, &words);
        let text = stderr_of(&output);
        assert_eq!(output.status.code(), Some(2), "{words:?}: {text}");
        assert!(text.contains(expected), "{words:?}: {text}");
        assert!(!dir.join(".archive").exists());
    }
    std::fs::remove_dir_all(dir).unwrap();
}
