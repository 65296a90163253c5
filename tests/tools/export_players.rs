//! What other programs make of the output of `callrec export`.

use std::process::{Command, Stdio};

use crate::common::made::{tool_ok, Folder, Made};
use crate::common::wave::part;
use callrec::wire::g711::Law;
use serde_json::Value;

#[test]
fn a_reader_that_goes_away_is_no_failure() {
    let folder = Folder::new();
    let file = folder.file("long", &part(0, 5000).bytes());
    let mut child = crate::common::command(env!("CARGO_BIN_EXE_callrec"))
        .args(["export", "--pcm16", &file, "-"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert!(
        output.status.success() && output.stderr.is_empty(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

/// Runs another program on `input`; what it prints.
fn other(program: &str, arguments: &[&str], input: &[u8]) -> Vec<u8> {
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_vec();
    let writer = std::thread::spawn(move || drop(std::io::Write::write_all(&mut stdin, &input)));
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    let words = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        output.status.success() && words.trim().is_empty(),
        "{program} {arguments:?}: {words}"
    );
    output.stdout
}

/// ffprobe and soxi describe the file: its codec, and 151 frames.
fn assert_described(path: &str, codec: &str) {
    let probe = "-v error -of json -show_streams -show_format";
    let arguments: Vec<&str> = probe.split(' ').chain([path]).collect();
    let json: Value = serde_json::from_slice(&other("ffprobe", &arguments, b"")).unwrap();
    assert_eq!(json["streams"][0]["codec_name"], codec);
    assert_eq!(json["format"]["duration"], "3.020000");
    let samples = String::from_utf8(other("soxi", &["-s", path], b"")).unwrap();
    assert_eq!(samples.trim(), "24160");
}

/// ffmpeg and sox decode these samples, from a pipe and from the file.
fn assert_decoded(path: &str, piped: &[u8], samples: &[u8]) {
    let to_linear = "-v error -i - -f s16le -c:a pcm_s16le -";
    let arguments: Vec<&str> = to_linear.split(' ').collect();
    assert!(
        other("ffmpeg", &arguments, piped) == samples,
        "ffmpeg, {path}"
    );
    let raw = ["-t", "raw", "-e", "signed", "-b", "16", "-L", "-"];
    let from_pipe = [&["-t", "wav", "-"], &raw[..]].concat();
    assert!(
        other("sox", &from_pipe, piped) == samples,
        "sox on a pipe, {path}"
    );
    let from_file = [&[path], &raw[..]].concat();
    assert!(other("sox", &from_file, b"") == samples, "sox, {path}");
}

#[test]
#[ignore = "needs the packages sox and ffmpeg: scripts/test installs them"]
fn sox_and_ffmpeg_hear_every_sample_from_a_file_and_from_a_pipe() {
    let folder = Folder::new();
    for (codec, law, name) in [("PCMU", Law::Mu, "pcm_mulaw"), ("PCMA", Law::A, "pcm_alaw")] {
        let made = Made {
            codec,
            ..part(0, 151)
        };
        let table = law.decode_table();
        let samples: Vec<u8> = made
            .audio()
            .iter()
            .flat_map(|code| table[usize::from(*code)].to_le_bytes())
            .collect();
        let file = folder.file("in", &made.bytes());
        for (flags, name) in [(&[][..], name), (&["--pcm16"], "pcm_s16le")] {
            let out = folder.path(&format!("{codec}-{name}.wav"));
            tool_ok(&[&["export"], flags, &[&file, &out]].concat());
            let piped = tool_ok(&[&["export"], flags, &[&file, "-"]].concat()).out;
            assert_described(&out, name);
            assert_decoded(&out, &piped, &samples);
        }
    }
}
