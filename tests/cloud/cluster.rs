//! Three `callrec-server cloud` that share a PostgreSQL, behind HAProxy: all of them real.

use std::net::SocketAddr;

use crate::common::postgres::PASSWORD;
use crate::harness::hook::{Hook, Request};
use crate::harness::site::{health, push, Site};
use crate::harness::{ask, unix_now, Events, Running, APP};
use nix::sys::signal::Signal;

use crate::common::{wait_for, wait_long_for};

const A: u32 = 1_000_001;
const B: u32 = 1_000_002;
const C: u32 = 1_000_003;
const REPLACED: &str = r#"{"Name":"OffLine","Message":"replaced"}"#;

/// The state of a device as each process has it.
fn states(site: &Site, cid: u32) -> Vec<i64> {
    site.clouds.iter().map(|cloud| cloud.state(cid)).collect()
}

fn ack(address: SocketAddr, cid: u32, id: &str) -> u16 {
    let path = format!("/v2/channel/ack?id={id}");
    let token = crate::harness::token(cid);
    ask(address, "POST", &path, &[("X-Client-Token", &token)], "").status
}

/// The text of the next message.
fn next(events: &mut Events) -> String {
    let (_, message) = events.next_message();
    message["Message"].as_str().unwrap().to_owned()
}

#[test]
#[ignore = "needs postgresql and haproxy"]
fn a_push_at_any_process_reaches_a_channel_at_any_other() {
    let site = Site::start("");
    let [first, second, third] = [0, 1, 2].map(|nth| &site.clouds[nth]);
    let mut channels = [
        (A, first.channel(A)),
        (B, second.channel(B)),
        (C, site.channel(C)),
    ];
    for (cid, channel) in &mut channels {
        assert_eq!(states(&site, *cid), [1, 1, 1]);
        for address in [first.address, second.address, third.address, site.door] {
            assert_eq!(site.push_at(address, *cid, 3, "eA=="), 200);
            assert_eq!(next(channel), "eA==");
        }
    }
    // All that were seen, in pages, from whichever process.
    let all = third
        .manage("POST", "/v2/devices/state?size=2&page=2", "{}")
        .json();
    assert_eq!(
        (&all["total"], &all["devices"][0]["cid"]),
        (&3.into(), &C.into())
    );
    // Each message is counted where it was pushed, and once.
    let pushed: Vec<u64> = [first, second, third]
        .map(|cloud| cloud.metric("callrec_cloud_pushed_total"))
        .into();
    assert_eq!(pushed.iter().sum::<u64>(), 12, "{pushed:?}");
}

#[test]
#[ignore = "needs postgresql and haproxy"]
fn an_acknowledgement_at_another_process_ends_the_repetition() {
    let site = Site::start("");
    let [first, second, third] = [0, 1, 2].map(|nth| &site.clouds[nth]);
    let mut channel = first.channel(A);
    assert_eq!(site.push_at(second.address, A, 2, "Mg=="), 200);
    let (id, message) = channel.next_message();
    assert_eq!(
        (&message["Flag"], &message["Message"]),
        (&2.into(), &"Mg==".into())
    );
    // Again with the same id, also on a channel at another process.
    assert_eq!(channel.next_message(), (id.clone(), message.clone()));
    let mut moved = third.channel(A);
    // On a slow machine there may have been one more before.
    let last = (0..4)
        .map(|_| channel.next_data())
        .find(|data| data == REPLACED);
    assert!(last.is_some() && channel.next().is_none());
    assert_eq!(moved.next_message(), (id.clone(), message));
    assert_eq!(
        ack(second.address, B, &id),
        200,
        "of another device: of no effect"
    );
    assert_eq!(ack(first.address, A, &id), 200);
    let waiting = |cloud: &Running| cloud.metric("callrec_cloud_messages_waiting");
    for cloud in &site.clouds {
        wait_for("the acknowledgement", || waiting(cloud) == 0);
    }
    assert_eq!(second.metric("callrec_cloud_acknowledged_total"), 1);
    assert_eq!(site.push_at(first.address, A, 3, "Mw=="), 200);
    assert_eq!(next(&mut moved), "Mw==");
}

#[test]
#[ignore = "needs postgresql and haproxy"]
fn the_delivery_of_a_message_can_be_asked_for_at_any_process() {
    let site = Site::start("");
    let [first, second, third] = [0, 1, 2].map(|nth| &site.clouds[nth]);
    let mut channel = first.channel(A);
    let body = format!("{{\"proxy\":0,\"payload\":{{\"msg\":\"eA==\",\"clients\":[{A}]}}}}");
    let mut headers = APP.to_vec();
    headers.push(("X-Message-Tracked", "1"));
    let pushed = second.ask("POST", "/v2/message/server/push", &headers, &body);
    assert_eq!(pushed.header("x-message-tracked"), Some("1"));
    let request = pushed.json()["request_id"].as_str().unwrap().to_owned();
    let (id, _) = channel.next_message();
    let asked = std::thread::scope(|scope| {
        let asking = scope.spawn(|| third.manage("GET", &format!("/v2/messages/{request}"), ""));
        assert_eq!(ack(first.address, A, &id), 200);
        asking.join().unwrap()
    });
    let delivered = asked.json()["delivered"].as_u64().unwrap();
    assert!(delivered.abs_diff(unix_now()) < 60);
    assert_eq!(third.manage("GET", "/v2/messages/none", "").status, 404);
}

#[test]
#[ignore = "needs postgresql and haproxy"]
fn revocations_and_webhooks_hold_at_all_processes() {
    let site = Site::start("");
    let [first, second, third] = [0, 1, 2].map(|nth| &site.clouds[nth]);
    let old = crate::harness::token(A);
    let mut channel = first.channel_with(&old);
    assert_eq!(channel.next_data(), r#"{"Name":"Online"}"#);
    let body = format!("{{\"cids\":[{A}]}}");
    let revoked = second.manage("POST", "/v2/devices/auth/cancellation", &body);
    assert_eq!(revoked.status, 200);
    assert_eq!(
        channel.next_data(),
        r#"{"Name":"OffLine","Message":"revoked"}"#
    );
    for cloud in &site.clouds {
        // Of those that have not seen the token, too.
        wait_for("the revocation", || {
            let path = "/v2/channel/ack?id=1";
            cloud
                .ask("POST", path, &[("X-Client-Token", &old)], "")
                .status
                == 401
        });
    }
    // A new one ends earlier than the old one, and is good nevertheless, everywhere.
    let made = third.manage("POST", "/v2/devices/tokens", &body).json();
    let new = made["tokens"][0]["token"].as_str().unwrap().to_owned();
    for cloud in &site.clouds {
        wait_for("the new token", || {
            cloud.channel_with(&new).head.status == 200
        });
    }
    let body = r#"{"webhook":"http://127.0.0.1:1/x"}"#;
    assert_eq!(first.manage("POST", "/v2/apps/webhook", body).status, 200);
    for cloud in &site.clouds {
        let shown = cloud.manage("GET", "/v2/apps/webhook", "").json();
        assert_eq!(shown["webhook"], "http://127.0.0.1:1/x");
    }
}

#[test]
#[ignore = "needs postgresql and haproxy"]
fn devices_of_a_killed_process_come_back_or_are_offline() {
    let hook = Hook::with_statuses(&[200]);
    let mut site = Site::start(&format!("presence = 1\nstateWebhook = {}\n", hook.url()));
    let (mut a, mut b) = (site.clouds[0].channel(A), site.clouds[0].channel(B));
    let told = |hook: &Hook| {
        let requests = hook.requests();
        let of_b = requests.iter().map(Request::json);
        let of_b = of_b.filter(|event| event["data"]["device"] == B);
        let states = of_b.filter_map(|event| event["data"]["state"].as_i64());
        states.collect::<Vec<i64>>()
    };
    wait_for("the webhook", || told(&hook) == [1]);
    site.clouds[0].kill();
    assert_eq!((a.next(), b.next()), (None, None));
    site.clouds.remove(0);
    // HAProxy notices, and A comes back through it.
    let mut a = site.channel(A);
    for address in [site.clouds[0].address, site.clouds[1].address, site.door] {
        assert_eq!(site.push_at(address, A, 3, "eA=="), 200);
        assert_eq!(next(&mut a), "eA==");
    }
    // B does not. Nobody had to say so but the heartbeat that is missing.
    wait_long_for("B's end", || states(&site, B) == [0, 0]);
    assert_eq!(states(&site, A), [1, 1]);
    wait_for("the webhook", || told(&hook).len() > 1);
    // Both processes have seen B's end, and one of them has told it.
    assert_eq!(told(&hook), [1, 0]);
}

#[test]
#[ignore = "needs postgresql and haproxy"]
fn a_process_that_was_given_up_comes_back() {
    let site = Site::start("presence = 1\n");
    let mut channel = site.clouds[0].channel(A);
    let mut moved = site.clouds[0].channel(B);
    let others = [site.clouds[1].address, site.clouds[2].address];
    site.clouds[0].signal(Signal::SIGSTOP);
    wait_long_for("A's end", || site.clouds[1].state(A) == 0);
    // B has noticed, A has not.
    let mut newer = site.clouds[1].channel(B);
    assert_eq!(site.push_at(others[1], A, 2, "eA=="), 200);
    site.clouds[0].signal(Signal::SIGCONT);
    assert_eq!(next(&mut channel), "eA==");
    assert_eq!(moved.next_data(), REPLACED);
    wait_for("A's return", || states(&site, A) == [1, 1, 1]);
    wait_for("its return", || {
        site.push_at(site.clouds[0].address, B, 3, "eQ==") == 200
    });
    assert_eq!(next(&mut newer), "eQ==");
}

#[test]
#[ignore = "needs postgresql and haproxy"]
fn a_process_that_starts_knows_what_waits_and_one_that_ends_leaves_nothing() {
    let mut site = Site::start("presence = 1\n");
    let channel = site.clouds[2].channel(A);
    site.clouds[2].end();
    drop(channel);
    wait_for("A's end", || site.clouds[0].state(A) == 0);
    assert_eq!(site.push_at(site.clouds[1].address, A, 2, "eA=="), 200);
    site.clouds[2].start_again();
    wait_for("the database", || health(site.clouds[2].address) == 200);
    let mut channel = site.clouds[2].channel(A);
    let (id, message) = channel.next_message();
    assert_eq!(message["Message"], "eA==");
    assert_eq!(ack(site.clouds[0].address, A, &id), 200);
}

#[test]
#[ignore = "needs postgresql and haproxy"]
fn while_the_database_is_away_what_is_open_stays_open() {
    let mut site = Site::start("");
    let mut channel = site.clouds[0].channel(A);
    let _other = site.clouds[1].channel(B);
    site.postgres.end();
    for cloud in &site.clouds {
        wait_for("503", || health(cloud.address) == 503);
    }
    for address in [site.clouds[1].address, site.door] {
        let refused = push(address, A, 3, "eA==");
        assert_eq!(
            (refused.status, refused.header("retry-after")),
            (503, Some("2"))
        );
    }
    let wrong = [("X-APP-ID", "Test"), ("X-APP-Key", "wrong")];
    let path = "/v2/devices/state";
    assert_eq!(site.clouds[2].ask("POST", path, &wrong, "{}").status, 401);
    assert_eq!(site.clouds[2].manage("POST", path, "{}").status, 503);
    assert_eq!(site.as_device(C, "GET", "/v2/channel").status, 503);
    site.postgres.begin();
    for cloud in &site.clouds {
        wait_for("the database", || health(cloud.address) == 200);
    }
    assert_eq!(
        (states(&site, A), states(&site, B)),
        (vec![1; 3], vec![1; 3])
    );
    assert_eq!(states(&site, C), [0; 3]);
    assert_eq!(site.push_at(site.door, A, 3, "eQ=="), 200);
    assert_eq!(next(&mut channel), "eQ==");
    for cloud in &site.clouds {
        let log = cloud.log();
        assert!(log.contains("the connection is lost"), "{log}");
        for secret in [PASSWORD, "eA==", "eQ=="] {
            assert!(!log.contains(secret), "{secret}: {log}");
        }
    }
    assert!(
        !site.postgres.log().contains("ERROR"),
        "{}",
        site.postgres.log()
    );
}
