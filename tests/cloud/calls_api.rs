//! `callrec-server calls` with the vendor's cloud as its documents describe it.

use crate::harness::caller::{act, call, create, refused, started};
use crate::harness::vendor::Vendor;
use crate::harness::{token_until, unix_now, API_KEY, KEY};
use callrec::wire::cloud::token::Token;
use callrec::wire::cloud::url::{Purpose, TopvdnUrl};
use serde_json::{json, Value};

const SID: &str = "0123456789abcdef";

#[test]
fn a_call_is_pushed_as_the_source_shows_it() {
    let (vendor, server) = started(&[(1_003_469, 4), (1_003_181, 1)], "");
    let reply = create(&server, "{\"from\":1003469,\"to\":1003181}");
    assert_eq!(reply.status, 201);
    let view = reply.json();
    let sid = view["sid"].as_str().unwrap().to_owned();
    assert_eq!(sid.len(), 16);
    assert_eq!(
        (&view["state"], &view["from"], &view["to"]),
        (&"sent".into(), &1_003_469.into(), &1_003_181.into())
    );
    assert!(view["created"].as_u64().unwrap() + 5 > unix_now());
    let [(from, to, flag, message)] = &vendor.pushed()[..] else {
        panic!("one message")
    };
    assert_eq!((*from, *to, *flag), (1_003_469, 1_003_181, 2));
    assert_eq!(
        (&message["t"], &message["sid"], &message["from"]),
        (&"call".into(), &sid.as_str().into(), &1_003_469.into())
    );
    assert!(message["at"].as_u64().unwrap() + 5 > unix_now());
    let url = message["url"].as_str().unwrap();
    assert!(url.starts_with("topvdn://203.195.157.248:80?protocolType=1&token=1003469_3222536192_"));
    let parsed = TopvdnUrl::parse(url.as_bytes()).unwrap();
    assert_eq!(
        parsed.purpose,
        Purpose::Call([203, 195, 157, 248].into(), 80)
    );
    let Token {
        cid,
        control,
        expire,
        ..
    } = parsed.token;
    let token = callrec::wire::cloud::digests::make_token(KEY.as_bytes(), cid, control, expire);
    assert!(url.ends_with(&token));
    assert!((3590..=3600).contains(&(u64::from(expire) - unix_now())));
    // People see no digest.
    let digest = token.rsplit('_').next().unwrap();
    assert_eq!(view["url"], url.replace(digest, "***"));
    assert!(!server.log().contains(digest) && !server.log().contains(KEY));
}

/// Sender, receiver and message of what was pushed after the first ones.
fn told_after(vendor: &Vendor, count: usize) -> Vec<Value> {
    let pushed = vendor.pushed().into_iter().skip(count);
    pushed
        .map(|(from, to, _, it)| json!([from, to, it]))
        .collect()
}

#[test]
fn a_call_goes_through_its_states() {
    let (vendor, server) = started(&[(1, 1), (2, 1)], "transport = relay\n");
    let body = format!("{{\"from\":1,\"to\":2,\"sid\":\"{SID}\"}}");
    assert_eq!(create(&server, &body).status, 201);
    assert_eq!(
        call(&server, SID)["url"],
        format!("http://203.195.157.248:80/stream/{SID}-1")
    );
    assert_eq!(create(&server, &body).status, 200);
    assert_eq!(
        refused(&create(
            &server,
            &body
                .replace("\"to\":2", "\"to\":1")
                .replace("\"from\":1", "\"from\":2")
        )),
        (409, "sid-in-use".into())
    );
    assert_eq!(act(&server, SID, "ringing", 2).json()["state"], "ringing");
    assert_eq!(
        refused(&act(&server, SID, "accept", 1)),
        (409, "bad-state".into())
    );
    assert_eq!(
        refused(&act(&server, SID, "end", 3)),
        (403, "not-a-party".into())
    );
    assert_eq!(act(&server, SID, "accept", 2).json()["state"], "talking");
    assert_eq!(
        refused(&act(&server, SID, "cancel", 1)),
        (409, "bad-state".into())
    );
    let ended = act(&server, SID, "end", 1).json();
    assert_eq!(
        (&ended["state"], &ended["reason"]),
        (&"ended".into(), &"end".into())
    );
    assert_eq!(act(&server, SID, "end", 2).status, 200);
    assert_eq!(
        refused(&act(&server, "fedcba9876543210", "end", 2)),
        (404, "unknown-id".into())
    );
    assert_eq!(
        refused(&act(&server, SID, "dance", 2)),
        (404, "not-found".into())
    );
    let told = told_after(&vendor, 1);
    let message = |kind: &str, from: u32| json!({ "t": kind, "sid": SID, "from": from });
    assert_eq!(
        told,
        [
            json!([2, 1, message("ringing", 2)]),
            json!([2, 1, message("accept", 2)]),
            json!([1, 2, message("end", 1)]),
        ]
    );
    let all = server.operate("GET", "/calls", "").json();
    assert_eq!(all["calls"].as_array().unwrap().len(), 1);
    assert_eq!(server.metric("callrec_calls_placed_total"), 1);
}

#[test]
fn refusals_have_their_order() {
    let (vendor, server) = started(&[(1, 1), (2, 1), (3, 0), (4, 255), (5, 5), (6, 1)], "");
    let refusal = |body: &str| refused(&create(&server, body));
    let unknown = (404, "unknown-device".to_owned());
    let offline = |who: &str| (424, format!("{who}-offline"));
    assert_eq!(refusal("{\"from\":9,\"to\":2}"), unknown);
    assert_eq!(refusal("{\"from\":1,\"to\":9}"), unknown);
    assert_eq!(refusal("{\"from\":3,\"to\":2}"), offline("caller"));
    assert_eq!(refusal("{\"from\":1,\"to\":3}"), offline("callee"));
    assert_eq!(refusal("{\"from\":1,\"to\":4}"), offline("callee"));
    assert_eq!(create(&server, "{\"from\":5,\"to\":6}").status, 201);
    let busy = (409, "busy".to_owned());
    assert_eq!(refusal("{\"from\":1,\"to\":6}"), busy);
    assert_eq!(refusal("{\"from\":3,\"to\":6}"), busy);
    assert_eq!(refusal("{\"from\":5,\"to\":2}"), busy);
    assert_eq!(refusal("{\"from\":1,\"to\":[9,6,3]}"), unknown);
    assert_eq!(refusal("{\"from\":1,\"to\":[6,3]}"), busy);
    assert_eq!(refusal("{\"from\":1,\"to\":[3,4]}"), offline("callee"));
    for body in [
        "{}",
        "{",
        "[]",
        "{\"from\":1}",
        "{\"to\":1}",
        "{\"from\":1,\"to\":1}",
        "{\"from\":1,\"to\":[]}",
        "{\"from\":1,\"to\":2,\"sid\":\"x\"}",
        "{\"from\":-1,\"to\":2}",
        "{\"from\":1,\"to\":2,\"sid\":5}",
    ] {
        assert_eq!(create(&server, body).status, 400, "{body}");
    }
    assert_eq!(vendor.pushed().len(), 1);
    let forced = server.operate("POST", "/calls?force=1", "{\"from\":1,\"to\":3}");
    assert_eq!(forced.status, 201);
    assert_eq!(vendor.pushed().len(), 2);
}

#[test]
fn nobody_asks_without_a_key() {
    let (_vendor, server) = started(&[(1, 1), (2, 1), (3, 1), (4, 1)], "");
    let expired = token_until(1, unix_now() - 1);
    let bearer = format!("Bearer {API_KEY}x");
    for headers in [
        vec![],
        vec![("Authorization", bearer.as_str())],
        vec![("Authorization", API_KEY)],
        vec![("X-Client-Token", expired.as_str())],
        vec![("X-Client-Token", "1_2_3")],
    ] {
        for (method, path) in [
            ("POST", "/calls"),
            ("GET", "/calls"),
            ("GET", "/calls/x"),
            ("POST", "/calls/x/end"),
            ("PUT", "/calls"),
            ("GET", "/nowhere"),
        ] {
            let reply = server.ask(method, path, &headers, "{");
            assert_eq!(
                refused(&reply),
                (401, "unauthorised".into()),
                "{method} {path}"
            );
        }
    }
    assert_eq!(server.ask("GET", "/healthz", &[], "").status, 200);
    assert_eq!(server.ask("GET", "/metrics", &[], "").status, 200);
}

#[test]
fn phones_speak_for_themselves() {
    let (_vendor, server) = started(&[(1, 1), (2, 1), (3, 1), (4, 1)], "");
    let phone =
        |cid: u32, method: &str, path: &str, body: &str| server.as_device(cid, method, path, body);
    assert_eq!(
        phone(
            1,
            "POST",
            "/calls",
            &format!("{{\"to\":2,\"sid\":\"{SID}\"}}")
        )
        .status,
        201
    );
    assert_eq!(
        refused(&phone(3, "POST", "/calls", "{\"from\":4,\"to\":2}")),
        (403, "not-a-party".into())
    );
    let path = format!("/calls/{SID}");
    assert_eq!(phone(2, "GET", &path, "").json()["state"], "sent");
    assert_eq!(
        refused(&phone(3, "GET", &path, "")),
        (404, "unknown-id".into())
    );
    assert_eq!(
        refused(&phone(3, "POST", &format!("{path}/end"), "")),
        (404, "unknown-id".into())
    );
    assert_eq!(
        refused(&phone(2, "POST", &format!("{path}/end"), "{\"from\":1}")),
        (403, "not-a-party".into())
    );
    assert_eq!(
        phone(2, "POST", &format!("{path}/accept"), "").json()["state"],
        "talking"
    );
    assert_eq!(phone(3, "GET", "/calls", "").json()["calls"], json!([]));
    assert_eq!(phone(1, "GET", "/calls", "").json()["calls"][0]["sid"], SID);
}

#[test]
fn several_callees_and_the_first_to_accept() {
    let (vendor, server) = started(&[(1, 1), (2, 1), (3, 0), (4, 1), (5, 1)], "");
    let body = format!("{{\"from\":1,\"to\":[2,3,4,5,9],\"sid\":\"{SID}\"}}");
    let view = create(&server, &body).json();
    assert_eq!(view["to"], json!([2, 3, 4, 5, 9]));
    let told: Vec<u64> = vendor.pushed().iter().map(|(_, to, _, _)| *to).collect();
    assert_eq!(told, [2, 4, 5]);
    assert_eq!(act(&server, SID, "decline", 2).status, 200);
    assert_eq!(vendor.pushed().len(), 3, "silently");
    assert_eq!(act(&server, SID, "accept", 5).json()["state"], "talking");
    let last: Vec<Value> = vendor
        .pushed()
        .into_iter()
        .skip(3)
        .map(|(from, to, _, it)| json!([from, to, it]))
        .collect();
    assert_eq!(
        last,
        [
            json!([5, 1, { "t": "accept", "sid": SID, "from": 5 }]),
            json!([1, 4, { "t": "cancel", "sid": SID, "from": 1, "reason": "answered_elsewhere" }]),
        ]
    );
    assert_eq!(
        refused(&act(&server, SID, "accept", 4)),
        (409, "bad-state".into())
    );
    assert_eq!(create(&server, "{\"from\":4,\"to\":2}").status, 201);
}

#[test]
fn of_crossing_calls_that_of_the_lower_cid_lives() {
    let (vendor, server) = started(&[(1, 1), (2, 1)], "");
    let old = create(&server, "{\"from\":2,\"to\":1}").json();
    assert_eq!(create(&server, "{\"from\":1,\"to\":2}").status, 201);
    let old = call(&server, old["sid"].as_str().unwrap());
    assert_eq!(
        (&old["state"], &old["reason"]),
        (&"ended".into(), &"glare".into())
    );
    assert_eq!(vendor.pushed().len(), 2, "silently");
    assert_eq!(
        refused(&create(&server, "{\"from\":2,\"to\":1}")),
        (409, "busy".into())
    );
}
