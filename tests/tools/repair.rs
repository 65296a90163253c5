//! `callrec repair`: what it mends, what it leaves alone, and that nothing gets worse. It runs in
//! this process, which starts no other: one that is being started holds this one's files for a
//! moment, and with them their locks.

use std::fs;
use std::os::fd::AsFd;
use std::time::{Duration, SystemTime};

use crate::common::made::{tool, tool_ok, Folder, Made};
use callrec::io::file::Output;

fn made() -> Made {
    Made::default()
}

fn with(bytes: &[u8], change: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut changed = bytes.to_vec();
    change(&mut changed);
    changed
}

#[test]
fn what_is_unfinished_is_made_whole_once_and_keeps_its_time() {
    let folder = Folder::new();
    let long_ago = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000);
    for kind in [
        made(),
        Made {
            codec: "PCMA",
            big_endian: true,
            ..made()
        },
        Made {
            rtp: false,
            ..made()
        },
        Made {
            rtp: false,
            big_endian: true,
            ..made()
        },
    ] {
        let whole = kind.bytes();
        let size: Vec<u8> = if kind.big_endian {
            vec![0, 0, 7, 8]
        } else {
            vec![8, 7, 0, 0]
        };
        for unfinished in [
            with(&whole, |bytes| bytes[72..76].fill(0)),
            with(&whole, |bytes| bytes[72..76].copy_from_slice(&size)),
            with(&whole, |bytes| bytes[72..76].fill(0xFF)),
            with(&whole, |bytes| bytes.extend([0x80; 100])),
        ] {
            let path = folder.file("Record_20261121_101500.wav", &unfinished);
            fs::File::options()
                .write(true)
                .open(&path)
                .unwrap()
                .set_modified(long_ago)
                .unwrap();
            let said = tool_ok(&["repair", "--dry-run", &path]).text();
            assert!(
                said.contains("would be") && said.contains("10 frames"),
                "{said}"
            );
            assert_eq!(fs::read(&path).unwrap(), unfinished);
            let said = tool_ok(&["repair", &path]).text();
            assert!(
                said.contains("was") && said.contains("10 frames") && said.starts_with(&path),
                "{said}"
            );
            assert_eq!(fs::read(&path).unwrap(), whole);
            assert_eq!(fs::metadata(&path).unwrap().modified().unwrap(), long_ago);
            assert_eq!(
                tool_ok(&["repair", &path]).text(),
                format!("{path}: is whole\n")
            );
            assert_eq!(fs::read(&path).unwrap(), whole);
        }
    }
}

#[test]
fn a_damaged_header_is_written_anew_from_the_frames() {
    let folder = Folder::new();
    for kind in [
        made(),
        Made {
            codec: "PCMA",
            frames: 2,
            ..made()
        },
        Made {
            big_endian: true,
            ..made()
        },
    ] {
        let whole = kind.bytes();
        for damage in [
            |bytes: &mut Vec<u8>| bytes[0] ^= 1,
            |bytes: &mut Vec<u8>| bytes[..64].fill(0),
            |bytes: &mut Vec<u8>| bytes[64..68].fill(0),
            |bytes: &mut Vec<u8>| bytes[64..68].fill(0xFF),
            |bytes: &mut Vec<u8>| bytes.copy_within(68..72, 64), // frames are packets all the same
            |bytes: &mut Vec<u8>| bytes[68..72].fill(0),
            |bytes: &mut Vec<u8>| (bytes[64], bytes[67]) = (bytes[64] ^ 4, bytes[67] ^ 4),
            |bytes: &mut Vec<u8>| {
                bytes[72..76].fill(0xEE);
                bytes[68..72].fill(0xEE);
                bytes.extend([1; 50]);
            },
        ] {
            let path = folder.file("Record_20261121_101500.wav", &with(&whole, damage));
            let info = tool_ok(&["info", "--json", &path]).json().remove(0);
            assert_eq!(
                (&info["state"], &info["frames"]),
                (&"damaged".into(), &kind.frames.into())
            );
            let said = tool_ok(&["repair", &path]).text();
            assert!(said.contains("reconstructed"), "{said}");
            assert_eq!(fs::read(&path).unwrap(), whole, "{said}");
            assert!(tool_ok(&["repair", &path]).text().contains("is whole"));
        }
    }
}

#[test]
fn what_cannot_be_mended_or_is_no_recording_is_left_untouched() {
    let folder = Folder::new();
    let bare = Made {
        rtp: false,
        ..made()
    }
    .bytes();
    let hopeless = [
        with(&bare, |bytes| bytes[64..72].fill(0)),
        with(&bare, |bytes| bytes[64] = 161),
        with(&made().bytes(), |bytes| bytes[64..].fill(0)),
    ];
    for (n, bytes) in hopeless.iter().enumerate() {
        let path = folder.file(&format!("Record_{n}.wav"), bytes);
        let ran = tool(&["repair", &path]);
        assert!(
            !ran.ok && ran.err.contains(&path) && ran.err.contains("left untouched"),
            "{}",
            ran.err
        );
        assert_eq!(&fs::read(&path).unwrap(), bytes);
    }
    let others: [(&[u8], &str); 4] = [
        (&[b"RIFF", &[0u8; 400][..]].concat(), "RIFF"),
        (&[b"\x89PNG", &[7u8; 400][..]].concat(), "not a recording"),
        (b"PCMU", "shorter"),
        (b"", "shorter"),
    ];
    for (n, (bytes, word)) in others.iter().enumerate() {
        let path = folder.file(&format!("other{n}.wav"), bytes);
        let said = tool_ok(&["repair", &path]).text();
        assert!(said.contains(word) && said.contains("left alone"), "{said}");
        assert_eq!(&fs::read(&path).unwrap(), bytes);
    }
    assert!(!tool(&["repair", &folder.path("nothing.wav")]).ok);
}

#[test]
fn a_folder_stands_for_its_recordings_and_one_bad_file_hides_no_other() {
    let folder = Folder::new();
    let torn = with(&made().bytes(), |bytes| bytes.truncate(76 + 172 * 4 + 30));
    let paths = ["Record_1.wav", "00aabbccddee/Record_2.WAV", "Record_3.wav"]
        .map(|name| folder.file(name, &torn));
    let bad = folder.file(
        "Record_0.wav",
        &with(
            &Made {
                rtp: false,
                ..made()
            }
            .bytes(),
            |bytes| bytes[64] = 1,
        ),
    );
    let notes = folder.file("notes.txt", &torn);
    let outside = Folder::new();
    let target = outside.file("Record_4.wav", &torn);
    std::os::unix::fs::symlink(&target, folder.path("Record_4.wav")).unwrap();
    std::os::unix::fs::symlink(&outside.0, folder.path("away")).unwrap();
    let ran = tool(&["repair", folder.0.to_str().unwrap()]);
    assert_eq!(
        (ran.ok, ran.text().lines().count(), ran.err.lines().count()),
        (false, 3, 1),
        "{ran:?}"
    );
    assert!(ran.err.contains(&bad));
    for path in &paths {
        assert_eq!(
            fs::read(path).unwrap(),
            Made {
                frames: 4,
                ..made()
            }
            .bytes()
        );
    }
    assert_eq!(
        (fs::read(&notes).unwrap(), fs::read(&target).unwrap()),
        (torn.clone(), torn.clone())
    );
    let link = tool(&["repair", &folder.path("Record_4.wav")]);
    assert!(
        !link.ok && link.err.contains("is a symbolic link") && fs::read(&target).unwrap() == torn,
        "a link is not followed: {link:?}"
    );
    let empty = Folder::new();
    let ran = tool(&["repair", empty.0.to_str().unwrap()]);
    assert!(ran.ok && ran.err.contains("no recordings"), "{}", ran.err);
}

#[test]
fn what_is_being_written_is_left_alone() {
    let folder = Folder::new();
    let dir = fs::File::open(&folder.0).unwrap();
    let output = Output::create(dir.as_fd(), "Record_1.wav").unwrap();
    let torn = with(&made().bytes(), |bytes| bytes.truncate(900));
    assert_eq!(output.write(0, &torn).unwrap(), 900);
    let path = folder.path("Record_1.wav");
    for arguments in [
        &["repair", &path][..],
        &["repair", "-n", &path],
        &["repair", folder.0.to_str().unwrap()],
    ] {
        let said = tool_ok(arguments).text();
        assert!(said.contains("being recorded"), "{said}");
    }
    assert_eq!(
        tool_ok(&["info", "--json", &path]).json()[0]["state"],
        "recording"
    );
    assert_eq!(fs::read(&path).unwrap(), torn);
    drop(output);
    assert!(tool_ok(&["repair", &path]).text().contains("4 frames"));
}

#[test]
fn a_read_only_stick_is_no_failure_while_there_is_nothing_to_write() {
    let folder = Folder::new();
    let path = folder.file("Record_1.wav", &made().bytes());
    let mut permissions = fs::metadata(&path).unwrap().permissions();
    permissions.set_readonly(true);
    fs::set_permissions(&path, permissions).unwrap();
    assert_eq!(
        tool_ok(&["repair", &path]).text(),
        format!("{path}: is whole\n")
    );
}
