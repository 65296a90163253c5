//! The FSP keys of the configuration, in the real daemon: the password, switching on and off, a
//! port in use.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use crate::common::{callrec, wait_for, Phone, PATIENCE};
use crate::fsp::{Offering, PASSWORD};
use callrec::wire::fsp::Command;
use nix::sys::signal::Signal;

#[test]
fn a_changed_password_is_kept_until_the_configuration_is_changed() {
    let mut offering = Offering::new("");
    let change = |offering: &Offering, old: &str, new: &str| {
        let mut raw = offering.raw();
        let datagram = raw.datagram(
            Command::CH_PASSWD,
            0,
            format!("\n{old}\n{new}\0").as_bytes(),
            &[],
        );
        raw.socket.send(&datagram).unwrap();
        raw.receive(PATIENCE.as_millis() as u64).expect("an answer")
    };
    let works = |offering: &Offering, password: &str| {
        offering.raw().ask(Command::GET_DIR, "", password).0 == Command::GET_DIR
    };
    assert_eq!(change(&offering, "guess", "new").1, b"wrong password\0");
    assert_eq!(
        change(&offering, PASSWORD, "brand new"),
        (Command::CH_PASSWD, vec![])
    );
    assert!(works(&offering, "brand new") && !works(&offering, PASSWORD));
    offering.phone.kill();
    offering.start();
    assert!(works(&offering, "brand new") && !works(&offering, PASSWORD));
    let kept = fs::metadata(offering.phone.path("kept")).unwrap();
    assert_eq!(kept.permissions().mode() & 0o777, 0o600);
    assert_eq!(
        change(&offering, "brand new", "newer"),
        (Command::CH_PASSWD, vec![])
    );
    assert!(works(&offering, "newer"));
    let text = fs::read_to_string(offering.phone.config()).unwrap();
    let changed = text.replace(
        &format!("fspPassword = {PASSWORD}"),
        "fspPassword = provisioned",
    );
    fs::write(offering.phone.config(), changed).unwrap();
    offering.phone.signal(Signal::SIGHUP);
    wait_for("the new configuration", || {
        offering.phone.log().contains("configuration reloaded")
    });
    assert!(works(&offering, "provisioned") && !works(&offering, "newer"));
    fs::write(offering.phone.config(), text).unwrap();
    offering.phone.kill();
    offering.start();
    assert!(
        works(&offering, PASSWORD) && !works(&offering, "newer"),
        "it does not come back"
    );
}

#[test]
fn a_configuration_without_a_password_is_refused_and_one_with_it_is_not_shown() {
    let phone = Phone::prepared("fspEnabled = 1");
    for command in [&["check"][..], &["run", "-c"]] {
        let output = callrec(&[command, &[phone.config().to_str().unwrap()]].concat());
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        let words = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(
            words.contains("line 1: fspPassword must be set when fspEnabled is 1"),
            "{words}"
        );
    }
    phone.reconfigure("fspPassword = open sesame");
    let output = callrec(&["check", phone.config().to_str().unwrap()]);
    let shown = String::from_utf8(output.stdout).unwrap();
    assert!(
        output.status.success()
            && shown.contains("fspPassword = (hidden)")
            && !shown.contains("sesame")
    );
}

#[test]
fn it_is_switched_on_and_off_by_the_configuration() {
    let offering = Offering::new("");
    let taken = std::net::UdpSocket::bind(("127.0.0.1", offering.port));
    assert!(taken.is_err(), "the port is the daemon's");
    offering.phone.reconfigure("# nothing");
    let text = fs::read_to_string(offering.phone.config()).unwrap();
    fs::write(
        offering.phone.config(),
        text.replace("fspEnabled = 1", "fspEnabled = 0"),
    )
    .unwrap();
    offering.phone.signal(Signal::SIGHUP);
    wait_for("the port to be free", || {
        std::net::UdpSocket::bind(("127.0.0.1", offering.port)).is_ok()
    });
    fs::write(offering.phone.config(), text).unwrap();
    offering.phone.signal(Signal::SIGHUP);
    let mut listed = false;
    wait_for("the service", || {
        listed = listed
            || offering
                .fetch_through(offering.port, &["--timeout", "1", "ls"])
                .status
                .success();
        listed
    });
}

#[test]
fn a_port_that_was_taken_is_tried_again_with_a_signal() {
    let offering = Offering::new("");
    let text = fs::read_to_string(offering.phone.config()).unwrap();
    fs::write(
        offering.phone.config(),
        text.replace("fspEnabled = 1", "fspEnabled = 0"),
    )
    .unwrap();
    offering.phone.signal(Signal::SIGHUP);
    let mut other = None;
    wait_for("the port to be free", || {
        other = std::net::UdpSocket::bind(("127.0.0.1", offering.port)).ok();
        other.is_some()
    });
    fs::write(offering.phone.config(), text).unwrap();
    offering.phone.signal(Signal::SIGHUP);
    wait_for("a warning that the address is in use", || {
        offering.phone.log().contains("(os error 98)")
    });
    drop(other);
    // A child process of another test may inherit the socket until it has called exec.
    wait_for("the service", || {
        offering.phone.signal(Signal::SIGHUP);
        offering
            .fetch_through(offering.port, &["--timeout", "1", "ls"])
            .status
            .success()
    });
}
