//! `callrec export`: the audio bit for bit, parts in their places, and what other programs make of
//! the files.

use std::fs;

use crate::common::made::{tool, tool_ok, Folder, Made};
use crate::common::wave::{exported, part, wave};
use crate::common::SILENCE;
use callrec::wire::g711::Law;

#[test]
fn one_recording_comes_out_bit_for_bit() {
    let folder = Folder::new();
    for (codec, tag) in [("PCMU", 7), ("PCMA", 6)] {
        for (rtp, big_endian, frames) in [
            (true, false, 5),
            (false, false, 3),
            (true, true, 4),
            (false, true, 1),
            (true, false, 0),
        ] {
            let made = Made {
                codec,
                rtp,
                big_endian,
                frames,
                ..Made::default()
            };
            let file = folder.file("in.wav", &made.bytes());
            let out = folder.path("out.wav");
            tool_ok(&["export", &file, &out]);
            let bytes = fs::read(&out).unwrap();
            let found = wave(&bytes);
            assert_eq!(
                (found.tag, found.bits, found.data == made.audio()),
                (tag, 8, true)
            );
            assert_eq!(
                tool_ok(&["export", &file, "-"]).out,
                bytes,
                "a pipe gets the same"
            );
            fs::remove_file(&out).unwrap();
        }
    }
}

#[test]
fn linear_samples_are_the_decoded_codes() {
    let folder = Folder::new();
    for (codec, law) in [("PCMU", Law::Mu), ("PCMA", Law::A)] {
        let made = Made {
            codec,
            ..Made::default()
        };
        let found = exported(&["--pcm16", &folder.file("in.wav", &made.bytes())]);
        let samples = made
            .audio()
            .iter()
            .flat_map(|code| law.decode_table()[usize::from(*code)].to_le_bytes())
            .collect::<Vec<u8>>();
        assert_eq!(
            (found.tag, found.bits, found.data == samples),
            (1, 16, true)
        );
    }
}

#[test]
fn parts_come_in_sequence_each_frame_once() {
    let folder = Folder::new();
    let whole = part(0, 300).audio();
    let [one, two, three] =
        [(0, 100), (100, 120), (220, 80)].map(|(first, frames)| part(first, frames).bytes());
    let [one, two, three] =
        [("1", one), ("2", two), ("3", three)].map(|(name, bytes)| folder.file(name, &bytes));
    assert!(exported(&[&one, &two, &three]).data == whole);
    assert!(
        exported(&[&three, &one, &two]).data == whole,
        "in any order"
    );
    // A part that the server got, and the stick's that went on: they overlap by 40 frames.
    let stick = folder.file("stick", &part(60, 240).bytes());
    let ran = tool(&["export", &one, &stick, "-"]);
    assert!(
        ran.ok && wave(&ran.out).data == whole && ran.err.contains("40 frames"),
        "{}",
        ran.err
    );
    let copy = folder.file("copy", &part(0, 100).bytes());
    let ran = tool(&["export", &one, &copy, &two, &three, "-"]);
    assert!(
        ran.ok && wave(&ran.out).data == whole && ran.err.contains("100 frames"),
        "{}",
        ran.err
    );
    let mut torn = part(100, 120).bytes();
    torn.truncate(76 + 172 * 50 + 99);
    let ran = tool(&["export", &one, &folder.file("torn", &torn), &three, "-"]);
    let silence = vec![SILENCE; 70 * 160];
    let expected = [&whole[..150 * 160], &silence, &whole[220 * 160..]].concat();
    assert!(
        wave(&ran.out).data == expected && ran.err.contains("1.400 s of silence"),
        "{}",
        ran.err
    );
}

#[test]
fn what_does_not_belong_together_follows_in_the_order_given() {
    let folder = Folder::new();
    let other = Made {
        ssrc: 78,
        ..part(5, 20)
    };
    let bare = Made {
        rtp: false,
        ..part(0, 3)
    };
    let [a, b, c] = [part(0, 10), other, bare].map(|made| (made.audio(), made.bytes()));
    let [fa, fb, fc] =
        [("a", a.1), ("b", b.1), ("c", c.1)].map(|(name, bytes)| folder.file(name, &bytes));
    let ran = tool(&["export", &fb, &fc, &fa, "-"]);
    assert!(
        wave(&ran.out).data == [b.0, c.0, a.0].concat()
            && ran.err.contains("more than one recording"),
        "{}",
        ran.err
    );
    // Numbers that are equal, audio that is not: phones with a constant SSRC.
    let mut same = part(0, 10).bytes();
    same[76..]
        .chunks_mut(172)
        .for_each(|frame| frame[12..].reverse());
    let ran = tool(&["export", &fa, &folder.file("d", &same), "-"]);
    assert_eq!(wave(&ran.out).data.len(), 20 * 160);
    let law = Made {
        codec: "PCMA",
        ..part(10, 5)
    };
    let alaw = folder.file("alaw", &law.bytes());
    let ran = tool(&["export", &fa, &alaw, "-"]);
    assert!(
        !ran.ok && ran.out.is_empty() && ran.err.contains(&alaw) && ran.err.contains("--pcm16"),
        "{}",
        ran.err
    );
    assert_eq!(exported(&["--pcm16", &fa, &alaw]).data.len(), 15 * 320);
}

#[test]
fn missing_and_damaged_frames_keep_their_time() {
    let folder = Folder::new();
    let (made, frame) = (part(0, 60), |n: usize| 76 + n * 172..76 + (n + 1) * 172);
    let audio = made.audio();
    let mut lossy = made.bytes();
    lossy.drain(frame(20).start..frame(29).end);
    let lossy = folder.file("lossy", &lossy);
    let ran = tool(&["export", &lossy, "-"]);
    let expected = [&audio[..20 * 160], &[SILENCE; 1600], &audio[30 * 160..]].concat();
    assert!(
        wave(&ran.out).data == expected && ran.err.contains("0.200 s"),
        "{}",
        ran.err
    );
    tool_ok(&["export", "--to", "0.4", &lossy, "-"]); // nothing is missing there
    for (out, words) in [
        (&*lossy, "exists already"),
        ("/dev/null", "not a regular file"),
    ] {
        let ran = tool(&["export", &lossy, out]);
        assert!(
            !ran.ok && ran.err.contains(words) && ran.err.lines().count() == 1,
            "{}",
            ran.err
        );
    }
    // A sector that was never written reads as zeros; a bit that flips in a header takes no audio
    // away.
    let mut damaged = made.bytes();
    damaged[frame(20).start..frame(22).end].fill(0);
    damaged[frame(40).start] ^= 0x80;
    damaged[frame(41).start + 7] ^= 0x20;
    let expected = [&audio[..20 * 160], &[SILENCE; 480], &audio[23 * 160..]].concat();
    assert!(exported(&[&folder.file("damaged", &damaged)]).data == expected);
    let mut header = made.bytes();
    header[64] ^= 0xFF;
    let ran = tool(&["export", &folder.file("header", &header), "-"]);
    assert!(
        wave(&ran.out).data == audio && ran.err.contains("header is damaged"),
        "{}",
        ran.err
    );
}

#[test]
fn from_and_to_cut_to_the_sample() {
    let folder = Folder::new();
    let [one, two] = [("1", part(0, 100)), ("2", part(150, 100))]
        .map(|(name, made)| folder.file(name, &made.bytes()));
    let whole = [
        part(0, 100).audio(),
        vec![SILENCE; 50 * 160],
        part(150, 100).audio(),
    ]
    .concat();
    for (from, to, samples) in [
        ("0", "1", 0..8000),
        ("0.5", "0.75", 4000..6000),
        ("1.9", "3.1", 15_200..24_800),
        ("0:02.000125", "0:00:02.5", 16_001..20_000),
        ("4.9", "9", 39_200..40_000),
        ("0", "3600", 0..40_000),
    ] {
        let ran = tool(&["export", "--from", from, "--to", to, &one, &two, "-"]);
        assert!(
            ran.ok && wave(&ran.out).data == whole[samples],
            "{from} {to}: {}",
            ran.err
        );
    }
    let ran = tool(&["export", "--from", "5", &one, &two, "-"]);
    assert!(!ran.ok && ran.err.contains("5.000 s"), "{}", ran.err);
    for bad in [
        &["--from", "2", "--to", "2"][..],
        &["--from", "-1"],
        &["--to", "x"],
        &["--from", "1:2:3:4"],
        &["--to", "1e3"],
    ] {
        let output = crate::common::callrec(&[&["export"], bad, &[&one, "-"]].concat());
        assert_eq!(output.status.code(), Some(2), "{bad:?}");
    }
}

/// A sparse file whose audio would be 4 GiB of linear samples.
fn huge(folder: &Folder) -> String {
    let made = Made {
        rtp: false,
        ..part(0, 0)
    };
    let mut header = made.bytes();
    header[72..76].fill(0xFF);
    let path = folder.file("huge", &header);
    let file = fs::File::options().write(true).open(&path).unwrap();
    file.set_len(76 + (1 << 31) + 160).unwrap();
    path
}

#[test]
fn what_cannot_be_exported_is_said_and_leaves_no_file() {
    let folder = Folder::new();
    let out = folder.path("out.wav");
    let of_codec = |codec| Made {
        codec,
        ..part(0, 3)
    };
    let mut g729 = of_codec("G729").bytes();
    (g729[64], g729[68]) = (13, 8);
    let g729 = folder.file("g729", &g729);
    let riff = folder.file("riff", &[b"RIFF", &[0u8; 200][..]].concat());
    let huge = huge(&folder);
    for (arguments, words) in [
        (&["/no/such"][..], &["/no/such", "No such file"][..]),
        (&[&riff], &[&riff, "RIFF"]),
        (&[&g729], &[&g729, "no room for audio"]),
        (&["--pcm16", &huge], &["4 GiB", "--from"]),
    ] {
        let ran = tool(&[&["export"], arguments, &[&out]].concat());
        let says_all = words.iter().all(|word| ran.err.contains(word));
        assert!(!ran.ok && says_all, "{arguments:?}: {}", ran.err);
        assert!(!fs::exists(&out).unwrap());
    }
    let piece = exported(&["--pcm16", "--from", "0", "--to", "1", &huge]);
    assert_eq!(piece.data.len(), 16_000);
}

#[test]
fn an_existing_file_is_not_overwritten() {
    let folder = Folder::new();
    let bytes = part(0, 3).bytes();
    let good = folder.file("good", &bytes);
    let ran = tool(&["export", &good, &good]);
    assert!(!ran.ok && ran.err.contains("exists already"), "{}", ran.err);
    assert_eq!(fs::read(&good).unwrap(), bytes);
}

#[test]
fn wav_files_among_the_recordings_are_left_out() {
    let folder = Folder::new();
    let made = part(0, 10);
    let recording = folder.file("Record_1.wav", &made.bytes());
    let exported = folder.path("call.wav");
    tool_ok(&["export", &recording, &exported]);
    let ran = tool(&["export", &recording, &exported, "-"]);
    assert!(ran.ok && wave(&ran.out).data == made.audio(), "{}", ran.err);
    assert!(
        ran.err.contains("call.wav: is a RIFF/WAVE file") && ran.err.contains("left out"),
        "{}",
        ran.err
    );
}

#[test]
fn the_name_of_the_output_decides_or_is_refused() {
    let folder = Folder::new();
    let file = folder.file("Record_1.wav", &part(0, 10).bytes());
    let svg = folder.path("a.svg");
    tool_ok(&["export", &file, &svg]);
    assert!(fs::read(&svg).unwrap().starts_with(b"<svg "));
    for (options, name, words) in [
        (&[][..], "a.mp3", "ffmpeg -i - OUT.mp3"),
        (&[], "p.png", "NAME.svg"),
        (&["--picture"], "p.wav", "NAME.svg"),
        (&["--raw"], "r.wav", "NAME.raw"),
    ] {
        let out = folder.path(name);
        let output = crate::common::callrec(&[&["export"], options, &[&file, &out]].concat());
        crate::common::assert_fails(&output, 2, &[&out, words]);
        assert!(!fs::exists(&out).unwrap());
    }
}
