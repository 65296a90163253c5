//! A screen's link to its box, and the alarms that come over it, in virtual time.

use crate::virtual_intercom::{settings, Device};
use callrec::base::time::Instant;
use callrec::proto::intercom::endpoint::settings::Role;
use callrec::wire::intercom::{text, Message};

#[test]
fn a_screen_joins_again_after_growing_pauses() {
    let mut screen = Device::joined();
    assert_eq!(screen.endpoint.next_deadline(), Instant::NEVER);
    screen.check(&[("lost", "BoxEvent lost lost", "")]);
    let mut pauses = vec![];
    for _ in 0..8 {
        let lost_at = screen.now;
        let at = screen.endpoint.next_deadline();
        pauses.push(at.since(lost_at).millis());
        screen.pass(at.since(lost_at));
        screen.outputs.clear();
        screen.check(&[("lost", "", "")]);
    }
    for (pause, plain) in pauses.iter().zip([1, 2, 4, 8, 16, 30, 30, 30]) {
        assert!((plain * 800..=plain * 1200).contains(pause), "{pauses:?}");
    }
    let mut other = Device::new(settings(Role::Screen));
    other.check(&[
        ("+0", "connect 192.168.1.22:7891", ""),
        ("+10000", "close; BoxEvent lost unreachable", ""),
    ]);
}

#[test]
fn a_refused_screen_stays_away_for_30_s() {
    let mut screen = Device::new(settings(Role::Screen));
    screen.check(&[
        ("+0", "connect 192.168.1.22:7891", ""),
        ("connected", "> join_family secret", ""),
        ("< call_req", "", ""),
        ("dial", "refused no-box", ""),
        (
            "< join_reject unauthorised",
            "BoxEvent refused unauthorised; close",
            "",
        ),
        ("+29999", "", ""),
        ("+1", "connect 192.168.1.22:7891", ""),
        ("connected", "> join_family secret", ""),
        ("< join_accept", "BoxEvent joined", ""),
        (
            "< join_reject replaced",
            "BoxEvent replaced replaced; close",
            "",
        ),
        ("+29999", "", ""),
        ("+1", "connect 192.168.1.22:7891", ""),
        ("connected", "> join_family secret", ""),
    ]);
    let shown = screen.put("+5000");
    assert!(
        shown.starts_with("close"),
        "no answer to join_family: {shown}"
    );
}

#[test]
fn an_alarm_is_told_once_and_acknowledged() {
    let mut screen = Device::joined();
    screen.check(&[
        ("ack 3", "refused unknown-id", ""),
        ("< alarm id=a1", "AlarmEvent raised", ""),
        ("< alarm id=a1", "", ""),
        ("< alarm id=a2", "AlarmEvent raised", ""),
        ("ack 4", "refused unknown-id", ""),
        ("ack 3", "> seczone_ack a1; > seczone_ack a2", ""),
        ("< clear acked id=a1", "AlarmEvent acked", ""),
        ("< clear acked id=a1", "", ""),
        ("< clear cleared id=a2", "AlarmEvent cleared", ""),
        ("ack 3", "refused unknown-id", ""),
    ]);
    // It does not disturb a call.
    screen.check(&[
        ("< call_req", "CallEvent incoming", "incoming"),
        ("< alarm id=a3", "AlarmEvent raised", "incoming"),
    ]);
    let by = text("2-1-201");
    screen.put("ack 3");
    assert_eq!(
        screen.sent(),
        Message::SeczoneAck {
            alarm: text("a3"),
            by
        }
    );
}
