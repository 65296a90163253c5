//! Logging in to the archive, guesses, and requests from elsewhere.

use std::io::Read;
use std::os::unix::fs::PermissionsExt;

use crate::common::archive::{
    archive_command_with, begin, read_head, record, recordings, Archive, Reply,
};
use crate::common::server::Server;

const PASSWORD: &str = "correct horse battery";

/// Logs in; the cookie.
fn log_in(archive: &Archive, name: &str, password: &str) -> Reply {
    let body = format!("user={name}&password={}", password.replace(' ', "+"));
    let headers = [
        "Content-Type: application/x-www-form-urlencoded",
        "Sec-Fetch-Site: same-origin",
    ];
    archive.ask("", "POST /login", &headers, body.as_bytes())
}

fn add_user(archive: &Archive, name: &str, role: &str) {
    let output = archive_command_with(
        &archive.dir,
        &["user", "add", name, "--role", role],
        PASSWORD,
    );
    assert!(output.status.success(), "{output:?}");
}

#[test]
fn the_first_administrator_is_made_once() {
    let server = Server::new(&[]);
    let mut archive = Archive::new(&recordings(&server), &[]);
    let file = archive.dir.join(".archive/first-link");
    let mode = |path: &std::path::Path| path.metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&file), 0o600);
    assert_eq!(mode(&archive.dir.join(".archive/accounts.db")), 0o600);
    assert_eq!(mode(&archive.dir.join(".archive/catalogue.db")), 0o600);
    let link = archive.first_link();
    assert!(std::fs::read_to_string(&file)
        .unwrap()
        .trim()
        .ends_with(&link));
    let form = archive.get("", &link);
    assert!(
        form.status == 200 && form.text().contains("<form"),
        "{}",
        form.text()
    );
    assert_eq!(archive.get("", "/first?token=wrong").status, 410);
    let token = link.split_once("token=").unwrap().1;
    let post = |password: &str| {
        let body = format!("token={token}&user=ann&password={password}");
        let headers = [
            "Content-Type: application/x-www-form-urlencoded",
            "Sec-Fetch-Site: same-origin",
        ];
        archive.ask("", "POST /first", &headers, body.as_bytes())
    };
    assert_eq!(post("short").status, 400);
    let made = post("twelve+characters");
    assert_eq!(made.status, 303, "{}", made.text());
    let cookie = made.header("set-cookie");
    assert!(
        cookie.starts_with("callrec=") && cookie.contains("HttpOnly; SameSite=Lax; Path=/"),
        "{cookie}"
    );
    assert!(!cookie.contains("Secure"), "{cookie}");
    assert_eq!(
        (
            post("twelve+characters").status,
            archive.get("", &link).status
        ),
        (410, 410)
    );
    assert!(!file.exists());
    let cookie = format!("Cookie: {}", made.cookie());
    assert_eq!(
        archive.ask("", "GET /settings", &[&cookie], b"").status,
        200
    );
    archive.kill();
    archive.start();
    assert!(!archive.log().contains("/first?token="));
    assert_eq!(
        archive.ask("", "GET /settings", &[&cookie], b"").status,
        200,
        "a restart ends no session"
    );
}

#[test]
fn guesses_are_slowed_down_and_sessions_are_not() {
    let server = Server::new(&[]);
    let archive = Archive::new(&recordings(&server), &[]);
    add_user(&archive, "ann", "supervisor");
    let session = log_in(&archive, "ann", PASSWORD);
    assert_eq!(session.status, 303);
    let other = log_in(&archive, "ann", PASSWORD);
    assert_ne!(session.cookie(), other.cookie());
    // On a slow machine the first waits are over before the next guess; each is twice as long.
    let mut guesses = 0;
    let waits = loop {
        let reply = log_in(&archive, "ann", "wrong password");
        if reply.status == 429 {
            break reply;
        }
        assert_eq!(reply.status, 401);
        guesses += 1;
        assert!(guesses < 10, "{guesses} guesses");
    };
    assert!(guesses >= 5, "{guesses} guesses");
    let seconds: u64 = waits.header("retry-after").parse().unwrap();
    assert!((1..=30).contains(&seconds), "{seconds}");
    let cookie = format!("Cookie: {}", session.cookie());
    assert_eq!(
        archive
            .ask("", "GET /api/v1/recordings", &[&cookie], b"")
            .status,
        200
    );
    crate::common::wait_for("the end of the wait", || {
        log_in(&archive, "ann", PASSWORD).status == 303
    });
    assert_eq!(log_in(&archive, "nobody", PASSWORD).status, 401);
}

#[test]
#[allow(clippy::too_many_lines)] // most of it is a table
fn requests_from_elsewhere_are_refused() {
    let server = Server::new(&[]);
    record(&server, "1", "&device=d1", 20);
    let archive = Archive::new(&recordings(&server), &[]);
    let token = archive.token("test", "supervisor", &[]);
    let id = archive.wait_for(&token, "", 1)[0]["id"]
        .as_str()
        .unwrap()
        .to_owned();
    add_user(&archive, "ann", "supervisor");
    let cookie = format!("Cookie: {}", log_in(&archive, "ann", PASSWORD).cookie());
    let host = archive.address().to_string();
    let kind = "Content-Type: application/json";
    let patch = |headers: &[&str]| {
        let request = format!("PATCH /api/v1/recordings/{id}");
        archive
            .ask(
                "",
                &request,
                &[&[cookie.as_str(), kind], headers].concat(),
                b"{\"note\":\"x\"}",
            )
            .status
    };
    for (headers, expected) in [
        (vec![], 403),
        (vec!["Sec-Fetch-Site: cross-site".to_owned()], 403),
        (vec!["Sec-Fetch-Site: same-site".to_owned()], 403),
        (vec!["Origin: http://evil.example".to_owned()], 403),
        (vec!["Origin: null".to_owned()], 403),
        (vec![format!("Origin: http://{host}.evil.example")], 403),
        (vec!["Sec-Fetch-Site: same-origin".to_owned()], 200),
        (vec![format!("Origin: http://{host}")], 200),
    ] {
        let headers: Vec<&str> = headers.iter().map(String::as_str).collect();
        assert_eq!(patch(&headers), expected, "{headers:?}");
    }
    for (name, expected) in [
        ("evil.example", 421),
        ("127.0.0.1.evil.example", 421),
        ("localhost", 200),
        ("localhost:8090", 200),
        ("[::1]:8090", 200),
    ] {
        let status = archive
            .ask(
                &token,
                "GET /api/v1/recordings",
                &[&format!("Host: {name}")],
                b"",
            )
            .status;
        assert_eq!(status, expected, "{name}");
    }
    let page = archive.ask(&token, "GET /", &[], b"");
    for (name, value) in [
        ("x-content-type-options", "nosniff"),
        ("cache-control", "private, no-store"),
        ("referrer-policy", "same-origin"),
    ] {
        assert_eq!(page.header(name), value);
    }
    assert!(page
        .header("content-security-policy")
        .starts_with("default-src 'none'"));
}

#[test]
fn who_is_disabled_hears_no_more() {
    let server = Server::new(&[]);
    let mut phone = server.phone("1", "&device=d1");
    phone.send(50, false);
    let archive = Archive::new(&recordings(&server), &[]);
    add_user(&archive, "ann", "agent");
    let cookie = format!("Cookie: {}", log_in(&archive, "ann", PASSWORD).cookie());
    let token = archive.token("test", "agent", &[]);
    let id = archive.wait_for(&token, "state=running", 1)[0]["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let audio = format!("GET /api/v1/recordings/{id}/audio");
    let open = |request: &str, header: &str| {
        let mut reader = begin(archive.address(), request, &[header], b"");
        assert_eq!(read_head(&mut reader).0, 200);
        reader
    };
    let bearer = format!("Authorization: Bearer {token}");
    let streams = [
        open(&audio, &cookie),
        open("GET /api/v1/events", &cookie),
        open(&audio, &bearer),
        open("GET /api/v1/events", &bearer),
    ];
    for words in [["user", "disable", "ann"], ["token", "revoke", "test"]] {
        assert!(archive.command(&words).status.success());
    }
    for mut stream in streams {
        // It ends although the call goes on.
        let mut rest = vec![];
        let _ = stream.read_to_end(&mut rest);
    }
    assert_eq!(archive.ask("", &audio, &[&cookie], b"").status, 401);
    assert_eq!(archive.get(&token, "/api/v1/recordings").status, 401);
    assert_eq!(log_in(&archive, "ann", PASSWORD).status, 401);
    phone.stop();
}

#[test]
fn a_database_that_is_none_is_refused_before_anything_is_opened() {
    let (dir, _) = crate::common::folder();
    for (option, value, words) in [
        ("database", "postgres://db/archive", "USER:PASSWORD@HOST/DB"),
        (
            "database",
            "mysql://u:p@db/archive",
            "must be sqlite:FILE or postgres://",
        ),
    ] {
        let conf = dir.join("archive.conf");
        std::fs::write(&conf, format!("{option} = {value}\n")).unwrap();
        let conf = conf.to_str().unwrap();
        let option = format!("--{option}");
        for words_of_command in [&[option.as_str(), value][..], &["-c", conf]] {
            let output = crate::common::archive::archive_command(&dir, words_of_command);
            let text = crate::common::stderr_of(&output);
            assert_eq!(
                output.status.code(),
                Some(2),
                "{words_of_command:?}: {text}"
            );
            assert!(text.contains(words), "{text}");
            assert!(!dir.join(".archive").exists());
        }
    }
    std::fs::remove_dir_all(dir).unwrap();
}

#[test]
#[cfg(not(feature = "oidc"))]
fn sign_on_by_openid_connect_needs_its_feature() {
    let (dir, _) = crate::common::folder();
    for (option, value) in [
        ("--oidcIssuer", "https://sso.example.org"),
        ("--oidcClientId", "callrec"),
        ("--oidcClientSecretFile", "/etc/callrec/oidc-secret"),
        ("--oidcUserClaim", "sub"),
        ("--oidcGroupsClaim", "roles"),
        ("--oidcCa", "/etc/callrec/ca.pem"),
    ] {
        let output = crate::common::archive::archive_command(&dir, &[option, value]);
        let text = crate::common::stderr_of(&output);
        assert_eq!(output.status.code(), Some(2), "{option}: {text}");
        assert!(text.contains("with the feature oidc"), "{option}: {text}");
        assert!(!dir.join(".archive").exists());
    }
    std::fs::remove_dir_all(dir).unwrap();
}

#[test]
fn addresses_that_anyone_may_reach_need_a_word() {
    let (dir, _) = crate::common::folder();
    let words = ["--listen", "0.0.0.0:0"];
    let output = crate::common::archive::archive_command(&dir, &words);
    assert_eq!(output.status.code(), None.or(Some(2)), "{output:?}");
    let text = crate::common::stderr_of(&output);
    assert!(
        text.contains("plainHttp") && !dir.join(".archive").exists(),
        "{text}"
    );
    std::fs::remove_dir_all(dir).unwrap();
}

#[test]
fn an_unknown_path_is_a_page_for_people_and_json_for_programs() {
    let (dir, _) = crate::common::folder();
    let archive = Archive::new(&dir, &[]);
    for (path, kind, words) in [
        (
            "/nothing",
            "text/html; charset=utf-8",
            "There is no such page or call.",
        ),
        (
            "/api/v1/nothing",
            "application/json",
            "{\"error\":\"not-found\"",
        ),
    ] {
        let reply = archive.get("", path);
        assert_eq!(
            (reply.status, reply.header("content-type")),
            (404, kind),
            "{path}"
        );
        assert!(reply.text().contains(words), "{path}: {}", reply.text());
    }
}
