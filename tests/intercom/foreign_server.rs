//! Streams of servers that others have written. xiu (`cargo install --locked --root target/xiu xiu`)
//! is a live server, RTMP in and HTTP-FLV out: our phone plays from it, our box relays its stream, and
//! what our box relays goes on to it (through ffmpeg: it takes no stream over HTTP). ffmpeg's own HTTP
//! server has one stream, either way: our phone plays from it, and publishes to it.
#![cfg(all(feature = "box", feature = "intercom"))]
#![allow(clippy::print_stderr)] // the server's log of a test that failed

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::common::engine::{voice, Engine, Heard};
use crate::common::home_box::HomeBox;
use crate::common::intercom::{of_call, CALL_REQ};
use crate::common::intercom_peer::{device, free_port, Peer};
use crate::common::streams::Streams;
use crate::common::{file, folder, intercom, wait_for, Process};
use serde_json::json;

/// The door's stream in `CALL_REQ`.
const VIDEO: &str = "b1f0c4";
/// The door says nothing, then something, then nothing; in frames of 20 ms.
const BEFORE: usize = 250;
const SAID: usize = 150;
const AFTER: usize = 400;

/// The program, which `scripts/test` does not build.
fn program() -> PathBuf {
    let named = std::env::var_os("XIU_BIN").filter(|path| !path.is_empty());
    let path = named.map_or("target/xiu/bin/xiu".into(), PathBuf::from);
    assert!(path.exists(), "{}: there is no xiu", path.display());
    path
}

struct Xiu {
    dir: PathBuf,
    process: Process,
    rtmp: u16,
    http: u16,
}

impl Xiu {
    fn start() -> Self {
        let (dir, _) = folder();
        let [rtmp, http, api] = [(); 3].map(|()| free_port());
        let config = format!(
            "[rtmp]\nenabled = true\nport = {rtmp}\ngop_num = 1\n[httpflv]\nenabled = true\nport = {http}\n\
             [httpapi]\nport = {api}\n[authsecret]\nkey = \"\"\npassword = \"\"\npush_password = \"\"\n\
             [log]\nlevel = \"info\"\n"
        );
        let path = dir.join("xiu.toml");
        fs::write(&path, config).unwrap();
        let mut command = Command::new(program());
        command.arg("-c").arg(&path);
        let mut process = Process::default();
        process.start(&mut command, File::create(dir.join("log")).unwrap());
        for port in [rtmp, http] {
            wait_for("xiu", || TcpStream::connect(("127.0.0.1", port)).is_ok());
        }
        Self {
            dir,
            process,
            rtmp,
            http,
        }
    }

    fn rtmp_url(&self, id: &str) -> String {
        format!("rtmp://127.0.0.1:{}/live/{id}", self.rtmp)
    }

    fn url(&self, id: &str) -> String {
        format!("http://127.0.0.1:{}/live/{id}.flv", self.http)
    }

    /// A picture that moves, and these codes, in real time, as a door's camera would send them.
    fn publish(&self, id: &str, law: &str, codes: &[u8]) -> Running {
        let sound = self.dir.join(format!("{id}.raw"));
        fs::write(&sound, codes).unwrap();
        let mut command = ffmpeg();
        command
            .args(["-re", "-f", "lavfi", "-i", "testsrc=size=320x240:rate=25"])
            .args(["-re", "-f", law, "-ar", "8000", "-ac", "1", "-i"])
            .arg(&sound)
            .args(["-c:v", "libx264", "-preset", "ultrafast", "-g", "25"])
            .args(["-pix_fmt", "yuv420p", "-c:a", "copy", "-shortest"])
            .args(["-f", "flv", &self.rtmp_url(id)]);
        let publisher = Running::start(&mut command);
        self.waits_for(id);
        publisher
    }

    /// Until somebody publishes this: it sends a player of a stream that is not there an empty body.
    fn waits_for(&self, id: &str) {
        wait_for("the stream at xiu", || {
            let mut body = self.body(id);
            let mut size = String::new();
            let read = body.read_line(&mut size);
            read.is_ok() && usize::from_str_radix(size.trim(), 16).is_ok_and(|size| size > 0)
        });
    }

    /// The body of its response, in chunks.
    fn body(&self, id: &str) -> BufReader<TcpStream> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.http)).unwrap();
        let request = format!("GET /live/{id}.flv HTTP/1.1\r\nHost: xiu\r\n\r\n");
        stream.write_all(request.as_bytes()).unwrap();
        let mut body = BufReader::new(stream);
        let mut line = String::new();
        while line != "\r\n" {
            line.clear();
            assert_ne!(body.read_line(&mut line).unwrap(), 0, "no head");
        }
        body
    }
}

impl Drop for Xiu {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let log = fs::read_to_string(self.dir.join("log"));
            eprintln!("--- xiu's log\n{}", log.unwrap_or_default());
        }
        self.process.kill();
        let _ = fs::remove_dir_all(&self.dir);
    }
}

/// A program that runs as long as the test wants it.
struct Running(Child);

impl Running {
    fn start(command: &mut Command) -> Self {
        Self(command.stdin(Stdio::null()).spawn().unwrap())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn ffmpeg() -> Command {
    let mut command = Command::new("ffmpeg");
    command.args(["-nostdin", "-loglevel", "error"]);
    command
}

/// The sound of the stream: silence, what the door says, silence.
fn film(silence: u8) -> (Vec<Vec<u8>>, Vec<u8>) {
    let said = voice(SAID, 0);
    let quiet = |frames| vec![silence; 160 * frames];
    let codes = [quiet(BEFORE), said.concat(), quiet(AFTER)].concat();
    (said, codes)
}

/// Ten seconds of a stream as ffmpeg sees them: how many pictures it decodes, and the sound's codes.
fn played(url: &str, dir: &Path) -> (usize, Vec<u8>) {
    let sound = dir.join("played.raw");
    let output = ffmpeg()
        .args([
            "-i", url, "-t", "10", "-map", "0:a", "-c", "copy", "-f", "mulaw",
        ])
        .arg(&sound)
        .args(["-t", "10", "-map", "0:v", "-f", "framecrc", "-"])
        .output()
        .unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    let pictures = String::from_utf8(output.stdout).unwrap();
    let pictures = pictures.lines().filter(|line| line.starts_with("0,"));
    (pictures.count(), fs::read(sound).unwrap())
}

fn assert_whole(played: &(usize, Vec<u8>), said: &[Vec<u8>]) {
    let (pictures, codes) = played;
    assert!((150..=300).contains(pictures), "{pictures} pictures");
    let said = said.concat();
    let holds = codes.windows(said.len()).any(|part| part == said);
    assert!(holds, "{} codes, not what was said", codes.len());
}

/// A call that is answered: its ends.
fn call(home: &HomeBox) -> [intercom::Peer; 2] {
    let mut panel = home.screen("panel", "1");
    let mut door = intercom::Peer::connect(&home.call());
    door.say(CALL_REQ);
    panel.hear("call_req");
    panel.say(&of_call("call_accept", "c0ffee", json!({})));
    door.hear("call_accept");
    [panel, door]
}

/// The property's phone, which a door has called, talks: it plays `from` and publishes to `to`. Its
/// recording, and what its media engine has heard.
fn talk(codec: &str, from: &str, to: &str, say: &[Vec<u8>]) -> (file::Recording, Heard) {
    let port = free_port();
    let phone = device(&format!(
        "intercomRole = property\nintercomId = p-1\nintercomAddr = 127.0.0.1\n\
         intercomPort = {port}\nvoiceCodec = {codec}"
    ));
    let mut events = phone.watch();
    let mut door = Peer::of(TcpStream::connect(("127.0.0.1", port)).unwrap());
    let request = json!({
        "sid": "c0ffee",
        "src": {"id": "2-1-1", "type": 3, "video_stream_id": from},
        "dest": {"id": "p-1", "type": 4, "audio_stream_id": to},
    });
    door.say("call_req", request);
    events.until("CallEvent", "incoming");
    let engine = Engine::of(if codec == "PCMA" { 8 } else { 0 });
    let accepted = phone.ask(&format!(
        "cmd=CallAcceptRequest&sid=c0ffee&rtp={}&codec={codec}",
        engine.address()
    ));
    let leg = accepted.value("leg_port").parse().unwrap();
    assert_eq!(accepted.value("play_video"), from);
    engine.wait_for_sound();
    let heard = engine.talk(leg, say);
    door.say("call_end", json!({"sid": "c0ffee"}));
    let ended = events.until("CallEvent", "ended");
    events.until("RecordEvent", "stopped");
    let path = phone.stick().join(ended.value("recording"));
    (file::read(&path), heard)
}

#[test]
#[ignore = "needs ffmpeg and xiu, a live server (XIU_BIN or target/xiu/bin/xiu)"]
fn a_foreign_server_is_played_heard_and_recorded() {
    let xiu = Xiu::start();
    let own = Streams::new();
    for (law, codec, silence) in [("mulaw", "PCMU", 0xFF), ("alaw", "PCMA", 0xD5)] {
        let (said, codes) = film(silence);
        let _publisher = xiu.publish(law, law, &codes);
        let to = format!("http://127.0.0.1:{}/stream/{law}", own.port);
        let quiet = vec![vec![silence; 160]; BEFORE + SAID];
        let (recording, heard) = talk(codec, &xiu.url(law), &to, &quiet);
        assert_eq!(recording.longest(&said), said.len() * 160, "{law}");
        assert!(heard.holds_most(&said), "{} codes", heard.0.len());
        own.published(law, |stream| stream.ended && !stream.tags.is_empty());
    }
}

#[test]
#[ignore = "needs ffmpeg"]
fn ffmpegs_server_is_played_and_published_to() {
    let (dir, _) = folder();
    let (said, codes) = film(0xFF);
    let (spoken, heard_there) = (dir.join("spoken"), dir.join("heard"));
    fs::write(&spoken, codes).unwrap();
    let urls = [(); 2].map(|()| format!("http://127.0.0.1:{}/live/call", free_port()));
    let mut camera = ffmpeg();
    camera
        .args(["-re", "-f", "mulaw", "-ar", "8000", "-i"])
        .arg(&spoken)
        .args(["-c", "copy", "-f", "flv", "-listen", "1", &urls[0]])
        // That its player goes before its film ends.
        .stderr(Stdio::null());
    let mut loudspeaker = ffmpeg();
    loudspeaker
        .args(["-listen", "1", "-f", "flv", "-i", &urls[1]])
        .args(["-c", "copy", "-f", "mulaw"])
        .arg(&heard_there);
    let (_camera, mut loudspeaker) = (
        Running::start(&mut camera),
        Running::start(&mut loudspeaker),
    );
    let answer = voice(SAID, 5);
    let quiet = |frames| vec![vec![0xFF; 160]; frames];
    let say = [answer.clone(), quiet(BEFORE), quiet(SAID)].concat();
    let (recording, heard) = talk("PCMU", &urls[0], &urls[1], &say);
    assert_eq!(recording.longest(&said), said.len() * 160);
    assert_eq!(recording.longest(&answer), answer.len() * 160);
    assert!(heard.holds_most(&said), "{} codes", heard.0.len());
    assert!(loudspeaker.0.wait().unwrap().success());
    let heard = fs::read(heard_there).unwrap();
    let answer = answer.concat();
    let holds = heard.windows(answer.len()).any(|part| part == answer);
    assert!(holds, "{} codes, not what was said", heard.len());
    fs::remove_dir_all(dir).unwrap();
}

#[test]
#[ignore = "needs ffmpeg and xiu, a live server (XIU_BIN or target/xiu/bin/xiu)"]
fn a_foreign_server_s_stream_is_relayed_by_the_box() {
    let xiu = Xiu::start();
    let home = HomeBox::new("");
    let _ends = call(&home);
    let (said, codes) = film(0xFF);
    let _publisher = xiu.publish("door", "mulaw", &codes);
    // The body of its response is the body of our request, chunk for chunk.
    let mut body = xiu.body("door");
    let mut to_box = TcpStream::connect(home.streams_outside()).unwrap();
    let head = format!("POST /stream/{VIDEO} HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n");
    to_box.write_all(head.as_bytes()).unwrap();
    let copy = std::thread::spawn(move || drop(std::io::copy(&mut body, &mut to_box)));
    let url = format!("http://{}/stream/{VIDEO}", home.streams_at_home());
    assert_whole(&played(&url, &xiu.dir), &said);
    drop(xiu);
    copy.join().unwrap();
}

#[test]
#[ignore = "needs ffmpeg and xiu, a live server (XIU_BIN or target/xiu/bin/xiu)"]
fn a_foreign_server_plays_what_the_box_relays() {
    let xiu = Xiu::start();
    let home = HomeBox::new("");
    let _ends = call(&home);
    let (said, codes) = film(0xFF);
    // One server of theirs is the camera, the box passes its stream on, and it arrives at the same
    // server under another name.
    let url = format!("http://{}/stream/{VIDEO}", home.streams_outside());
    let _camera = xiu.publish("camera", "mulaw", &codes);
    let copy = |from: &str, to: &[&str]| {
        let mut command = ffmpeg();
        command
            .args(["-i", from, "-c", "copy", "-f", "flv"])
            .args(to);
        Running::start(&mut command)
    };
    let _door = copy(&xiu.url("camera"), &["-method", "POST", &url]);
    wait_for("the stream at the box", || {
        home.ask("cmd=StatusRequest").value("streams") == "1"
    });
    let url = format!("http://{}/stream/{VIDEO}", home.streams_at_home());
    let _screen = copy(&url, &[&xiu.rtmp_url("copy")]);
    xiu.waits_for("copy");
    assert_whole(&played(&xiu.url("copy"), &xiu.dir), &said);
}
