//! The archive over TLS of its own.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use crate::common::archive::{archive_command, Archive};
use crate::common::{folder, stderr_of};

/// What curl gets: the status and the cookie, or its own exit status.
fn curl(authority: &Path, words: &[&str]) -> Result<String, i32> {
    let mut command = Command::new("curl");
    command.args([
        "--silent",
        "--show-error",
        "--include",
        "--noproxy",
        "*",
        "--cacert",
    ]);
    let output = command.arg(authority).args(words).output().unwrap();
    match output.status.code() {
        Some(0) => Ok(String::from_utf8_lossy(&output.stdout).into_owned()),
        status => Err(status.unwrap()),
    }
}

#[test]
#[ignore = "needs curl"]
fn a_self_signed_certificate_is_made_once_and_cookies_stay_on_it() {
    let (home, _) = folder();
    let dir = home.join("recordings");
    std::fs::create_dir(&dir).unwrap();
    let mut archive = Archive::new(&dir, &["--tlsSelfSigned", "1"]);
    let cert = dir.join(".archive/tls-cert.pem");
    let key = dir.join(".archive/tls-key.pem");
    assert_eq!(key.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    assert!(archive
        .log()
        .contains("here, within a day: https://127.0.0.1:"));
    let made = std::fs::read(&cert).unwrap();
    let base = |archive: &Archive| format!("https://127.0.0.1:{}", archive.address().port());
    let link = archive.first_link();
    let token = link.split_once("token=").unwrap().1;
    let form = format!("token={token}&user=ann&password=twelve+characters");
    let url = format!("{}/first", base(&archive));
    let origin = format!("Origin: {}", base(&archive));
    let first = curl(&cert, &["--header", &origin, "--data", &form, &url]).unwrap();
    assert!(first.starts_with("HTTP/1.1 303"), "{first}");
    let cookie = "set-cookie: __Host-callrec=";
    assert!(
        first.contains(cookie) && first.contains("; Secure; HttpOnly; SameSite=Lax; Path=/"),
        "{first}"
    );
    // Another authority does not make it trusted, and nothing is served in the clear.
    let other = Path::new("/etc/ssl/certs/ca-certificates.crt");
    if other.exists() {
        assert_eq!(curl(other, &[&base(&archive)]), Err(60));
    }
    let plain = format!("http://127.0.0.1:{}/", archive.address().port());
    assert!(curl(&cert, &[&plain]).is_err());
    archive.kill();
    archive.start();
    assert_eq!(std::fs::read(&cert).unwrap(), made);
    assert!(curl(&cert, &[&format!("{}/login", base(&archive))])
        .unwrap()
        .starts_with("HTTP/1.1 200"));
    // As one of the keeper's own.
    drop(archive);
    let options = [
        "--tlsCert",
        cert.to_str().unwrap(),
        "--tlsKey",
        key.to_str().unwrap(),
    ];
    let archive = Archive::new(&dir, &options);
    assert!(curl(&cert, &[&format!("{}/login", base(&archive))]).is_ok());
    drop(archive);
    std::fs::remove_dir_all(home).unwrap();
}

#[test]
fn certificates_that_cannot_be_used_are_named() {
    let (dir, _) = folder();
    let file = dir.join("none.pem");
    std::fs::write(&file, "no certificate").unwrap();
    let file = file.to_str().unwrap();
    for (words, status, expected) in [
        (&["--tlsCert", file][..], 2, "tlsKey"),
        (
            &["--tlsCert", file, "--tlsKey", file, "--tlsSelfSigned", "1"],
            2,
            "either",
        ),
        (&["--tlsCert", file, "--tlsKey", file], 1, "no certificate"),
        (&["--tlsCert", "/nowhere", "--tlsKey", file], 1, "/nowhere"),
    ] {
        let output = archive_command(&dir, &[words, &["--listen", "127.0.0.1:0"]].concat());
        assert_eq!(output.status.code(), Some(status), "{output:?}");
        assert!(stderr_of(&output).contains(expected), "{output:?}");
    }
    std::fs::remove_dir_all(dir).unwrap();
}
