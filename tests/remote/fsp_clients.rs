//! Third-party clients: Debian's gftp-text, and a small program on its libfsplib. scripts/test
//! installs both.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use crate::fsp::{noise, read, Offering, DAY, FILE, NAME, PASSWORD};

fn offering() -> Offering {
    let offering = Offering::new("");
    offering.put(NAME, &noise(1, 300_000));
    offering.put("Record_20260102_101500.json", b"{}");
    for n in 0..100 {
        offering.put(&format!("Record_20260103_{n:06}.wav"), &noise(n, 10));
    }
    offering
}

/// Compiles the driver.
fn driver(offering: &Offering) -> PathBuf {
    let program = offering.phone.path("driver");
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fsp_clients/driver.c");
    let output = Command::new("cc")
        .arg(source)
        .arg("-o")
        .arg(&program)
        .arg("-lfsplib")
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    program
}

/// Starts the driver; `timeout` ends it when it hangs.
fn start(driver: &Path, offering: &Offering, password: &str, words: &[&str]) -> Child {
    let mut command = Command::new("timeout");
    command
        .arg("60")
        .arg(driver)
        .arg(offering.port.to_string())
        .arg(password)
        .args(words);
    command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

fn run(driver: &Path, offering: &Offering, password: &str, words: &[&str]) -> Output {
    start(driver, offering, password, words)
        .wait_with_output()
        .unwrap()
}

#[test]
#[ignore = "needs the package libfsplib-dev"]
fn libfsplib_lists_describes_and_fetches() {
    let offering = offering();
    let driver = driver(&offering);
    let text = |words: &[&str]| {
        let output = run(&driver, &offering, PASSWORD, words);
        assert!(output.status.success(), "{words:?}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    assert_eq!(text(&["list", "/"]), "2 0 Recorder\n");
    assert_eq!(text(&["list", "Recorder"]), "2 0 20260102\n2 0 20260103\n");
    assert_eq!(
        text(&["list", DAY]),
        format!("1 300000 {NAME}\n1 2 Record_20260102_101500.json\n")
    );
    assert_eq!(
        text(&["list", "/Recorder/20260103/"]).lines().count(),
        100,
        "several blocks"
    );
    assert_eq!(
        (text(&["stat", FILE]), text(&["stat", DAY])),
        ("file 300000\n".into(), "dir 0\n".into())
    );
    let to = offering.phone.path("fetched");
    text(&["get", FILE, to.to_str().unwrap(), "1"]);
    assert_eq!(read(&to), noise(1, 300_000));
}

#[test]
#[ignore = "needs the package libfsplib-dev"]
fn libfsplib_accepts_error_replies() {
    let offering = offering();
    let driver = driver(&offering);
    let to = offering.phone.path("fetched").display().to_string();
    // libfsplib waits 300 s for a reply that it takes for none: `timeout` ends the driver earlier,
    // with status 124.
    for (password, words) in [
        (PASSWORD, &["list", "Recorder/20260109"][..]),
        (PASSWORD, &["stat", "Recorder/20260109"]),
        (
            PASSWORD,
            &[
                "get",
                "Recorder/20260102/Record_20260102_101501.wav",
                &to,
                "1",
            ],
        ),
        ("wrong", &["list", "Recorder"]),
    ] {
        let output = run(&driver, &offering, password, words);
        assert_eq!(output.status.code(), Some(1), "{words:?}: {output:?}");
    }
}

/// The library shares its key between the processes of a machine, which have a port each.
#[test]
#[ignore = "needs the package libfsplib-dev"]
fn two_processes_of_one_machine_and_another_client_do_not_lock_each_other_out() {
    let offering = offering();
    let driver = driver(&offering);
    let targets: Vec<PathBuf> = (0..2)
        .map(|n| offering.phone.path(&format!("fetched-{n}")))
        .collect();
    let children: Vec<Child> = targets
        .iter()
        .map(|to| {
            start(
                &driver,
                &offering,
                PASSWORD,
                &["get", FILE, to.to_str().unwrap(), "5"],
            )
        })
        .collect();
    for _ in 0..5 {
        offering.fetch(&["get", FILE]);
    }
    for child in children {
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{output:?}");
    }
    assert!(targets.iter().all(|to| read(to) == noise(1, 300_000)));
}

#[test]
#[ignore = "needs the package gftp-text"]
fn gftp_lists_and_fetches() {
    // gftp takes the password from the URL as it stands.
    let mut offering = Offering::prepared("");
    offering.phone.reconfigure("# plain");
    let text = std::fs::read_to_string(offering.phone.config()).unwrap();
    std::fs::write(offering.phone.config(), text.replace(PASSWORD, "PASSWORD")).unwrap();
    offering.start();
    offering.put(NAME, &noise(1, 300_000));
    let home = offering.phone.path("home");
    std::fs::create_dir(&home).unwrap();
    let mut gftp = Command::new("timeout");
    gftp.args(["60", "gftp-text"])
        .env("HOME", &home)
        .env("LANG", "C")
        .current_dir(&home);
    let mut gftp = gftp
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let commands = format!(
        "open fsp://x:PASSWORD@127.0.0.1:{}/\nls\ncd Recorder\nls\ncd 20260102\nls\nget {NAME}\nquit\n",
        offering.port
    );
    gftp.stdin
        .take()
        .unwrap()
        .write_all(commands.as_bytes())
        .unwrap();
    let output = gftp.wait_with_output().unwrap();
    let words = String::from_utf8_lossy(&output.stdout).into_owned();
    for expected in [
        "Recorder",
        "20260102",
        "300000",
        NAME,
        "Successfully transferred",
    ] {
        assert!(words.contains(expected), "{expected}: {words}");
    }
    assert_eq!(read(&home.join(NAME)), noise(1, 300_000));
}
