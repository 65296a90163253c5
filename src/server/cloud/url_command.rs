//! `callrec-server url`: takes `topvdn://` URLs apart, and makes them.

use core::net::Ipv4Addr;
use std::ffi::OsString;
use std::process::ExitCode;

use lexopt::prelude::{Long, Short, Value};

use crate::cli::arguments::parser;
use crate::cli::command::{command, CommandSpec};
use crate::cli::console::print;
use crate::cli::failure::{usage, Failure};
use crate::config::number;
use crate::server::web::word::given;
use crate::wire::cloud::token::Token;
use crate::wire::cloud::url::{emit, Purpose, TopvdnUrl, PUBLIC_HOST};

pub(in crate::server) const URL: CommandSpec = command! {
    "callrec-server", "url", "parse URL|make HOST:PORT TOKEN",
    "takes the cloud's topvdn:// URLs apart, and makes them";
    [
        ("", "pull", "",
            "make: the URL plays a stream from a relay"),
        ("", "push", "",
            "make: the URL publishes a stream at a relay; 0.0.0.0:0 lets the cloud choose it"),
        ("", "mode", "N",
            "make: with --push, 2 public, 3 private and stored, 4 public and stored, 5 private"),
        ("", "record", "",
            "make: the URL of a recording; HOST is public.topvdn.cn, and BEGIN END PLAY follow in seconds"),
        ("", "show", "",
            "parse: the digest of the token is printed, too"),
    ];
    "\
`parse` prints lines key=value: host, port, cid, then the parameters. `make` prints a URL; without --pull, --push and
--record it is that of a call. URL and TOKEN may be - for standard input.";
    [
        "callrec-server url parse 'topvdn://203.0.113.5:80?protocolType=1&token=...'",
        "callrec-server url make 203.0.113.5:80 - <phone.token",
        "callrec-server url make public.topvdn.cn - --record 1500 1800 0 <phone.token",
    ]
};

#[derive(Default)]
struct Arguments {
    words: Vec<String>,
    pull: bool,
    push: bool,
    record: bool,
    mode: Option<String>,
    show: bool,
}

pub(in crate::server) fn url(arguments: Vec<OsString>) -> Result<ExitCode, Failure> {
    let mut parser = parser(arguments);
    let mut given = Arguments::default();
    while let Some(argument) = parser.next()? {
        match argument {
            Long("pull") => given.pull = true,
            Long("push") => given.push = true,
            Long("record") => given.record = true,
            Long("show") => given.show = true,
            Long("mode") => given.mode = Some(parser.value()?.to_string_lossy().into_owned()),
            Short('h') | Long("help") => return print(URL.help),
            Value(word) => given.words.push(word.to_string_lossy().into_owned()),
            other => return Err(other.unexpected().into()),
        }
    }
    let words: Vec<&str> = given.words.iter().map(String::as_str).collect();
    match words[..] {
        ["parse", url] => parse(url, given.show),
        ["parse", ..] => usage("url parse: which URL?"),
        ["make", place, token, ref times @ ..] => make(place, token, times, &given),
        ["make", ..] => usage("url make: which HOST:PORT TOKEN?"),
        _ => usage("url: parse or make?"),
    }
}

fn parse(url: &str, shows: bool) -> Result<ExitCode, Failure> {
    let text = given(url, "url parse")?;
    let url = TopvdnUrl::parse(text.as_bytes());
    let url = url.map_err(|problem| Failure::Failed(format!("url parse: {problem}")))?;
    let mut lines = format!("host={}\n", url.host());
    if let Some(port) = url.port() {
        lines += &format!("port={port}\n");
    }
    lines += &format!("cid={}\n", url.token.cid);
    for (key, value) in url.params() {
        if key == "token" && !shows {
            lines += &format!("{key}={}\n", url.token);
        } else {
            lines += &format!("{key}={value}\n");
        }
    }
    print(&lines)
}

fn make(place: &str, token: &str, times: &[&str], asked: &Arguments) -> Result<ExitCode, Failure> {
    let bad = |problem: &str| Failure::Failed(format!("url make: {problem}"));
    if u8::from(asked.pull) + u8::from(asked.push) + u8::from(asked.record) > 1 {
        return usage("url make: only one of --pull, --push and --record");
    }
    if asked.push != asked.mode.is_some() {
        return usage("url make: --push needs --mode N, and nothing else takes it");
    }
    let purpose = match times {
        [begin, end, play] if asked.record => recording(place, [begin, end, play])?,
        [] if !asked.record => stream(place, asked)?,
        _ if asked.record => return usage("url make: --record needs BEGIN END PLAY"),
        _ => return usage("url make: only HOST:PORT TOKEN, without --record"),
    };
    let token = given(token, "url make")?;
    if Token::parse(token.as_bytes()).is_err() {
        return Err(bad("the token is not CID_CONTROL_EXPIRE_DIGEST"));
    }
    let text = emit(purpose, &token).ok_or_else(|| bad("the URL is longer than 256 bytes"))?;
    // What cannot be taken apart again must not be made.
    TopvdnUrl::parse(&text).map_err(|problem| bad(&problem.to_string()))?;
    print(&format!("{}\n", String::from_utf8_lossy(&text)))
}

fn recording(place: &str, times: [&str; 3]) -> Result<Purpose, Failure> {
    let bad = |problem: String| Failure::Failed(format!("url make: {problem}"));
    if place != PUBLIC_HOST {
        return Err(bad(format!(
            "recordings are at {PUBLIC_HOST}, not '{place}'"
        )));
    }
    let mut seconds = [0; 3];
    for ((place, text), name) in seconds.iter_mut().zip(times).zip(["BEGIN", "END", "PLAY"]) {
        let second = number(text, 0, u32::MAX);
        *place = second.map_err(|problem| bad(format!("{name} {problem}")))?;
    }
    let [begin, end, play] = seconds;
    Ok(Purpose::Recording { begin, end, play })
}

fn stream(place: &str, given: &Arguments) -> Result<Purpose, Failure> {
    let bad = |problem: String| Failure::Failed(format!("url make: {problem}"));
    let address = place.rsplit_once(':').and_then(|(host, port)| {
        let ip: Ipv4Addr = host.parse().ok()?;
        let port: u16 = number(port, 0, 65535).ok()?;
        Some((ip, port))
    });
    let address = address.ok_or_else(|| bad(format!("'{place}' is no IPv4:PORT")))?;
    let (ip, port) = address;
    Ok(match &given.mode {
        Some(mode) => Purpose::Push {
            relay: address,
            mode: number(mode, 2, 5).map_err(|problem| bad(format!("--mode {problem}")))?,
        },
        None if given.pull => Purpose::Pull(ip, port),
        None => Purpose::Call(ip, port),
    })
}
