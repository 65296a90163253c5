//! `GET /try` of `callrec-server calls` in Chromium: it places and answers a call.
#![cfg(all(feature = "cloud-server", feature = "tools"))]

use crate::common::browser::Browser;
use crate::common::made::Folder;
use crate::harness::{calls, cloud, token};
use serde_json::json;

const A: u32 = 1_000_001;
const B: u32 = 1_000_002;

#[test]
#[ignore = "needs chromium"]
fn a_browser_places_and_answers_a_call() {
    let cloud = cloud("");
    let server = calls(&format!("http://{}", cloud.address), "transport = relay\n");
    let mut other = cloud.channel(B);
    let folder = Folder::new();
    let mut browser = Browser::start(&folder, "en");
    let url = format!("http://{}/try", server.address);
    browser.call("Page.navigate", json!({ "url": url }));
    browser.wait("document.readyState === 'complete' && document.getElementById('online')");
    assert_eq!(
        browser.text("document.getElementById('cloud').value"),
        format!("http://{}", cloud.address)
    );
    let state = |word: &str| format!("document.getElementById('state').textContent === '{word}'");
    let click = |id: &str| format!("document.getElementById('{id}').click()");

    browser.value(&format!(
        "document.getElementById('token').value = '{}'",
        token(A)
    ));
    browser.value(&click("online"));
    browser.wait(&state("online"));
    browser.value(&format!("document.getElementById('callee').value = '{B}'"));
    browser.value(&click("call"));
    browser.wait(&state("calling"));
    assert_eq!(other.next_message().1["SrcID"], A);
    let sid = server.operate("GET", "/calls", "").json()["calls"][0]["sid"]
        .as_str()
        .unwrap()
        .to_owned();
    let accepted = server.as_device(B, "POST", &format!("/calls/{sid}/accept"), "");
    assert_eq!(accepted.status, 200);
    browser.wait(&state("talking"));
    browser.value(&click("end"));
    browser.wait(&state("online"));
    let ended = || server.operate("GET", &format!("/calls/{sid}"), "").json()["state"] == "ended";
    crate::common::wait_for("the end", ended);

    let placed = server.operate("POST", "/calls", &format!("{{\"from\":{B},\"to\":{A}}}"));
    let sid = placed.json()["sid"].as_str().unwrap().to_owned();
    browser.wait(&state("rings"));
    let view = || server.operate("GET", &format!("/calls/{sid}"), "").json();
    crate::common::wait_for("it rings", || {
        view()["state"] == "ringing" && view()["delivered"].is_u64()
    });
    browser.value(&click("accept"));
    browser.wait(&state("talking"));
    assert_eq!(view()["state"], "talking");
    let end = server.as_device(B, "POST", &format!("/calls/{sid}/end"), "");
    assert_eq!(end.status, 200);
    browser.wait(&state("online"));
}
