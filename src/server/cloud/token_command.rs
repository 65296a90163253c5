//! `callrec-server token`: makes and checks the tokens of devices.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use lexopt::prelude::{Long, Short, Value};

use crate::cli::arguments::parser;
use crate::cli::command::{command, CommandSpec};
use crate::cli::console::print;
use crate::cli::failure::{usage, Failure};
use crate::config::number;
use crate::server::web::ids::unix_now;
use crate::server::web::secret_file::read_app_key_for_a_person;
use crate::server::web::word::{control_word, given};
use crate::wire::cloud::digests::{check_token, make_token, Verdict};

pub(in crate::server) const TOKEN: CommandSpec = command! {
    "callrec-server", "token", "make CID CONTROL EXPIRE|check TOKEN",
    "makes and checks the tokens of devices in the cloud";
    [
        ("", "key-file", "FILE",
            "the file whose first line is the app's key; required"),
    ];
    "\
`make` prints the token of a device; CONTROL is decimal or 0x, EXPIRE is in Unix seconds. `check` prints valid, expired,
wrong-digest, unverifiable (it has further fields) or malformed; its status is 0 only for valid. TOKEN may be - for standard
input.";
    [
        "callrec-server token make --key-file app.key 1003469 0xC0140000 1893456000",
        "callrec-server token check --key-file app.key - <phone.token",
    ]
};

pub(in crate::server) fn token(arguments: Vec<OsString>) -> Result<ExitCode, Failure> {
    let mut parser = parser(arguments);
    let mut file: Option<PathBuf> = None;
    let mut words: Vec<String> = vec![];
    while let Some(argument) = parser.next()? {
        match argument {
            Long("key-file") => file = Some(parser.value()?.into()),
            Short('h') | Long("help") => return print(TOKEN.help),
            Value(word) => words.push(word.to_string_lossy().into_owned()),
            other => return Err(other.unexpected().into()),
        }
    }
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let key = || {
        let file = file.as_ref();
        let file = file.ok_or_else(|| Failure::Usage("token: which --key-file?".into()))?;
        read_app_key_for_a_person(file).map_err(Failure::Failed)
    };
    match words[..] {
        ["make", cid, control, expire] => make(&key()?, cid, control, expire),
        ["check", token] => check(&key()?, token),
        ["make", ..] => usage("token make: which CID CONTROL EXPIRE?"),
        ["check", ..] => usage("token check: which TOKEN?"),
        _ => usage("token: make or check?"),
    }
}

fn make(key: &str, cid: &str, control: &str, expire: &str) -> Result<ExitCode, Failure> {
    let bad =
        |name: &str, problem: String| Failure::Failed(format!("token make: {name} {problem}"));
    let cid: u32 = number(cid, 0, u32::MAX).map_err(|problem| bad("CID", problem))?;
    let control = control_word(control).map_err(|problem| bad("CONTROL", problem))?;
    let expire: u32 = number(expire, 0, u32::MAX).map_err(|problem| bad("EXPIRE", problem))?;
    print(&format!(
        "{}\n",
        make_token(key.as_bytes(), cid, control, expire)
    ))
}

fn check(key: &str, token: &str) -> Result<ExitCode, Failure> {
    let token = given(token, "token check")?;
    let verdict = check_token(token.as_bytes(), &[key], unix_now());
    print(&format!("{}\n", verdict.word()))?;
    let reason = match verdict {
        Verdict::Valid => return Ok(ExitCode::SUCCESS),
        Verdict::Expired => "its time is over",
        Verdict::WrongDigest => "it was signed with another key, or changed",
        Verdict::Unverifiable => "it has fields whose signing is not published",
        Verdict::Malformed => "it is not CID_CONTROL_EXPIRE_DIGEST",
    };
    Err(Failure::Failed(format!(
        "token check: {}: {reason}",
        verdict.word()
    )))
}
