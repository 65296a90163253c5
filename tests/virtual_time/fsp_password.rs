//! The FSP password: checked, and changed, in virtual time.

use crate::virtual_fsp::{peer, Service, TestClient};
use callrec::proto::fsp::server::PasswordCheck;
use callrec::wire::fsp::{Command, DirEntry, EntryKind, FspHeader, Packet};

const NAME: &str = "Record_20260102_101500.wav";

fn service() -> Service {
    Service::with_files(1460, &[(NAME, 1000)])
}

#[test]
fn three_ways_to_have_no_password() {
    let mut service = service();
    let mut ann = TestClient::new(peer(1, 1000));
    let missing = ("You need a password", PasswordCheck::NotGiven);
    let wrong = ("Invalid password", PasswordCheck::Wrong);
    for (data, (text, check)) in [
        (&b"Recorder\0"[..], missing),
        (b"Recorder\n\0", missing),
        (b"Recorder\nsecre\0", wrong),
        (b"Recorder\nsecret2\0", wrong),
        (b"Recorder\nsecretsecret\0", wrong),
        (b"Recorder\nsecret\0", ("", PasswordCheck::Right)),
    ] {
        ann.millis += 10_000;
        let head = FspHeader {
            command: Command::GET_DIR,
            key: 0,
            sequence: 0,
            position: 0,
        };
        assert_eq!(
            ann.send(
                &mut service,
                &Packet {
                    head,
                    data,
                    extra: b""
                }
            )
            .text(),
            text
        );
        assert_eq!(service.password, check, "{text}");
    }
    ann.millis += 10_000;
    let head = FspHeader {
        command: Command::STAT,
        key: 0,
        sequence: 0,
        position: 0,
    };
    let answer = ann.send(
        &mut service,
        &Packet {
            head,
            data: b"Recorder\nguess\0",
            extra: b"",
        },
    );
    assert_eq!(
        DirEntry::parse_head(&answer.data),
        Some(DirEntry::mark(EntryKind::END)),
        "STAT has no errors"
    );
    assert_eq!(service.password, PasswordCheck::Wrong);
}

#[test]
fn the_password_can_be_changed_once_for_each_request() {
    let mut service = service();
    let mut ann = TestClient::new(peer(1, 1000));
    let head = FspHeader {
        command: Command::CH_PASSWD,
        key: 0,
        sequence: 0,
        position: 0,
    };
    let mut change = |service: &mut Service, data: &[u8]| {
        ann.millis += 10_000;
        let answer = ann.send(
            service,
            &Packet {
                head,
                data,
                extra: b"",
            },
        );
        ann.millis += 1340;
        let again = ann.repeat(service).expect("an answer to a resend");
        assert_eq!(
            (answer.command.0, again[0]),
            if answer.data.is_empty() {
                (0x4F, 0x4F)
            } else {
                (0x40, 0x40)
            }
        );
        answer.text()
    };
    for (data, text) in [
        (&b"\nsecret\0"[..], "format error"),
        (b"secret\nother\0", "format error"),
        (b"\nsecret\n\0", "format error"),
        (b"\nsecret\nwith\ttab\0", "format error"),
        (b"\nguess\nother\0", "wrong password"),
        (b"\n\nother\0", "wrong password"),
    ] {
        assert_eq!(
            (
                change(&mut service, data).as_str(),
                service.stick.saved.len()
            ),
            (text, 0)
        );
    }
    assert_eq!(change(&mut service, b"\nsecret\nother one\0"), "");
    assert_eq!(service.stick.saved, b"other one");
    assert_eq!(change(&mut service, b"\nsecret\nx\0"), "wrong password");
    service.stick.pulled = true; // it cannot be stored
    assert_eq!(
        change(&mut service, b"\nother one\nx\0"),
        "The password could not be kept"
    );
    service.stick.pulled = false;
    assert_eq!(
        change(&mut service, b"\nother one\nsecret\0"),
        "",
        "the old one is still in force"
    );
}
