use super::*;

fn at(millis: u64) -> Instant {
    Instant::from_nanos(1_000_000_000) + Duration::from_millis(millis)
}

fn path(number: usize) -> RecordingPath {
    RecordingPath {
        folder: "d".into(),
        stem: format!("Record_{number}"),
    }
}

fn queue(count: usize) -> UploadQueue {
    let mut queue = UploadQueue::default();
    queue.set(at(0), (0..count).map(path).collect());
    queue
}

#[test]
fn one_that_is_slow_or_fails_holds_up_no_other() {
    let mut queue = queue(100);
    let slow = queue.take(at(0)).unwrap();
    let bad = queue.take(at(0)).unwrap();
    assert_eq!(
        queue.handle_done(at(1), &bad, UploadOutcome::Failed),
        Some(at(1001))
    );
    for _ in 0..98 {
        let next = queue.take(at(2)).unwrap();
        assert_eq!(
            queue.handle_done(at(2), &next, UploadOutcome::Uploaded),
            None
        );
    }
    assert_eq!((queue.take(at(3)), queue.counts()), (Err(at(1001)), (2, 1)));
    assert_eq!(queue.take(at(1001)), Ok(bad.clone()));
    assert_eq!(
        queue.handle_done(at(1001), &bad, UploadOutcome::Failed),
        Some(at(3001)),
        "twice as late"
    );
    assert_eq!(
        queue.handle_done(at(1002), &slow, UploadOutcome::Uploaded),
        None
    );
    assert_eq!(queue.counts(), (1, 0));
}

#[test]
fn what_failed_comes_behind_what_did_not_and_has_half_of_the_threads() {
    let mut queue = queue(UPLOADS - 1);
    let all: Vec<RecordingPath> = (0..UPLOADS - 1)
        .map(|_| queue.take(at(0)).unwrap())
        .collect();
    for path in &all {
        queue.handle_done(at(0), path, UploadOutcome::Failed);
    }
    let fresh = path(50);
    queue.set(at(9000), all.iter().chain([&fresh]).cloned().collect());
    assert_eq!(queue.take(at(9000)), Ok(fresh));
    let retries = (0..UPLOADS)
        .filter(|_| queue.take(at(9000)).is_ok())
        .count();
    assert_eq!(
        (retries, queue.counts()),
        (UPLOAD_RETRIES, (UPLOADS, UPLOAD_RETRIES + 1))
    );
}

#[test]
fn a_store_that_is_down_is_asked_for_one_at_growing_distances() {
    let mut queue = queue(1000);
    let mut now = at(0);
    let first: Vec<RecordingPath> = (0..UPLOADS).map(|_| queue.take(now).unwrap()).collect();
    for path in &first {
        queue.handle_done(now, path, UploadOutcome::Failed);
    }
    for seconds in [1, 2, 4, 8, 16, 32, 60, 60] {
        let next = now + Duration::from_millis(seconds * 1000);
        assert_eq!(queue.take(now), Err(next), "quiet for {seconds} s");
        now = next;
        let path = queue.take(now).unwrap();
        assert!(queue.take(now).is_err(), "only one at a time");
        queue.handle_done(now, &path, UploadOutcome::Failed);
    }
    now = now + UPLOAD_RETRY_MOST;
    let path = queue.take(now).unwrap();
    queue.handle_done(now, &path, UploadOutcome::Uploaded);
    assert!((0..UPLOADS).all(|_| queue.take(now).is_ok()), "it is back");
    assert_eq!(queue.counts(), (999, UPLOADS));
}

#[test]
fn what_another_process_has_is_looked_at_later_and_what_is_gone_is_forgotten() {
    let mut queue = queue(2);
    let first = queue.take(at(0)).unwrap();
    assert_eq!(
        queue.handle_done(at(0), &first, UploadOutcome::Elsewhere),
        Some(at(0) + UPLOAD_INTERVAL)
    );
    let second = queue.take(at(0)).unwrap();
    queue.set(at(1), vec![]);
    assert_eq!(queue.counts(), (1, 1), "one runs");
    assert_eq!(
        queue.handle_done(at(1), &second, UploadOutcome::Uploaded),
        None
    );
    assert_eq!(queue.counts(), (0, 0));
}
