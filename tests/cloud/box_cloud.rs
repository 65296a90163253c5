//! A door's call on the home's screens and, through the cloud, on the owners' phones: the running
//! box, both servers, and two phones.
#![cfg(all(feature = "box-cloud", feature = "cloud-server"))]

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

use crate::common::engine::{voice, Engine};
use crate::common::home_box::HomeBox;
use crate::common::intercom::{of_call, Peer, CALL_REQ};
use crate::common::{wait_for, Control, PATIENCE};
use crate::harness::phone::{CloudPhone, Servers, A, B, C};
use crate::harness::{secret, token};
use serde_json::json;

const RELAY: &str = "transport = relay\n";
const SID: &str = "c0ffee";
/// The streams of `CALL_REQ`.
const VIDEO: &str = "b1f0c4";
const AUDIO: &str = "c7d2e9";

/// A box in the cloud; its number there is C. The owners are A and B.
fn home(servers: &Servers, cloud: &str, calls: &str) -> HomeBox {
    let urls = [cloud, calls].map(|address| format!("http://{address}"));
    home_of(servers, &urls, "")
}

/// The same with these URLs.
fn home_of(servers: &Servers, urls: &[String; 2], more: &str) -> HomeBox {
    let token_file = servers.cloud.dir.join("box.token");
    secret(&token_file, &token(C));
    let [cloud, calls] = urls;
    HomeBox::new(&format!(
        "cloudServer = {cloud}\ncloudCalls = {calls}\ncloudCid = {C}\n\
         cloudTokenFile = {}\ncloudFor = {A},{B}\n{more}",
        token_file.display()
    ))
}

/// The same where the servers are.
fn home_at(servers: &Servers) -> HomeBox {
    let [cloud, calls] = [&servers.cloud, &servers.calls].map(|server| server.address.to_string());
    home(servers, &cloud, &calls)
}

/// A home, its two screens, and the phones of its owners.
pub(crate) struct Site {
    servers: Servers,
    home: HomeBox,
    watch: Control,
    panel: Peer,
    pad: Peer,
    a: CloudPhone,
    b: CloudPhone,
}

impl Site {
    fn new() -> Self {
        let servers = Servers::new(RELAY);
        let home = home_at(&servers);
        Self::with(servers, home)
    }

    /// The box reaches the servers at these URLs.
    #[cfg(feature = "tls")]
    pub(crate) fn through(servers: Servers, urls: &[String; 2], more: &str) -> Self {
        let home = home_of(&servers, urls, more);
        Self::with(servers, home)
    }

    fn with(servers: Servers, home: HomeBox) -> Self {
        let (a, b) = (servers.phone(A, ""), servers.phone(B, ""));
        let watch = online(&home);
        let (panel, pad) = (home.screen("panel", "1"), home.screen("pad", "1"));
        Self {
            servers,
            home,
            watch,
            panel,
            pad,
            a,
            b,
        }
    }

    /// A door calls, and everything rings: the door, and the call's key in the cloud.
    fn ring(&mut self) -> (Peer, String) {
        let mut door = Peer::connect(&self.home.call());
        door.say(CALL_REQ);
        self.panel.hear("call_req");
        self.pad.hear("call_req");
        let incoming = self.a.until("incoming");
        assert_eq!(incoming.value("peer"), format!("cloud:{C}"));
        let sid = incoming.value("sid");
        assert_eq!(self.b.until("incoming").value("sid"), sid);
        (door, sid)
    }

    fn logged(&self) -> String {
        let lines = self.home.control().ask_lines("cmd=CallLogRequest&limit=1");
        let words = ["state", "reason", "by", "opened"].map(|key| lines[0].value(key));
        words.join(" ")
    }
}

/// Waits until the box is on its channel.
fn online(home: &HomeBox) -> Control {
    let mut watch = home.control();
    watch.ask("cmd=SubscribeRequest");
    watch.until("CloudEvent", "online");
    watch
}

fn accept(screen: &mut Peer) {
    screen.say(&of_call("call_accept", SID, json!({})));
}

/// A tag of FLV.
fn tag(kind: u8, millis: u32, body: &[u8]) -> Vec<u8> {
    let size = (body.len() as u32).to_be_bytes();
    let time = millis.to_be_bytes();
    let mut tag = vec![kind];
    tag.extend(&size[1..]);
    tag.extend([time[1], time[2], time[3], time[0], 0, 0, 0]);
    tag.extend(body);
    tag.extend((11 + body.len() as u32).to_be_bytes());
    tag
}

/// A door's stream: key frames, and what is said.
fn film(said: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let mut tags = vec![];
    for (at, codes) in said.iter().enumerate() {
        let millis = 20 * at as u32;
        if at % 25 == 0 {
            // A key frame of a codec that nobody here knows.
            let picture: Vec<u8> = [vec![0x17, 1, 0, 0, 0], vec![at as u8; 3000]].concat();
            tags.push(tag(9, millis, &picture));
        }
        tags.push(tag(8, millis, &[&[0x82], &codes[..]].concat()));
    }
    tags
}

const FLV: &[u8] = b"FLV\x01\x05\0\0\0\x09\0\0\0\0";

/// The door publishes its stream, in its own time.
fn publish(address: &str, film: &[Vec<u8>]) -> TcpStream {
    let mut stream = TcpStream::connect(address).unwrap();
    let head = format!("POST /stream/{VIDEO} HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n");
    stream.write_all(head.as_bytes()).unwrap();
    let mut chunk = |bytes: &[u8]| {
        write!(stream, "{:x}\r\n", bytes.len()).unwrap();
        stream.write_all(bytes).unwrap();
        stream.write_all(b"\r\n").unwrap();
    };
    chunk(FLV);
    for tag in film {
        chunk(tag);
        if tag[0] == 8 {
            std::thread::sleep(Duration::from_millis(20));
        }
    }
    stream
}

/// Plays a stream up to where `is_enough`; what has come.
fn play(address: &str, path: &str, is_enough: impl Fn(&[u8]) -> bool) -> Vec<u8> {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    write!(stream, "GET {path} HTTP/1.0\r\n\r\n").unwrap();
    let mut bytes = vec![];
    let mut buffer = [0; 4096];
    while !is_enough(&bytes) {
        let count = stream.read(&mut buffer).unwrap();
        let head = String::from_utf8_lossy(&bytes[..bytes.len().min(200)]).into_owned();
        assert!(count > 0, "{path} has ended: {head}");
        bytes.extend(&buffer[..count]);
    }
    bytes
}

fn holds(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

/// The door and the phone hear each other; the door's picture is in the cloud, byte for byte.
fn both_are_heard(site: &Site, sid: &str, engine: &Engine, leg: u16) {
    let said = [voice(400, 0), voice(200, 9)];
    let film = film(&said[0]);
    let (outside, cloud) = (site.home.streams_outside(), site.servers.cloud.address);
    let heard = std::thread::scope(|scope| {
        scope.spawn(|| publish(&outside, &film));
        let in_cloud = scope.spawn(|| {
            let path = format!("/stream/{sid}-{C}?token={}", token(A));
            // Some second of it, from a key frame on.
            let seconds: Vec<_> = film.chunks(26).skip(1).map(<[_]>::concat).collect();
            let is_passed = |bytes: &[u8]| seconds.iter().any(|second| holds(bytes, second));
            play(&cloud.to_string(), &path, is_passed)
        });
        let at_door = scope.spawn(|| {
            let codes = said[1][150].clone();
            play(&outside, &format!("/stream/{AUDIO}"), |bytes| {
                holds(bytes, &codes)
            })
        });
        engine.wait_for_sound();
        let quiet = |frames| vec![vec![0xFF; 160]; frames];
        let spoken = [said[1].clone(), quiet(150)].concat();
        let heard = engine.talk(leg, &spoken);
        in_cloud.join().unwrap();
        at_door.join().unwrap();
        heard
    });
    assert!(heard.0.len() > 160 * 100, "{}", heard.0.len());
    let count = said[0]
        .iter()
        .filter(|codes| holds(&heard.0, codes))
        .count();
    assert!(count > 50, "{count} of the door's frames are heard");
}

#[test]
fn a_phone_answers_and_opens_the_door() {
    answered_by_a_phone(Site::new());
}

pub(crate) fn answered_by_a_phone(mut site: Site) {
    let (mut door, sid) = site.ring();
    let engine = Engine::new();
    let rtp = format!("&rtp={}&codec=PCMU", engine.address());
    let accepted = site.b.ask(&format!("cmd=CallAcceptRequest&sid={sid}{rtp}"));
    assert_eq!(accepted.value("result"), "success", "{accepted:?}");
    site.b.until("talking");
    for screen in [&mut site.panel, &mut site.pad] {
        assert_eq!(screen.hear("call_end")["reason"], "answered_elsewhere");
    }
    assert_eq!(site.a.until("missed").value("reason"), "answered_elsewhere");
    door.hear("call_accept");
    let talking = site.watch.until("CallEvent", "talking");
    assert_eq!(talking.value("by"), format!("cloud:{B}"));

    both_are_heard(
        &site,
        &sid,
        &engine,
        accepted.value("leg_port").parse().unwrap(),
    );

    // The door is opened, and says so.
    site.b.act("OpenDoorRequest", &sid);
    assert_eq!(door.hear("open_door")["ack"], true);
    door.say(&of_call(
        "open_door_result",
        SID,
        json!({"door": 0, "ok": true}),
    ));
    site.b.events.until("DoorEvent", "opened");
    let opened = site.watch.until("DoorEvent", "opened");
    assert_eq!(opened.value("by"), format!("cloud:{B}"));

    site.b.act("CallEndRequest", &sid);
    assert_eq!(door.hear("call_end")["reason"], "hangup");
    assert_eq!(site.b.until("ended").value("reason"), "hangup");
    assert_eq!(site.logged(), format!("answered hangup cloud:{B} 1"));
    let log = site.home.log();
    assert!(!log.contains(token(C).rsplit('_').next().unwrap()), "{log}");
}

#[test]
fn the_door_and_the_box_hang_up() {
    let mut site = Site::new();
    let (mut door, sid) = site.ring();
    site.a.act("CallAcceptRequest", &sid);
    site.a.until("talking");
    assert_eq!(site.b.until("missed").value("reason"), "answered_elsewhere");
    door.hear("call_accept");
    door.say(&of_call("call_end", SID, json!({"reason": "hangup"})));
    assert_eq!(site.a.until("ended").value("reason"), "hangup");
    for screen in [&mut site.panel, &mut site.pad] {
        assert_eq!(screen.hear("call_end")["reason"], "answered_elsewhere");
    }
    // The same door calls again with the same key, and the box ends in the call.
    let (_door, sid) = site.ring();
    site.a.act("CallAcceptRequest", &sid);
    site.a.until("talking");
    assert_eq!(site.home.end(), Some(0));
    assert_eq!(site.a.until("ended").value("reason"), "lost");
}

#[test]
fn a_screen_answers() {
    let mut site = Site::new();
    let (mut door, _) = site.ring();
    accept(&mut site.pad);
    assert_eq!(door.hear("call_accept")["src"]["id"], "pad");
    assert_eq!(site.panel.hear("call_end")["reason"], "answered_elsewhere");
    for phone in [&mut site.a, &mut site.b] {
        assert_eq!(phone.until("missed").value("reason"), "answered_elsewhere");
    }
    site.pad.say(&of_call("call_end", SID, json!({})));
    door.hear("call_end");
    assert_eq!(site.logged(), "answered hangup pad 0");

    // Everybody declines, a phone first.
    let (mut door, sid) = site.ring();
    for phone in [&mut site.a, &mut site.b] {
        phone.act("CallRejectRequest", &sid);
        assert_eq!(phone.until("ended").value("reason"), "declined");
    }
    site.panel.say(&of_call("call_reject", SID, json!({})));
    assert_eq!(door.hear("call_reject")["reason"], "declined");
    assert_eq!(site.pad.hear("call_end")["reason"], "declined");

    // The door gives up.
    let (mut door, _) = site.ring();
    door.say(&of_call("call_end", SID, json!({})));
    for phone in [&mut site.a, &mut site.b] {
        assert_eq!(phone.until("missed").value("reason"), "cancelled");
    }
    for screen in [&mut site.panel, &mut site.pad] {
        assert_eq!(screen.hear("call_end")["reason"], "cancelled");
    }
}

#[test]
fn the_owners_alone_are_called() {
    let servers = Servers::new(RELAY);
    let home = home_at(&servers);
    let _watch = online(&home);
    let mut door = Peer::connect(&home.call());
    door.say(CALL_REQ);
    // Nobody is there: neither a screen nor a phone.
    assert_eq!(door.hear("call_reject")["reason"], "app_offline");
    let mut a = servers.phone(A, "");
    let mut door = Peer::connect(&home.call());
    // A key that the cloud can have, too.
    door.say(&CALL_REQ.replace(SID, "00c0ffee00c0ffee"));
    let sid = a.until("incoming").value("sid");
    assert_eq!(sid, "00c0ffee00c0ffee");
    a.act("CallRejectRequest", &sid);
    assert_eq!(door.hear("call_reject")["reason"], "declined");
}

#[test]
fn a_cloud_that_is_away_or_slow_delays_no_screen() {
    // Nobody listens there.
    let gone = TcpListener::bind("127.0.0.1:0").unwrap();
    let nowhere = gone.local_addr().unwrap().to_string();
    drop(gone);
    let servers = Servers::new(RELAY);
    let cloud = servers.cloud.address.to_string();
    // It takes requests, and never answers them.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let silence = silent.local_addr().unwrap().to_string();
    for (cloud, calls) in [(&nowhere, &nowhere), (&cloud, &silence), (&cloud, &nowhere)] {
        let home = home(&servers, cloud, calls);
        let mut watch = home.control();
        watch.ask("cmd=SubscribeRequest");
        let state = if cloud == &nowhere { "lost" } else { "online" };
        watch.until("CloudEvent", state);
        let mut panel = home.screen("panel", "1");
        let mut door = Peer::connect(&home.call());
        door.say(CALL_REQ);
        panel.hear("call_req");
        if calls == &silence {
            // The request to the application server is on its way.
            let mut request = None;
            silent.set_nonblocking(true).unwrap();
            wait_for("the request", || {
                request = silent.accept().ok();
                request.is_some()
            });
        }
        accept(&mut panel);
        door.hear("call_accept");
        door.say(&of_call("call_end", SID, json!({})));
        assert_eq!(panel.hear("call_end")["reason"], "hangup");
    }
}
