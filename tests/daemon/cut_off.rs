//! Recordings that a power cut leaves unfinished: what is in the file, and what the next start
//! makes of it.

use std::fs;
use std::time::{Duration, SystemTime};

use crate::common::file::{header, read, read_unfinished};
use crate::common::{callrec, marked, rtp, wait_for, Phone, Talker};

/// Frames that may be missing when the power goes: 2 s.
const AT_RISK: usize = 100;

/// A recording that is cut off after so many packets; what is left, and what the next start makes
/// of it.
fn cut_off(packets: u32) {
    let mut phone = Phone::new("");
    let start = phone.record("&legs=1");
    let talker = Talker::new(start.ports()[0], packets);
    talker.wait(packets);
    phone.kill();
    let sent = talker.end();
    let path = phone.stick().join(start.value("file"));
    let (left, _) = read_unfinished(&path);
    let kept = left.numbers(&sent).iter().flatten().count();
    assert!(kept + AT_RISK >= packets as usize, "{kept} of {packets}");
    let info = callrec(&["info", "--json", path.to_str().unwrap()]);
    assert!(info.status.success(), "{info:?}");
    let json: serde_json::Value = serde_json::from_slice(&info.stdout).unwrap();
    assert_eq!(json["frames"], left.frames.len());

    // Any time but now: the repair has to set it back.
    let modified = SystemTime::UNIX_EPOCH + Duration::from_secs(1_500_000_000);
    let file = fs::File::options().write(true).open(&path).unwrap();
    file.set_modified(modified).unwrap();
    phone.start();
    wait_for("the repair", || {
        let bytes = fs::read(&path).unwrap();
        bytes.len() < 76 || 76 + header(&bytes).3 as usize == bytes.len()
    });
    let whole = read(&path);
    assert_eq!(
        whole.frames, left.frames,
        "no more and no less than was there"
    );
    wait_for("the time to be set back", || {
        fs::metadata(&path).unwrap().modified().unwrap() == modified
    });
    let again = phone.record("");
    assert_ne!(again.value("file"), start.value("file"));
}

#[test]
fn a_recording_cut_off_at_its_beginning_is_made_whole() {
    for packets in [0, 1, 7, 16, 31] {
        cut_off(packets);
    }
}

#[test]
fn a_recording_cut_off_before_the_first_sync_is_made_whole() {
    for packets in [58, 66] {
        cut_off(packets);
    }
}

#[test]
fn a_recording_cut_off_later_misses_two_seconds_at_most() {
    for packets in [130, 171] {
        cut_off(packets);
    }
}

#[test]
fn every_kind_of_torn_file_is_repaired_and_others_are_left_alone() {
    let mut phone = Phone::prepared("");
    let mut whole = vec![0; 76];
    whole[..4].copy_from_slice(b"PCMU");
    whole[64..72].copy_from_slice(&[172, 0, 0, 0, 160, 0, 0, 0]);
    for n in 0..5u16 {
        whole.extend(rtp(0, n, u32::from(n) * 160, 1, &marked(1, n.into())));
    }
    let stick = phone.stick();
    let name = |cut: usize| stick.join(format!("Record_20200101_{cut:06}.wav"));
    (0..=whole.len()).for_each(|cut| fs::write(name(cut), &whole[..cut]).unwrap());
    let foreign: Vec<(_, Vec<u8>)> = [
        (
            "Record_20200101_900000.wav",
            b"RIFF....WAVEfmt and so on, longer than a header of ours is, I should say so.."
                .to_vec(),
        ),
        ("music.wav", whole[..300].to_vec()),
        ("Record_20200101_900001.txt", whole[..300].to_vec()),
    ]
    .map(|(name, bytes)| (phone.stick().join(name), bytes))
    .into();
    foreign
        .iter()
        .for_each(|(path, bytes)| fs::write(path, bytes).unwrap());
    fs::create_dir(phone.stick().join("Record_20200101_910000.wav")).unwrap();
    std::os::unix::fs::symlink(
        phone.config(),
        phone.stick().join("Record_20200101_910001.wav"),
    )
    .unwrap();
    let config = fs::read(phone.config()).unwrap();
    phone.start();
    wait_for("the repairs", || {
        phone.stat("repaired") as usize >= whole.len() - 76
    });
    for cut in 0..=whole.len() {
        let bytes = fs::read(name(cut)).unwrap();
        if cut < 76 {
            assert_eq!(bytes, whole[..cut], "no header, no repair");
            continue;
        }
        let frames = (cut - 76) / 172;
        assert_eq!(
            (bytes.len(), header(&bytes).3 as usize),
            (76 + frames * 172, frames * 172),
            "cut at {cut}"
        );
        assert_eq!(bytes[76..], whole[76..76 + frames * 172]);
    }
    foreign.iter().for_each(|(path, bytes)| {
        assert_eq!(&fs::read(path).unwrap(), bytes, "{}", path.display())
    });
    assert_eq!(
        fs::read(phone.config()).unwrap(),
        config,
        "a link is not followed"
    );
}
