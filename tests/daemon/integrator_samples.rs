//! The samples of board/samples, as an integrator would run them.

use std::process::Command;

use crate::common::file::read;
use crate::common::Phone;
use callrec::wire::g711::Law;

/// Runs a sample against a phone; what it prints.
fn run(phone: &Phone, command: &mut Command) -> String {
    let output = command.arg(phone.socket()).output().unwrap();
    let words = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{words}");
    String::from_utf8(output.stdout).unwrap()
}

/// Both legs are in the only recording: a frame is the sum of theirs.
fn assert_recorded(phone: &Phone) {
    let [name] = &phone.files()[..] else {
        panic!("{:?}", phone.files())
    };
    let audio = read(&phone.stick().join(name)).audio();
    let sum = [0x20, 0x30].map(|code| i32::from(Law::Mu.decode_one(code)));
    let both = Law::Mu.encode_one(sum.iter().sum());
    let mixed = audio.iter().filter(|code| **code == both).count();
    assert!(mixed > 90 * 160, "{mixed} of {}", audio.len());
    let sidecar = phone.sidecar(name, "\"end\"");
    assert_eq!(sidecar["heard"], "both");
    assert_eq!(sidecar["remote_number"], "100");
}

#[test]
#[ignore = "needs python3: scripts/test runs it"]
fn the_sample_in_python_records_a_call() {
    let phone = Phone::new("");
    let sample = "board/samples/record_call.py";
    let said = run(&phone, Command::new("python3").arg(sample));
    let words: Vec<&str> = said.split_whitespace().collect();
    assert_eq!(words[0], phone.files()[0]);
    assert!(
        words[1].parse::<u32>().unwrap() >= 100 && words[2] == "both",
        "{said}"
    );
    assert_recorded(&phone);
}

#[test]
#[ignore = "needs gcc: scripts/test runs it"]
fn the_sample_in_c_records_a_call() {
    let phone = Phone::new("");
    let program = phone.path("record_call");
    let built = Command::new("gcc")
        .args(["-Wall", "-Wextra", "-Werror", "-O1", "-o"])
        .arg(&program)
        .arg("board/samples/record_call.c")
        .output()
        .unwrap();
    let words = String::from_utf8_lossy(&built.stderr);
    assert!(built.status.success(), "{words}");
    let said = run(&phone, &mut Command::new(&program));
    assert!(said.contains("&heard=both&files=Record_"), "{said}");
    assert_recorded(&phone);
}
