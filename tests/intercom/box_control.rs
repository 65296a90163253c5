//! The control socket of the running `callrec-box`: status, tokens, alarms, not being disturbed.
#![cfg(feature = "box")]

use std::time::{Duration, Instant};

use crate::common::home_box::HomeBox;
use crate::common::intercom::{Peer, CALL_REQ};
use crate::common::{run, wait_for};

#[test]
fn screens_join_with_good_tokens_only() {
    let home = HomeBox::new("");
    let mut watch = home.control();
    watch.ask("cmd=SubscribeRequest");
    let mut stranger = Peer::connect(&home.family());
    stranger.say(r#"{"name":"join_family","values":{"token":"AAAA","id":"x","type":1}}"#);
    assert_eq!(stranger.hear("join_reject")["reason"], "unauthorised");
    stranger.hear_end();
    assert_eq!(
        watch.until("JoinEvent", "refused").value("reason"),
        "unauthorised"
    );
    let first = home.screen("panel", "1");
    let joined = watch.until("JoinEvent", "joined");
    assert_eq!(
        (joined.value("device"), joined.value("type")),
        ("panel".into(), "1".into())
    );
    let _phone = home.screen("phone", "2");
    let status = home.ask("cmd=StatusRequest");
    assert_eq!(status.value("screens"), "2");
    assert_eq!(status.value("devices"), "panel,phone");
    assert_eq!(
        (status.value("call"), status.value("alarms")),
        ("free".into(), "0".into())
    );
    let _again = home.screen("panel", "1");
    assert_eq!(
        watch.until("JoinEvent", "replaced").value("device"),
        "panel"
    );
    drop(first);
}

#[test]
fn a_revoked_token_puts_its_screen_out() {
    let home = HomeBox::new("");
    let made = home.ask("cmd=TokenRequest&device=tablet&type=1&days=30");
    let token = made.value("token");
    let join = format!(r#"{{"name":"join_family","values":{{"token":"{token}"}}}}"#);
    for by_command in [false, true] {
        let mut screen = home.screen("phone", "2");
        if by_command {
            let config = home.path("box.conf");
            let arguments = ["token", "revoke", "--device", "phone", "-c", &config];
            assert!(run(env!("CARGO_BIN_EXE_callrec-box"), &arguments)
                .status
                .success());
        } else {
            assert!(home.ask("cmd=TokenRevokeRequest&device=phone").success());
        }
        assert_eq!(screen.hear("join_reject")["reason"], "unauthorised");
        screen.hear_end();
    }
    let mut tablet = Peer::connect(&home.family());
    tablet.say(&join);
    tablet.hear("join_accept");
}

#[test]
fn alarms_reach_the_screens_and_are_acknowledged() {
    let home = HomeBox::new("");
    let mut watch = home.control();
    watch.ask("cmd=SubscribeRequest");
    let alarm = home.ask("cmd=AlarmRequest&port=3&name=smoke&message=kitchen");
    assert!(alarm.success());
    let mut panel = home.screen("panel", "1");
    let told = panel.hear("seczone_emergency");
    assert_eq!(
        (&told["port"], &told["name"]),
        (&"3".into(), &"smoke".into())
    );
    assert_eq!(told["alarm"], alarm.value("alarm"));
    let ack = format!(
        r#"{{"name":"seczone_ack","values":{{"alarm":"{}","by":"panel"}}}}"#,
        alarm.value("alarm")
    );
    panel.say(&ack);
    assert_eq!(panel.hear("seczone_clear")["reason"], "acked");
    assert_eq!(watch.until("AlarmEvent", "acked").value("by"), "panel");
    assert_eq!(
        home.ask("cmd=AlarmClearRequest&port=3").value("reason"),
        "unknown-id: no alarm of this port"
    );
    home.ask("cmd=AlarmRequest&port=7&name=door&message=");
    panel.hear("seczone_emergency");
    assert!(home.ask("cmd=AlarmClearRequest&port=7").success());
    assert_eq!(panel.hear("seczone_clear")["reason"], "cleared");
}

#[test]
fn a_home_that_is_not_to_be_disturbed_refuses_doors() {
    let home = HomeBox::new("");
    let mut panel = home.screen("panel", "1");
    assert!(home.ask("cmd=DndRequest&minutes=5").success());
    let seconds: u64 = home
        .ask("cmd=StatusRequest")
        .value("dnd_s")
        .parse()
        .unwrap();
    assert!((1..=300).contains(&seconds));
    let mut door = Peer::connect(&home.call());
    door.say(CALL_REQ);
    assert_eq!(door.hear("call_reject")["reason"], "call_denied");
    let mut property = Peer::connect(&home.call());
    property.say(&CALL_REQ.replace("\"type\":3", "\"type\":4"));
    panel.hear("call_req");
    drop(property);
    panel.hear("call_end");
    assert!(home.ask("cmd=DndRequest&minutes=0").success());
    let mut door = Peer::connect(&home.call());
    door.say(CALL_REQ);
    panel.hear("call_req");
}

#[test]
fn a_closed_peer_that_stays_costs_nothing() {
    let home = HomeBox::new("");
    let wakeups = || {
        let stats = home.ask("cmd=StatsRequest");
        stats.value("wakeups").parse::<u64>().unwrap()
    };
    let before = wakeups();
    let mut stranger = Peer::connect(&home.family());
    stranger.say(r#"{"name":"join_family","values":{"token":"AAAA"}}"#);
    stranger.hear("join_reject");
    // The box gives it a second to read that; it reads nothing more and closes nothing.
    stranger.hear_end();
    wait_for("its connection to be given up", || {
        home.log().contains("state=refused")
    });
    std::thread::sleep(Duration::from_millis(1200));
    let woken = wakeups() - before;
    assert!(woken < 40, "{woken} wake-ups");
}

#[test]
fn bad_requests_are_refused_with_words() {
    let home = HomeBox::new("");
    for (request, reason) in [
        (
            "cmd=DanceRequest",
            "bad-request: unknown command DanceRequest",
        ),
        ("hello", "bad-request: no cmd="),
        ("cmd=TokenRequest", "bad-request: device is missing"),
        (
            "cmd=TokenRequest&device=a&type=7",
            "bad-request: type must be a number from 0 to 2",
        ),
        ("cmd=DndRequest", "bad-request: minutes is missing"),
        (
            "cmd=DndRequest&minutes=x",
            "bad-request: minutes must be a number from 0 to 10080",
        ),
        (
            "cmd=AlarmRequest&port=8&name=a",
            "bad-request: port must be a number from 0 to 7",
        ),
    ] {
        assert_eq!(home.ask(request).value("reason"), reason, "{request}");
    }
    let twice = home.ask("cmd=AlarmRequest&port=1&port=2&name=a");
    assert_eq!(twice.value("reason"), "bad-request: port stands twice");
    let broken = home.ask("cmd=TokenRequest&device=%ZZ");
    assert_eq!(broken.reason(), "bad-request");
    let answer = home.ask("cmd=StatusRequest&colour=red");
    assert_eq!(answer.value("ignored"), "colour");
    let unknown = home.ask("cmd=TokenRevokeRequest&device=nobody");
    assert_eq!(unknown.reason(), "unknown-id");
}

#[test]
fn an_idle_box_sleeps() {
    let home = HomeBox::new("");
    // One connection for all questions, whose beginning is over: what a question costs is known. That
    // the reply to the one before was read wakes the box, and the question itself.
    const ASKED: u64 = 2;
    let mut control = home.control();
    assert!(control.ask("cmd=StatsRequest").success());
    let mut woken_in_three_seconds = || {
        let mut wakeups = || {
            let stats = control.ask("cmd=StatsRequest");
            stats.value("wakeups").parse::<u64>().unwrap()
        };
        let before = wakeups();
        let began_at = Instant::now();
        std::thread::sleep(Duration::from_secs(3));
        (wakeups() - before, began_at.elapsed().as_secs())
    };
    let (woken, _) = woken_in_three_seconds();
    assert!(woken <= ASKED, "{woken} wake-ups");
    // With screens it looks for revoked tokens once a second.
    let _screens: Vec<Peer> = (0..3)
        .map(|n| home.screen(&format!("screen{n}"), "1"))
        .collect();
    let (woken, seconds) = woken_in_three_seconds();
    assert!(
        woken <= ASKED + seconds + 1,
        "{woken} wake-ups in {seconds} s"
    );
    assert!(woken > ASKED, "it looks");
}
