//! A door's picture from its application and its sound from the media engine: one stream at the
//! home's box, which a player decodes.
#![cfg(all(feature = "box", feature = "intercom"))]

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Command;

use crate::common::engine::{voice, Engine};
use crate::common::home_box::HomeBox;
use crate::common::intercom::of_call;
use crate::common::intercom_peer::{device, free_port};
use crate::common::{folder, PATIENCE};
use serde_json::json;

const PICTURES: &[u8] = include_bytes!("../../src/sim/intercom/door.flv");

/// Plays a stream until it ends; the FLV.
/// Asks for a stream.
fn ask_for(server: &str, id: &str) -> TcpStream {
    let mut stream = TcpStream::connect(server).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    write!(stream, "GET /stream/{id} HTTP/1.1\r\nHost: box\r\n\r\n").unwrap();
    stream
}

/// Reads it to its end.
fn play(mut stream: TcpStream) -> Vec<u8> {
    let mut response = vec![];
    stream.read_to_end(&mut response).unwrap();
    let head = response
        .windows(4)
        .position(|four| four == b"\r\n\r\n")
        .unwrap()
        + 4;
    assert!(
        response.starts_with(b"HTTP/1.1 200"),
        "{}",
        String::from_utf8_lossy(&response[..head])
    );
    response.split_off(head)
}

/// How many tags of this type a stream has, and their stamps.
fn stamps(flv: &[u8], kind: u8) -> Vec<u32> {
    let (mut at, mut found) = (13, vec![]);
    while let Some(head) = flv.get(at..at + 11) {
        if head[0] == kind {
            found.push(u32::from_be_bytes([head[7], head[4], head[5], head[6]]));
        }
        at += 15 + u32::from_be_bytes([0, head[1], head[2], head[3]]) as usize;
    }
    found
}

fn decoded(flv: &[u8], what: &str) -> String {
    let (dir, _) = folder();
    let path = dir.join("played.flv");
    std::fs::write(&path, flv).unwrap();
    let output = Command::new("ffprobe")
        .args(["-v", "error", "-count_frames", "-select_streams", what])
        .args([
            "-show_entries",
            "stream=codec_name,nb_read_frames",
            "-of",
            "csv=p=0",
        ])
        .arg(&path)
        .output()
        .unwrap();
    let _ = std::fs::remove_dir_all(dir);
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

#[test]
#[ignore = "needs ffmpeg"]
fn a_screen_sees_and_hears_the_door_in_one_stream() {
    let home = HomeBox::new("");
    let mut screen = home.screen("panel", "1");
    let (call_address, stream_port) = (home.call(), free_port());
    let (host, port) = call_address.split_once(':').unwrap();
    let phone = device(&format!(
        "intercomRole = door\nintercomId = 2-1-1\nintercomAddr = 127.0.0.1\nintercomPort = {}\n\
         streamPort = {stream_port}\nboxStreamPort = 9540",
        free_port()
    ));
    let mut events = phone.watch();
    let engine = Engine::new();
    let rtp = engine.address();
    let placed = phone.ask(&format!(
        "cmd=CallRequest&to=2-1-201&ip={host}&port={port}&rtp={rtp}&codec=PCMU"
    ));
    assert!(placed.success(), "{placed:?}");
    let leg: u16 = placed.value("leg_port").parse().unwrap();
    // The application publishes its picture at the door itself, from the beginning of the call on.
    let calling = events.until("CallEvent", "calling");
    let publish = calling.value("publish_video");
    let own = format!("http://127.0.0.1:{stream_port}/stream/");
    let id = publish
        .strip_prefix(&own)
        .unwrap_or_else(|| panic!("{publish}"));
    let mut camera = TcpStream::connect(("127.0.0.1", stream_port)).unwrap();
    write!(camera, "POST /stream/{id} HTTP/1.1\r\nHost: door\r\n\r\n").unwrap();

    let request = screen.hear("call_req");
    assert_eq!(request["src"]["video_stream_id"], id);
    let sid = request["sid"].as_str().unwrap().to_owned();
    let server = home.streams_at_home();
    // Whoever comes later gets what is since the last key frame.
    let stream = ask_for(&server, id);
    camera.write_all(PICTURES).unwrap();
    let player = std::thread::spawn(move || play(stream));
    screen.say(&of_call("call_accept", &sid, json!({})));
    events.until("CallEvent", "talking");
    let said = voice(100, 3);
    engine.talk(leg, &[said.clone(), vec![vec![0xFF; 160]; 30]].concat());
    assert!(phone
        .ask(&format!("cmd=CallEndRequest&sid={sid}"))
        .success());
    let flv = player.join().unwrap();
    drop(camera);

    let said = said.concat();
    let codes: Vec<u8> = sound(&flv);
    assert!(
        codes.windows(said.len()).any(|part| part == said),
        "{} codes",
        codes.len()
    );
    let (pictures, sounds) = (stamps(&flv, 9), stamps(&flv, 8));
    assert!(pictures.len() >= 20, "{}", pictures.len());
    assert!(sounds.is_sorted() && pictures.is_sorted());
    assert_eq!(decoded(&flv, "v"), "h264,20");
    assert!(decoded(&flv, "a").starts_with("pcm_mulaw,"));
}

fn sound(flv: &[u8]) -> Vec<u8> {
    let (mut at, mut codes) = (13, vec![]);
    while let Some(head) = flv.get(at..at + 11) {
        let body = u32::from_be_bytes([0, head[1], head[2], head[3]]) as usize;
        if head[0] == 8 {
            codes.extend(&flv[at + 12..at + 11 + body]);
        }
        at += 15 + body;
    }
    codes
}
