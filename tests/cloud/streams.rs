//! `callrec-server cloud`: the relay of the calls' streams.

use crate::common::wait_for;
use crate::harness::stream::{expect, tag, Player, Publisher, HEADER};
use crate::harness::{cloud, token, Events};

const A: u32 = 1_000_001;
const B: u32 = 1_000_002;
const ID: &str = "0123456789abcdef-1000001";

#[test]
fn what_is_published_is_played_byte_for_byte() {
    let server = cloud("");
    let mut early = Player::ask(server.address, ID, B);
    let mut publisher = Publisher::open(server.address, ID, A);
    publisher.send(HEADER);
    early.begin();
    expect(&mut early, HEADER);
    assert_eq!(server.state(A), 4);
    publisher.send(&tag(0, b"abc"));
    expect(&mut early, &tag(0, b"abc"));
    let mut late = Player::ask(server.address, ID, A);
    late.begin();
    expect(&mut late, HEADER);
    publisher.send(&tag(20, b"def"));
    expect(&mut early, &tag(20, b"def"));
    expect(&mut late, &tag(20, b"def"));
    let row = &server.manage("GET", "/v2/streams", "").json()["streams"][0];
    assert_eq!(
        (&row["id"], &row["cid"], &row["players"]),
        (&ID.into(), &A.into(), &2.into())
    );
    assert_eq!(row["bytes"], HEADER.len() + 2 * tag(0, b"abc").len());
    publisher.end();
    assert_eq!(publisher.reply().status, 200);
    wait_for("its end", || server.state(A) == 1);
    // Players wait for 10 s for a publisher that comes back; this one does not.
    assert_eq!(early.read(1), b"");
    assert_eq!(server.metric("callrec_cloud_streams"), 0);
}

#[test]
fn a_second_publisher_takes_over_and_players_go_on() {
    let server = cloud("");
    let mut first = Publisher::open(server.address, ID, A);
    first.send(&[HEADER, &tag(0, b"one")].concat());
    let mut player = Player::ask(server.address, ID, B);
    player.begin();
    expect(&mut player, HEADER);
    let mut second = Publisher::open(server.address, ID, A);
    second.send(HEADER);
    assert_eq!(first.reply().status, 200);
    second.send(&tag(7, b"two"));
    // Time goes on 40 ms after the last tag of the first.
    expect(&mut player, &tag(40, b"two"));
}

#[test]
fn who_may_do_what() {
    let server = cloud("app = Else DIR/app.key 3000000-3000009\n");
    let status = |method: &str, path: &str| server.ask(method, path, &[], "").status;
    let with = |id: &str, cid: u32| format!("/stream/{id}?token={}", token(cid));
    assert_eq!(status("POST", &format!("/stream/{ID}")), 401);
    assert_eq!(status("GET", &format!("/stream/{ID}?token=1_2_3")), 401);
    assert_eq!(status("POST", &with(ID, B)), 403);
    assert_eq!(status("PUT", &with(ID, B)), 403);
    assert_eq!(status("GET", &with(ID, 3_000_001)), 403);
    assert_eq!(status("GET", &with("b1", A)), 403);
    assert_eq!(status("DELETE", &with(ID, A)), 405);
    assert_eq!(status("HEAD", &with(ID, A)), 404);
    let mut bad = Publisher::open(server.address, ID, A);
    bad.send(b"this is no FLV");
    assert_eq!(bad.reply().status, 400);
    assert_eq!(status("GET", &with("0123456789abcdef-1000009", A)), 404);
}

#[test]
fn the_app_ends_streams() {
    let server = cloud("");
    let mut publisher = Publisher::open(server.address, ID, A);
    publisher.send(HEADER);
    let mut player = Player::ask(server.address, ID, B);
    player.begin();
    expect(&mut player, HEADER);
    assert_eq!(
        server
            .manage("DELETE", &format!("/v2/streams/{ID}"), "")
            .status,
        200
    );
    assert_eq!(publisher.reply().status, 200);
    assert_eq!(player.read(1), b"");
    assert_eq!(Publisher::open(server.address, ID, A).reply().status, 403);
    let path = format!("/stream/{ID}?token={}", token(B));
    assert_eq!(server.ask("GET", &path, &[], "").status, 403);
    assert_eq!(
        server
            .manage("DELETE", "/v2/streams/0123456789abcdef-5", "")
            .status,
        403
    );
    assert_eq!(server.manage("DELETE", "/v2/streams/x", "").status, 404);
    let mut other = Publisher::open(server.address, "fedcba9876543210-1000001", A);
    other.send(HEADER);
    wait_for("it is published", || server.state(A) == 4);
    let cancel = format!("{{\"cids\":[{A}]}}");
    assert_eq!(
        server
            .manage("POST", "/v2/devices/auth/cancellation", &cancel)
            .status,
        200
    );
    assert_eq!(other.reply().status, 200);
}

#[test]
fn a_silent_publisher_is_closed() {
    let server = cloud("");
    let mut publisher = Publisher::open(server.address, ID, A);
    publisher.send(HEADER);
    assert_eq!(publisher.reply().status, 408);
    let _ = Events::open(server.address, "/healthz", &[]);
}
