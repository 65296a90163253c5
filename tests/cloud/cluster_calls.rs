//! Calls and streams over three `callrec-server cloud` behind HAProxy.

use crate::common::wait_for;
use crate::harness::site::Site;
use crate::harness::stream::{expect, tag, Player, Publisher, HEADER};
use crate::harness::{calls, token, Events};
use base64::prelude::{Engine as _, BASE64_STANDARD};
use serde_json::Value;

const A: u32 = 1_000_001;
const B: u32 = 1_000_002;

/// The next message of a call, acknowledged through HAProxy: at any process.
fn next(site: &Site, cid: u32, events: &mut Events) -> Value {
    let (id, message) = events.next_message();
    let ack = site.as_device(cid, "POST", &format!("/v2/channel/ack?id={id}"));
    assert_eq!(ack.status, 200);
    let text = message["Message"].as_str().unwrap();
    serde_json::from_slice(&BASE64_STANDARD.decode(text).unwrap()).unwrap()
}

/// This process relays the stream.
fn relays(site: &Site, process: usize, id: &str) -> bool {
    let path = format!("/stream/{id}?token={}", token(A));
    site.clouds[process].ask("HEAD", &path, &[], "").status == 200
}

/// A stream and its player, both through HAProxy, each at a path of its own.
fn stream(site: &Site, id: &str, cid: u32, player: u32) -> (Publisher, Player) {
    let mut publisher = Publisher::open(site.door, id, cid);
    publisher.send(HEADER);
    let mut player = Player::ask(site.door, id, player);
    player.begin();
    expect(&mut player, HEADER);
    (publisher, player)
}

#[test]
#[ignore = "needs postgresql and haproxy"]
fn publisher_and_players_of_a_stream_meet_at_one_process() {
    let site = Site::start("");
    let mut open = vec![];
    for nth in 0..12 {
        // The publisher's path ends in .flv, the player's does not.
        let id = format!("0123456789abcd{nth:02x}-{A}");
        open.push(stream(&site, &id, A, B));
        let at: Vec<usize> = (0..3)
            .filter(|process| relays(&site, *process, &id))
            .collect();
        assert_eq!(at.len(), 1, "{id} is at {at:?}");
    }
    let used = |process: &usize| site.clouds[*process].metric("callrec_cloud_players") > 0;
    assert!(
        (0..3).filter(used).count() > 1,
        "all streams are at one process"
    );
    for cloud in &site.clouds {
        assert_eq!(cloud.state(A), 4);
        // The others' streams are listed a second later.
        wait_for("the list", || {
            let list = cloud.manage("GET", "/v2/streams", "").json();
            let all = list["streams"].as_array().unwrap().clone();
            let with_player = |row: &&Value| row["players"] == 1 && row.get("app").is_none();
            all.iter().filter(with_player).count() == 12
        });
    }
    // Any process ends a stream, wherever it is.
    for (nth, (publisher, _)) in open.into_iter().enumerate() {
        let path = format!("/v2/streams/0123456789abcd{nth:02x}-{A}");
        assert_eq!(site.clouds[nth % 3].manage("DELETE", &path, "").status, 200);
        assert_eq!(publisher.reply().status, 200);
    }
    wait_for("the end of all", || {
        site.clouds.iter().all(|cloud| cloud.state(A) == 1)
    });
}

#[test]
#[ignore = "needs postgresql and haproxy"]
fn a_call_goes_on_while_a_process_that_it_does_not_use_is_killed() {
    let mut site = Site::start("");
    let server = calls(&format!("http://{}", site.door), "transport = relay\n");
    let (mut a, mut b) = (site.clouds[0].channel(A), site.clouds[1].channel(B));
    // A call whose streams HAProxy puts at the first two.
    let sids = (0..).map(|nth| format!("{nth:016x}"));
    let (sid, streams) = sids
        .map(|sid| {
            let (a, b) = (format!("{sid}-{A}"), format!("{sid}-{B}"));
            let streams = [stream(&site, &a, A, B), stream(&site, &b, B, A)];
            let is_away = relays(&site, 2, &a) || relays(&site, 2, &b);
            (sid, (!is_away).then_some(streams))
        })
        .find_map(|(sid, streams)| Some((sid, streams?)))
        .unwrap();
    let body = format!("{{\"to\":{B},\"sid\":\"{sid}\"}}");
    assert_eq!(server.as_device(A, "POST", "/calls", &body).status, 201);
    let call = next(&site, B, &mut b);
    let url = format!("http://{}/stream/{sid}-{A}", site.door);
    assert_eq!((&call["t"], &call["url"]), (&"call".into(), &url.into()));
    let act = |cid: u32, action: &str| {
        let path = format!("/calls/{sid}/{action}");
        assert_eq!(server.as_device(cid, "POST", &path, "").status, 200);
    };
    act(B, "accept");
    assert_eq!(next(&site, A, &mut a)["t"], "accept");
    let view = || {
        server
            .as_device(A, "GET", &format!("/calls/{sid}"), "")
            .json()
    };
    wait_for("the acknowledgement", || view()["delivered"].is_u64());

    site.clouds[2].kill();
    let [mut to_b, mut to_a] = streams;
    // Sound each 20 ms, until long after HAProxy has found out.
    for nth in 0..250_u32 {
        for (publisher, player) in [&mut to_b, &mut to_a] {
            let sound = tag((nth % 250) as u8, &nth.to_be_bytes());
            publisher.send(&sound);
            expect(player, &sound);
        }
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    assert_eq!(view()["state"], "talking");
    act(A, "end");
    assert_eq!(next(&site, B, &mut b)["t"], "end");
    assert_eq!(view()["state"], "ended");
}
