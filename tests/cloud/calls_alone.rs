//! What happens to calls of `callrec-server calls` by itself: time limits, phones that are woken,
//! devices that are gone.

use crate::common::wait_for;
use crate::harness::caller::{act, call, create, started};
use crate::harness::hook::Hook;
use crate::harness::KEY;
use serde_json::json;

const SID: &str = "0123456789abcdef";

#[test]
fn calls_end_after_their_time() {
    let (vendor, server) = started(
        &[(1, 1), (2, 1), (3, 1)],
        "ringSeconds = 1\nmaxCallSeconds = 2\n",
    );
    create(
        &server,
        &format!("{{\"from\":1,\"to\":2,\"sid\":\"{SID}\"}}"),
    );
    wait_for("no answer", || call(&server, SID)["state"] == "ended");
    assert_eq!(call(&server, SID)["reason"], "no_answer");
    let talking = "fedcba9876543210";
    create(
        &server,
        &format!("{{\"from\":1,\"to\":3,\"sid\":\"{talking}\"}}"),
    );
    assert_eq!(act(&server, talking, "accept", 3).status, 200);
    wait_for("the longest time", || {
        call(&server, talking)["state"] == "ended"
    });
    assert_eq!(call(&server, talking)["reason"], "max_duration");
    let ends = || {
        let pushed = vendor.pushed();
        let ends = pushed
            .iter()
            .filter(|(_, _, _, it)| it["t"] == "end" && it["reason"] == "max_duration");
        ends.map(|(_, to, _, _)| *to).collect::<Vec<u64>>()
    };
    wait_for("both are told", || ends() == [1, 3]);
}

#[test]
fn a_phone_that_is_offline_is_woken() {
    let hook = Hook::with_statuses(&[]);
    let (vendor, server) = started(
        &[(1, 1), (2, 0)],
        &format!("pushHook = {}/wake\n", hook.url()),
    );
    let view = create(
        &server,
        &format!("{{\"from\":1,\"to\":2,\"sid\":\"{SID}\"}}"),
    )
    .json();
    assert_eq!(view["state"], "waking");
    let request = hook.wait_for(1).remove(0);
    assert_eq!(request.json(), json!({ "sid": SID, "from": 1, "to": 2 }));
    let sign =
        callrec::wire::cloud::digests::event_sign("Test", request.body.as_bytes(), KEY.as_bytes());
    assert_eq!(request.header("x-event-sign"), sign);
    assert_eq!(request.header("x-event-sign2").len(), 64);
    assert!(vendor.pushed().is_empty());
    vendor.set(2, 1);
    wait_for("the push", || call(&server, SID)["state"] == "sent");
    assert_eq!(vendor.pushed()[0].3["t"], "call");
}

#[test]
fn a_phone_that_does_not_wake_up_ends_the_call() {
    let hook = Hook::with_statuses(&[500]);
    let (vendor, server) = started(&[(1, 1), (2, 0)], &format!("pushHook = {}\n", hook.url()));
    create(
        &server,
        &format!("{{\"from\":1,\"to\":2,\"sid\":\"{SID}\"}}"),
    );
    crate::common::wait_long_for("the end", || call(&server, SID)["state"] == "ended");
    assert_eq!(call(&server, SID)["reason"], "callee-offline");
    assert!(vendor.pushed().is_empty());
}

#[test]
fn a_call_whose_devices_are_gone_is_lost() {
    let (vendor, server) = started(&[(1, 1), (2, 1)], "");
    create(
        &server,
        &format!("{{\"from\":1,\"to\":2,\"sid\":\"{SID}\"}}"),
    );
    act(&server, SID, "accept", 2);
    vendor.set(1, 0);
    vendor.set(2, 0);
    crate::common::wait_long_for("the end", || call(&server, SID)["state"] == "ended");
    assert_eq!(call(&server, SID)["reason"], "lost");
}
