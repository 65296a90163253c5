//! Streams through the running `callrec-box`: published and played by this test, and by ffmpeg.
#![cfg(feature = "box")]

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::process::{Command, Stdio};

use crate::common::home_box::HomeBox;
use crate::common::intercom::{of_call, Peer, CALL_REQ};
use crate::common::{wait_for, PATIENCE};
use serde_json::json;

/// The streams of `CALL_REQ`.
const VIDEO: &str = "b1f0c4";
const AUDIO: &str = "c7d2e9";

/// A call that is answered: its ends.
fn call(home: &HomeBox) -> (Peer, Peer) {
    let mut panel = home.screen("panel", "1");
    let mut door = Peer::connect(&home.call());
    door.say(CALL_REQ);
    let request = panel.hear("call_req");
    assert_eq!(request["src"]["video_stream_id"], VIDEO);
    panel.say(&of_call("call_accept", "c0ffee", json!({})));
    door.hear("call_accept");
    (panel, door)
}

fn connect(address: &str) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

/// The head of a reply, and what follows it to the end of the connection.
fn reply(stream: &mut TcpStream) -> (String, Vec<u8>) {
    let mut bytes = vec![];
    match stream.read_to_end(&mut bytes) {
        Err(error) if error.kind() == ErrorKind::ConnectionReset => {}
        read => drop(read.unwrap()),
    }
    let end = bytes.windows(4).position(|part| part == b"\r\n\r\n");
    let body = bytes.split_off(end.expect("a reply") + 4);
    (String::from_utf8(bytes).unwrap(), body)
}

/// A film of two seconds with H.264 pictures and mu-law sound.
fn film(home: &HomeBox) -> Vec<u8> {
    let path = home.path("film.flv");
    let made = Command::new("ffmpeg")
        .args([
            "-loglevel",
            "error",
            "-f",
            "lavfi",
            "-i",
            "testsrc=size=320x240:rate=25",
        ])
        .args(["-f", "lavfi", "-i", "sine=frequency=440:sample_rate=8000"])
        .args([
            "-t", "2", "-c:v", "libx264", "-g", "25", "-pix_fmt", "yuv420p",
        ])
        .args(["-c:a", "pcm_mulaw", "-f", "flv", &path])
        .output()
        .unwrap();
    assert!(
        made.status.success(),
        "{}",
        String::from_utf8_lossy(&made.stderr)
    );
    std::fs::read(path).unwrap()
}

#[test]
#[ignore = "needs ffmpeg"]
fn a_film_passes_byte_for_byte() {
    let home = HomeBox::new("");
    let mut watch = home.control();
    watch.ask("cmd=SubscribeRequest");
    let film = film(&home);
    let ends = call(&home);
    let mut player = connect(&home.streams_at_home());
    player
        .write_all(format!("GET /stream/{VIDEO}.flv HTTP/1.1\r\n\r\n").as_bytes())
        .unwrap();
    let mut door = connect(&home.streams_outside());
    let head = format!("POST /stream/{VIDEO} HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n");
    door.write_all(head.as_bytes()).unwrap();
    for piece in film.chunks(5000) {
        door.write_all(format!("{:x}\r\n", piece.len()).as_bytes())
            .unwrap();
        door.write_all(piece).unwrap();
        door.write_all(b"\r\n").unwrap();
    }
    let event = watch.until("StreamEvent", "published");
    assert_eq!(
        (event.value("id"), event.value("side")),
        (VIDEO.into(), "community".into())
    );
    assert_eq!(home.ask("cmd=StatusRequest").value("streams"), "1");
    door.write_all(b"0\r\n\r\n").unwrap();
    let (head, _) = reply(&mut door);
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
    // The stream ends with the call.
    drop(ends);
    let (head, body) = reply(&mut player);
    assert!(head.contains("\r\nContent-Type: video/x-flv\r\n"), "{head}");
    assert!(body == film, "{} of {} bytes", body.len(), film.len());
}

#[test]
#[ignore = "needs ffmpeg"]
fn ffmpeg_publishes_and_a_late_ffmpeg_plays() {
    let home = HomeBox::new("");
    film(&home);
    let _ends = call(&home);
    let url = format!("http://{}/stream/{VIDEO}", home.streams_outside());
    let mut publisher = Command::new("ffmpeg")
        .args([
            "-loglevel",
            "error",
            "-re",
            "-stream_loop",
            "10",
            "-i",
            &home.path("film.flv"),
        ])
        .args(["-c", "copy", "-f", "flv", "-method", "POST", &url])
        .stdin(Stdio::null())
        .spawn()
        .unwrap();
    wait_for("the stream", || {
        home.ask("cmd=StatusRequest").value("streams") == "1"
    });
    let url = format!("http://{}/stream/{VIDEO}", home.streams_at_home());
    let played = Command::new("ffmpeg")
        .args([
            "-loglevel",
            "error",
            "-i",
            &url,
            "-t",
            "1",
            "-f",
            "null",
            "-",
        ])
        .args(["-t", "1", "-map", "0:v", "-f", "framecrc", "-"])
        .output()
        .unwrap();
    let _ = publisher.kill();
    let _ = publisher.wait();
    // From the first picture on, each is decoded without a complaint.
    assert!(played.status.success());
    assert_eq!(String::from_utf8_lossy(&played.stderr), "");
    let frames = String::from_utf8(played.stdout).unwrap();
    let frames = frames.lines().filter(|line| line.starts_with("0,")).count();
    assert!((20..=26).contains(&frames), "{frames} pictures");
}

#[test]
fn streams_are_those_of_the_call_and_its_parties() {
    let home = HomeBox::new("");
    let status = |address: &str, request: &str| {
        let mut stream = connect(address);
        stream
            .write_all(format!("{request} HTTP/1.1\r\n\r\n").as_bytes())
            .unwrap();
        let (head, _) = reply(&mut stream);
        head.split(' ').nth(1).unwrap().to_owned()
    };
    let play = format!("GET /stream/{AUDIO}");
    assert_eq!(status(&home.streams_at_home(), &play), "403", "no call");
    let ends = call(&home);
    assert_eq!(status(&home.streams_at_home(), "GET /stream/other"), "403");
    assert_eq!(status(&home.streams_at_home(), "PATCH /stream/x"), "405");
    assert_eq!(
        status(&home.streams_at_home(), &play.replace("GET", "HEAD")),
        "404"
    );
    let mut screen = connect(&home.streams_at_home());
    screen
        .write_all(format!("PUT /stream/{AUDIO} HTTP/1.0\r\n\r\n").as_bytes())
        .unwrap();
    screen.write_all(b"FLV\x01\x04\0\0\0\x09\0\0\0\0").unwrap();
    screen
        .write_all(b"\x08\0\0\x02\0\0\0\0\0\0\0\x80\xFF\0\0\0\x0D")
        .unwrap();
    wait_for("the stream", || {
        home.ask("cmd=StatusRequest").value("streams") == "1"
    });
    assert_eq!(
        status(&home.streams_outside(), &play.replace("GET", "HEAD")),
        "200"
    );
    drop(ends);
    wait_for("its end", || {
        home.ask("cmd=StatusRequest").value("streams") == "0"
    });
}
