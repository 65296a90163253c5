use super::actions::{Action, NoAction};
use super::*;

const SID: &str = "0123456789abcdef";

fn book() -> (Book, When) {
    let book = Book::new(Duration::from_secs(60), Duration::from_secs(14_400));
    let when = When {
        now: Instant::now(),
        unix: 1000,
    };
    (book, when)
}

fn later(when: When, seconds: u64) -> When {
    When {
        now: when.now + Duration::from_secs(seconds),
        unix: when.unix + seconds,
    }
}

fn new(sid: &str, from: u32, to: &[u32]) -> NewCall {
    NewCall {
        sid: sid.into(),
        from,
        to: to.to_vec(),
        to_is_list: to.len() > 1,
        online: to.to_vec(),
        asleep: vec![],
        shown_url: String::new(),
    }
}

fn placed(book: &mut Book, when: When, sid: &str, from: u32, to: &[u32]) -> Vec<(Kind, u32)> {
    match book.add(when, new(sid, from, to)) {
        Ok(Placed::New(notices)) => short(&notices),
        Ok(Placed::Again) => panic!("it was there"),
        Err(refusal) => panic!("{refusal:?}"),
    }
}

fn short(notices: &[Notice]) -> Vec<(Kind, u32)> {
    notices
        .iter()
        .map(|notice| (notice.kind, notice.to))
        .collect()
}

fn act(book: &mut Book, when: When, kind: Kind, from: u32) -> Result<Vec<(Kind, u32)>, NoAction> {
    let action = Action {
        kind,
        from,
        reason: "",
    };
    book.act(when, SID, action).map(|notices| short(&notices))
}

fn state(book: &Book, sid: &str) -> (CallState, Option<String>) {
    let call = book.get(sid).unwrap();
    (call.state, call.reason.clone())
}

#[test]
fn a_call_rings_talks_and_ends() {
    let (mut book, when) = book();
    assert_eq!(placed(&mut book, when, SID, 1, &[2]), []);
    assert_eq!(state(&book, SID).0, CallState::Sent);
    assert_eq!(
        act(&mut book, later(when, 1), Kind::Ringing, 2),
        Ok(vec![(Kind::Ringing, 1)])
    );
    assert_eq!(
        act(&mut book, later(when, 2), Kind::Accept, 2),
        Ok(vec![(Kind::Accept, 1)])
    );
    assert_eq!(
        act(&mut book, later(when, 9), Kind::End, 1),
        Ok(vec![(Kind::End, 2)])
    );
    assert_eq!(act(&mut book, later(when, 9), Kind::End, 2), Ok(vec![]));
    let view = book.get(SID).unwrap().view();
    for (key, value) in [
        ("created", 1000),
        ("ringing", 1001),
        ("talking", 1002),
        ("ended", 1009),
    ] {
        assert_eq!(view[key], value, "{key}");
    }
    assert_eq!((&view["to"], &view["reason"]), (&2.into(), &"end".into()));
    assert!(!book.is_busy(1, 5) && !book.is_busy(2, 5));
    assert_eq!(book.endings, ["end"]);
}

#[test]
fn each_party_may_do_only_its_own() {
    use Kind::{Accept, Busy, Cancel, Decline, End, Keep, OpenDoor, Ringing};
    let bad = Err(NoAction::BadState);
    let once = |prepared: &[(Kind, u32)], kind, from| {
        let (mut book, when) = book();
        placed(&mut book, when, SID, 1, &[2]);
        for (kind, from) in prepared {
            act(&mut book, when, *kind, *from).unwrap();
        }
        (act(&mut book, when, kind, from), state(&book, SID))
    };
    for kind in [Ringing, Accept, Decline, Busy] {
        assert_eq!(once(&[], kind, 1).0, bad, "{kind:?}");
        assert_eq!(once(&[(Accept, 2)], kind, 2).0, bad, "{kind:?}");
        assert_eq!(once(&[(Accept, 2)], kind, 1).0, bad, "{kind:?}");
    }
    assert_eq!(once(&[], Cancel, 2).0, bad);
    assert_eq!(once(&[(Accept, 2)], Cancel, 1).0, bad);
    for kind in [Ringing, End, Keep] {
        assert_eq!(once(&[], kind, 3).0, Err(NoAction::NotAParty));
    }
    let ended = |word: &str| (CallState::Ended, Some(word.to_owned()));
    assert_eq!(
        once(&[], Decline, 2),
        (Ok(vec![(Decline, 1)]), ended("decline"))
    );
    assert_eq!(
        once(&[(Ringing, 2)], Busy, 2),
        (Ok(vec![(Busy, 1)]), ended("busy"))
    );
    assert_eq!(
        once(&[], End, 2),
        (Ok(vec![(Decline, 1)]), ended("decline"))
    );
    assert_eq!(once(&[], End, 1), (Ok(vec![(Cancel, 2)]), ended("cancel")));
    assert_eq!(
        once(&[(Ringing, 2)], Cancel, 1),
        (Ok(vec![(Cancel, 2)]), ended("cancel"))
    );
    assert_eq!(
        once(&[(Accept, 2)], End, 2),
        (Ok(vec![(End, 1)]), ended("end"))
    );
    assert_eq!(
        once(&[(Cancel, 1)], Accept, 2),
        (Ok(vec![]), ended("cancel"))
    );
    assert_eq!(once(&[], OpenDoor, 2).0, Ok(vec![(OpenDoor, 1)]));
    let (mut book, when) = book();
    assert_eq!(act(&mut book, when, End, 1), Err(NoAction::UnknownId));
}

#[test]
fn of_several_callees_the_first_to_accept_wins() {
    let (mut book, when) = book();
    placed(&mut book, when, SID, 1, &[2, 3, 4]);
    assert_eq!(act(&mut book, when, Kind::Decline, 2), Ok(vec![]));
    assert!(!book.is_busy(2, 9), "who is out is free");
    assert_eq!(act(&mut book, when, Kind::Decline, 2), Ok(vec![]));
    assert_eq!(
        act(&mut book, when, Kind::Accept, 2),
        Err(NoAction::BadState)
    );
    let accept = Action {
        kind: Kind::Accept,
        from: 4,
        reason: "",
    };
    let notices = book.act(when, SID, accept).unwrap();
    assert_eq!(short(&notices), [(Kind::Accept, 1), (Kind::Cancel, 3)]);
    assert_eq!(
        (notices[1].from, notices[1].reason.as_str()),
        (1, "answered_elsewhere")
    );
    assert!(!book.is_busy(3, 9) && book.is_busy(4, 9));
    assert_eq!(
        act(&mut book, when, Kind::Accept, 3),
        Err(NoAction::BadState)
    );
    assert_eq!(act(&mut book, when, Kind::End, 1), Ok(vec![(Kind::End, 4)]));
    let (mut book, when) = self::book();
    placed(&mut book, when, SID, 1, &[2, 3]);
    assert_eq!(act(&mut book, when, Kind::Decline, 2), Ok(vec![]));
    assert_eq!(
        act(&mut book, when, Kind::Busy, 3),
        Ok(vec![(Kind::Busy, 1)])
    );
    assert_eq!(state(&book, SID), (CallState::Ended, Some("busy".into())));
}

#[test]
fn of_crossing_calls_that_of_the_lower_cid_lives() {
    let (mut book, when) = book();
    placed(&mut book, when, "old", 2, &[1]);
    assert!(!book.is_busy(2, 1) && !book.is_caller_busy(1, &[2]));
    assert_eq!(placed(&mut book, when, SID, 1, &[2]), []);
    assert_eq!(
        state(&book, "old"),
        (CallState::Ended, Some("glare".into()))
    );
    assert_eq!(state(&book, SID).0, CallState::Sent);
    // The higher one's call does not begin.
    assert!(matches!(
        book.add(when, new("late", 2, &[1])),
        Err(Refusal::Busy)
    ));
    // Once they talk nothing crosses.
    act(&mut book, when, Kind::Accept, 2).unwrap();
    assert!(matches!(
        book.add(when, new("late", 2, &[1])),
        Err(Refusal::Busy)
    ));
    assert!(matches!(
        book.add(when, new("late", 1, &[2])),
        Err(Refusal::Busy)
    ));
}

#[test]
fn the_same_call_is_made_once_and_ids_belong_to_one_call() {
    let (mut book, when) = book();
    placed(&mut book, when, SID, 1, &[2]);
    assert!(matches!(
        book.add(when, new(SID, 1, &[2])),
        Ok(Placed::Again)
    ));
    assert!(matches!(
        book.add(when, new(SID, 1, &[3])),
        Err(Refusal::SidInUse)
    ));
    assert!(matches!(
        book.add(when, new("x", 3, &[2])),
        Err(Refusal::Busy)
    ));
    assert!(matches!(
        book.add(when, new("x", 2, &[3])),
        Err(Refusal::Busy)
    ));
}

#[test]
fn calls_end_by_themselves_and_are_forgotten() {
    let (mut book, when) = book();
    placed(&mut book, when, SID, 1, &[2]);
    assert!(book.handle_timeout(later(when, 59)).is_empty());
    let notices = book.handle_timeout(later(when, 60));
    assert_eq!(short(&notices), [(Kind::Cancel, 2)]);
    assert_eq!(
        state(&book, SID),
        (CallState::Ended, Some("no_answer".into()))
    );
    book.handle_timeout(later(when, 60 + 3600));
    assert!(book.get(SID).is_none() && book.next_deadline().is_none());
    placed(&mut book, when, SID, 1, &[2]);
    act(&mut book, when, Kind::Accept, 2).unwrap();
    let notices = book.handle_timeout(later(when, 14_400));
    assert_eq!(short(&notices), [(Kind::End, 1), (Kind::End, 2)]);
    assert!(notices.iter().all(|notice| notice.reason == "max_duration"));
    for number in 0..MAX_ENDED + 5 {
        let sid = number.to_string();
        placed(&mut book, later(when, number as u64), &sid, 1, &[2]);
        book.finish(later(when, number as u64), &sid, "end");
    }
    assert_eq!(book.newest_first().count(), MAX_ENDED);
    assert!(book.get("0").is_none());
    assert_eq!(
        book.newest_first().next().unwrap().sid,
        (MAX_ENDED + 4).to_string()
    );
}
