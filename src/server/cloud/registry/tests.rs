use super::*;

const DEVICE: Device = Device { app: 0, cid: 7 };

fn registry() -> (Registry, Instant, SocketAddr) {
    let peer = SocketAddr::from(([192, 0, 2, 1], 5));
    (
        Registry::new(Duration::from_secs(120), 0),
        Instant::now(),
        peer,
    )
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn received(receiver: &mut mpsc::Receiver<Bytes>) -> Vec<String> {
    let mut all = vec![];
    while let Ok(frame) = receiver.try_recv() {
        all.push(String::from_utf8(frame.to_vec()).unwrap());
    }
    all
}

fn message(flag: u8) -> Outgoing {
    Outgoing {
        to: DEVICE,
        from: 0,
        flag,
        message: "aGVsbG8=".into(),
    }
}

#[test]
fn a_device_is_there_until_it_was_gone_for_the_presence_time() {
    let (mut registry, now, peer) = registry();
    let state = |registry: &Registry, at| registry.states(at, 0, Some(vec![7]))[0].state;
    assert_eq!(state(&registry, now), 0);
    assert!(registry.states(now, 0, None).is_empty());
    let (number, _receiver) = registry.open_channel(now, DEVICE, peer).unwrap();
    assert_eq!(state(&registry, now), 1);
    registry.begin_publication(now, DEVICE, peer).unwrap();
    assert_eq!(state(&registry, now), 4);
    registry.close_channel(now, DEVICE, number + 1); // another one's end
    registry.close_channel(now, DEVICE, number);
    assert_eq!(state(&registry, now + seconds(500)), 4);
    let end = now + seconds(600);
    registry.end_publication(end, DEVICE);
    assert_eq!(state(&registry, end + seconds(119)), 1);
    assert_eq!(state(&registry, end + seconds(120)), 0);
    registry.handle_timeout(end + seconds(120));
    let told: Vec<u8> = registry
        .changes
        .iter()
        .map(|change| change.state.state)
        .collect();
    assert_eq!(told, [1, 4, 1, 0]);
    assert_eq!(registry.states(now, 0, None).len(), 1);
    assert_eq!(registry.states(now, 1, None).len(), 0);
    assert_eq!(registry.added, [DEVICE]);
}

#[test]
fn a_second_channel_replaces_the_first() {
    let (mut registry, now, peer) = registry();
    let (first, mut old) = registry.open_channel(now, DEVICE, peer).unwrap();
    let (_, mut new) = registry.open_channel(now, DEVICE, peer).unwrap();
    let expected = [
        "data: {\"Name\":\"Online\"}\n\n",
        "data: {\"Name\":\"OffLine\",\"Message\":\"replaced\"}\n\n",
    ];
    assert_eq!(received(&mut old), expected);
    assert_eq!(old.try_recv(), Err(mpsc::error::TryRecvError::Disconnected));
    registry.close_channel(now, DEVICE, first);
    registry.push(now, &message(3), None);
    assert_eq!(received(&mut new).len(), 2);
    assert_eq!(registry.sizes(), [1, 1, 0]);
}

#[test]
fn flag_2_is_sent_again_to_whichever_channel_is_open_and_flag_3_once() {
    let (mut registry, now, peer) = registry();
    registry.push(now, &message(2), None);
    registry.push(now, &message(3), None);
    assert_eq!(registry.counts.lost, 2);
    assert!(registry.states(now, 0, None).is_empty(), "it was not seen");
    registry.handle_timeout(now + seconds(1));
    let (_, mut receiver) = registry
        .open_channel(now + seconds(2), DEVICE, peer)
        .unwrap();
    registry.handle_timeout(now + seconds(3));
    registry.handle_timeout(now + seconds(6));
    let frames = received(&mut receiver);
    let expected = "id: 1\ndata: {\"Name\":\"PopMessage\",\"Message\":\"aGVsbG8=\",\"SrcID\":0,\"Flag\":2}\n\n";
    assert_eq!(frames[1..], [expected, expected]);
    registry.acknowledge(DEVICE, 1, 9);
    registry.acknowledge(DEVICE, 1, 9);
    registry.handle_timeout(now + seconds(11));
    assert!(received(&mut receiver).is_empty());
    assert_eq!(registry.counts.acknowledged, 1);
    assert_eq!(registry.next_deadline(), None);
}

#[test]
fn an_offline_device_makes_room_and_an_open_one_does_not() {
    let (mut registry, now, peer) = registry();
    for cid in 1..=MAX_DEVICES as u32 {
        registry.remember(Device { app: 0, cid });
    }
    let new = Device { app: 1, cid: 1 };
    registry.open_channel(now, new, peer).unwrap();
    assert_eq!((registry.added.len(), registry.forgotten.len()), (1, 1));
    assert_eq!(registry.sizes()[1], MAX_DEVICES);
}
